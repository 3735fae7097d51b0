// The gradient of forward_splat on the CPU.
#include "../common/gradients.h"
#include "aligned.h"
#include "huge_pages.h"
#include "splat_gradient.h"

namespace photoflow {
namespace {

#define PHOTOFLOW_GATHER(T)                                                                                         \
  PHOTOFLOW_SIMD void run_products(const SplatBackward<T>& job, int64_t b, int64_t py, accumulate_t<T>* products) { \
    products_of_row(job, b, py, products);                                                                          \
  }                                                                                                                 \
  PHOTOFLOW_SIMD void run_gather(const SplatGather<T>& work, int64_t b, int64_t py) { gather_row(work, b, py); }
PHOTOFLOW_GATHER(float)
PHOTOFLOW_GATHER(double)
PHOTOFLOW_GATHER(Half)
PHOTOFLOW_GATHER(BFloat16)
#undef PHOTOFLOW_GATHER

constexpr const char* kName = "forward_splat";

}  // namespace

std::tuple<Tensor, Tensor, Tensor> forward_splat_backward_cpu(const Tensor& grad_out,
                                                              const std::optional<Tensor>& grad_coverage,
                                                              const Tensor& image, const Tensor& flow,
                                                              const std::optional<Tensor>& metric, const Tensor& out,
                                                              const Tensor& normaliser, int64_t mode, bool needs_image,
                                                              bool needs_flow, bool needs_metric) {
  const SplatGradients gradients(kName, grad_out, grad_coverage, image, flow, metric, out, normaliser,
                                 static_cast<SplatMode>(mode), needs_image, needs_flow, needs_metric);
  if (gradients.pixels() == 0) return gradients.result();
  for (const Tensor& result : {gradients.grad_image, gradients.grad_flow, gradients.grad_metric}) {
    prefer_huge_pages(result);
  }
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    SplatGather<T> work{splat_backward<T, int64_t>(gradients), nullptr};
    const int64_t height = work.pixel.height, width = work.pixel.width, rows = image.size(0) * height;
    const bool normalised = work.pixel.mode != SplatMode::kSum;
    const Aligned<accumulate_t<T>> products(normalised ? rows * width : 1);
    if (normalised) {
      torch::stable::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          run_products(work.pixel, row / height, row % height, products.get() + row * width);
        }
      });
      work.products = products.get();
    }
    torch::stable::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) run_gather(work, row / height, row % height);
    });
  });
  return gradients.result();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("forward_splat_backward", TORCH_BOX(&forward_splat_backward_cpu));
}

}  // namespace photoflow
