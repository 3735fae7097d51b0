// The row and tile functions of flow_attention compiled for every type and SIMD level, and the tiles they work on.
// Included by flow_attention.cpp alone: each function is a clone of its own.
#pragma once

#include "../common/attention_tensors.h"
#include "attention_hidden.h"
#include "attention_tile.h"

namespace photoflow {
namespace {

#define PHOTOFLOW_TILE(T)                                                                                            \
  [[maybe_unused]] PHOTOFLOW_SIMD void convert(const T* from, int64_t count, accumulate_t<T>* to) {                  \
    convert_any(from, count, to);                                                                                    \
  }                                                                                                                  \
  PHOTOFLOW_SIMD void convert_back(const accumulate_t<T>* from, int64_t count, T* to) {                              \
    convert_any(from, count, to);                                                                                    \
  }                                                                                                                  \
  PHOTOFLOW_SIMD void gate_rows(const T* raw, const accumulate_t<T>* bias, int64_t pixels, int64_t channels,         \
                                accumulate_t<T>* gates, int64_t pitch) {                                             \
    gate_rows_any(raw, bias, pixels, channels, gates, pitch);                                                        \
  }                                                                                                                  \
  PHOTOFLOW_SIMD void multiply_planes(const T* feature, int64_t stride, const accumulate_t<T>* gates, int64_t pitch, \
                                      int64_t pixels, int64_t channels, T* out) {                                    \
    multiply_planes_any(feature, stride, gates, pitch, pixels, channels, out);                                       \
  }                                                                                                                  \
  PHOTOFLOW_SIMD void backward_planes(const T* grad, const T* feature, int64_t stride, int64_t pixels,               \
                                      int64_t channels, accumulate_t<T>* gates, int64_t pitch, T* to_feature,        \
                                      accumulate_t<T>* grad_bias) {                                                  \
    backward_planes_any(grad, feature, stride, pixels, channels, gates, pitch, to_feature, grad_bias);               \
  }
#define PHOTOFLOW_GATE(A)                                                                                          \
  PHOTOFLOW_SIMD void gate_tile(const Values<A>& feature, const Values<A>& raw, const A* bias, int64_t pixels,     \
                                int64_t channels, const Values<A>& out) {                                          \
    gate_tile_any(feature, raw, bias, pixels, channels, out);                                                      \
  }                                                                                                                \
  PHOTOFLOW_SIMD void gate_backward_tile(const Values<A>& grad, const Values<A>& feature, const Values<A>& raw,    \
                                         const A* bias, int64_t pixels, int64_t channels,                          \
                                         const Values<A>& grad_feature, const Values<A>& grad_raw, A* grad_bias) { \
    gate_backward_tile_any(grad, feature, raw, bias, pixels, channels, grad_feature, grad_raw, grad_bias);         \
  }                                                                                                                \
  PHOTOFLOW_SIMD void weight_gradients_row(const A* window, int64_t stride, const A* grads, int64_t padded,        \
                                           int64_t width, A* sums) {                                               \
    weight_gradients_row_any(window, stride, grads, padded, width, sums);                                          \
  }                                                                                                                \
  PHOTOFLOW_SIMD void products_row(const A* grads, const A* weights, int64_t padded, int64_t width, A* out) {      \
    products_row_any(grads, weights, padded, width, out);                                                          \
  }
#define PHOTOFLOW_HIDDEN(C)                                                                               \
  PHOTOFLOW_SIMD void hidden_row(const accumulate_t<C>* window, int64_t stride, const accumulate_t<C>* w, \
                                 int64_t padded, int64_t hidden, int64_t width, C* out) {                 \
    hidden_row_any(window, stride, w, padded, hidden, width, out);                                        \
  }
PHOTOFLOW_TILE(float)
PHOTOFLOW_TILE(double)
PHOTOFLOW_TILE(Half)
PHOTOFLOW_TILE(BFloat16)
PHOTOFLOW_GATE(float)
PHOTOFLOW_GATE(double)
PHOTOFLOW_HIDDEN(float)
PHOTOFLOW_HIDDEN(double)
PHOTOFLOW_HIDDEN(Half)
PHOTOFLOW_HIDDEN(BFloat16)
#undef PHOTOFLOW_TILE
#undef PHOTOFLOW_GATE
#undef PHOTOFLOW_HIDDEN

// Some pixels of channels_last features and some of their channels.
struct Tile {
  int64_t part, first, pixels, channel, channels;  // first: the first pixel, counted through the batch
};

// A channels_last tensor, cut into tiles.
template <class T>
struct Tiles {
  using A = accumulate_t<T>;
  T* data;
  int64_t pitch;
  explicit Tiles(const Tensor& tensor) : data(const_cast<T*>(photoflow::data<T>(tensor))), pitch(tensor.size(1)) {}
  T* at(const Tile& tile) const { return data + tile.first * pitch + tile.channel; }

  // A tile's values, where they lie, if that is possible.
  Values<A> spot(const Tile& tile, A* buffer) const {
    if constexpr (std::is_same_v<A, T>) return {at(tile), pitch};
    return {buffer, tile.channels};
  }
  Values<A> read(const Tile& tile, A* buffer) const {
    if constexpr (!std::is_same_v<A, T>) {
      for (int64_t p = 0; p < tile.pixels; ++p) {
        convert(at(tile) + p * pitch, tile.channels, buffer + p * tile.channels);
      }
    }
    return spot(tile, buffer);
  }
  void write(const Tile& tile, const A* buffer) const {
    if constexpr (!std::is_same_v<A, T>) {
      for (int64_t p = 0; p < tile.pixels; ++p) {
        convert_back(buffer + p * tile.channels, tile.channels, at(tile) + p * pitch);
      }
    }
  }
};

}  // namespace
}  // namespace photoflow
