// The row and block functions of flow_attention, compiled for every SIMD level in float32 and once in float64, and the
// memory that they read and write in those types. Included by flow_attention.cpp alone: each function is a clone of its
// own. Half precision is converted at the edges, so that it costs a conversion and not a copy of everything.
#pragma once

#include "../common/attention_tensors.h"
#include "attention_hidden.h"
#include "attention_tile.h"

namespace photoflow {
namespace {

#define PHOTOFLOW_CONVERT(T)                                                                             \
  PHOTOFLOW_SIMD void convert(const T* from, int64_t count, float* to) { convert_any(from, count, to); } \
  PHOTOFLOW_SIMD void convert(const float* from, int64_t count, T* to) { convert_any(from, count, to); }
#define PHOTOFLOW_ATTENTION(LEVELS, A)                                                                               \
  LEVELS void gate_pixels(const A* feature, const A* raw, const A* bias, int64_t pixels, int64_t channels, A* out) { \
    gate_pixels_any(feature, raw, bias, pixels, channels, out);                                                      \
  }                                                                                                                  \
  LEVELS void gate_backward_pixels(const A* grad, const A* feature, const A* raw, const A* bias, int64_t pixels,     \
                                   int64_t channels, A* grad_feature, A* grad_raw, A* grad_bias) {                   \
    gate_backward_pixels_any(grad, feature, raw, bias, pixels, channels, grad_feature, grad_raw, grad_bias);         \
  }                                                                                                                  \
  LEVELS void turn_to_planes(const A* rows, int64_t pitch, int64_t pixels, int64_t count, A* planes) {               \
    turn_any<true, A>(rows, pitch, pixels, count, planes);                                                           \
  }                                                                                                                  \
  LEVELS void turn_to_rows(const A* planes, int64_t pitch, int64_t pixels, int64_t count, A* rows) {                 \
    turn_any<false, A>(rows, pitch, pixels, count, planes);                                                          \
  }                                                                                                                  \
  LEVELS void gate_plane(const A* feature, const A* raw, A bias, int64_t pixels, A* out) {                           \
    gate_plane_any(feature, raw, bias, pixels, out);                                                                 \
  }                                                                                                                  \
  LEVELS A gate_backward_plane(const A* grad, const A* feature, A* raw, A bias, int64_t pixels, A* grad_feature) {   \
    return gate_backward_plane_any(grad, feature, raw, bias, pixels, grad_feature);                                  \
  }                                                                                                                  \
  LEVELS void hidden_row(const A* window, int64_t stride, const A* weights, int64_t padded, int64_t hidden,          \
                         int64_t width, A* out) {                                                                    \
    hidden_row_any(window, stride, weights, padded, hidden, width, out);                                             \
  }                                                                                                                  \
  LEVELS void through_relu(const A* grad, const A* hidden, int64_t pixels, int64_t count, int64_t padded, A* out) {  \
    through_relu_any(grad, hidden, pixels, count, padded, out);                                                      \
  }                                                                                                                  \
  LEVELS void weight_gradients_row(const A* window, int64_t stride, const A* grads, int64_t padded, int64_t width,   \
                                   A* sums) {                                                                        \
    weight_gradients_row_any(window, stride, grads, padded, width, sums);                                            \
  }                                                                                                                  \
  LEVELS void products_row(const A* grads, const A* weights, int64_t padded, int64_t width, A* products) {           \
    products_row_any(grads, weights, padded, width, products);                                                       \
  }
PHOTOFLOW_CONVERT(Half)
PHOTOFLOW_CONVERT(BFloat16)
PHOTOFLOW_ATTENTION(PHOTOFLOW_SIMD, float)
PHOTOFLOW_ATTENTION(, double)
#undef PHOTOFLOW_CONVERT
#undef PHOTOFLOW_ATTENTION

// The memory of a tensor in the type A: where it lies if that is its type, in a buffer beside it otherwise.
template <class A>
class Elements {
 public:
  explicit Elements(const Tensor& tensor)
      : data_(const_cast<void*>(tensor.const_data_ptr())), dtype_(tensor.scalar_type()) {}

  bool converted() const { return dtype_ != (std::is_same_v<A, double> ? ScalarType::Double : ScalarType::Float); }

  // Elements [at, at + count).
  const A* read(int64_t at, int64_t count, A* buffer) const {
    if constexpr (std::is_same_v<A, float>) {
      if (dtype_ == ScalarType::Half) convert(static_cast<const Half*>(data_) + at, count, buffer);
      if (dtype_ == ScalarType::BFloat16) convert(static_cast<const BFloat16*>(data_) + at, count, buffer);
    }
    return spot(at, buffer);
  }

  // Where to put what becomes the elements from `at`; to be followed by write().
  A* spot(int64_t at, A* buffer) const { return converted() ? buffer : static_cast<A*>(data_) + at; }

  void write(int64_t at, int64_t count, const A* buffer) const {
    if constexpr (std::is_same_v<A, float>) {
      if (dtype_ == ScalarType::Half) convert(buffer, count, static_cast<Half*>(data_) + at);
      if (dtype_ == ScalarType::BFloat16) convert(buffer, count, static_cast<BFloat16*>(data_) + at);
    }
  }

 private:
  void* data_;
  ScalarType dtype_;
};

}  // namespace
}  // namespace photoflow
