// The gradient of forward_splat on CUDA: all of it is gathered, in a fixed order, so that it is repeatable to the bit.
#include "../common/gradients.h"
#include "launch.cuh"

namespace photoflow {
namespace {

constexpr int kThreads = 256;

// A group of `group` threads (a power of two, at most 32) for each source pixel, whose threads share the channels.
// Groups of one thread read planes in order; larger groups read channels side by side.
template <class T, class Index>
__global__ void __launch_bounds__(kThreads)
    gather(const __grid_constant__ SplatBackward<T, Index> job, int64_t pixels, int group) {
  using A = accumulate_t<T>;
  const int lane = static_cast<int>(threadIdx.x) % group, per_block = kThreads / group;
  const Index plane = job.height * job.width;
  const int64_t step = static_cast<int64_t>(gridDim.x) * per_block;
  // Every thread of a warp makes the same number of rounds, since all take part in the exchange.
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * per_block; first < pixels; first += step) {
    const int64_t wide = first + static_cast<int>(threadIdx.x) / group;
    const bool works = wide < pixels;
    const Index index = works ? static_cast<Index>(wide) : Index(0);
    const Index batch = index / plane, at = index - batch * plane, py = at / job.width, px = at - py * job.width;
    auto pixel = job.begin(batch, py, px);
    for (Index c = lane; works && c < job.channels; c += group) {
      const A gradient = job.channel(pixel, c);
      if (job.grad_image) job.grad_image[pixel.source + c * job.by.channel] = T(gradient);
    }
    for (int distance = group / 2; distance > 0; distance /= 2) {
      for (int k = 0; k < 4; ++k) {
        pixel.difference[k] += __shfl_xor_sync(0xffffffffu, pixel.difference[k], distance);
      }
    }
    if (works && lane == 0) job.finish(pixel, batch, py, px);
  }
}

template <class T, class Index>
void run(const OnDevice& device, const SplatGradients& gradients) {
  const int64_t pixels = gradients.pixels(), channels = gradients.image.size(1);
  // Plane by plane a small picture would leave most of the device idle, side by side one thread would read in jumps.
  const int limit = gradients.format == MemoryFormat::ChannelsLast || pixels < (1 << 16) ? 32 : 1;
  int group = 1;
  while (group < limit && group < channels) group *= 2;
  const int64_t per_block = kThreads / group;
  const int64_t blocks = std::min<int64_t>((pixels + per_block - 1) / per_block, int64_t(1) << 30);
  gather<T, Index><<<static_cast<unsigned>(blocks), kThreads, 0, device.stream()>>>(splat_backward<T, Index>(gradients),
                                                                                    pixels, group);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

constexpr const char* kName = "forward_splat";

}  // namespace

std::tuple<Tensor, Tensor, Tensor> forward_splat_backward_cuda(const Tensor& grad_out,
                                                               const std::optional<Tensor>& grad_coverage,
                                                               const Tensor& image, const Tensor& flow,
                                                               const std::optional<Tensor>& metric, const Tensor& out,
                                                               const Tensor& normaliser, int64_t mode, bool needs_image,
                                                               bool needs_flow, bool needs_metric) {
  const OnDevice device(image);
  const SplatGradients gradients(kName, grad_out, grad_coverage, image, flow, metric, out, normaliser,
                                 splat_mode(kName, mode), needs_image, needs_flow, needs_metric);
  if (gradients.pixels() == 0) return gradients.result();
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    if (fits_32_bits(gradients.pixels() * std::max<int64_t>(image.size(1), 2))) {
      run<T, int32_t>(device, gradients);
    } else {
      run<T, int64_t>(device, gradients);
    }
  });
  return gradients.result();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("forward_splat_backward", TORCH_BOX(&forward_splat_backward_cuda));
}

}  // namespace photoflow
