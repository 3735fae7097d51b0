// What the kernels of correlation_lookup and of its gradients share: a pixel's window, correlated by a warp.
#pragma once

#include "../common/correlation_checks.h"
#include "launch.cuh"
#include "pack.cuh"

namespace photoflow {

constexpr int kWarp = 32;
constexpr int64_t kMostBlocks = int64_t(1) << 20, kSharedBytes = 40 << 10;
constexpr unsigned kAllLanes = 0xffffffffu;

// Four float32 or two float64 channels, which padded_channels keeps aligned.
template <class A>
__device__ Pack<A> load_pack(const A* from) {
  const float4 bits = *reinterpret_cast<const float4*>(from);
  Pack<A> pack;
  memcpy(&pack, &bits, sizeof pack);
  return pack;
}

inline Tensor in_packs(const Tensor& pyramid) {
  const Tensor whole = torch::stable::contiguous(pyramid);
  return aligned<Pack<float>>(whole.const_data_ptr()) ? whole : torch::stable::clone(whole);
}

template <class T>
struct Lookup {
  using A = accumulate_t<T>;
  const T* fmap1;
  Strides<int64_t> strides;
  const A *pyramid, *coords;
  int64_t batch, channels, height, width, padded, radius;
  PyramidShape shape;
  A scale;

  __device__ int64_t plane() const { return height * width; }
  __device__ int64_t side() const { return 2 * radius + 2; }
  __device__ int64_t results() const { return (2 * radius + 1) * (2 * radius + 1); }

  __device__ Window<A> window(int64_t image, int64_t pixel, int64_t level) const {
    const A* const at = coords + image * 2 * plane() + pixel;
    return place_window(at[0], at[plane()], level, radius);
  }

  // The first position of a level of one image, in elements of the pyramid.
  __device__ int64_t first(int64_t image, int64_t level) const {
    return (image * shape.first(shape.levels) + shape.first(level)) * padded;
  }

  // Where entry `index` of a window lies, in elements after first(), or -1 outside the image.
  __device__ int64_t offset(const Window<A>& window, int64_t level, int64_t index) const {
    const int64_t x = window.x + index % side(), y = window.y + index / side();
    const bool inside = x >= 0 && x < shape.columns(level) && y >= 0 && y < shape.rows(level);
    return inside && index < side() * side() ? (y * shape.columns(level) + x) * padded : -1;
  }

  // Channels [c, c + kSize) of a pixel, which need not lie side by side, times the scale.
  __device__ Pack<A> query(int64_t image, int64_t pixel, int64_t c) const {
    const T* const at = fmap1 + image * strides.batch + pixel / width * strides.row + pixel % width * strides.pixel;
    Pack<A> pack;
    for (int k = 0; k < Pack<A>::kSize; ++k) {
      pack.value[k] = c + k < channels ? scale * A(at[(c + k) * strides.channel]) : A(0);
    }
    return pack;
  }
};

// The sums of 32 numbers over the lanes of a warp: lane i gets that of number i. Each step halves the numbers that a
// lane holds and doubles the lanes that are summed in them: 31 exchanges instead of 160.
template <int kHalf, class A>
__device__ A sum_over_lanes(A (&numbers)[kWarp], int lane) {
  const bool upper = (lane & kHalf) != 0;
#pragma unroll
  for (int i = 0; i < kHalf; ++i) {
    const A keep = upper ? numbers[i + kHalf] : numbers[i], send = upper ? numbers[i] : numbers[i + kHalf];
    numbers[i] = keep + __shfl_xor_sync(kAllLanes, send, kHalf);
  }
  // The number of registers is known to the compiler only if every step is a function of its own.
  if constexpr (kHalf > 1) {
    return sum_over_lanes<kHalf / 2>(numbers, lane);
  } else {
    return numbers[0];
  }
}

// A warp computes the correlations of a pixel with its window, dots[side^2]; lanes share the channels.
template <class T>
__device__ void correlate(const Lookup<T>& job, int64_t image, int64_t pixel, int64_t level,
                          const Window<accumulate_t<T>>& window, int lane, accumulate_t<T>* dots) {
  using A = accumulate_t<T>;
  const A* const base = job.pyramid + job.first(image, level);
  const int64_t count = job.side() * job.side();
  for (int64_t first = 0; first < count; first += kWarp) {
    const int64_t mine = job.offset(window, level, first + lane);
    A sum[kWarp];
#pragma unroll
    for (int i = 0; i < kWarp; ++i) sum[i] = A(0);
    if (__any_sync(kAllLanes, mine >= 0)) {
      for (int64_t begin = 0; begin < job.padded; begin += kWarp * Pack<A>::kSize) {
        const int64_t c = begin + lane * Pack<A>::kSize;
        const bool some = c < job.padded;
        Pack<A> query{};
        if (some) query = job.query(image, pixel, c);
#pragma unroll
        for (int i = 0; i < kWarp; ++i) {
          const int64_t at = __shfl_sync(kAllLanes, mine, i);
          if (at < 0 || !some) continue;
          const Pack<A> place = load_pack(base + at + c);
#pragma unroll
          for (int k = 0; k < Pack<A>::kSize; ++k) sum[i] += query.value[k] * place.value[k];
        }
      }
    }
    const A total = sum_over_lanes<kWarp / 2>(sum, lane);
    if (first + lane < count) dots[first + lane] = total;
  }
}

// The largest power of two, at most `most`, of which as many times `bytes` fit into shared memory.
inline int64_t fitting(int64_t bytes, int64_t most) {
  while (most > 1 && most * bytes > kSharedBytes) most /= 2;
  return most;
}

inline unsigned blocks_for(int64_t count) { return static_cast<unsigned>(std::min(count, kMostBlocks)); }

}  // namespace photoflow
