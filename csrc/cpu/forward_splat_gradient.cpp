// The gradient of forward_splat on the CPU.
#include "../common/gradients.h"
#include "aligned.h"
#include "huge_pages.h"
#include "splat_gradient.h"

namespace photoflow {
namespace {

// What has no features is compiled for the accumulation types alone. float64 serves to check gradients, for which the
// baseline will do.
#define PHOTOFLOW_PLANES(A, SIMD)                                                                                      \
  SIMD bool begin_span(const SplatPlanes<A>& job, int64_t batch, int64_t py, int64_t start, int64_t count, const A* u, \
                       const A* v, Corners<A>& corners) {                                                              \
    return begin_span_any(job, batch, py, start, count, u, v, corners);                                                \
  }                                                                                                                    \
  SIMD void finish_span(const SplatPlanes<A>& job, int64_t batch, int64_t at, int64_t count, Corners<A>& c) {          \
    finish_span_any(job, batch, at, count, c);                                                                         \
  }
#define PHOTOFLOW_FEATURES(T, SIMD)                                                                          \
  SIMD void products_of_row(const SplatBackward<T>& job, int64_t b, int64_t py, accumulate_t<T>* products) { \
    products_of_row_any(job, b, py, products);                                                               \
  }                                                                                                          \
  SIMD void gather_span(const SplatBackward<T>& job, int64_t batch, int64_t at, int64_t count,               \
                        Corners<accumulate_t<T>>& corners) {                                                 \
    gather_span_any(job, batch, at, count, corners);                                                         \
  }
PHOTOFLOW_PLANES(float, PHOTOFLOW_SIMD)
PHOTOFLOW_PLANES(double, inline)
PHOTOFLOW_FEATURES(float, PHOTOFLOW_SIMD)
PHOTOFLOW_FEATURES(double, inline)
PHOTOFLOW_FEATURES(Half, PHOTOFLOW_SIMD)
PHOTOFLOW_FEATURES(BFloat16, PHOTOFLOW_SIMD)
#undef PHOTOFLOW_PLANES
#undef PHOTOFLOW_FEATURES

// False if some pixel of the span does not land inside with all corners, so that nothing was done.
template <class T>
bool gradients_of_span(const SplatBackward<T>& job, const SplatPlanes<accumulate_t<T>>& planes, int64_t batch,
                       int64_t py, int64_t start, int64_t count, const accumulate_t<T>* u, const accumulate_t<T>* v,
                       Corners<accumulate_t<T>>& corners) {
  if (!begin_span(planes, batch, py, start, count, u, v, corners)) return false;
  const int64_t at = py * job.width + start;
  gather_span(job, batch, at, count, corners);
  finish_span(planes, batch, at, count, corners);
  return true;
}

template <class T>
void gradients_of_row(const SplatBackward<T>& job, const SplatPlanes<accumulate_t<T>>& planes, int64_t batch,
                      int64_t py) {
  using A = accumulate_t<T>;
  const Strides<int64_t>& by = job.flow_by;
  Corners<A> corners;
  A gathered[2][kSpan];
  for (int64_t start = 0; start < job.width; start += kSpan) {
    const int64_t end = std::min(start + kSpan, job.width);
    const A* u = job.flow + batch * by.batch + py * by.row + start * by.pixel;
    const A* v = u + by.channel;
    if (by.pixel != 1) {
      for (int64_t i = 0; i < end - start; ++i) {
        gathered[0][i] = u[i * by.pixel];
        gathered[1][i] = v[i * by.pixel];
      }
      u = gathered[0];
      v = gathered[1];
    }
    const auto done = [&](int64_t first, int64_t count) {
      return gradients_of_span(job, planes, batch, py, first, count, u + (first - start), v + (first - start), corners);
    };
    // A span at the border is tried again in parts, and a part at the border done pixel by pixel.
    const bool whole = end - start == kSpan && done(start, kSpan);
    for (int64_t part = whole ? end : start; part < end; part += kPart) {
      const int64_t count = std::min(kPart, end - part);
      if (count == kPart && done(part, kPart)) continue;
      for (int64_t px = part; px < part + count; ++px) job(batch, py, px);
    }
  }
}

constexpr const char* kName = "forward_splat";

}  // namespace

std::tuple<Tensor, Tensor, Tensor> forward_splat_backward_cpu(const Tensor& grad_out,
                                                              const std::optional<Tensor>& grad_coverage,
                                                              const Tensor& image, const Tensor& flow,
                                                              const std::optional<Tensor>& metric, const Tensor& out,
                                                              const Tensor& normaliser, int64_t mode, bool needs_image,
                                                              bool needs_flow, bool needs_metric) {
  const SplatGradients gradients(kName, grad_out, grad_coverage, image, flow, metric, out, normaliser,
                                 splat_mode(kName, mode), needs_image, needs_flow, needs_metric);
  if (gradients.pixels() == 0) return gradients.result();
  for (const Tensor& result : {gradients.grad_image, gradients.grad_flow, gradients.grad_metric}) {
    prefer_huge_pages(result);
  }
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const auto job = splat_backward<T, int64_t>(gradients);
    const int64_t height = job.height, width = job.width, rows = image.size(0) * height;
    const bool normalised = job.mode != SplatMode::kSum;
    const Aligned<accumulate_t<T>> products(normalised ? rows * width : 1);
    if (normalised) {
      torch::stable::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          products_of_row(job, row / height, row % height, products.get() + row * width);
        }
      });
    }
    const auto planes = planes_of(job, normalised ? products.get() : nullptr);
    torch::stable::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) gradients_of_row(job, planes, row / height, row % height);
    });
  });
  return gradients.result();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("forward_splat_backward", TORCH_BOX(&forward_splat_backward_cpu));
}

}  // namespace photoflow
