// What the kernels of forward_splat read: where a source pixel lands, with what weight. For softmax the metric's
// maximum is subtracted: that of the image where the image's range is narrow, else that of each target pixel, which a
// pass finds beforehand (and which has nothing to do where the range is narrow).
#pragma once

#include "../common/gradients.h"
#include "launch.cuh"

namespace photoflow {

// Raises *at to value. The bits of floating-point numbers order like integers, those of negative ones in reverse.
// Most values raise nothing: a plain read spares them the atomic. What it reads may be old, but is never too high.
__device__ __forceinline__ void atomic_raise(float* at, float value) {
  if (!(value > *static_cast<volatile float*>(at))) return;
  value += 0.0f;  // -0 becomes +0
  if (value >= 0.0f) {
    atomicMax(reinterpret_cast<int*>(at), __float_as_int(value));
  } else {
    atomicMin(reinterpret_cast<unsigned*>(at), __float_as_uint(value));
  }
}

__device__ __forceinline__ void atomic_raise(double* at, double value) {
  if (!(value > *static_cast<volatile double*>(at))) return;
  value += 0.0;
  const long long bits = __double_as_longlong(value);
  if (value >= 0.0) {
    atomicMax(reinterpret_cast<long long*>(at), bits);
  } else {
    atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(bits));
  }
}

// The range of an image's metric: its largest value, and the largest of its negative; -inf where there is none.
template <class A>
struct MetricRange {
  A most, most_negative;
  // exp(-60) = 9e-27: any narrower range is safe in float32.
  __device__ __forceinline__ bool narrow() const { return !(most + most_negative > A(60)); }
};

template <class T, class Index>
struct SplatSource {
  using A = accumulate_t<T>;
  const T* image;
  const A *flow, *metric;
  Strides<Index> by, flow_by;
  Index channels, height, width;
  SplatMode mode;
  const MetricRange<A>* range;  // of each image; softmax only
  const A* peak;                // (B, H, W), of the target pixels; softmax only

  struct Pixel {
    Landing<A, Index> to;
    A metric;
    bool by_peak;
    A shift;
  };

  __device__ __forceinline__ Pixel pixel(Index batch, Index py, Index px) const {
    const A* at = flow + batch * flow_by.batch + py * flow_by.row + px * flow_by.pixel;
    Pixel pixel;
    pixel.to = land(px, py, at[0], at[flow_by.channel], width, height);
    pixel.metric = metric ? metric[(batch * height + py) * width + px] : A(1);
    pixel.to.lands = pixel.to.lands && is_finite(pixel.metric);
    pixel.by_peak = mode == SplatMode::kSoftmax && !range[batch].narrow();
    pixel.shift = mode == SplatMode::kSoftmax ? range[batch].most : A(0);
    return pixel;
  }

  // The weight at target pixel `target` of the batch, but for the bilinear one.
  __device__ __forceinline__ A weight(const Pixel& pixel, Index target) const {
    if (mode != SplatMode::kSoftmax) return pixel.metric;
    return std::exp(pixel.metric - (pixel.by_peak ? peak[target] : pixel.shift));
  }
};

template <class A>
struct FindRange {
  const A* metric;
  int64_t plane, threads;  // threads of an image: a multiple of 32
  MetricRange<A>* range;

  __device__ void operator()(int64_t thread) const {
    const A* values = metric + thread / threads * plane;
    A most = -std::numeric_limits<A>::infinity(), most_negative = most;
    for (int64_t i = thread % threads; i < plane; i += threads) {
      const A value = values[i];
      if (!is_finite(value)) continue;
      most = value > most ? value : most;
      most_negative = -value > most_negative ? -value : most_negative;
    }
    for (int distance = 16; distance > 0; distance /= 2) {
      most = std::max(most, __shfl_xor_sync(0xffffffffu, most, distance));
      most_negative = std::max(most_negative, __shfl_xor_sync(0xffffffffu, most_negative, distance));
    }
    if (threadIdx.x % 32 != 0) return;
    atomic_raise(&range[thread / threads].most, most);
    atomic_raise(&range[thread / threads].most_negative, most_negative);
  }
};

// The largest metric that lands on each target pixel. The image, whose type the source names, is not read.
template <class A, class Index>
struct FindPeaks {
  SplatSource<A, Index> source;
  A* peak;

  __device__ void operator()(int64_t wide) const {
    const Index index = static_cast<Index>(wide), plane = source.height * source.width;
    const Index batch = index / plane, at = index - batch * plane, py = at / source.width;
    if (source.range[batch].narrow()) return;
    const auto pixel = source.pixel(batch, py, at - py * source.width);
    if (!pixel.to.lands) return;
    for (int k = 0; k < 4; ++k) {
      const Index corner = corner_index(pixel.to, k, source.width, source.height);
      if (corner < 0 || !(corner_weight(pixel.to, k) > A(0))) continue;
      atomic_raise(peak + batch * plane + corner, pixel.metric);
    }
  }
};

// The passes before softmax: range and, where it is wide, peaks.
template <class T, class Index>
void find_peaks(const OnDevice& device, SplatSource<T, Index>& source, const Tensor& range, const Tensor& peak) {
  using A = accumulate_t<T>;
  const int64_t batch = peak.size(0), plane = static_cast<int64_t>(source.height) * source.width;
  const int64_t threads = std::min<int64_t>((plane + 255) / 256 * 256, 1 << 14);
  source.range = data<MetricRange<A>>(range);
  source.peak = data<A>(peak);
  launch(device, batch * threads, FindRange<A>{source.metric, plane, threads, mutable_data<MetricRange<A>>(range)});
  const SplatSource<A, Index> of_metric{nullptr,        source.flow,     source.metric, source.by,
                                        source.flow_by, source.channels, source.height, source.width,
                                        source.mode,    source.range,    source.peak};
  launch(device, batch * plane, FindPeaks<A, Index>{of_metric, mutable_data<A>(peak)});
}

}  // namespace photoflow
