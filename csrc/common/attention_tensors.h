// The tensors of flow_attention: checked, the library's convolution between them, and the gradients that are asked for.
#pragma once

#include <array>
#include <vector>

#include "attention.h"
#include "layout.h"

namespace photoflow {

inline constexpr const char* kAttention = "flow_attention";

inline void check_weight(const char* name, const Tensor& tensor, const Tensor& features, ScalarType dtype,
                         const std::vector<int64_t>& shape) {
  bool fits = tensor.dim() == static_cast<int64_t>(shape.size());
  std::string wanted = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    fits = fits && tensor.size(static_cast<int64_t>(i)) == shape[i];
    wanted += (i ? ", " : "") + std::to_string(shape[i]);
  }
  STD_TORCH_CHECK(fits, kAttention, ": ", name, ": expected shape ", wanted, "), got ", shape_text(tensor));
  STD_TORCH_CHECK(tensor.scalar_type() == dtype, kAttention, ": ", name, ": expected ",
                  torch::headeronly::toString(dtype), ", got ", torch::headeronly::toString(tensor.scalar_type()));
  STD_TORCH_CHECK(tensor.is_cuda() == features.is_cuda() && tensor.get_device_index() == features.get_device_index(),
                  kAttention, ": ", name, ": expected the device of the features, got another");
}

// The type of w2 is that of the second convolution; it may differ from the features'.
inline void check_attention(const Tensor& feature, const Tensor& flow, const Tensor& w1, const Tensor& b1,
                            const Tensor& w2, const Tensor& b2) {
  check_features(kAttention, "feature", feature);
  STD_TORCH_CHECK(flow.dim() == 4, kAttention, ": flow: expected shape (B, 2, h, w), got ", shape_text(flow));
  check_beside(kAttention, "flow", flow, feature, accumulate_dtype(feature.scalar_type()), 2, flow.size(2),
               flow.size(3));
  check_sides(kAttention, "feature", feature);
  check_sides(kAttention, "flow", flow);
  STD_TORCH_CHECK(flow.size(2) * flow.size(3) > 0 || feature.size(2) * feature.size(3) == 0, kAttention,
                  ": flow: expected at least one pixel to read, got ", shape_text(flow));
  STD_TORCH_CHECK(w1.dim() == 4 && w1.size(0) > 0, kAttention, ": w1: expected shape (K, 2, 3, 3), got ",
                  shape_text(w1));
  check_features(kAttention, "w2", w2);
  const int64_t hidden = w1.size(0), channels = feature.size(1);
  const bool wide = feature.scalar_type() == ScalarType::Double;
  STD_TORCH_CHECK(wide == (w2.scalar_type() == ScalarType::Double), kAttention,
                  ": w2: expected float64 beside float64 features and only there");
  STD_TORCH_CHECK(wide == (w1.scalar_type() == ScalarType::Double), kAttention,
                  ": w1: expected float64 beside float64 features and only there");
  check_features(kAttention, "w1", w1);
  check_weight("w1", w1, feature, w1.scalar_type(), {hidden, 2, 3, 3});
  check_weight("b1", b1, feature, w1.scalar_type(), {hidden});
  check_weight("w2", w2, feature, w2.scalar_type(), {channels, hidden, 3, 3});
  check_weight("b2", b2, feature, w1.scalar_type(), {channels});
}

template <class A>
ResizedFlow<A> resized_flow(const Tensor& flow, const Tensor& feature) {
  return {data<A>(flow), flow.stride(0), flow.stride(1),  flow.stride(2), flow.stride(3),
          flow.size(2),  flow.size(3),   feature.size(2), feature.size(3)};
}

// oneDNN or cuDNN through torch's dispatcher: 3 by 3, stride 1, zero padding 1, no bias.
inline Tensor convolve(const Tensor& input, const Tensor& weight) {
  using torch::stable::detail::from;
  const std::vector<int64_t> ones{1, 1}, zeros{0, 0};
  std::array<StableIValue, 9> stack{from(input), from(weight), from(std::optional<Tensor>()),
                                    from(ones),  from(ones),   from(ones),
                                    from(false), from(zeros),  from(int64_t(1))};
  TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::convolution", "", stack.data(), TORCH_ABI_VERSION));
  const Tensor output = torch::stable::detail::to<Tensor>(stack[0]);
  STD_TORCH_CHECK(output.scalar_type() == weight.scalar_type(), kAttention,
                  ": the raw operator was called under autocast; call photoflow.ops.flow_attention instead");
  return in_format(output, MemoryFormat::ChannelsLast);
}

// The gradients of `convolve`, that of the weight in the weight's format; undefined where not asked for.
struct ConvolutionGradients {
  std::optional<Tensor> input, weight;
};

inline ConvolutionGradients convolve_backward(const Tensor& grad, const Tensor& input, const Tensor& weight,
                                              bool needs_input, bool needs_weight) {
  using torch::stable::detail::from;
  using torch::stable::detail::to;
  ConvolutionGradients gradients;
  if (!needs_input && !needs_weight) return gradients;
  const std::vector<int64_t> ones{1, 1}, zeros{0, 0};
  const bool mask[3] = {needs_input, needs_weight, false};
  std::array<StableIValue, 11> stack{from(grad),
                                     from(input),
                                     from(weight),
                                     from(std::optional<std::vector<int64_t>>()),
                                     from(ones),
                                     from(ones),
                                     from(ones),
                                     from(false),
                                     from(zeros),
                                     from(int64_t(1)),
                                     from(torch::headeronly::HeaderOnlyArrayRef<bool>(mask, 3))};
  TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::convolution_backward", "", stack.data(), TORCH_ABI_VERSION));
  const Tensor input_grad = to<Tensor>(stack[0]), weight_grad = to<Tensor>(stack[1]);
  const Tensor bias_grad = to<Tensor>(stack[2]);  // undefined; taken out of the stack to be released
  if (needs_input) gradients.input = in_format(input_grad, MemoryFormat::ChannelsLast);
  if (needs_weight) gradients.weight = in_format(weight_grad, format_of(weight));
  return gradients;
}

// Which gradients flow_attention_backward is asked for.
struct Needs {
  bool feature, flow, w1, b1, w2, b2;
  bool first() const { return flow || w1 || b1; }  // anything behind the first convolution
  bool second() const { return first() || w2; }    // anything behind the second
  bool raw() const { return second() || b2; }
};

using SixTensors = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

// A gradient of zeros, or with its first size 0 where it is not asked for.
inline Tensor zero_gradient(const Tensor& of, bool needed) {
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < of.dim(); ++i) shape.push_back(i == 0 && !needed ? 0 : of.size(i));
  return torch::stable::new_zeros(of, shape, of.scalar_type());
}

inline SixTensors zero_gradients(const Tensor& feature, const Tensor& flow, const Tensor& w1, const Tensor& b1,
                                 const Tensor& w2, const Tensor& b2, const Needs& needs) {
  const Tensor grad_w2 = in_format(zero_gradient(w2, needs.w2), needs.w2 ? format_of(w2) : MemoryFormat::Contiguous);
  return {zero_gradient(feature, needs.feature),
          zero_gradient(flow, needs.flow),
          zero_gradient(w1, needs.w1),
          zero_gradient(b1, needs.b1),
          grad_w2,
          zero_gradient(b2, needs.b2)};
}

// A new tensor like the features, in their format.
inline Tensor empty_like_features(const Tensor& feature) {
  return empty_in(feature, {feature.size(0), feature.size(1), feature.size(2), feature.size(3)}, feature.scalar_type(),
                  format_of(feature));
}

// What stands for the raw result of the second convolution where there is none: of batch 0 if it is not to be kept.
inline Tensor no_raw(const Tensor& feature, ScalarType dtype, bool kept) {
  return empty_in(feature, {kept ? feature.size(0) : 0, feature.size(1), feature.size(2), feature.size(3)}, dtype,
                  MemoryFormat::ChannelsLast);
}

inline void check_backward(const Tensor& grad, const Tensor& raw, const Tensor& feature, const Tensor& w2) {
  check_beside(kAttention, "grad", grad, feature, feature.scalar_type(), feature.size(1), feature.size(2),
               feature.size(3));
  check_beside(kAttention, "raw", raw, feature, w2.scalar_type(), feature.size(1), feature.size(2), feature.size(3));
}

}  // namespace photoflow
