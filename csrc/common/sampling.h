// The arithmetic of backward warping, for one output pixel: which input pixels it reads, with what weights.
#pragma once

#include "scalar.h"

namespace photoflow {

// The values are the number of pixels read along one axis.
enum class WarpMode : int64_t { kNearest = 1, kBilinear = 2, kBicubic = 4 };
enum class Padding : int64_t { kZeros = 0, kBorder = 1, kReflection = 2 };

// The pixel that stands in for index `i` of an axis of `size` pixels, or -1 for a zero.
HOST_DEVICE int64_t padded(int64_t i, int64_t size, Padding padding) {
  if (i >= 0 && i < size) return i;
  if (padding == Padding::kZeros) return -1;
  if (padding == Padding::kBorder || size == 1) return i < 0 ? 0 : size - 1;
  const int64_t period = 2 * (size - 1);
  const int64_t phase = (i % period + period) % period;
  return phase < size ? phase : period - phase;
}

// Weights of the pixels at floor(x), floor(x) + 1 for a fraction t beyond floor(x).
template <class A>
HOST_DEVICE void linear_weights(A t, A* weight) {
  weight[0] = A(1) - t;
  weight[1] = t;
}

// Weights of the pixels at floor(x) - 1 ... floor(x) + 2.
//
// Keys, "Cubic Convolution Interpolation for Digital Image Processing", IEEE TASSP 1981, equation (15), with
// a = -0.75 where Keys has -0.5: torch's grid_sample and OpenCV use that, and so do we to agree with them.
template <class A>
HOST_DEVICE void cubic_weights(A t, A* weight) {
  const A a = A(-0.75), s = A(1) - t;
  weight[0] = a * t * s * s;
  weight[1] = ((a + A(2)) * t - (a + A(3))) * t * t + A(1);
  weight[2] = ((a + A(2)) * s - (a + A(3))) * s * s + A(1);
  weight[3] = a * s * t * t;
}

// The derivatives of cubic_weights with respect to t.
template <class A>
HOST_DEVICE void cubic_slopes(A t, A* slope) {
  const A a = A(-0.75), s = A(1) - t;
  slope[0] = a * s * (s - A(2) * t);
  slope[1] = (A(3) * (a + A(2)) * t - A(2) * (a + A(3))) * t;
  slope[2] = -(A(3) * (a + A(2)) * s - A(2) * (a + A(3))) * s;
  slope[3] = a * t * (A(2) * s - t);
}

// The pixels read along one axis by an output pixel displaced by `shift`.
template <int kTaps, class A>
struct Axis {
  int64_t index[kTaps];  // -1: a zero
  A weight[kTaps], slope[kTaps];
};

// `shift` must be finite. Beyond 2^30 pixels the place no longer matters.
template <int kTaps, class A>
HOST_DEVICE Axis<kTaps, A> read_axis(int64_t pixel, A shift, int64_t size, Padding padding) {
  const A limit = A(1 << 30);
  const A moved = shift < -limit ? -limit : shift > limit ? limit : shift;
  Axis<kTaps, A> axis;
  if constexpr (kTaps == 1) {
    // Halves go to the even pixel, as in grid_sample; in float64, where the sum is exact.
    const double nearest = std::nearbyint(static_cast<double>(pixel) + static_cast<double>(moved));
    axis.index[0] = padded(static_cast<int64_t>(nearest), size, padding);
    axis.weight[0] = A(1);
    axis.slope[0] = A(0);
  } else {
    const A whole = std::floor(moved), t = moved - whole;
    const int64_t first = pixel + static_cast<int64_t>(whole) - (kTaps / 2 - 1);
    for (int i = 0; i < kTaps; ++i) axis.index[i] = padded(first + i, size, padding);
    if constexpr (kTaps == 2) {
      linear_weights(t, axis.weight);
      axis.slope[0] = A(-1);
      axis.slope[1] = A(1);
    } else {
      cubic_weights(t, axis.weight);
      cubic_slopes(t, axis.slope);
    }
  }
  return axis;
}

template <int kTaps, class T, class A>
HOST_DEVICE A sample(const T* plane, int64_t width, const Axis<kTaps, A>& x, const Axis<kTaps, A>& y) {
  A value = A(0);
  for (int j = 0; j < kTaps; ++j) {
    if (y.index[j] < 0) continue;
    const T* row = plane + y.index[j] * width;
    A line = A(0);
    for (int i = 0; i < kTaps; ++i) {
      if (x.index[i] >= 0) line += x.weight[i] * A(row[x.index[i]]);
    }
    value += y.weight[j] * line;
  }
  return value;
}

// The gradients of one output pixel p that reads the pixels q with weights w_q:
//   grad_image[c, q] += w_q grad_out[c, p]
//   grad_flow[p] = sum_c grad_out[c, p] sum_q image[c, q] dw_q/dflow.
// `add(index, value)` adds to the gradient of the image, whose planes lie one behind the other.
template <class T>
struct WarpBackward {
  using A = accumulate_t<T>;
  const T *image, *grad_out;
  const A* flow;
  A* grad_flow;  // null: not asked for
  bool needs_image;
  int64_t channels, height, width, out_height, out_width;
  Padding padding;

  template <int kTaps, class Add>
  HOST_DEVICE void pixel(int64_t batch, int64_t first, int64_t last, int64_t py, int64_t px, Add add) const {
    const int64_t plane = height * width, out_plane = out_height * out_width, at = py * out_width + px;
    const A u = flow[(batch * 2 + 0) * out_plane + at], v = flow[(batch * 2 + 1) * out_plane + at];
    A along_x = A(0), along_y = A(0);
    if (is_finite(u) && is_finite(v)) {
      const Axis<kTaps, A> x = read_axis<kTaps>(px, u, width, padding);
      const Axis<kTaps, A> y = read_axis<kTaps>(py, v, height, padding);
      for (int64_t c = first; c < last; ++c) {
        const A incoming = A(grad_out[(batch * channels + c) * out_plane + at]);
        for (int j = 0; j < kTaps; ++j) {
          if (y.index[j] < 0) continue;
          const int64_t row = (batch * channels + c) * plane + y.index[j] * width;
          for (int i = 0; i < kTaps; ++i) {
            if (x.index[i] < 0) continue;
            const int64_t read = row + x.index[i];
            if (needs_image) add(read, y.weight[j] * x.weight[i] * incoming);
            if (!grad_flow) continue;
            const A value = A(image[read]) * incoming;
            along_x += y.weight[j] * x.slope[i] * value;
            along_y += y.slope[j] * x.weight[i] * value;
          }
        }
      }
    }
    if (grad_flow) {
      grad_flow[(batch * 2 + 0) * out_plane + at] = along_x;
      grad_flow[(batch * 2 + 1) * out_plane + at] = along_y;
    }
  }
};

}  // namespace photoflow
