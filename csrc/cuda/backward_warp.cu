// backward_warp on CUDA. The gradient of the image is added atomically, so that its last bits may vary.
#include "../common/gradients.h"
#include "launch.h"

namespace photoflow {
namespace {

template <int kTaps, class T>
struct WarpForward {
  using A = accumulate_t<T>;
  const T* image;
  const A* flow;
  T* out;
  int64_t channels, height, width, out_height, out_width;
  Padding padding;

  __device__ void operator()(int64_t index) const {
    const int64_t plane = height * width, out_plane = out_height * out_width;
    const int64_t batch = index / out_plane, at = index % out_plane;
    const A u = flow[(batch * 2 + 0) * out_plane + at], v = flow[(batch * 2 + 1) * out_plane + at];
    const bool finite = is_finite(u) && is_finite(v);
    const Axis<kTaps, A> x = read_axis<kTaps>(at % out_width, finite ? u : A(0), width, padding);
    const Axis<kTaps, A> y = read_axis<kTaps>(at / out_width, finite ? v : A(0), height, padding);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t channel = batch * channels + c;
      out[channel * out_plane + at] = finite ? T(sample(image + channel * plane, width, x, y)) : T(A(0));
    }
  }
};

template <class A>
struct AtomicAdd {
  A* to;
  __device__ void operator()(int64_t index, A value) const { atomicAdd(to + index, value); }
};

template <int kTaps, class T>
struct WarpGradient {
  WarpBackward<T> work;
  AtomicAdd<accumulate_t<T>> add;
  __device__ void operator()(int64_t index) const {
    const int64_t out_plane = work.out_height * work.out_width, at = index % out_plane;
    work.template pixel<kTaps>(index / out_plane, 0, work.channels, at / work.out_width, at % work.out_width, add);
  }
};

constexpr const char* kName = "backward_warp";

}  // namespace

Tensor backward_warp_cuda(const Tensor& image_any, const Tensor& flow_any, int64_t mode, int64_t padding) {
  check_warp(kName, image_any, flow_any);
  const OnDevice device(image_any);
  const Tensor image = torch::stable::contiguous(image_any), flow = torch::stable::contiguous(flow_any);
  const int64_t batch = image.size(0), channels = image.size(1), out_height = flow.size(2), out_width = flow.size(3);
  Tensor out = empty_for(image, {batch, channels, out_height, out_width}, image.scalar_type());
  if (out.numel() == 0) return out;
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    const auto run = [&](auto body) {
      body = {data<T>(image), data<A>(flow), mutable_data<T>(out),         channels, image.size(2), image.size(3),
              out_height,     out_width,     static_cast<Padding>(padding)};
      launch(device, batch * out_height * out_width, body);
    };
    switch (static_cast<WarpMode>(mode)) {
      case WarpMode::kNearest:
        return run(WarpForward<1, T>{});
      case WarpMode::kBilinear:
        return run(WarpForward<2, T>{});
      default:
        return run(WarpForward<4, T>{});
    }
  });
  return out;
}

std::tuple<Tensor, Tensor> backward_warp_backward_cuda(const Tensor& grad, const Tensor& image, const Tensor& flow,
                                                       int64_t mode, int64_t padding, bool needs_image,
                                                       bool needs_flow) {
  check_warp(kName, image, flow);
  const OnDevice device(image);
  const WarpGradients gradients(kName, grad, image, flow, needs_image, needs_flow);
  const Tensor sums = gradients.zero_grad_image(flow.scalar_type());
  if (grad.numel() > 0) {
    dispatch(image.scalar_type(), [&](auto type) {
      using T = decltype(type);
      const WarpBackward<T> work = warp_backward<T>(gradients, static_cast<Padding>(padding));
      const AtomicAdd<accumulate_t<T>> add{mutable_data<accumulate_t<T>>(sums)};
      const int64_t pixels = image.size(0) * flow.size(2) * flow.size(3);
      switch (static_cast<WarpMode>(mode)) {
        case WarpMode::kNearest:
          return launch(device, pixels, WarpGradient<1, T>{work, add});
        case WarpMode::kBilinear:
          return launch(device, pixels, WarpGradient<2, T>{work, add});
        default:
          return launch(device, pixels, WarpGradient<4, T>{work, add});
      }
    });
  }
  return {torch::stable::to(sums, image.scalar_type()), gradients.grad_flow};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("backward_warp", TORCH_BOX(&backward_warp_cuda));
  m.impl("backward_warp_backward", TORCH_BOX(&backward_warp_backward_cuda));
}

}  // namespace photoflow
