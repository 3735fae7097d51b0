// correlation_lookup on CUDA: correlations computed where they are read, all levels in one launch.
#include "correlation_window.cuh"

namespace photoflow {
namespace {

// A block takes `pixels` neighbouring pixels at one level: its warps correlate them into shared memory, then its
// threads blend, neighbours writing neighbouring results.
template <class T>
__global__ void look_up(Lookup<T> job, int64_t pixels, T* out) {
  using A = accumulate_t<T>;
  extern __shared__ double shared[];
  A* const dots = reinterpret_cast<A*>(shared);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  const int64_t side = job.side(), stride = side * side + 1, n = side - 1;  // an odd stride: no bank conflicts
  const int64_t plane = job.plane(), parts = (plane + pixels - 1) / pixels;
  for (int64_t block = blockIdx.x; block < parts * job.shape.levels * job.batch; block += gridDim.x) {
    const int64_t first = block % parts * pixels, level = block / parts % job.shape.levels;
    const int64_t image = block / parts / job.shape.levels, count = min(pixels, plane - first);
    for (int64_t i = warp; i < count; i += warps) {
      correlate(job, image, first + i, level, job.window(image, first + i, level), lane, dots + i * stride);
    }
    __syncthreads();
    T* const to = out + (image * job.shape.levels + level) * job.results() * plane + first;
    for (int64_t task = threadIdx.x; task < job.results() * pixels; task += blockDim.x) {
      const int64_t i = task % pixels, k = task / pixels;
      if (i >= count) continue;
      const Window<A> window = job.window(image, first + i, level);
      const A *top = dots + i * stride + k % n * side + k / n, *bottom = top + side;
      to[k * plane + i] = T(blend(top[0], top[1], bottom[0], bottom[1], window.fx, window.fy));
    }
    __syncthreads();  // before the next round writes over what is read here
  }
}

}  // namespace

Tensor correlation_lookup_cuda(const Tensor& fmap1, const Tensor& pyramid_any, const Tensor& coords_any, int64_t height,
                               int64_t width, int64_t levels, int64_t radius) {
  const PyramidShape shape{height, width, levels};
  check_lookup(fmap1, pyramid_any, coords_any, shape, radius);
  const OnDevice device(fmap1);
  const Tensor pyramid = in_packs(pyramid_any), coords = torch::stable::contiguous(coords_any);
  const int64_t side = 2 * radius + 1, plane = fmap1.size(2) * fmap1.size(3);
  Tensor out =
      empty_for(fmap1, {fmap1.size(0), levels * side * side, fmap1.size(2), fmap1.size(3)}, fmap1.scalar_type());
  if (out.numel() == 0) return out;
  dispatch(fmap1.scalar_type(), [&](auto type) {
    using T = decltype(type);
    const int64_t bytes = ((side + 1) * (side + 1) + 1) * static_cast<int64_t>(sizeof(accumulate_t<T>));
    const int64_t pixels = fitting(bytes, kWarp), warps = std::min<int64_t>(pixels, 8);
    const int64_t blocks = fmap1.size(0) * levels * ((plane + pixels - 1) / pixels);
    look_up<<<blocks_for(blocks), static_cast<unsigned>(warps * kWarp), static_cast<size_t>(pixels * bytes),
              device.stream()>>>(lookup_of<Lookup, T>(fmap1, pyramid, coords, shape, radius), pixels,
                                 mutable_data<T>(out));
    STD_CUDA_KERNEL_LAUNCH_CHECK();
  });
  return out;
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) { m.impl("correlation_lookup", TORCH_BOX(&correlation_lookup_cuda)); }

}  // namespace photoflow
