// Multiplying features by their gate on the CPU, a tile of pixels and channels at a time. Tiles lie pixel by pixel,
// whatever the tensors' format, in the accumulation type.
#pragma once

#include <type_traits>

#include "../common/attention.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kTile = 1024;   // values of a tile at most
constexpr int64_t kPlanes = 16;  // channels of a tile beside NCHW features: a cache line of raw

// Where a tile's values lie in a tensor: `pixels` by `channels` of them, with these distances between neighbours.
struct TilePlace {
  int64_t pixel_stride, channel_stride, pixels, channels;
};

// A tile's values pixel by pixel, `pitch` from one pixel to the next: in the tensor itself, or in a buffer beside it.
template <class A>
struct Values {
  A* data;
  int64_t pitch;
};

// Four by four numbers at a time: `planes` rows of `pixels` numbers to a tile, or back. Four planes are finished before
// the next are begun, since planes often lie a power of two apart and so compete for the same lines of the caches.
template <bool kToTile, class A>
HOST_DEVICE void transpose_planes(std::conditional_t<kToTile, const A, A>* plane, int64_t plane_stride, int64_t planes,
                                  int64_t pixels, std::conditional_t<kToTile, A, const A>* tile) {
  const int64_t whole_planes = planes / 4 * 4, whole_pixels = pixels / 4 * 4;
  for (int64_t c = 0; c < whole_planes; c += 4) {
    for (int64_t p = 0; p < whole_pixels; p += 4) {
      vector_t<A, 4> lines[4];
      for (int k = 0; k < 4; ++k) {
        load(lines[k], kToTile ? plane + (c + k) * plane_stride + p : tile + (p + k) * planes + c);
      }
      transpose(lines[0], lines[1], lines[2], lines[3]);
      for (int k = 0; k < 4; ++k) {
        if constexpr (kToTile) {
          store(tile + (p + k) * planes + c, lines[k]);
        } else {
          store(plane + (c + k) * plane_stride + p, lines[k]);
        }
      }
    }
  }
  for (int64_t c = 0; c < planes; ++c) {
    for (int64_t p = c < whole_planes ? whole_pixels : 0; p < pixels; ++p) {
      if constexpr (kToTile) {
        tile[p * planes + c] = plane[c * plane_stride + p];
      } else {
        plane[c * plane_stride + p] = tile[p * planes + c];
      }
    }
  }
}

template <class T>
HOST_DEVICE void load_tile_any(const T* from, const TilePlace& place, accumulate_t<T>* tile) {
  using A = accumulate_t<T>;
  if (place.channel_stride == 1) {
    for (int64_t p = 0; p < place.pixels; ++p) {
      for (int64_t c = 0; c < place.channels; ++c) tile[p * place.channels + c] = A(from[p * place.pixel_stride + c]);
    }
  } else if constexpr (std::is_same_v<A, T>) {
    transpose_planes<true, A>(from, place.channel_stride, place.channels, place.pixels, tile);
  } else {
    A planes[kTile];
    for (int64_t c = 0; c < place.channels; ++c) {
      for (int64_t p = 0; p < place.pixels; ++p) planes[c * place.pixels + p] = A(from[c * place.channel_stride + p]);
    }
    transpose_planes<true, A>(planes, place.pixels, place.channels, place.pixels, tile);
  }
}

template <class T>
HOST_DEVICE void store_tile_any(const accumulate_t<T>* tile, const TilePlace& place, T* to) {
  using A = accumulate_t<T>;
  if (place.channel_stride == 1) {
    for (int64_t p = 0; p < place.pixels; ++p) {
      for (int64_t c = 0; c < place.channels; ++c) to[p * place.pixel_stride + c] = T(tile[p * place.channels + c]);
    }
  } else if constexpr (std::is_same_v<A, T>) {
    transpose_planes<false, A>(to, place.channel_stride, place.channels, place.pixels, tile);
  } else {
    A planes[kTile];
    transpose_planes<false, A>(planes, place.pixels, place.channels, place.pixels, tile);
    for (int64_t c = 0; c < place.channels; ++c) {
      for (int64_t p = 0; p < place.pixels; ++p) to[c * place.channel_stride + p] = T(planes[c * place.pixels + p]);
    }
  }
}

HOST_DEVICE double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
HOST_DEVICE float sigmoid(float x) {
  const float negative = -x;
  return 1.0f / (1.0f + quick_exp(negative > 88.0f ? 88.0f : negative));
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
                                        const A* bias, int64_t pixels, int64_t channels,
                                        const Values<A>& grad_feature, const Values<A>& grad_raw, A* grad_bias) {
  for (int64_t p = 0; p < pixels; ++p) {
    gate_backward_pixel(grad.data + p * grad.pitch, feature.data + p * feature.pitch, raw.data + p * raw.pitch, bias,
                        channels, grad_feature.data + p * grad_feature.pitch, grad_raw.data + p * grad_raw.pitch,
                        grad_bias);
  }
}

}  // namespace photoflow
