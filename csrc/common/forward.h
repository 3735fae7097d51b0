// The arithmetic of forward splatting, for one source pixel.
//
// Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020, section 3.
#pragma once

#include "scalar.h"

namespace photoflow {

enum class SplatMode : int64_t { kSum = 0, kAverage = 1, kLinear = 2, kSoftmax = 3 };

// Linear and softmax splatting weigh a pixel by its metric.
HOST_DEVICE bool uses_metric(SplatMode mode) { return mode == SplatMode::kLinear || mode == SplatMode::kSoftmax; }

// Where a displaced pixel lands: the integer pixel up and left of it, and the fraction beyond that.
template <class A>
struct Landing {
  int64_t x, y;
  A fx, fy;
  bool lands;  // at least one of its four corners may be inside the image
};

// The integer part of the flow is added in integers, so that the fraction keeps the flow's own precision at any x.
template <class A>
HOST_DEVICE Landing<A> land(int64_t px, int64_t py, A u, A v, int64_t width, int64_t height) {
  const A limit = A(1 << 30);
  if (!(std::abs(u) <= limit && std::abs(v) <= limit)) return {0, 0, A(0), A(0), false};
  const A whole_u = std::floor(u), whole_v = std::floor(v);
  const int64_t x = px + static_cast<int64_t>(whole_u), y = py + static_cast<int64_t>(whole_v);
  return {x, y, u - whole_u, v - whole_v, x >= -1 && x < width && y >= -1 && y < height};
}

// Corner k of a landing is (x + (k & 1), y + (k >> 1)).
template <class A>
HOST_DEVICE A corner_weight(const Landing<A>& at, int k) {
  return ((k & 1) ? at.fx : A(1) - at.fx) * ((k >> 1) ? at.fy : A(1) - at.fy);
}

// The index of corner k in its plane, or -1 outside the image.
template <class A>
HOST_DEVICE int64_t corner_index(const Landing<A>& at, int k, int64_t width, int64_t height) {
  const int64_t x = at.x + (k & 1), y = at.y + (k >> 1);
  return x >= 0 && x < width && y >= 0 && y < height ? y * width + x : -1;
}

// What a sum is multiplied by to be normalised; 0 where nothing lands, or nothing that weighs anything.
template <class A>
HOST_DEVICE A reciprocal(A sum, A coverage, A eps) {
  const bool something = coverage > eps && std::abs(sum) >= std::numeric_limits<A>::min();
  return something ? A(1) / sum : A(0);
}

// The share of a source pixel in its target, but for the bilinear weight. `normaliser` is what forward_splat returns
// beside its result: the reciprocal of the summed weights, or for softmax their logarithm (infinite where nothing
// lands).
template <class A>
HOST_DEVICE A share(SplatMode mode, A metric, A normaliser) {
  switch (mode) {
    case SplatMode::kSum:
      return A(1);
    case SplatMode::kAverage:
      return normaliser;
    case SplatMode::kLinear:
      return metric * normaliser;
    default:
      return std::exp(metric - normaliser);
  }
}

// The gradients of one source pixel. With b the bilinear weight, s the share and q over the four corners,
//   D_q = sum_c grad_out[c, q] (image[c] - out[c, q])        (without "- out" for mode sum)
//   grad_image[c] = sum_q b_q s_q grad_out[c, q]
//   grad_b_q      = s_q D_q + grad_coverage[q]
//   grad_metric   = sum_q b_q D_q ds_q/dmetric.
// The maximum that softmax subtracts cancels in its quotient and has no gradient.
template <class T>
struct SplatBackward {
  using A = accumulate_t<T>;
  const T *image, *out, *grad_out;
  const A *flow, *metric, *normaliser, *grad_coverage;
  T* grad_image;               // null: not asked for
  A *grad_flow, *grad_metric;  // null: not asked for
  int64_t channels, height, width;
  SplatMode mode;

  HOST_DEVICE void operator()(int64_t batch, int64_t py, int64_t px) const {
    const int64_t plane = height * width, at = py * width + px;
    const A u = flow[(batch * 2 + 0) * plane + at], v = flow[(batch * 2 + 1) * plane + at];
    const A weight = uses_metric(mode) ? metric[batch * plane + at] : A(0);
    const Landing<A> landing = land(px, py, u, v, width, height);
    const bool lands = landing.lands && is_finite(weight);

    int64_t corner[4];
    A bilinear[4], portion[4], slope[4], difference[4] = {A(0), A(0), A(0), A(0)};
    for (int k = 0; k < 4; ++k) {
      corner[k] = lands ? corner_index(landing, k, width, height) : -1;
      bilinear[k] = corner_weight(landing, k);
      if (corner[k] < 0) continue;
      const A scale = mode == SplatMode::kSum ? A(1) : normaliser[batch * plane + corner[k]];
      // A corner of weight 0 took no part in the target's sum, which may then be far smaller than this pixel's weight:
      // the limit keeps its one-sided derivative finite.
      const bool outsider = mode == SplatMode::kSoftmax && !(bilinear[k] > A(0)) && weight > scale;
      portion[k] = share(mode, outsider ? scale : weight, scale);
      slope[k] = mode == SplatMode::kLinear ? scale : portion[k];
    }
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t base = (batch * channels + c) * plane;
      const A value = A(image[base + at]);
      A gradient = A(0);
      for (int k = 0; k < 4; ++k) {
        if (corner[k] < 0) continue;
        const A incoming = A(grad_out[base + corner[k]]);
        gradient += bilinear[k] * portion[k] * incoming;
        difference[k] += incoming * (mode == SplatMode::kSum ? value : value - A(out[base + corner[k]]));
      }
      if (grad_image) grad_image[base + at] = T(gradient);
    }
    A along_x = A(0), along_y = A(0), along_metric = A(0);
    for (int k = 0; k < 4; ++k) {
      if (corner[k] < 0) continue;
      const A along_weight = portion[k] * difference[k] + grad_coverage[batch * plane + corner[k]];
      along_x += along_weight * ((k & 1) ? A(1) : A(-1)) * ((k >> 1) ? landing.fy : A(1) - landing.fy);
      along_y += along_weight * ((k >> 1) ? A(1) : A(-1)) * ((k & 1) ? landing.fx : A(1) - landing.fx);
      along_metric += bilinear[k] * slope[k] * difference[k];
    }
    if (grad_flow) {
      grad_flow[(batch * 2 + 0) * plane + at] = along_x;
      grad_flow[(batch * 2 + 1) * plane + at] = along_y;
    }
    if (grad_metric) grad_metric[batch * plane + at] = uses_metric(mode) ? along_metric : A(0);
  }
};

}  // namespace photoflow
