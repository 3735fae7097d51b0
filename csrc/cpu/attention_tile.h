// Multiplying features by their gate on the CPU: a tile of channels_last features at a time, which is computed with
// where it lies; or a block of pixels with all their channels beside NCHW ones, whose gates are computed in the order
// of raw's memory and then turned from rows of channels into planes of pixels, within the cache.
#pragma once

#include <type_traits>

#include "../common/attention.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kTile = 1024;  // values of a tile at most
constexpr int64_t kBlock = 256;  // pixels of a block
constexpr int64_t kLanesOfSum = 8;

// A tile's values pixel by pixel, `pitch` from one pixel to the next: in the tensor itself, or in a buffer beside it.
template <class A>
struct Values {
  A* data;
  int64_t pitch;
};

HOST_DEVICE double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
HOST_DEVICE float sigmoid(float x) {
  const float negative = -x;
  return 1.0f / (1.0f + quick_exp(negative > 88.0f ? 88.0f : negative));
}

template <class A, class T>
HOST_DEVICE void convert_any(const A* __restrict__ from, int64_t count, T* __restrict__ to) {
  for (int64_t i = 0; i < count; ++i) to[i] = T(from[i]);
}

template <class A>
HOST_DEVICE void gate_pixel(const A* __restrict__ value, const A* __restrict__ before, const A* __restrict__ bias,
                            int64_t channels, A* __restrict__ to) {
  for (int64_t c = 0; c < channels; ++c) to[c] = value[c] * sigmoid(before[c] + bias[c]);
}

// out = feature * sigmoid(raw + bias); out lies apart from the others.
template <class A>
HOST_DEVICE void gate_tile_any(const Values<A>& feature, const Values<A>& raw, const A* bias, int64_t pixels,
                               int64_t channels, const Values<A>& out) {
  for (int64_t p = 0; p < pixels; ++p) {
    const A *const value = feature.data + p * feature.pitch, *const before = raw.data + p * raw.pitch;
    gate_pixel(value, before, bias, channels, out.data + p * out.pitch);
  }
}

template <class A>
HOST_DEVICE void gate_backward_pixel(const A* __restrict__ incoming, const A* __restrict__ value,
                                     const A* __restrict__ before, const A* __restrict__ bias, int64_t channels,
                                     A* __restrict__ to_feature, A* __restrict__ to_raw, A* __restrict__ grad_bias) {
  for (int64_t c = 0; c < channels; ++c) {
    A of_feature, of_raw;
    gate_gradients(incoming[c], value[c], sigmoid(before[c] + bias[c]), of_feature, of_raw);
    to_feature[c] = of_feature;
    to_raw[c] = of_raw;
    grad_bias[c] += of_raw;
  }
}

// The gradients of the feature and of raw; the sums of the latter over the pixels are added to grad_bias.
template <class A>
HOST_DEVICE void gate_backward_tile_any(const Values<A>& grad, const Values<A>& feature, const Values<A>& raw,
                                        const A* bias, int64_t pixels, int64_t channels, const Values<A>& grad_feature,
                                        const Values<A>& grad_raw, A* grad_bias) {
  for (int64_t p = 0; p < pixels; ++p) {
    gate_backward_pixel(grad.data + p * grad.pitch, feature.data + p * feature.pitch, raw.data + p * raw.pitch, bias,
                        channels, grad_feature.data + p * grad_feature.pitch, grad_raw.data + p * grad_raw.pitch,
                        grad_bias);
  }
}

// gates = sigmoid(raw + bias), rows of `channels` numbers, `pitch` apart in gates.
template <class C, class A>
HOST_DEVICE void gate_rows_any(const C* __restrict__ raw, const A* __restrict__ bias, int64_t pixels, int64_t channels,
                               A* __restrict__ gates, int64_t pitch) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < channels; ++c) gates[p * pitch + c] = sigmoid(A(raw[p * channels + c]) + bias[c]);
  }
}

// Up to four channels of a block: from rows, `pitch` apart, to planes or back.
template <bool kToPlanes, class A>
HOST_DEVICE void turn(std::conditional_t<kToPlanes, const A, A>* rows, int64_t pitch, int64_t pixels, int64_t count,
                      std::conditional_t<kToPlanes, A, const A>* planes) {
  int64_t p = 0;
  for (; count == 4 && p + 4 <= pixels; p += 4) {
    vector_t<A, 4> lines[4];
    for (int k = 0; k < 4; ++k) load(lines[k], kToPlanes ? rows + (p + k) * pitch : planes + k * kBlock + p);
    transpose(lines[0], lines[1], lines[2], lines[3]);
    for (int k = 0; k < 4; ++k) {
      if constexpr (kToPlanes) {
        store(planes + k * kBlock + p, lines[k]);
      } else {
        store(rows + (p + k) * pitch, lines[k]);
      }
    }
  }
  for (; p < pixels; ++p) {
    for (int64_t k = 0; k < count; ++k) {
      if constexpr (kToPlanes) {
        planes[k * kBlock + p] = rows[p * pitch + k];
      } else {
        rows[p * pitch + k] = planes[k * kBlock + p];
      }
    }
  }
}

template <class T, class A>
HOST_DEVICE void multiply_plane(const T* __restrict__ feature, const A* __restrict__ gate, int64_t pixels,
                                T* __restrict__ out) {
  for (int64_t p = 0; p < pixels; ++p) out[p] = T(A(feature[p]) * gate[p]);
}

// Asks for the next planes of a block: too far apart for the processor to guess.
template <int kWrite, class T>
HOST_DEVICE void prefetch_planes(const T* plane, int64_t stride, int64_t pixels, int64_t count) {
  for (int64_t k = 0; k < count; ++k) {
    for (int64_t p = 0; p < pixels; p += 64 / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(plane + k * stride + p, kWrite);
    }
  }
}

// out = feature * gate for a block of planes, `stride` apart.
template <class T, class A>
HOST_DEVICE void multiply_planes_any(const T* feature, int64_t stride, const A* gates, int64_t pitch, int64_t pixels,
                                     int64_t channels, T* out) {
  A planes[4 * kBlock];
  for (int64_t c = 0; c < channels; c += 4) {
    const int64_t count = std::min<int64_t>(4, channels - c), next = std::min<int64_t>(4, channels - c - count);
    prefetch_planes<0>(feature + (c + 4) * stride, stride, pixels, next);
    prefetch_planes<1>(out + (c + 4) * stride, stride, pixels, next);
    turn<true, A>(gates + c, pitch, pixels, count, planes);
    for (int64_t k = 0; k < count; ++k) {
      multiply_plane(feature + (c + k) * stride, planes + k * kBlock, pixels, out + (c + k) * stride);
    }
  }
}

// A plane's gates become the gradient of raw; returns the sum of that. `to_feature` may be null.
template <class T, class A>
HOST_DEVICE A backward_plane(const T* __restrict__ grad, const T* __restrict__ feature, int64_t pixels,
                             A* __restrict__ gate, T* __restrict__ to_feature) {
  A of_feature[kBlock], sums[kLanesOfSum] = {};
  for (int64_t p = 0; p < pixels; ++p) {
    A of_raw;
    gate_gradients(A(grad[p]), A(feature[p]), gate[p], of_feature[p], of_raw);
    gate[p] = of_raw;
  }
  if (to_feature) convert_any(of_feature, pixels, to_feature);
  int64_t p = 0;
  for (; p + kLanesOfSum <= pixels; p += kLanesOfSum) {
    for (int64_t lane = 0; lane < kLanesOfSum; ++lane) sums[lane] += gate[p + lane];
  }
  for (; p < pixels; ++p) sums[0] += gate[p];
  A total = A(0);
  for (const A sum : sums) total += sum;
  return total;
}

// Gates become the gradients of raw, whose sums are added to grad_bias; those of the feature are written where
// `to_feature` is not null. All planes are `stride` apart.
template <class T, class A>
HOST_DEVICE void backward_planes_any(const T* grad, const T* feature, int64_t stride, int64_t pixels, int64_t channels,
                                     A* gates, int64_t pitch, T* to_feature, A* grad_bias) {
  A planes[4 * kBlock];
  for (int64_t c = 0; c < channels; c += 4) {
    const int64_t count = std::min<int64_t>(4, channels - c), next = std::min<int64_t>(4, channels - c - count);
    prefetch_planes<0>(grad + (c + 4) * stride, stride, pixels, next);
    prefetch_planes<0>(feature + (c + 4) * stride, stride, pixels, next);
    turn<true, A>(gates + c, pitch, pixels, count, planes);
    for (int64_t k = 0; k < count; ++k) {
      const int64_t at = (c + k) * stride;
      grad_bias[c + k] +=
          backward_plane(grad + at, feature + at, pixels, planes + k * kBlock, to_feature ? to_feature + at : nullptr);
    }
    turn<false, A>(gates + c, pitch, pixels, count, planes);
  }
}

}  // namespace photoflow
