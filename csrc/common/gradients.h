// The tensors of the gradient of forward_splat: checked, in one memory format, and allocated where needed.
#pragma once

#include "checks.h"
#include "forward.h"

namespace photoflow {

inline std::optional<Tensor> contiguous_or_none(const std::optional<Tensor>& tensor) {
  return tensor ? std::optional<Tensor>(torch::stable::contiguous(*tensor)) : std::nullopt;
}

inline SplatMode splat_mode(const char* op, int64_t code) {
  STD_TORCH_CHECK(code >= 0 && code <= 3, op, ": mode: expected 0, 1, 2 or 3, got ", code);
  return static_cast<SplatMode>(code);
}

inline void check_splat(const char* op, const Tensor& image, const Tensor& flow, const std::optional<Tensor>& metric,
                        bool weighed) {
  check_features(op, "image", image);
  const ScalarType dtype = accumulate_dtype(image.scalar_type());
  check_beside(op, "flow", flow, image, dtype, 2, image.size(2), image.size(3));
  STD_TORCH_CHECK(metric.has_value() == weighed, op,
                  ": metric: expected for the modes linear and softmax, and only there");
  if (metric) check_beside(op, "metric", *metric, image, dtype, 1, image.size(2), image.size(3));
  check_sides(op, "image", image);
}

// What forward_splat_backward gets and gives. A gradient that is not asked for has batch 0.
struct SplatGradients {
  MemoryFormat format;
  Tensor image, flow, out, grad_out, normaliser;
  std::optional<Tensor> grad_coverage, metric;
  SplatMode mode;
  bool needs_image, needs_flow, needs_metric;
  Tensor grad_image, grad_flow, grad_metric;

  SplatGradients(const char* op, const Tensor& grad_out_any, const std::optional<Tensor>& grad_coverage_any,
                 const Tensor& image_any, const Tensor& flow_any, const std::optional<Tensor>& metric_any,
                 const Tensor& out_any, const Tensor& normaliser_any, SplatMode splat_mode, bool image_too,
                 bool flow_too, bool metric_too)
      : format(format_of(image_any)),
        image(in_format(image_any, format)),
        flow(readable(flow_any)),
        out(in_format(out_any, format)),
        grad_out(in_format(grad_out_any, format)),
        normaliser(torch::stable::contiguous(normaliser_any)),
        grad_coverage(contiguous_or_none(grad_coverage_any)),
        metric(contiguous_or_none(metric_any)),
        mode(splat_mode),
        needs_image(image_too),
        needs_flow(flow_too),
        needs_metric(metric_too) {
    check_splat(op, image, flow, metric, uses_metric(mode));
    const int64_t batch = image.size(0), channels = image.size(1), height = image.size(2), width = image.size(3);
    const ScalarType features = image.scalar_type(), dtype = flow.scalar_type();
    check_beside(op, "grad_out", grad_out, image, features, channels, height, width);
    check_beside(op, "out", out, image, features, channels, height, width);
    if (grad_coverage) check_beside(op, "grad_coverage", *grad_coverage, image, dtype, 1, height, width);
    if (mode != SplatMode::kSum) check_beside(op, "normaliser", normaliser, image, dtype, 1, height, width);
    STD_TORCH_CHECK(uses_metric(mode) || !needs_metric, op, ": metric: expected one to have a gradient");
    grad_image = empty_in(image, {needs_image ? batch : 0, channels, height, width}, features, format);
    grad_flow = empty_for(image, {needs_flow ? batch : 0, 2, height, width}, dtype);
    grad_metric = empty_for(image, {needs_metric ? batch : 0, 1, height, width}, dtype);
  }

  int64_t pixels() const { return image.size(0) * image.size(2) * image.size(3); }
  std::tuple<Tensor, Tensor, Tensor> result() const { return {grad_image, grad_flow, grad_metric}; }
};

template <class T, class Index>
SplatBackward<T, Index> splat_backward(const SplatGradients& from) {
  using A = accumulate_t<T>;
  const int64_t channels = from.image.size(1), height = from.image.size(2), width = from.image.size(3);
  return {data<T>(from.image),
          data<T>(from.out),
          data<T>(from.grad_out),
          data<A>(from.flow),
          from.metric ? data<A>(*from.metric) : nullptr,
          data<A>(from.normaliser),
          from.grad_coverage ? data<A>(*from.grad_coverage) : nullptr,
          from.needs_image ? mutable_data<T>(from.grad_image) : nullptr,
          from.needs_flow ? mutable_data<A>(from.grad_flow) : nullptr,
          from.needs_metric ? mutable_data<A>(from.grad_metric) : nullptr,
          static_cast<Index>(channels),
          static_cast<Index>(height),
          static_cast<Index>(width),
          strides_of<Index>(channels, height, width, from.format),
          narrowed<Index>(strides_as_they_are(from.flow)),
          from.mode};
}

}  // namespace photoflow
