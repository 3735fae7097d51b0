// The gradient of backward_warp on CUDA. The gradient of an image is summed atomically, in float32 whatever the image
// has: its last bits may vary, but not where `deterministic` is asked for, which sums in integers. The gradient of the
// flow is summed in a fixed order in any case.
#include "sums.cuh"
#include "warp_tasks.cuh"

namespace photoflow {
namespace {

// Which sums an item adds to: those that it names, or others of the same layout.
template <class A>
struct NamedSums {
  __device__ FloatSums<A> of(void* out) const { return {static_cast<A*>(out)}; }
};
template <class Sums>
struct OtherSums {
  Sums sums;
  __device__ Sums of(void*) const { return sums; }
};

// Sums are laid out as the image.
template <int kTaps, class T, class Target>
struct ImageGradient {
  using A = accumulate_t<T>;
  Target target;

  template <class Index>
  __device__ void operator()(const WarpTasks<A, Index>& all, const WarpItem<Index>& item,
                             const WarpTask<Index>& task) const {
    const PixelReads<kTaps, A, Index> reads(all, task.batch, task.py, task.px);
    if (!reads.finite) return;
    const Strides<Index>&to = item.image_by, &from = item.out_by;
    const T* grad = static_cast<const T*>(item.grad) + task.batch * from.batch + task.channel * from.channel +
                    task.py * from.row + task.px * from.pixel;
    const auto sums = target.of(item.out);
    const Index first = task.batch * to.batch + task.channel * to.channel;
    for (Index c = 0; c < task.channels; ++c) {
      const A incoming = A(grad[c * from.channel]);
      const Index plane = first + c * to.channel;
#pragma unroll
      for (int j = 0; j < kTaps; ++j) {
#pragma unroll
        for (int i = 0; i < kTaps; ++i) {
          if (reads.y.index[j] < 0 || reads.x.index[i] < 0) continue;
          sums.add(plane + reads.y.index[j] * to.row + reads.x.index[i] * to.pixel,
                   reads.y.weight[j] * reads.x.weight[i] * incoming);
        }
      }
    }
  }
};

// The gradient of the flow: a group of `group` threads (a power of two, at most 32) for each output pixel, whose
// threads share the channels. Groups of one thread read planes in order; larger groups read channels side by side.
template <int kTaps, class T>
struct FlowGradient {
  using A = accumulate_t<T>;

  template <class Index>
  __device__ static void pixel(const WarpTasks<A, Index>& all, const WarpItem<Index>& item,
                               const PixelReads<kTaps, A, Index>& reads, const WarpTask<Index>& task, int lane,
                               int group, A& along_x, A& along_y) {
    const Strides<Index>&from = item.image_by, &by = item.out_by;
    const T* image = static_cast<const T*>(item.image) + task.batch * from.batch;
    const T* grad = static_cast<const T*>(item.grad) + task.batch * by.batch + task.py * by.row + task.px * by.pixel;
    for (Index c = lane; c < item.channels; c += group) {
      const A incoming = A(grad[c * by.channel]);
      A x, y;
      sample_slopes(image + c * from.channel, from.row, from.pixel, reads.x, reads.y, x, y);
      along_x += x * incoming;
      along_y += y * incoming;
    }
  }
};

template <int kTaps, class T, class A, class Index>
__global__ void __launch_bounds__(kThreads)
    flow_gradient(const __grid_constant__ WarpTasks<A, Index> all, int group, bool adds) {
  const int lane = static_cast<int>(threadIdx.x) % group;
  const Index plane = all.out_height * all.out_width;
  const int64_t pixels = static_cast<int64_t>(all.batch) * plane;
  const int64_t step = static_cast<int64_t>(gridDim.x) * (kThreads / group);
  // Every thread of a warp makes the same number of rounds, since all take part in the exchange.
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * (kThreads / group); first < pixels; first += step) {
    const int64_t index = first + threadIdx.x / group;
    A along_x = A(0), along_y = A(0);
    Index at = 0, batch = 0;
    if (index < pixels) {
      at = static_cast<Index>(index) % plane;
      batch = static_cast<Index>(index) / plane;
      const WarpTask<Index> task{batch, at / all.out_width, at % all.out_width, 0, 0};
      const PixelReads<kTaps, A, Index> reads(all, batch, task.py, task.px);
      for (int i = 0; reads.finite && i < all.count; ++i) {
        FlowGradient<kTaps, T>::pixel(all, all.items[i], reads, task, lane, group, along_x, along_y);
      }
    }
    for (int distance = group / 2; distance > 0; distance /= 2) {
      along_x += __shfl_down_sync(0xffffffffu, along_x, static_cast<unsigned>(distance), group);
      along_y += __shfl_down_sync(0xffffffffu, along_y, static_cast<unsigned>(distance), group);
    }
    if (lane != 0 || index >= pixels) continue;
    A* const to = all.grad_flow + static_cast<int64_t>(batch) * 2 * plane + at;
    to[0] = adds ? to[0] + along_x : along_x;
    to[plane] = adds ? to[plane] + along_y : along_y;
  }
}

template <class T>
struct FromIntegers {
  IntegerSums<accumulate_t<T>> sums;
  T* out;
  __device__ void operator()(int64_t i) const { out[i] = T(sums.read(i)); }
};

template <class Index, class A>
void flow_gradient(const OnDevice& device, const Warp<A>& job, const std::vector<Features>& images) {
  if (job.mode == WarpMode::kNearest) return;
  const int64_t pixels = job.batch * job.out_height * job.out_width;
  bool adds = false;
  for (const bool side_by_side : {false, true}) {
    std::vector<Features> some;
    int64_t channels = 0;
    for (const Features& features : images) {
      if ((features.format == MemoryFormat::ChannelsLast) != side_by_side) continue;
      some.push_back(features);
      channels = std::max(channels, features.channels);
    }
    // Plane by plane a small picture would leave most of the device idle, side by side one thread would read in jumps.
    int64_t group = 1;
    const int64_t limit = side_by_side || pixels < (1 << 16) ? 32 : 1;
    while (group < limit && group < channels) group *= 2;
    for_each_launch<Index>(job, some, [&](auto type, const WarpTasks<A, Index>& all) {
      using T = decltype(type);
      const int64_t per_block = kThreads / group;
      const unsigned blocks =
          static_cast<unsigned>(std::min<int64_t>((pixels + per_block - 1) / per_block, int64_t(1) << 30));
      if (job.mode == WarpMode::kBilinear) {
        flow_gradient<2, T><<<blocks, kThreads, 0, device.stream()>>>(all, static_cast<int>(group), adds);
      } else {
        flow_gradient<4, T><<<blocks, kThreads, 0, device.stream()>>>(all, static_cast<int>(group), adds);
      }
      STD_CUDA_KERNEL_LAUNCH_CHECK();
      adds = true;
    });
  }
}

template <class Index, class T, class A, class Target>
void add_image_gradient(const OnDevice& device, const Warp<A>& job, const WarpTasks<A, Index>& all,
                        const Target& target) {
  switch (job.mode) {
    case WarpMode::kNearest:
      return launch_tasks(device, all, ImageGradient<1, T, Target>{target});
    case WarpMode::kBilinear:
      return launch_tasks(device, all, ImageGradient<2, T, Target>{target});
    default:
      return launch_tasks(device, all, ImageGradient<4, T, Target>{target});
  }
}

// The gradients of all images that need one, added into `sums`.
template <class Index, class A>
void add_image_gradients(const OnDevice& device, const Warp<A>& job, const std::vector<Features>& sums) {
  for_each_launch<Index>(job, sums, [&](auto type, const WarpTasks<A, Index>& all) {
    add_image_gradient<Index, decltype(type)>(device, job, all, NamedSums<A>{});
  });
}

// Rare enough that 64-bit indices do for every size.
template <class A>
void repeatable_image_gradient(const OnDevice& device, const Warp<A>& job, const Features& features,
                               const Tensor& result) {
  const SumTensors<A> tensors(result, {result.size(0), result.size(1), result.size(2), result.size(3)},
                              features.format);
  // All reads of all output pixels may fall on one pixel.
  const int64_t taps = static_cast<int64_t>(job.mode);
  const IntegerSums<A> sums = tensors.integers(taps * taps * job.out_height * job.out_width);
  for_each_launch<int64_t>(job, {features}, [&](auto type, const WarpTasks<A, int64_t>& all) {
    using T = decltype(type);
    add_image_gradient<int64_t, T>(device, job, all, OtherSums<Magnitudes<A>>{tensors.magnitudes()});
    add_image_gradient<int64_t, T>(device, job, all, OtherSums<IntegerSums<A>>{sums});
    launch(device, result.numel(), FromIntegers<T>{sums, mutable_data<T>(result)});
  });
}

constexpr const char* kName = "backward_warp";

template <class Index, class A>
void gradient(const OnDevice& device, const Warp<A>& job, WarpGradients& work, bool deterministic) {
  if (job.grad_flow) flow_gradient<Index>(device, job, work.features);
  std::vector<Features> sums;
  std::vector<std::pair<size_t, Tensor>> wide;
  for (size_t i = 0; i < work.features.size(); ++i) {
    const Features& features = work.features[i];
    Tensor& result = work.results[i];
    if (!features.out || result.numel() == 0) continue;
    if (deterministic) {
      repeatable_image_gradient(device, job, features, result);
      continue;
    }
    const ScalarType dtype = accumulate_dtype(features.dtype);
    Tensor sum = result;
    if (dtype != features.dtype) {
      sum = empty_in(result, {result.size(0), result.size(1), result.size(2), result.size(3)}, dtype, features.format);
      wide.emplace_back(i, sum);
    }
    torch::stable::zero_(sum);
    sums.push_back(features);
    sums.back().out = sum.mutable_data_ptr();
  }
  add_image_gradients<Index>(device, job, sums);
  for (const auto& [i, sum] : wide) torch::stable::copy_(work.results[i], sum);
}

}  // namespace

std::tuple<std::vector<Tensor>, Tensor> backward_warp_many_backward_cuda(
    const std::vector<Tensor>& grads, const std::vector<Tensor>& images, const Tensor& flow, int64_t mode,
    int64_t padding, const std::vector<bool>& needs_image, bool needs_flow, bool deterministic) {
  check_warps(kName, images, flow, mode, padding);
  const OnDevice device(flow);
  WarpGradients work(kName, grads, images, flow, needs_image, needs_flow);
  // The reads of nearest change with the flow but in steps: its gradient is 0.
  if (static_cast<WarpMode>(mode) == WarpMode::kNearest) torch::stable::zero_(work.grad_flow);
  if (flow.numel() == 0) {
    for (Tensor& result : work.results) torch::stable::zero_(result);
    return {work.results, work.grad_flow};
  }
  dispatch_accumulate(flow.scalar_type(), [&](auto type) {
    using A = decltype(type);
    Warp<A> job = warp_of<A>(images.front(), flow, mode, padding);
    job.grad_flow = needs_flow ? mutable_data<A>(work.grad_flow) : nullptr;
    if constexpr (std::is_same_v<A, float>) {  // float64 is for checking gradients
      if (is_small(work.features, images.front(), flow)) return gradient<int32_t>(device, job, work, deterministic);
    }
    gradient<int64_t>(device, job, work, deterministic);
  });
  return {work.results, work.grad_flow};
}

std::tuple<Tensor, Tensor> backward_warp_backward_cuda(const Tensor& grad, const Tensor& image, const Tensor& flow,
                                                       int64_t mode, int64_t padding, bool needs_image, bool needs_flow,
                                                       bool deterministic) {
  const auto [images, grad_flow] =
      backward_warp_many_backward_cuda({grad}, {image}, flow, mode, padding, {needs_image}, needs_flow, deterministic);
  return {images.front(), grad_flow};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("backward_warp_backward", TORCH_BOX(&backward_warp_backward_cuda));
  m.impl("backward_warp_many_backward", TORCH_BOX(&backward_warp_many_backward_cuda));
}

}  // namespace photoflow
