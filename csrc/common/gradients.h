// The tensors of the gradient of forward_splat: checked, contiguous, and allocated where needed.
#pragma once

#include "checks.h"
#include "forward.h"

namespace photoflow {

inline std::optional<Tensor> contiguous_or_none(const std::optional<Tensor>& tensor) {
  return tensor ? std::optional<Tensor>(torch::stable::contiguous(*tensor)) : std::nullopt;
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

// What forward_splat_backward gets and gives.
struct SplatGradients {
  Tensor image, flow, out, grad_out, grad_coverage, normaliser;
  std::optional<Tensor> metric;
  bool needs_image, needs_flow, needs_metric;
  Tensor grad_image, grad_flow, grad_metric;

  SplatGradients(const char* op, const Tensor& grad_out_any, const Tensor& grad_coverage_any, const Tensor& image_any,
                 const Tensor& flow_any, const std::optional<Tensor>& metric_any, const Tensor& out_any,
                 const Tensor& normaliser_any, bool normalised, bool image_too, bool flow_too, bool metric_too)
      : image(torch::stable::contiguous(image_any)),
        flow(torch::stable::contiguous(flow_any)),
        out(torch::stable::contiguous(out_any)),
        grad_out(torch::stable::contiguous(grad_out_any)),
        grad_coverage(torch::stable::contiguous(grad_coverage_any)),
        normaliser(torch::stable::contiguous(normaliser_any)),
        metric(contiguous_or_none(metric_any)),
        needs_image(image_too),
        needs_flow(flow_too),
        needs_metric(metric_too) {
    const int64_t batch = image.size(0), channels = image.size(1), height = image.size(2), width = image.size(3);
    const ScalarType features = image.scalar_type(), dtype = flow.scalar_type();
    check_beside(op, "grad_out", grad_out, image, features, channels, height, width);
    check_beside(op, "out", out, image, features, channels, height, width);
    check_beside(op, "grad_coverage", grad_coverage, image, dtype, 1, height, width);
    if (normalised) check_beside(op, "normaliser", normaliser, image, dtype, 1, height, width);
    grad_image = empty_for(image, {needs_image ? batch : 0, channels, height, width}, features);
    grad_flow = empty_for(image, {needs_flow ? batch : 0, 2, height, width}, dtype);
    grad_metric = empty_for(image, {needs_metric ? batch : 0, 1, height, width}, dtype);
  }

  int64_t pixels() const { return image.size(0) * image.size(2) * image.size(3); }
  std::tuple<Tensor, Tensor, Tensor> result() const { return {grad_image, grad_flow, grad_metric}; }
};

template <class T>
SplatBackward<T> splat_backward(const SplatGradients& from, SplatMode mode) {
  using A = accumulate_t<T>;
  return {data<T>(from.image),
          data<T>(from.out),
          data<T>(from.grad_out),
          data<A>(from.flow),
          from.metric ? data<A>(*from.metric) : nullptr,
          data<A>(from.normaliser),
          data<A>(from.grad_coverage),
          from.needs_image ? mutable_data<T>(from.grad_image) : nullptr,
          from.needs_flow ? mutable_data<A>(from.grad_flow) : nullptr,
          from.needs_metric ? mutable_data<A>(from.grad_metric) : nullptr,
          from.image.size(1),
          from.image.size(2),
          from.image.size(3),
          mode};
}

}  // namespace photoflow
