// The kernels of flow_attention on CUDA: everything but the second convolution. Blocks have 256 threads: 8 warps.
#pragma once

#include "../common/attention.h"
#include "launch.cuh"
#include "numbers.cuh"

namespace photoflow {

constexpr int kWarps = 8, kWarp = 32;

template <class Body>
__global__ void __launch_bounds__(kWarps* kWarp) for_each_block(int64_t count, Body body) {
  for (int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    body(i, static_cast<int>(threadIdx.x) % kWarp, static_cast<int>(threadIdx.x) / kWarp);
    __syncthreads();  // before shared memory is used again
  }
}

// Calls body(i, lane, warp) by a whole block for 0 <= i < count.
template <class Body>
void run_blocks(const OnDevice& device, int64_t count, const Body& body) {
  if (count == 0) return;
  const int64_t blocks = std::min<int64_t>(count, 1 << 20);
  for_each_block<<<static_cast<unsigned>(blocks), kWarps * kWarp, 0, device.stream()>>>(count, body);
  STD_CUDA_KERNEL_LAUNCH_CHECK();
}

HOST_DEVICE int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

template <class A>
__device__ A sigmoid(A x) {
  return A(1) / (A(1) + std::exp(-x));
}

// Image rows in segments of 32 pixels.
struct Segments {
  int64_t height, width, across, count;
  Segments(int64_t batch, int64_t rows, int64_t columns)
      : height(rows), width(columns), across(parts_of(columns, kWarp)), count(batch * rows * across) {}
};

// The resized flow under the 3 by 3 windows of a segment, with zeros outside the image.
template <class A>
struct Patch {
  A values[3][kWarp + 2][2];

  __device__ void load(const ResizedFlow<A>& flow, const Segments& segments, int64_t segment) {
    const int64_t row = segment / segments.across, first = segment % segments.across * kWarp;
    const int64_t batch = row / segments.height, y = row % segments.height;
    for (int i = static_cast<int>(threadIdx.x); i < 3 * (kWarp + 2); i += kWarps * kWarp) {
      const int64_t py = y + i / (kWarp + 2) - 1, px = first + i % (kWarp + 2) - 1;
      A u = A(0), v = A(0);
      if (py >= 0 && py < segments.height && px >= 0 && px < segments.width) {
        flow.read(batch, between<A>(py, flow.height, flow.out_height), between<A>(px, flow.width, flow.out_width), u,
                  v);
      }
      values[i / (kWarp + 2)][i % (kWarp + 2)][0] = u;
      values[i / (kWarp + 2)][i % (kWarp + 2)][1] = v;
    }
    __syncthreads();
  }

  // Entry `i` of the weight of a hidden channel, (axis, row, column), reads this at a pixel of the segment.
  __device__ A under(int pixel, int i) const { return values[i % 9 / 3][pixel + i % 3][i / 9]; }
};

// hidden = relu(conv(flow) + bias): a thread keeps the weights of one hidden channel and walks over the pixels.
template <class A>
struct HiddenForward {
  ResizedFlow<A> flow;
  Segments segments;
  const A *weight, *bias;
  Numbers<A> hidden;
  int64_t channels;

  __device__ void operator()(int64_t segment, int lane, int warp) const {
    __shared__ Patch<A> patch;
    patch.load(flow, segments, segment);
    const int64_t row = segment / segments.across, first = segment % segments.across * kWarp;
    const int pixels = static_cast<int>(std::min<int64_t>(kWarp, segments.width - first));
    // Two warps side by side take 64 channels, the four pairs of warps the pixels in turn.
    for (int64_t k = warp % 2 * kWarp + lane; k < channels; k += 2 * kWarp) {
      A weights[kTaps];
      for (int i = 0; i < kTaps; ++i) weights[i] = weight[k * kTaps + i];
      for (int pixel = warp / 2; pixel < pixels; pixel += kWarps / 2) {
        A sum = bias[k];
        for (int i = 0; i < kTaps; ++i) sum += weights[i] * patch.under(pixel, i);
        // NaN stays NaN, as in torch's relu.
        hidden.set((row * segments.width + first + pixel) * channels + k, sum < A(0) ? A(0) : sum);
      }
    }
  }
};

// out = feature * sigmoid(raw + bias) where all lie pixel by pixel, kCount channels a thread.
template <class T, int kCount>
struct GateForward {
  using A = accumulate_t<T>;
  const T* feature;
  Numbers<A> raw;
  const A* bias;
  T* out;
  int64_t channels;

  __device__ void operator()(int64_t index) const {
    const Pack<T, kCount> values = reinterpret_cast<const Pack<T, kCount>*>(feature)[index];
    const Pack<A, kCount> before = raw.template pack<kCount>(index);
    const int64_t channel = index * kCount % channels;
    Pack<T, kCount> result;
    for (int i = 0; i < kCount; ++i) {
      result.value[i] = T(A(values.value[i]) * sigmoid(before.value[i] + bias[channel + i]));
    }
    reinterpret_cast<Pack<T, kCount>*>(out)[index] = result;
  }
};

// Tiles of 32 pixels and 32 channels.
struct PlaneTiles {
  int64_t channels, plane, wide, high, count;
  PlaneTiles(int64_t batch, int64_t channel_count, int64_t pixels)
      : channels(channel_count),
        plane(pixels),
        wide(parts_of(channel_count, kWarp)),
        high(parts_of(pixels, kWarp)),
        count(batch * wide * high) {}
};

// The same beside NCHW features: raw is read along its channels and turned in shared memory.
template <class T>
struct GatePlanes {
  using A = accumulate_t<T>;
  const T* feature;
  Numbers<A> raw;
  const A* bias;
  T* out;
  PlaneTiles tiles;

  __device__ void operator()(int64_t tile, int lane, int warp) const {
    __shared__ A gates[kWarp][kWarp + 1];
    const int64_t channel = tile % tiles.wide * kWarp, rest = tile / tiles.wide;
    const int64_t pixel = rest % tiles.high * kWarp, batch = rest / tiles.high;
    for (int p = warp; p < kWarp; p += kWarps) {
      if (pixel + p >= tiles.plane || channel + lane >= tiles.channels) continue;
      const int64_t at = (batch * tiles.plane + pixel + p) * tiles.channels + channel + lane;
      gates[p][lane] = sigmoid(raw.get(at) + bias[channel + lane]);
    }
    __syncthreads();
    for (int c = warp; c < kWarp; c += kWarps) {
      if (pixel + lane >= tiles.plane || channel + c >= tiles.channels) continue;
      const int64_t at = (batch * tiles.channels + channel + c) * tiles.plane + pixel + lane;
      out[at] = T(A(feature[at]) * gates[lane][c]);
    }
  }
};

// Runs of 8 tiles of 32 pixels, 32 channels wide; a part is all channels of a run.
struct PlaneRuns {
  static constexpr int kTiles = 8;
  int64_t channels, plane, wide, high, parts, count;
  PlaneRuns(int64_t batch, int64_t channel_count, int64_t pixels)
      : channels(channel_count),
        plane(pixels),
        wide(parts_of(channel_count, kWarp)),
        high(parts_of(pixels, kTiles * kWarp)),
        parts(batch * high),
        count(parts * wide) {}
};

// The gradients of the feature and of raw, and for each part the sums of the latter over its pixels.
template <class T>
struct GateBackward {
  using A = accumulate_t<T>;
  const T *grad, *feature;
  Numbers<A> raw;
  const A* bias;
  T* grad_feature;  // null: not asked for
  Numbers<A> grad_raw;
  bool needs_raw;
  A* parts;
  PlaneRuns runs;
  bool channels_last;

  __device__ void one(int64_t at, A gate, A& of_raw) const {
    A of_feature;
    gate_gradients(A(grad[at]), A(feature[at]), gate, of_feature, of_raw);
    if (grad_feature) grad_feature[at] = T(of_feature);
  }

  __device__ void operator()(int64_t run, int lane, int warp) const {
    __shared__ A tile[kWarp][kWarp + 1];
    const int64_t channel = run % runs.wide * kWarp, part = run / runs.wide, batch = part / runs.high;
    const int64_t first = part % runs.high * PlaneRuns::kTiles * kWarp;
    const bool mine = channel + lane < runs.channels;
    const A offset = mine ? bias[channel + lane] : A(0);
    A sum = A(0);
    for (int64_t pixel = first; pixel < first + PlaneRuns::kTiles * kWarp && pixel < runs.plane; pixel += kWarp) {
      for (int p = warp; p < kWarp; p += kWarps) {
        const int64_t at = (batch * runs.plane + pixel + p) * runs.channels + channel + lane;
        if (mine && pixel + p < runs.plane) tile[p][lane] = sigmoid(raw.get(at) + offset);
      }
      __syncthreads();
      for (int c = warp; c < kWarp && !channels_last; c += kWarps) {
        if (pixel + lane >= runs.plane || channel + c >= runs.channels) continue;
        A& value = tile[lane][c];
        one((batch * runs.channels + channel + c) * runs.plane + pixel + lane, value, value);
      }
      __syncthreads();
      for (int p = warp; p < kWarp; p += kWarps) {
        if (!mine || pixel + p >= runs.plane) continue;
        const int64_t at = (batch * runs.plane + pixel + p) * runs.channels + channel + lane;
        if (channels_last) one(at, tile[p][lane], tile[p][lane]);
        sum += tile[p][lane];
        if (needs_raw) grad_raw.set(at, tile[p][lane]);
      }
      __syncthreads();
    }
    tile[warp][lane] = sum;
    __syncthreads();
    if (warp != 0 || !mine) return;
    A total = A(0);
    for (int w = 0; w < kWarps; ++w) total += tile[w][lane];
    parts[part * runs.channels + channel + lane] = total;
  }
};

// sums[i] = parts[0, i] + parts[1, i] + ...
template <class A>
struct SumParts {
  const A* parts;
  A* sums;
  int64_t count, stride;
  __device__ void operator()(int64_t index) const {
    A total = A(0);
    for (int64_t part = 0; part < count; ++part) total += parts[part * stride + index];
    sums[index] = total;
  }
};

// Runs of 8 segments, 32 hidden channels wide.
struct WeightRuns {
  static constexpr int kSegments = 8;
  Segments segments;
  int64_t channels, wide, parts, count;
  WeightRuns(const Segments& all, int64_t hidden)
      : segments(all),
        channels(hidden),
        wide(parts_of(hidden, kWarp)),
        parts(parts_of(all.count, kSegments)),
        count(parts * wide) {}
};

// For each part the gradients of the first weights (K, 18), and behind them of the biases (K).
template <class A>
struct WeightGradients {
  ResizedFlow<A> flow;
  WeightRuns runs;
  Numbers<A> grad, hidden;
  A* parts;

  __device__ void operator()(int64_t run, int lane, int warp) const {
    __shared__ Patch<A> patch;
    __shared__ A rows[kWarps][kWarp];
    const Segments& segments = runs.segments;
    const int64_t k = run % runs.wide * kWarp + lane, part = run / runs.wide;
    A sums[kRows] = {};
    const int64_t end = std::min(segments.count, (part + 1) * WeightRuns::kSegments);
    for (int64_t segment = part * WeightRuns::kSegments; segment < end; ++segment) {
      patch.load(flow, segments, segment);
      const int64_t row = segment / segments.across, first = segment % segments.across * kWarp;
      for (int pixel = warp; pixel < kWarp; pixel += kWarps) {
        if (k >= runs.channels || first + pixel >= segments.width) continue;
        const int64_t at = (row * segments.width + first + pixel) * runs.channels + k;
        const A through = hidden.get(at) > A(0) ? grad.get(at) : A(0);
        for (int i = 0; i < kTaps; ++i) sums[i] += through * patch.under(pixel, i);
        sums[kTaps] += through;
      }
      __syncthreads();
    }
    for (int i = 0; i < kRows; ++i) {
      rows[warp][lane] = sums[i];
      __syncthreads();
      if (warp == 0 && k < runs.channels) {
        A total = A(0);
        for (int w = 0; w < kWarps; ++w) total += rows[w][lane];
        const int64_t place = i < kTaps ? k * kTaps + i : runs.channels * kTaps + k;
        parts[part * runs.channels * kRows + place] = total;
      }
      __syncthreads();
    }
  }
};

// Each pixel's gradients of the 18 products of its first weights with flow values (B, H, W, 18).
template <class A>
struct Products {
  Numbers<A> grad, hidden;
  const A* weight;
  A* products;
  int64_t channels;

  __device__ void operator()(int64_t index) const {
    const int64_t pixel = index / kTaps;
    const int tap = static_cast<int>(index % kTaps);
    const int entry = tap % 2 * 9 + tap / 2;  // of the weights (axis, row, column)
    A sum = A(0);
    for (int64_t k = 0; k < channels; ++k) {
      const int64_t at = pixel * channels + k;
      if (hidden.get(at) > A(0)) sum += grad.get(at) * weight[k * kTaps + entry];
    }
    products[index] = sum;
  }
};

// The gradient of the resized flow (B, H, W, 2).
template <class A>
struct GatherProducts {
  const A* products;
  A* resized;
  ResizedFlow<A> flow;
  __device__ void operator()(int64_t index) const {
    const int64_t row = index / flow.out_width;
    A u, v;
    gather_products(products, row / flow.out_height, row % flow.out_height, index % flow.out_width, flow.out_height,
                    flow.out_width, u, v);
    resized[2 * index] = u * flow.scale_x();
    resized[2 * index + 1] = v * flow.scale_y();
  }
};

// The gradient of the flow: each of its pixels gathers from all that read it.
template <class A>
struct FlowBackward {
  const A* resized;
  A* grad;
  ResizedFlow<A> flow;

  // The first and last pixel of an axis of `to` pixels that may read pixel i of one of `from`.
  static __device__ void readers(int64_t i, int64_t from, int64_t to, int64_t& first, int64_t& last) {
    const double scale = static_cast<double>(to) / static_cast<double>(from);
    first = i == 0 ? 0 : static_cast<int64_t>(std::floor((static_cast<double>(i) - 0.5) * scale - 0.5));
    last = i == from - 1 ? to - 1 : static_cast<int64_t>(std::ceil((static_cast<double>(i) + 1.5) * scale - 0.5));
    first = first < 0 ? 0 : first;
    last = last >= to ? to - 1 : last;
  }
  static __device__ A weight(const Between<A>& place, int64_t i) {
    return (place.first == i ? A(1) - place.t : A(0)) + (place.second == i ? place.t : A(0));
  }

  __device__ void operator()(int64_t index) const {
    const int64_t plane = flow.height * flow.width, batch = index / plane, at = index % plane;
    const int64_t y = at / flow.width, x = at % flow.width;
    const A* const pixel = flow.at(batch, y, x);
    A u = A(0), v = A(0);
    if (is_finite(pixel[0]) && is_finite(pixel[flow.axis_stride])) {
      int64_t top, bottom, left, right;
      readers(y, flow.height, flow.out_height, top, bottom);
      readers(x, flow.width, flow.out_width, left, right);
      for (int64_t row = top; row <= bottom; ++row) {
        const A down = weight(between<A>(row, flow.height, flow.out_height), y);
        if (!(down > A(0))) continue;
        for (int64_t column = left; column <= right; ++column) {
          const A share = down * weight(between<A>(column, flow.width, flow.out_width), x);
          const A* const value = resized + 2 * ((batch * flow.out_height + row) * flow.out_width + column);
          u += share * value[0];
          v += share * value[1];
        }
      }
    }
    grad[batch * 2 * plane + at] = u;
    grad[(batch * 2 + 1) * plane + at] = v;
  }
};

}  // namespace photoflow
