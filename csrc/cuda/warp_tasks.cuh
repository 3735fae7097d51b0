// How the work of backward_warp is laid out on CUDA: one launch for all images of a dtype, a block for 256 tasks of
// one image, a task for some channels of one output pixel.
#pragma once

#include "../common/warp.h"
#include "launch.cuh"
#include "pack.cuh"

namespace photoflow {

constexpr int kImages = 8;  // at most in one launch: its arguments are limited to 4 KiB
constexpr int kThreads = 256;
constexpr int kPlanarChannels = 8;  // of a task, plane by plane; enough to pay for the position, few enough to spread
constexpr int kSideChannels = 4;    // of a task, side by side but not in whole vectors of 16 bytes

// One image of a launch. Its tasks are numbered so that neighbouring threads touch neighbouring memory: pixels first
// where it lies plane by plane, channels first where it lies pixel by pixel.
template <class Index>
struct WarpItem {
  const void *image, *grad;
  void* out;
  Index channels, chunk, chunks;  // channels of the image, of a task; tasks of a pixel
  Strides<Index> image_by, out_by;
  int64_t first_block, tasks;
  bool pixel_by_pixel, packed;  // packed: a task's channels are one vector of 16 bytes
};

template <class A, class Index>
struct WarpTasks {
  WarpItem<Index> items[kImages];
  int count;
  int64_t blocks;
  const A* flow;
  Strides<Index> flow_by;
  A* grad_flow;
  Index batch, height, width, out_height, out_width;
  Padding padding;
};

// A task: some channels of one pixel.
template <class Index>
struct WarpTask {
  Index batch, py, px, channel, channels;
};

template <class A, class Index>
__device__ __forceinline__ const WarpItem<Index>& item_of(const WarpTasks<A, Index>& all, int64_t block) {
  int i = 0;
  while (i + 1 < all.count && block >= all.items[i + 1].first_block) ++i;
  return all.items[i];
}

template <class A, class Index>
__device__ __forceinline__ WarpTask<Index> task_of(const WarpTasks<A, Index>& all, const WarpItem<Index>& item,
                                                   Index index) {
  const Index pixels = all.out_height * all.out_width;
  Index chunk, batch, at;
  if (item.pixel_by_pixel) {
    chunk = index % item.chunks;
    const Index pixel = index / item.chunks;
    at = pixel % pixels;
    batch = pixel / pixels;
  } else {
    at = index % pixels;
    const Index plane = index / pixels;
    batch = plane % all.batch;
    chunk = plane / all.batch;
  }
  const Index channel = chunk * item.chunk, left = item.channels - channel;
  return {batch, at / all.out_width, at % all.out_width, channel, left < item.chunk ? left : item.chunk};
}

// What one output pixel reads; nothing where its flow is not finite.
template <int kTaps, class A, class Index>
struct PixelReads {
  Axis<kTaps, A, Index> x, y;
  bool finite;

  __device__ __forceinline__ PixelReads(const WarpTasks<A, Index>& all, Index batch, Index py, Index px) {
    const A* at = all.flow + batch * all.flow_by.batch + py * all.flow_by.row + px * all.flow_by.pixel;
    const A u = at[0], v = at[all.flow_by.channel];
    finite = is_finite(u) && is_finite(v);
    x = read_axis<kTaps>(px, finite ? u : A(0), all.width, all.padding);
    y = read_axis<kTaps>(py, finite ? v : A(0), all.height, all.padding);
  }
};

// True where every offset that the kernels compute fits in 32 bits.
inline bool is_small(const std::vector<Features>& images, const Tensor& image, const Tensor& flow) {
  const int64_t limit = (int64_t(1) << 31) - 4 * kThreads;
  int64_t reach = 1;
  for (int axis = 0; axis < 4; ++axis) reach += (flow.size(axis) - 1) * flow.stride(axis);
  bool small = reach < limit;
  const int64_t area = std::max(image.size(2) * image.size(3), flow.size(2) * flow.size(3));
  for (const Features& features : images) small = small && image.size(0) * features.channels * area < limit;
  return small && image.size(0) * flow.size(2) * flow.size(3) < limit;
}

template <class A, class Index>
WarpTasks<A, Index> tasks_for(const Warp<A>& job) {
  WarpTasks<A, Index> all{};
  all.flow = job.flow;
  all.flow_by = narrowed<Index>(job.flow_by);
  all.grad_flow = job.grad_flow;
  all.batch = static_cast<Index>(job.batch);
  all.height = static_cast<Index>(job.height);
  all.width = static_cast<Index>(job.width);
  all.out_height = static_cast<Index>(job.out_height);
  all.out_width = static_cast<Index>(job.out_width);
  all.padding = job.padding;
  return all;
}

template <class A, class Index>
void add_item(WarpTasks<A, Index>& all, const Features& features, int64_t element_size) {
  WarpItem<Index>& item = all.items[all.count++];
  const int64_t pack = 16 / element_size;
  item.image = features.image;
  item.grad = features.grad;
  item.out = features.out;
  item.image_by = narrowed<Index>(features.image_by);
  item.out_by = narrowed<Index>(features.out_by);
  item.pixel_by_pixel = features.format == MemoryFormat::ChannelsLast;
  item.packed = item.pixel_by_pixel && features.channels % pack == 0 && aligned<Pack<float>>(features.image) &&
                aligned<Pack<float>>(features.grad) && aligned<Pack<float>>(features.out);
  item.channels = static_cast<Index>(features.channels);
  item.chunk = static_cast<Index>(item.packed ? pack : item.pixel_by_pixel ? kSideChannels : kPlanarChannels);
  item.chunks = (item.channels + item.chunk - 1) / item.chunk;
  item.tasks = static_cast<int64_t>(all.batch) * all.out_height * all.out_width * item.chunks;
  item.first_block = all.blocks;
  all.blocks += (item.tasks + kThreads - 1) / kThreads;
}

template <class Body, class A, class Index>
__global__ void __launch_bounds__(kThreads)
    for_each_task(const __grid_constant__ WarpTasks<A, Index> all, const Body body) {
  for (int64_t block = blockIdx.x; block < all.blocks; block += gridDim.x) {
    const WarpItem<Index>& item = item_of(all, block);
    const int64_t index = (block - item.first_block) * kThreads + threadIdx.x;
    if (index < item.tasks) body(all, item, task_of(all, item, static_cast<Index>(index)));
  }
}

// Calls body(all, item, task) for every task. Only grid.x is used, whose limit is 2^31 - 1.
template <class Body, class A, class Index>
void launch_tasks(const OnDevice& device, const WarpTasks<A, Index>& all, const Body& body) {
  if (all.blocks == 0) return;
  const int64_t blocks = std::min<int64_t>(all.blocks, (int64_t(1) << 31) - 1);
  for_each_task<<<static_cast<unsigned>(blocks), kThreads, 0, device.stream()>>>(all, body);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

// Calls run(type, all) for the images of each dtype, as many at a time as a launch takes; `type` is a value of the
// C++ type of the features. A is the type that they accumulate in.
template <class Index, class A, class Run>
void for_each_launch(const Warp<A>& job, const std::vector<Features>& images, const Run& run) {
  const auto of_type = [&](auto type, ScalarType dtype) {
    WarpTasks<A, Index> all = tasks_for<A, Index>(job);
    for (const Features& features : images) {
      if (features.dtype != dtype) continue;
      add_item(all, features, static_cast<int64_t>(sizeof type));
      if (all.count < kImages) continue;
      run(type, all);
      all = tasks_for<A, Index>(job);
    }
    if (all.count > 0) run(type, all);
  };
  if constexpr (std::is_same_v<A, double>) {
    of_type(double{}, ScalarType::Double);
  } else {
    of_type(float{}, ScalarType::Float);
    of_type(Half{}, ScalarType::Half);
    of_type(BFloat16{}, ScalarType::BFloat16);
  }
}

}  // namespace photoflow
