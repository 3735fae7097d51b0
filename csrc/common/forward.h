// The arithmetic of forward splatting, for one source pixel.
//
// Niklaus and Liu, "Softmax Splatting for Video Frame Interpolation", CVPR 2020, section 3.
#pragma once

#include "layout.h"
#include "scalar.h"

namespace photoflow {

enum class SplatMode : int64_t { kSum = 0, kAverage = 1, kLinear = 2, kSoftmax = 3 };

// Linear and softmax splatting weigh a pixel by its metric.
HOST_DEVICE bool uses_metric(SplatMode mode) { return mode == SplatMode::kLinear || mode == SplatMode::kSoftmax; }

// Where a displaced pixel lands: the integer pixel up and left of it, and the fraction beyond that.
template <class A, class Index = int64_t>
struct Landing {
  Index x, y;
  A fx, fy;
  bool lands;  // at least one of its four corners may be inside the image
};

// The integer part of the flow is added in integers, so that the fraction keeps the flow's own precision at any x.
// Sides are below 2^29, so that 32 bits do.
template <class A, class Index>
HOST_DEVICE Landing<A, Index> land(Index px, Index py, A u, A v, Index width, Index height) {
  const A limit = A(1 << 30);
  if (!(std::abs(u) <= limit && std::abs(v) <= limit)) return {0, 0, A(0), A(0), false};
  const A whole_u = std::floor(u), whole_v = std::floor(v);
  const Index x = px + static_cast<Index>(whole_u), y = py + static_cast<Index>(whole_v);
  return {x, y, u - whole_u, v - whole_v, x >= -1 && x < width && y >= -1 && y < height};
}

// Corner k of a landing is (x + (k & 1), y + (k >> 1)).
template <class A, class Index>
HOST_DEVICE A corner_weight(const Landing<A, Index>& at, int k) {
  return ((k & 1) ? at.fx : A(1) - at.fx) * ((k >> 1) ? at.fy : A(1) - at.fy);
}

// The index of corner k in its plane, or -1 outside the image.
template <class A, class Index>
HOST_DEVICE Index corner_index(const Landing<A, Index>& at, int k, Index width, Index height) {
  const Index x = at.x + (k & 1), y = at.y + (k >> 1);
  return x >= 0 && x < width && y >= 0 && y < height ? y * width + x : Index(-1);
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
template <class T, class Index = int64_t>
struct SplatBackward {
  using A = accumulate_t<T>;
  const T *image, *out, *grad_out;
  const A *flow, *metric, *normaliser;
  const A* grad_coverage;      // null: zero
  T* grad_image;               // null: not asked for
  A *grad_flow, *grad_metric;  // null: not asked for
  Index channels, height, width;
  Strides<Index> by, flow_by;  // of everything that has the image's channels; of the flow, not of its gradient
  SplatMode mode;

  struct Pixel {
    Landing<A, Index> landing;
    Index source;                             // of the first channel of the pixel
    Index target[4];                          // of the first channel of each corner; -1: outside
    A bilinear[4], share[4], share_slope[4];  // share_slope: ds/dmetric
    A difference[4];                          // D
  };

  HOST_DEVICE Pixel begin(Index batch, Index py, Index px) const {
    const Index plane = height * width, at = batch * plane + py * width + px;
    const A* displacement = flow + batch * flow_by.batch + py * flow_by.row + px * flow_by.pixel;
    const A weight = uses_metric(mode) ? metric[at] : A(0);
    Pixel pixel;
    pixel.landing = land(px, py, displacement[0], displacement[flow_by.channel], width, height);
    const bool lands = pixel.landing.lands && is_finite(weight);
    pixel.source = batch * by.batch + py * by.row + px * by.pixel;
    for (int k = 0; k < 4; ++k) {
      const Index corner = lands ? corner_index(pixel.landing, k, width, height) : Index(-1);
      pixel.difference[k] = pixel.share[k] = pixel.share_slope[k] = A(0);
      pixel.bilinear[k] = corner_weight(pixel.landing, k);
      pixel.target[k] = Index(-1);
      if (corner < 0) continue;
      pixel.target[k] = batch * by.batch + corner / width * by.row + corner % width * by.pixel;
      const A scale = mode == SplatMode::kSum ? A(1) : normaliser[batch * plane + corner];
      // A corner of weight 0 took no part in the target's sum, which may then be far smaller than this pixel's weight:
      // the limit keeps its one-sided derivative finite.
      const bool outsider = mode == SplatMode::kSoftmax && !(pixel.bilinear[k] > A(0)) && weight > scale;
      pixel.share[k] = share(mode, outsider ? scale : weight, scale);
      pixel.share_slope[k] = mode == SplatMode::kLinear ? scale : pixel.share[k];
    }
    return pixel;
  }

  // Adds one channel to D, and gives the gradient of that channel of the image.
  HOST_DEVICE A channel(Pixel& pixel, Index c) const {
    const A value = A(image[pixel.source + c * by.channel]);
    A gradient = A(0);
    for (int k = 0; k < 4; ++k) {
      if (pixel.target[k] < 0) continue;
      const Index place = pixel.target[k] + c * by.channel;
      const A incoming = A(grad_out[place]);
      gradient += pixel.bilinear[k] * pixel.share[k] * incoming;
      pixel.difference[k] += incoming * (mode == SplatMode::kSum ? value : value - A(out[place]));
    }
    return gradient;
  }

  // The gradients of flow and metric, once D is complete.
  HOST_DEVICE void finish(const Pixel& pixel, Index batch, Index py, Index px) const {
    const Index plane = height * width, at = py * width + px;
    const Landing<A, Index>& to = pixel.landing;
    A along_x = A(0), along_y = A(0), along_metric = A(0);
    for (int k = 0; k < 4; ++k) {
      if (pixel.target[k] < 0) continue;
      A along_weight = pixel.share[k] * pixel.difference[k];
      if (grad_coverage) along_weight += grad_coverage[batch * plane + corner_index(to, k, width, height)];
      along_x += along_weight * ((k & 1) ? A(1) : A(-1)) * ((k >> 1) ? to.fy : A(1) - to.fy);
      along_y += along_weight * ((k >> 1) ? A(1) : A(-1)) * ((k & 1) ? to.fx : A(1) - to.fx);
      along_metric += pixel.bilinear[k] * pixel.share_slope[k] * pixel.difference[k];
    }
    if (grad_flow) {
      grad_flow[(batch * 2 + 0) * plane + at] = along_x;
      grad_flow[(batch * 2 + 1) * plane + at] = along_y;
    }
    if (grad_metric) grad_metric[batch * plane + at] = along_metric;
  }

  HOST_DEVICE void operator()(Index batch, Index py, Index px) const {
    Pixel pixel = begin(batch, py, px);
    for (Index c = 0; c < channels; ++c) {
      const A gradient = channel(pixel, c);
      if (grad_image) grad_image[pixel.source + c * by.channel] = T(gradient);
    }
    finish(pixel, batch, py, px);
  }
};

}  // namespace photoflow
