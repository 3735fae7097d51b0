// The gradients of correlation_lookup on CUDA.
//
// Nothing is added atomically: every number is summed by one warp in a fixed order, so that gradients repeat to the
// bit.
#include "correlation_window.cuh"

namespace photoflow {
namespace {

// Incoming gradients of one pixel at one level: entry (i, j), 0 outside; see blend().
template <class T>
struct Incoming {
  const T* grad;
  int64_t n, plane;
  __device__ accumulate_t<T> operator()(int64_t i, int64_t j) const {
    const bool inside = i >= 0 && i < n && j >= 0 && j < n;
    return inside ? accumulate_t<T>(grad[(i * n + j) * plane]) : accumulate_t<T>(0);
  }
  __device__ accumulate_t<T> weight(const Window<accumulate_t<T>>& window, int64_t column, int64_t row) const {
    return blend((*this)(column, row), (*this)(column - 1, row), (*this)(column, row - 1), (*this)(column - 1, row - 1),
                 window.fx, window.fy);
  }
};

template <class T>
struct Gradients {
  using A = accumulate_t<T>;
  Lookup<T> job;
  const T* grad;
  T* grad_fmap1;                  // null: not asked for
  A *grad_coords, *grad_pyramid;  // null: not asked for

  __device__ Incoming<T> incoming(int64_t image, int64_t pixel, int64_t level) const {
    const int64_t first = (image * job.shape.levels + level) * job.results();
    return {grad + first * job.plane() + pixel, 2 * job.radius + 1, job.plane()};
  }
};

template <class A>
__device__ A warp_sum(A value) {
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

// grad_coords of one pixel, by one warp; `buffer` holds its correlations.
template <class T>
__device__ void coords_gradient(const Gradients<T>& work, int64_t image, int64_t pixel, int lane,
                                accumulate_t<T>* buffer) {
  using A = accumulate_t<T>;
  const Lookup<T>& job = work.job;
  const int64_t side = job.side(), n = side - 1;
  A along_x = A(0), along_y = A(0);
  for (int64_t level = 0; level < job.shape.levels; ++level) {
    const Window<A> window = job.window(image, pixel, level);
    const Incoming<T> incoming = work.incoming(image, pixel, level);
    const A scale = A(1) / static_cast<A>(int64_t(1) << level);
    correlate(job, image, pixel, level, window, lane, buffer);
    __syncwarp();
    for (int64_t k = lane; k < n * n; k += kWarp) {
      const A g = scale * incoming(k / n, k % n);
      const A *top = buffer + k % n * side + k / n, *bottom = top + side;
      along_x += g * slope_x(top[0], top[1], bottom[0], bottom[1], window.fy);
      along_y += g * slope_y(top[0], top[1], bottom[0], bottom[1], window.fx);
    }
    __syncwarp();
  }
  along_x = warp_sum(along_x);
  along_y = warp_sum(along_y);
  if (lane == 0) {
    A* const to = work.grad_coords + image * 2 * job.plane() + pixel;
    to[0] = along_x;
    to[job.plane()] = along_y;
  }
}

// grad_fmap1 of one pixel, by one warp; `buffer` holds the weights of its window.
template <class T>
__device__ void query_gradient(const Gradients<T>& work, int64_t image, int64_t pixel, int lane,
                               accumulate_t<T>* buffer) {
  using A = accumulate_t<T>;
  const Lookup<T>& job = work.job;
  const int64_t side = job.side(), count = side * side;
  for (int64_t begin = 0; begin < job.padded; begin += kWarp * Pack<A>::kSize) {
    const int64_t c = begin + lane * Pack<A>::kSize;
    Pack<A> sum{};
    for (int64_t level = 0; level < job.shape.levels; ++level) {
      const Window<A> window = job.window(image, pixel, level);
      const Incoming<T> incoming = work.incoming(image, pixel, level);
      for (int64_t i = lane; i < count; i += kWarp) buffer[i] = incoming.weight(window, i % side, i / side);
      __syncwarp();
      const A* const base = job.pyramid + job.first(image, level);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = job.offset(window, level, i);
        if (at < 0 || c >= job.padded) continue;
        const Pack<A> place = load_pack(base + at + c);
        const A weight = buffer[i];
        for (int k = 0; k < Pack<A>::kSize; ++k) sum.value[k] += weight * place.value[k];
      }
      __syncwarp();
    }
    for (int k = 0; k < Pack<A>::kSize; ++k) {
      if (c + k >= job.channels) continue;
      work.grad_fmap1[(image * job.channels + c + k) * job.plane() + pixel] = T(job.scale * sum.value[k]);
    }
  }
}

template <class T>
__global__ void pixel_gradients(Gradients<T> work) {
  using A = accumulate_t<T>;
  extern __shared__ double shared[];
  const Lookup<T>& job = work.job;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t warps = blockDim.x / kWarp, plane = job.plane();
  A* const buffer = reinterpret_cast<A*>(shared) + threadIdx.x / kWarp * job.side() * job.side();
  for (int64_t index = blockIdx.x * warps + threadIdx.x / kWarp; index < job.batch * plane;
       index += gridDim.x * warps) {
    if (work.grad_coords) coords_gradient(work, index / plane, index % plane, lane, buffer);
    if (work.grad_fmap1) query_gradient(work, index / plane, index % plane, lane, buffer);
  }
}

// The gradient of the pyramid. A block has kRun positions of one row and kWarp channels to itself and looks at all
// pixels in order, kScan at a time. Each thread tells whether its pixel reads the row and computes its weights there;
// then every warp adds up its own positions, those whose column is the warp's number modulo the number of warps.
constexpr int kRun = 32, kScan = 128, kScanWarps = kScan / kWarp;

template <class T>
__global__ void pyramid_gradient(Gradients<T> work, const accumulate_t<T>* queries, int64_t all_rows, int64_t runs) {
  using A = accumulate_t<T>;
  extern __shared__ double shared[];
  __shared__ A sum[kRun * kWarp];
  __shared__ int64_t left[kScan];
  __shared__ unsigned hits[kScanWarps];
  A* const weights = reinterpret_cast<A*>(shared);  // (kScan, side)
  const Lookup<T>& job = work.job;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t slices = (job.padded + kWarp - 1) / kWarp, plane = job.plane(), side = job.side();
  for (int64_t block = blockIdx.x; block < job.batch * all_rows * runs * slices; block += gridDim.x) {
    const int64_t channel = block % slices * kWarp + lane, from = block / slices % runs * kRun;
    const int64_t image = block / slices / runs / all_rows;
    int64_t level = 0, y = block / slices / runs % all_rows;
    for (; y >= job.shape.rows(level); ++level) y -= job.shape.rows(level);
    const int64_t to = min(from + kRun, job.shape.columns(level));
    if (from >= to) continue;  // the same for the whole block
    for (int x = warp; x < kRun; x += kScanWarps) sum[x * kWarp + lane] = A(0);
    for (int64_t first = 0; first < plane; first += kScan) {
      const int64_t pixel = first + threadIdx.x;
      bool hit = false;
      if (pixel < plane) {
        const Window<A> window = job.window(image, pixel, level);
        hit = window.y <= y && y < window.y + side && window.x < to && from < window.x + side;
        if (hit) {
          const Incoming<T> incoming = work.incoming(image, pixel, level);
          left[threadIdx.x] = window.x;
          for (int64_t i = 0; i < side; ++i) {
            weights[threadIdx.x * side + i] = incoming.weight(window, i, y - window.y);
          }
        }
      }
      const unsigned ballot = __ballot_sync(kAllLanes, hit);
      if (lane == 0) hits[warp] = ballot;
      __syncthreads();
      for (int part = 0; part < kScanWarps; ++part) {
        for (unsigned rest = hits[part]; rest != 0; rest &= rest - 1) {
          const int i = part * kWarp + __ffs(static_cast<int>(rest)) - 1;
          const A query = channel < job.padded ? queries[(image * plane + first + i) * job.padded + channel] : A(0);
          const int64_t begin = max(left[i], from), end = min(left[i] + side, to);
          for (int64_t x = begin + (warp - (begin - from) % kScanWarps + kScanWarps) % kScanWarps; x < end;
               x += kScanWarps) {
            sum[(x - from) * kWarp + lane] += weights[i * side + x - left[i]] * query;
          }
        }
      }
      __syncthreads();  // before the next pixels are written over these
    }
    if (channel >= job.padded) continue;  // no barrier follows in this round
    for (int64_t x = from + warp; x < to; x += kScanWarps) {
      work.grad_pyramid[job.first(image, level) + (y * job.shape.columns(level) + x) * job.padded + channel] =
          sum[(x - from) * kWarp + lane];
    }
  }
}

// Features as queries, (B, H W, channels) of the accumulation's type, times the scale of the correlations.
template <class T>
struct Queries {
  Lookup<T> job;
  accumulate_t<T>* out;
  __device__ void operator()(int64_t index) const {
    const int64_t c = index % job.padded, pixel = index / job.padded, at = pixel % job.plane();
    const T* const from = job.fmap1 + pixel / job.plane() * job.strides.batch + at / job.width * job.strides.row +
                          at % job.width * job.strides.pixel;
    out[index] = c < job.channels ? job.scale * accumulate_t<T>(from[c * job.strides.channel]) : accumulate_t<T>(0);
  }
};

template <class T>
void launch_pyramid_gradient(const OnDevice& device, const Gradients<T>& work, const Tensor& fmap1) {
  using A = accumulate_t<T>;
  const Lookup<T>& job = work.job;
  const int64_t plane = job.height * job.width;
  Tensor queries = empty_for(fmap1, {job.batch, plane, job.padded}, accumulate_dtype(fmap1.scalar_type()));
  launch(device, queries.numel(), Queries<T>{job, mutable_data<A>(queries)});
  int64_t rows = 0;
  for (int64_t level = 0; level < job.shape.levels; ++level) rows += job.shape.rows(level);
  const int64_t runs = (job.shape.width + kRun - 1) / kRun, slices = (job.padded + kWarp - 1) / kWarp;
  const int64_t blocks = job.batch * rows * runs * slices;
  if (blocks == 0) return;
  const size_t shared = static_cast<size_t>(kScan * (2 * job.radius + 2)) * sizeof(A);
  pyramid_gradient<<<blocks_for(blocks), kScan, shared, device.stream()>>>(work, data<A>(queries), rows, runs);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> correlation_lookup_backward_cuda(const Tensor& grad_any, const Tensor& fmap1_any,
                                                                    const Tensor& pyramid_any, const Tensor& coords_any,
                                                                    int64_t height, int64_t width, int64_t levels,
                                                                    int64_t radius, bool needs_fmap1,
                                                                    bool needs_pyramid, bool needs_coords) {
  const PyramidShape shape{height, width, levels};
  check_lookup(fmap1_any, pyramid_any, coords_any, shape, radius);
  check_beside(kCorrelation, "grad", grad_any, fmap1_any, fmap1_any.scalar_type(),
               levels * (2 * radius + 1) * (2 * radius + 1), fmap1_any.size(2), fmap1_any.size(3));
  const OnDevice device(fmap1_any);
  // Half precision is converted before and after: next to the kernels that costs nothing, and halves their number.
  const ScalarType dtype = accumulate_dtype(fmap1_any.scalar_type());
  const Tensor fmap1 = torch::stable::to(fmap1_any, dtype);
  const Tensor grad = torch::stable::contiguous(torch::stable::to(grad_any, dtype)), pyramid = in_packs(pyramid_any),
               coords = torch::stable::contiguous(coords_any);
  const int64_t batch = fmap1.size(0), rows = fmap1.size(2), columns = fmap1.size(3), side = 2 * radius + 1;
  Tensor grad_fmap1 = empty_for(fmap1, {needs_fmap1 ? batch : 0, fmap1.size(1), rows, columns}, dtype);
  Tensor grad_pyramid =
      zeros_for(pyramid, {needs_pyramid ? batch : 0, pyramid.size(1), pyramid.size(2)}, pyramid.scalar_type());
  Tensor grad_coords = empty_for(coords, {needs_coords ? batch : 0, 2, rows, columns}, coords.scalar_type());
  const auto run = [&](auto type) {
    using T = decltype(type);
    using A = T;
    const Gradients<T> work{lookup_of<Lookup, T>(fmap1, pyramid, coords, shape, radius), data<T>(grad),
                            needs_fmap1 ? mutable_data<T>(grad_fmap1) : nullptr,
                            needs_coords ? mutable_data<A>(grad_coords) : nullptr,
                            needs_pyramid ? mutable_data<A>(grad_pyramid) : nullptr};
    if (needs_fmap1 || needs_coords) {
      const int64_t bytes = (side + 1) * (side + 1) * static_cast<int64_t>(sizeof(A)), warps = fitting(bytes, 8);
      const int64_t blocks = (batch * rows * columns + warps - 1) / warps;
      pixel_gradients<<<blocks_for(blocks), static_cast<unsigned>(warps * kWarp), static_cast<size_t>(warps * bytes),
                        device.stream()>>>(work);
      STD_CUDA_KERNEL_LAUNCH_CHECK();
    }
    if (needs_pyramid) launch_pyramid_gradient(device, work, fmap1);
  };
  if (grad.numel() > 0) dtype == ScalarType::Double ? run(double{}) : run(float{});
  return {torch::stable::to(grad_fmap1, fmap1_any.scalar_type()), grad_pyramid, grad_coords};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("correlation_lookup_backward", TORCH_BOX(&correlation_lookup_backward_cuda));
}

}  // namespace photoflow
