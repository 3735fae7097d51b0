// How the kernels of forward_splat add up what lands.
#pragma once

#include "splat_source.cuh"
#include "sums.cuh"

namespace photoflow {

__device__ __forceinline__ void add_four(float* to, float a, float b, float c, float d) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  atomicAdd(reinterpret_cast<float4*>(to), make_float4(a, b, c, d));
#else
  atomicAdd(to + 0, a);
  atomicAdd(to + 1, b);
  atomicAdd(to + 2, c);
  atomicAdd(to + 3, d);
#endif
}

__device__ __forceinline__ void add_four(double* to, double a, double b, double c, double d) {
  atomicAdd(to + 0, a);
  atomicAdd(to + 1, b);
  atomicAdd(to + 2, c);
  atomicAdd(to + 3, d);
}

// Some channels of one pixel. Neighbouring threads touch neighbouring memory: pixels first where features lie plane by
// plane, channels first where they lie pixel by pixel.
template <class Index>
struct SplatTasks {
  Index pixels, chunk, chunks;  // of the batch; channels of a task, tasks of a pixel
  bool pixel_by_pixel;

  SplatTasks(int64_t all_pixels, int64_t channels, bool last)
      : pixels(static_cast<Index>(all_pixels)),
        chunk(last ? 4 : 8),
        chunks(static_cast<Index>(std::max<int64_t>((channels + chunk - 1) / chunk, 1))),
        pixel_by_pixel(last) {}
  int64_t count() const { return static_cast<int64_t>(pixels) * chunks; }
  __device__ __forceinline__ void find(Index task, Index& pixel, Index& first) const {
    pixel = pixel_by_pixel ? task / chunks : task % pixels;
    first = (pixel_by_pixel ? task % chunks : task / pixels) * chunk;
  }
};

// Sums laid out as the features, those of the weights and of the coverage apart.
template <class T, class Index, class Sums>
struct SplatAdd {
  using A = accumulate_t<T>;
  SplatSource<T, Index> source;
  SplatTasks<Index> tasks;
  Sums sums, weights, coverage;  // weights: null where they are the coverage

  __device__ void operator()(int64_t task) const {
    Index index, first;
    tasks.find(static_cast<Index>(task), index, first);
    const Index plane = source.height * source.width, batch = index / plane, at = index - batch * plane;
    const Index py = at / source.width, px = at - py * source.width;
    const auto pixel = source.pixel(batch, py, px);
    if (!pixel.to.lands) return;
    A portion[4];
    Index place[4];
    for (int k = 0; k < 4; ++k) {
      const Index corner = corner_index(pixel.to, k, source.width, source.height);
      const A bilinear = corner_weight(pixel.to, k);
      portion[k] = A(0);
      place[k] = Index(0);
      if (corner < 0 || !(bilinear > A(0))) continue;
      const Index target = batch * plane + corner, row = corner / source.width;
      portion[k] = bilinear * source.weight(pixel, target);
      place[k] = row * source.by.row + (corner - row * source.width) * source.by.pixel;
      if (first > 0) continue;
      coverage.add(target, bilinear);
      if (weights.at) weights.add(target, portion[k]);
    }
    const Index left = source.channels - first, count = left < tasks.chunk ? left : tasks.chunk;
    if (count <= 0) return;
    const Index base = batch * source.by.batch + first * source.by.channel;
    add(portion, place, source.image + base + py * source.by.row + px * source.by.pixel, base, count);
  }

  // The channels from `base` on, as many as `count`.
  __device__ __forceinline__ void add(const A* portion, const Index* place, const T* values, Index base,
                                      Index count) const {
    if constexpr (std::is_same_v<Sums, FloatSums<A>>) {
      // Of 4 channels side by side, each pixel's vector is aligned where all pixels have whole vectors.
      if (tasks.pixel_by_pixel && source.channels % 4 == 0) {
        const A a = A(values[0]), b = A(values[1]), c = A(values[2]), d = A(values[3]);
        for (int k = 0; k < 4; ++k) {
          const A p = portion[k];
          if (p != A(0)) add_four(sums.at + base + place[k], p * a, p * b, p * c, p * d);
        }
        return;
      }
    }
    for (Index c = 0; c < count; ++c) {
      const A value = A(values[c * source.by.channel]);
      for (int k = 0; k < 4; ++k) {
        if (portion[k] != A(0)) sums.add(base + c * source.by.channel + place[k], portion[k] * value);
      }
    }
  }
};

// Few channels: sums of up to 3 of them side by side, and of the weights (or the coverage, where that is the same), so
// that one vector serves a corner. Where it is not the same, the coverage is apart.
template <class T, class Index>
struct SplatAddPacked {
  using A = accumulate_t<T>;
  SplatSource<T, Index> source;
  A *sums, *coverage;  // (B, H, W, 4), (B, H, W) or null

  __device__ void operator()(int64_t wide) const {
    const Index index = static_cast<Index>(wide), plane = source.height * source.width;
    const Index batch = index / plane, at = index - batch * plane;
    const Index py = at / source.width, px = at - py * source.width;
    const auto pixel = source.pixel(batch, py, px);
    if (!pixel.to.lands) return;
    const T* from = source.image + batch * source.by.batch + py * source.by.row + px * source.by.pixel;
    A value[3] = {A(0), A(0), A(0)};
    for (int c = 0; c < 3; ++c) {
      if (c < source.channels) value[c] = A(from[c * source.by.channel]);
    }
    for (int k = 0; k < 4; ++k) {
      const Index corner = corner_index(pixel.to, k, source.width, source.height);
      const A bilinear = corner_weight(pixel.to, k);
      if (corner < 0 || !(bilinear > A(0))) continue;
      const Index target = batch * plane + corner;
      const A portion = bilinear * source.weight(pixel, target);
      if (coverage) atomicAdd(coverage + target, bilinear);
      if (portion != A(0)) {
        add_four(sums + 4 * target, portion * value[0], portion * value[1], portion * value[2], portion);
      }
    }
  }
};

}  // namespace photoflow
