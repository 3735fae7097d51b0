// backward_warp on the CPU.
#include <vector>

#include "../common/gradients.h"
#include "warp_row.h"

namespace photoflow {
namespace {

#define PHOTOFLOW_WARP(T)                                                                                  \
  PHOTOFLOW_SIMD void run_nearest(const Warp<T>& job, int64_t b, int64_t py) { warp_row<1>(job, b, py); }  \
  PHOTOFLOW_SIMD void run_bilinear(const Warp<T>& job, int64_t b, int64_t py) { warp_row<2>(job, b, py); } \
  PHOTOFLOW_SIMD void run_bicubic(const Warp<T>& job, int64_t b, int64_t py) { warp_row<4>(job, b, py); }
PHOTOFLOW_WARP(float)
PHOTOFLOW_WARP(double)
PHOTOFLOW_WARP(Half)
PHOTOFLOW_WARP(BFloat16)
#undef PHOTOFLOW_WARP

constexpr const char* kName = "backward_warp";

}  // namespace

Tensor backward_warp_cpu(const Tensor& image_any, const Tensor& flow_any, int64_t mode, int64_t padding) {
  check_warp(kName, image_any, flow_any);
  const Tensor image = torch::stable::contiguous(image_any), flow = torch::stable::contiguous(flow_any);
  const int64_t batch = image.size(0), channels = image.size(1), out_height = flow.size(2), out_width = flow.size(3);
  Tensor out = empty_for(image, {batch, channels, out_height, out_width}, image.scalar_type());
  if (out.numel() == 0) return out;
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    const Warp<T> job{data<T>(image), data<A>(flow), mutable_data<T>(out),
                      channels,       image.size(2), image.size(3),
                      out_height,     out_width,     static_cast<Padding>(padding)};
    torch::stable::parallel_for(0, batch * out_height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t b = row / out_height, py = row % out_height;
        switch (static_cast<WarpMode>(mode)) {
          case WarpMode::kNearest:
            run_nearest(job, b, py);
            break;
          case WarpMode::kBilinear:
            run_bilinear(job, b, py);
            break;
          default:
            run_bicubic(job, b, py);
        }
      }
    });
  });
  return out;
}

// The gradient of the flow is gathered row by row. That of the image is scattered, each channel by one thread in the
// order of the pixels, so that it does not depend on the number of threads.
template <int kTaps, class T>
void run_backward(const WarpBackward<T>& whole, int64_t batch, T* grad_image) {
  using A = accumulate_t<T>;
  const int64_t plane = whole.height * whole.width, rows = whole.out_height, columns = whole.out_width;
  if (whole.grad_flow) {
    WarpBackward<T> gather = whole;
    gather.needs_image = false;
    torch::stable::parallel_for(0, batch * rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t px = 0; px < columns; ++px) {
          gather.template pixel<kTaps>(row / rows, 0, whole.channels, row % rows, px, [](int64_t, A) {});
        }
      }
    });
  }
  if (!grad_image) return;
  torch::stable::parallel_for(0, batch * whole.channels, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> sums(static_cast<size_t>(plane));
    for (int64_t index = begin; index < end; ++index) {
      const int64_t b = index / whole.channels, c = index % whole.channels;
      std::fill(sums.begin(), sums.end(), A(0));
      WarpBackward<T> scatter = whole;
      scatter.grad_flow = nullptr;
      // `sums` holds this plane alone, while the pixel counts from the first plane of the batch.
      A* const sum = sums.data();
      const int64_t before = index * plane;
      for (int64_t py = 0; py < rows; ++py) {
        for (int64_t px = 0; px < columns; ++px) {
          scatter.template pixel<kTaps>(b, c, c + 1, py, px, [=](int64_t at, A value) { sum[at - before] += value; });
        }
      }
      for (int64_t i = 0; i < plane; ++i) grad_image[index * plane + i] = T(sums[static_cast<size_t>(i)]);
    }
  });
}

std::tuple<Tensor, Tensor> backward_warp_backward_cpu(const Tensor& grad, const Tensor& image, const Tensor& flow,
                                                      int64_t mode, int64_t padding, bool needs_image,
                                                      bool needs_flow) {
  check_warp(kName, image, flow);
  const WarpGradients gradients(kName, grad, image, flow, needs_image, needs_flow);
  Tensor grad_image = gradients.zero_grad_image(image.scalar_type());
  if (grad.numel() == 0) return {grad_image, gradients.grad_flow};
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const WarpBackward<T> work = warp_backward<T>(gradients, static_cast<Padding>(padding));
    T* target = needs_image ? mutable_data<T>(grad_image) : nullptr;
    switch (static_cast<WarpMode>(mode)) {
      case WarpMode::kNearest:
        return run_backward<1>(work, image.size(0), target);
      case WarpMode::kBilinear:
        return run_backward<2>(work, image.size(0), target);
      default:
        return run_backward<4>(work, image.size(0), target);
    }
  });
  return {grad_image, gradients.grad_flow};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("backward_warp", TORCH_BOX(&backward_warp_cpu));
  m.impl("backward_warp_backward", TORCH_BOX(&backward_warp_backward_cpu));
}

}  // namespace photoflow
