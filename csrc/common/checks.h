// What every operator asks of its tensors before it touches their memory. The Python wrappers say the same earlier and
// for users; these hold for direct calls of torch.ops.photoflow too.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <string>

#include "scalar.h"

namespace photoflow {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline std::string shape_text(const Tensor& tensor) {
  std::string text = "(";
  for (int64_t i = 0; i < tensor.dim(); ++i) text += (i ? ", " : "") + std::to_string(tensor.size(i));
  return text + ")";
}

inline ScalarType accumulate_dtype(ScalarType features) {
  return features == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

inline void check_features(const char* op, const char* name, const Tensor& tensor) {
  STD_TORCH_CHECK(tensor.dim() == 4, op, ": ", name, ": expected shape (B, C, H, W), got ", shape_text(tensor));
  const ScalarType dtype = tensor.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double || dtype == ScalarType::Half ||
                      dtype == ScalarType::BFloat16,
                  op, ": ", name, ": expected float16, bfloat16, float32 or float64, got ",
                  torch::headeronly::toString(dtype));
}

// Pixel coordinates are computed in 32 bits, addresses in 64.
inline void check_sides(const char* op, const char* name, const Tensor& tensor) {
  STD_TORCH_CHECK(tensor.size(2) < (1 << 29) && tensor.size(3) < (1 << 29), op, ": ", name,
                  ": expected sides below 2^29, got ", shape_text(tensor));
}

// A tensor that stands beside the features: (batch, channels, height, width), of the given type, on the same device.
inline void check_beside(const char* op, const char* name, const Tensor& tensor, const Tensor& features,
                         ScalarType dtype, int64_t channels, int64_t height, int64_t width) {
  const bool fits = tensor.dim() == 4 && tensor.size(0) == features.size(0) && tensor.size(1) == channels &&
                    tensor.size(2) == height && tensor.size(3) == width;
  STD_TORCH_CHECK(fits, op, ": ", name, ": expected shape (", features.size(0), ", ", channels, ", ", height, ", ",
                  width, "), got ", shape_text(tensor));
  STD_TORCH_CHECK(tensor.scalar_type() == dtype, op, ": ", name, ": expected ", torch::headeronly::toString(dtype),
                  ", got ", torch::headeronly::toString(tensor.scalar_type()));
  STD_TORCH_CHECK(tensor.is_cuda() == features.is_cuda() && tensor.get_device_index() == features.get_device_index(),
                  op, ": ", name, ": expected the device of the features, got another");
}

// Two flows between the same two images.
inline void check_flows(const char* op, const Tensor& ab, const Tensor& ba) {
  check_features(op, "flow_ab", ab);
  STD_TORCH_CHECK(ab.scalar_type() == accumulate_dtype(ab.scalar_type()) && ab.size(1) == 2, op,
                  ": flow_ab: expected float32 (B, 2, H, W), got ", torch::headeronly::toString(ab.scalar_type()), " ",
                  shape_text(ab));
  check_beside(op, "flow_ba", ba, ab, ab.scalar_type(), 2, ab.size(2), ab.size(3));
}

// Calls `body` with a value of the C++ type of the features, whose type check_features has let through.
template <class Body>
void dispatch(ScalarType dtype, const Body& body) {
  switch (dtype) {
    case ScalarType::Double:
      return body(double{});
    case ScalarType::Half:
      return body(Half{});
    case ScalarType::BFloat16:
      return body(BFloat16{});
    default:
      return body(float{});
  }
}

inline Tensor empty_for(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype) {
  return torch::stable::new_empty(like, shape, dtype);
}

inline Tensor zeros_for(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype) {
  return torch::stable::new_zeros(like, shape, dtype);
}

template <class T>
const T* data(const Tensor& tensor) {
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* mutable_data(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

}  // namespace photoflow
