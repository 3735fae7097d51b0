// The arithmetic of backward warping, for one output pixel: which input pixels it reads, with what weights.
#pragma once

#include "scalar.h"

namespace photoflow {

// The values are the number of pixels read along one axis.
enum class WarpMode : int64_t { kNearest = 1, kBilinear = 2, kBicubic = 4 };
enum class Padding : int64_t { kZeros = 0, kBorder = 1, kReflection = 2 };

// Index is the type of pixel coordinates and of offsets in a tensor: int64_t, or int32_t where the extent allows.

// The pixel that stands in for index `i` of an axis of `size` pixels, or -1 for a zero.
template <class Index>
HOST_DEVICE Index padded(Index i, Index size, Padding padding) {
  if (i >= 0 && i < size) return i;
  if (padding == Padding::kZeros) return -1;
  if (padding == Padding::kBorder || size == 1) return i < 0 ? 0 : size - 1;
  const Index period = 2 * (size - 1);
  const Index phase = (i % period + period) % period;
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
template <int kTaps, class A, class Index = int64_t>
struct Axis {
  Index index[kTaps];  // -1: a zero
  A weight[kTaps], slope[kTaps];
};

// `shift` must be finite. Beyond 2^30 pixels the place no longer matters; sides are below 2^29, so that 32 bits do.
template <int kTaps, class A, class Index>
HOST_DEVICE Axis<kTaps, A, Index> read_axis(Index pixel, A shift, Index size, Padding padding) {
  const A limit = A(1 << 30);
  const A moved = shift < -limit ? -limit : shift > limit ? limit : shift;
  Axis<kTaps, A, Index> axis;
  if constexpr (kTaps == 1) {
    // Halves go to the even pixel, as in grid_sample; in float64, where the sum is exact.
    const double nearest = std::nearbyint(static_cast<double>(pixel) + static_cast<double>(moved));
    axis.index[0] = padded(static_cast<Index>(nearest), size, padding);
    axis.weight[0] = A(1);
    axis.slope[0] = A(0);
  } else {
    const A whole = std::floor(moved), t = moved - whole;
    const Index first = pixel + static_cast<Index>(whole) - (kTaps / 2 - 1);
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

// The sum over the pixels read, which lie `row` and `pixel` elements apart.
template <int kTaps, class T, class A, class Index>
HOST_DEVICE A sample_strided(const T* plane, Index row, Index pixel, const Axis<kTaps, A, Index>& x,
                             const Axis<kTaps, A, Index>& y) {
  A value = A(0);
  for (int j = 0; j < kTaps; ++j) {
    if (y.index[j] < 0) continue;
    const T* line = plane + y.index[j] * row;
    A sum = A(0);
    for (int i = 0; i < kTaps; ++i) {
      if (x.index[i] >= 0) sum += x.weight[i] * A(line[x.index[i] * pixel]);
    }
    value += y.weight[j] * sum;
  }
  return value;
}

// The derivatives of sample_strided along x and y.
template <int kTaps, class T, class A, class Index>
HOST_DEVICE void sample_slopes(const T* plane, Index row, Index pixel, const Axis<kTaps, A, Index>& x,
                               const Axis<kTaps, A, Index>& y, A& along_x, A& along_y) {
  along_x = along_y = A(0);
  for (int j = 0; j < kTaps; ++j) {
    if (y.index[j] < 0) continue;
    const T* line = plane + y.index[j] * row;
    A sum = A(0), slope = A(0);
    for (int i = 0; i < kTaps; ++i) {
      if (x.index[i] < 0) continue;
      const A value = A(line[x.index[i] * pixel]);
      sum += x.weight[i] * value;
      slope += x.slope[i] * value;
    }
    along_x += y.weight[j] * slope;
    along_y += y.slope[j] * sum;
  }
}

}  // namespace photoflow
