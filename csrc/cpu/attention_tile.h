// Multiplying features by their gate on the CPU, a tile of pixels and channels at a time. Tiles lie pixel by pixel,
// whatever the tensors' format, in the accumulation type.
#pragma once

#include "../common/attention.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kTilePixels = 64, kTileChannels = 16, kTile = kTilePixels * kTileChannels;

// Where a tile's values lie in a tensor: `pixels` by `channels` of them, with these distances between neighbours.
struct TilePlace {
  int64_t pixel_stride, channel_stride, pixels, channels;
};

// Rows of `columns` numbers to columns, four by four.
template <class A>
HOST_DEVICE void transpose_rows(const A* from, int64_t from_stride, int64_t rows, int64_t columns, A* to,
                                int64_t to_stride) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t r = 0; r < whole_rows; r += 4) {
    for (int64_t c = 0; c < whole_columns; c += 4) {
      vector_t<A, 4> lines[4];
      for (int k = 0; k < 4; ++k) load(lines[k], from + (r + k) * from_stride + c);
      transpose(lines[0], lines[1], lines[2], lines[3]);
      for (int k = 0; k < 4; ++k) store(to + (c + k) * to_stride + r, lines[k]);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c) {
      to[c * to_stride + r] = from[r * from_stride + c];
    }
  }
}

template <class T>
HOST_DEVICE void load_tile_any(const T* from, const TilePlace& place, accumulate_t<T>* tile) {
  using A = accumulate_t<T>;
  if (place.channel_stride == 1) {
    for (int64_t p = 0; p < place.pixels; ++p) {
      for (int64_t c = 0; c < place.channels; ++c) tile[p * kTileChannels + c] = A(from[p * place.pixel_stride + c]);
    }
  } else if constexpr (std::is_same_v<A, T>) {
    transpose_rows(from, place.channel_stride, place.channels, place.pixels, tile, kTileChannels);
  } else {
    A rows[kTile];
    for (int64_t c = 0; c < place.channels; ++c) {
      for (int64_t p = 0; p < place.pixels; ++p) rows[c * kTilePixels + p] = A(from[c * place.channel_stride + p]);
    }
    transpose_rows(rows, kTilePixels, place.channels, place.pixels, tile, kTileChannels);
  }
}

template <class T>
HOST_DEVICE void store_tile_any(const accumulate_t<T>* tile, const TilePlace& place, T* to) {
  using A = accumulate_t<T>;
  if (place.channel_stride == 1) {
    for (int64_t p = 0; p < place.pixels; ++p) {
      for (int64_t c = 0; c < place.channels; ++c) to[p * place.pixel_stride + c] = T(tile[p * kTileChannels + c]);
    }
  } else if constexpr (std::is_same_v<A, T>) {
    transpose_rows(tile, kTileChannels, place.pixels, place.channels, to, place.channel_stride);
  } else {
    A rows[kTile];
    transpose_rows(tile, kTileChannels, place.pixels, place.channels, rows, kTilePixels);
    for (int64_t c = 0; c < place.channels; ++c) {
      for (int64_t p = 0; p < place.pixels; ++p) to[c * place.channel_stride + p] = T(rows[c * kTilePixels + p]);
    }
  }
}

HOST_DEVICE double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
HOST_DEVICE float sigmoid(float x) {
  const float negative = -x;
  return 1.0f / (1.0f + quick_exp(negative > 88.0f ? 88.0f : negative));
}

// feature becomes feature * sigmoid(raw + bias). The channels beyond the tile's are computed and not used.
template <class A>
HOST_DEVICE void gate_tile_any(A* feature, const A* raw, const A* bias, int64_t pixels) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < kTileChannels; ++c) {
      const int64_t i = p * kTileChannels + c;
      feature[i] *= sigmoid(raw[i] + bias[c]);
    }
  }
}

// grad becomes the gradient of the feature, raw that of raw, whose sums over the pixels are added to grad_bias.
template <class A>
HOST_DEVICE void gate_backward_tile_any(A* grad, const A* feature, A* raw, const A* bias, int64_t pixels,
                                        A* grad_bias) {
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t c = 0; c < kTileChannels; ++c) {
      const int64_t i = p * kTileChannels + c;
      A grad_feature, grad_raw;
      gate_gradients(grad[i], feature[i], sigmoid(raw[i] + bias[c]), grad_feature, grad_raw);
      grad[i] = grad_feature;
      raw[i] = grad_raw;
      grad_bias[c] += grad_raw;
    }
  }
}

}  // namespace photoflow
