// backward_warp on CUDA.
#include "warp_tasks.cuh"

namespace photoflow {
namespace {

template <int kTaps, class T>
struct WarpForward {
  using A = accumulate_t<T>;

  template <class Index>
  __device__ void operator()(const WarpTasks<A, Index>& all, const WarpItem<Index>& item,
                             const WarpTask<Index>& task) const {
    const PixelReads<kTaps, A, Index> reads(all, task.batch, task.py, task.px);
    const Strides<Index>&from = item.image_by, &to = item.out_by;
    const T* image = static_cast<const T*>(item.image) + task.batch * from.batch + task.channel * from.channel;
    T* out = static_cast<T*>(item.out) + task.batch * to.batch + task.channel * to.channel + task.py * to.row +
             task.px * to.pixel;
    if (item.packed) {
      packed(image, out, from, reads);
    } else {
#pragma unroll 4
      for (Index c = 0; c < task.channels; ++c) {
        const A value = sample_strided(image + c * from.channel, from.row, from.pixel, reads.x, reads.y);
        out[c * to.channel] = T(reads.finite ? value : A(0));
      }
    }
  }

  template <class Index>
  __device__ static void packed(const T* image, T* out, const Strides<Index>& from,
                                const PixelReads<kTaps, A, Index>& reads) {
    constexpr int kSize = Pack<T>::kSize;
    A sum[kSize] = {};
#pragma unroll
    for (int j = 0; j < kTaps; ++j) {
#pragma unroll
      for (int i = 0; i < kTaps; ++i) {
        if (reads.y.index[j] < 0 || reads.x.index[i] < 0) continue;
        const Pack<T> read =
            *reinterpret_cast<const Pack<T>*>(image + reads.y.index[j] * from.row + reads.x.index[i] * from.pixel);
        const A weight = reads.y.weight[j] * reads.x.weight[i];
#pragma unroll
        for (int c = 0; c < kSize; ++c) sum[c] += weight * A(read.value[c]);
      }
    }
    Pack<T> result;
#pragma unroll
    for (int c = 0; c < kSize; ++c) result.value[c] = T(reads.finite ? sum[c] : A(0));
    *reinterpret_cast<Pack<T>*>(out) = result;
  }
};

template <class Index, class A>
void warp(const OnDevice& device, const Warp<A>& job, const std::vector<Features>& images) {
  for_each_launch<Index>(job, images, [&](auto type, const WarpTasks<A, Index>& all) {
    using T = decltype(type);
    switch (job.mode) {
      case WarpMode::kNearest:
        return launch_tasks(device, all, WarpForward<1, T>{});
      case WarpMode::kBilinear:
        return launch_tasks(device, all, WarpForward<2, T>{});
      default:
        return launch_tasks(device, all, WarpForward<4, T>{});
    }
  });
}

constexpr const char* kName = "backward_warp";

}  // namespace

std::vector<Tensor> backward_warp_many_cuda(const std::vector<Tensor>& images, const Tensor& flow, int64_t mode,
                                            int64_t padding) {
  check_warps(kName, images, flow, mode, padding);
  const OnDevice device(flow);
  const WarpOutputs outputs(images, flow);
  if (flow.numel() == 0) return outputs.results;
  dispatch_accumulate(flow.scalar_type(), [&](auto type) {
    using A = decltype(type);
    const auto job = warp_of<A>(images.front(), flow, mode, padding);
    if constexpr (std::is_same_v<A, float>) {  // float64 is for checking gradients
      if (is_small(outputs.features, images.front(), flow)) return warp<int32_t>(device, job, outputs.features);
    }
    warp<int64_t>(device, job, outputs.features);
  });
  return outputs.results;
}

Tensor backward_warp_cuda(const Tensor& image, const Tensor& flow, int64_t mode, int64_t padding) {
  return backward_warp_many_cuda({image}, flow, mode, padding).front();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("backward_warp", TORCH_BOX(&backward_warp_cuda));
  m.impl("backward_warp_many", TORCH_BOX(&backward_warp_many_cuda));
}

}  // namespace photoflow
