// Multiplying features by their gate on the CPU, in the accumulation type. raw, from which the gate comes, lies pixel
// by pixel. Beside channels_last features everything is computed where it lies; beside NCHW ones, raw is turned from
// rows of channels into planes of pixels, a group of channels of a block of pixels at a time, within the cache.
#pragma once

#include <algorithm>
#include <type_traits>

#include "../common/attention.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kBlock = 256;  // pixels of a block
constexpr int64_t kGroup = 16;   // channels turned at a time: of float32 a line of the cache, read and written once
constexpr int64_t kLanesOfSum = 8;

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
HOST_DEVICE void gate_pixel(const A* __restrict__ feature, const A* __restrict__ raw, const A* __restrict__ bias,
                            int64_t channels, A* __restrict__ out) {
  for (int64_t c = 0; c < channels; ++c) out[c] = feature[c] * sigmoid(raw[c] + bias[c]);
}

// out = feature * sigmoid(raw + bias) where all lie pixel by pixel.
template <class A>
HOST_DEVICE void gate_pixels_any(const A* feature, const A* raw, const A* bias, int64_t pixels, int64_t channels,
                                 A* out) {
  for (int64_t at = 0; at < pixels * channels; at += channels) {
    gate_pixel(feature + at, raw + at, bias, channels, out + at);
  }
}

template <class A>
HOST_DEVICE void gate_backward_pixel(const A* __restrict__ grad, const A* __restrict__ feature,
                                     const A* __restrict__ raw, const A* __restrict__ bias, int64_t channels,
                                     A* __restrict__ grad_feature, A* __restrict__ grad_raw,
                                     A* __restrict__ grad_bias) {
  for (int64_t c = 0; c < channels; ++c) {
    A of_feature, of_raw;
    gate_gradients(grad[c], feature[c], sigmoid(raw[c] + bias[c]), of_feature, of_raw);
    grad_feature[c] = of_feature;
    grad_raw[c] = of_raw;
    grad_bias[c] += of_raw;
  }
}

// The gradients of the feature and of raw; the sums of the latter over the pixels are added to grad_bias.
template <class A>
HOST_DEVICE void gate_backward_pixels_any(const A* grad, const A* feature, const A* raw, const A* bias, int64_t pixels,
                                          int64_t channels, A* grad_feature, A* grad_raw, A* grad_bias) {
  for (int64_t at = 0; at < pixels * channels; at += channels) {
    gate_backward_pixel(grad + at, feature + at, raw + at, bias, channels, grad_feature + at, grad_raw + at, grad_bias);
  }
}

// Up to kGroup channels of up to kBlock pixels: from rows, `pitch` apart, to planes, kBlock apart, or back.
template <bool kToPlanes, class A>
HOST_DEVICE void turn_any(std::conditional_t<kToPlanes, const A, A>* rows, int64_t pitch, int64_t pixels, int64_t count,
                          std::conditional_t<kToPlanes, A, const A>* planes) {
  const int64_t whole = count / 4 * 4;
  int64_t p = 0;
  for (; p + 4 <= pixels; p += 4) {
    if constexpr (kToPlanes) {  // the next group, too far apart for the processor to guess
      for (int k = 0; k < 4; ++k) __builtin_prefetch(rows + (p + k) * pitch + kGroup);
    }
    for (int64_t c = 0; c < whole; c += 4) {
      vector_t<A, 4> lines[4];
      for (int k = 0; k < 4; ++k)
        load(lines[k], kToPlanes ? rows + (p + k) * pitch + c : planes + (c + k) * kBlock + p);
      transpose(lines[0], lines[1], lines[2], lines[3]);
      for (int k = 0; k < 4; ++k) {
        if constexpr (kToPlanes) {
          store(planes + (c + k) * kBlock + p, lines[k]);
        } else {
          store(rows + (p + k) * pitch + c, lines[k]);
        }
      }
    }
  }
  for (int64_t q = 0; q < pixels; ++q) {
    for (int64_t c = q < p ? whole : 0; c < count; ++c) {
      if constexpr (kToPlanes) {
        planes[c * kBlock + q] = rows[q * pitch + c];
      } else {
        rows[q * pitch + c] = planes[c * kBlock + q];
      }
    }
  }
}

// out = feature * sigmoid(raw + bias) for pixels of one channel.
template <class A>
HOST_DEVICE void gate_plane_any(const A* __restrict__ feature, const A* __restrict__ raw, A bias, int64_t pixels,
                                A* __restrict__ out) {
  for (int64_t p = 0; p < pixels; ++p) out[p] = feature[p] * sigmoid(raw[p] + bias);
}

// The gradients of up to kBlock pixels of one channel; that of raw takes raw's place. Returns the sum of the latter.
template <class A>
HOST_DEVICE A gate_backward_plane_any(const A* __restrict__ grad, const A* __restrict__ feature, A* __restrict__ raw,
                                      A bias, int64_t pixels, A* __restrict__ grad_feature) {
  for (int64_t p = 0; p < pixels; ++p) {
    A of_feature, of_raw;
    gate_gradients(grad[p], feature[p], sigmoid(raw[p] + bias), of_feature, of_raw);
    grad_feature[p] = of_feature;
    raw[p] = of_raw;
  }
  A sums[kLanesOfSum] = {}, total = A(0);
  int64_t p = 0;
  for (; p + kLanesOfSum <= pixels; p += kLanesOfSum) {
    for (int64_t lane = 0; lane < kLanesOfSum; ++lane) sums[lane] += raw[p + lane];
  }
  for (; p < pixels; ++p) sums[0] += raw[p];
  for (const A sum : sums) total += sum;
  return total;
}

}  // namespace photoflow
