// Backward warping of one output row, in one thread.
#pragma once

#include <algorithm>

#include "../common/sampling.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kSpan = 128;  // output pixels prepared at a time

template <class T>
struct Warp {
  using A = accumulate_t<T>;
  const T* image;
  const A* flow;
  T* out;
  int64_t channels, height, width, out_height, out_width;
  Padding padding;
};

// The prepared pixels of a span, when all of them read inside the image only.
template <int kTaps, class A>
struct Reads {
  int64_t first[kSpan];                             // index of the first pixel read
  A x_weight[kSpan * kTaps], y_weight[kSpan * kTaps];  // weights of one pixel side by side
};

// False if some pixel of the span reads outside the image, or has a flow that is not finite.
template <int kTaps, class T>
HOST_DEVICE bool prepare_reads(const Warp<T>& job, const accumulate_t<T>* u, const accumulate_t<T>* v, int64_t py,
                               int64_t start, int64_t count, Reads<kTaps, accumulate_t<T>>& reads) {
  using A = accumulate_t<T>;
  const int32_t before = kTaps / 2 - 1, width = static_cast<int32_t>(job.width), column = static_cast<int32_t>(start);
  const int32_t height = static_cast<int32_t>(job.height), row = static_cast<int32_t>(py);
  const A limit = A(1 << 30);
  bool inside = true;
  int32_t xs[kSpan], ys[kSpan];
  A fx[kSpan], fy[kSpan];
  for (int64_t i = 0; i < count; ++i) {
    const bool sane = (std::abs(u[i]) < limit) & (std::abs(v[i]) < limit);
    const A us = sane ? u[i] : A(0), vs = sane ? v[i] : A(0);
    const A whole_u = std::floor(us), whole_v = std::floor(vs);
    const int32_t x = column + static_cast<int32_t>(i) + static_cast<int32_t>(whole_u) - before;
    const int32_t y = row + static_cast<int32_t>(whole_v) - before;
    inside &= sane & (x >= 0) & (x <= width - kTaps) & (y >= 0) & (y <= height - kTaps);
    xs[i] = x;
    ys[i] = y;
    fx[i] = us - whole_u;
    fy[i] = vs - whole_v;
  }
  if (!inside) return false;
  for (int64_t i = 0; i < count; ++i) reads.first[i] = ys[i] * job.width + xs[i];
  for (int64_t i = 0; i < count; ++i) {
    if constexpr (kTaps == 2) {
      linear_weights(fx[i], reads.x_weight + 2 * i);
      linear_weights(fy[i], reads.y_weight + 2 * i);
    } else {
      cubic_weights(fx[i], reads.x_weight + 4 * i);
      cubic_weights(fy[i], reads.y_weight + 4 * i);
    }
  }
  return true;
}

template <class A, class T>
HOST_DEVICE void load_four(Four<A>& vector, const T* from) {
  if constexpr (std::is_same_v<A, T>) {
    load<A>(vector, from);
  } else {
    vector = Four<A>{A(from[0]), A(from[1]), A(from[2]), A(from[3])};
  }
}

// What one pixel reads, weighted: four terms whose sum is its value.
template <int kTaps, class T, class A>
HOST_DEVICE void weighted_reads(const T* first, int64_t width, const A* x_weight, const A* y_weight, Four<A>& terms) {
  Four<A> row, across;
  if constexpr (kTaps == 2) {
    const T* next = first + width;
    row = Four<A>{A(first[0]), A(first[1]), A(next[0]), A(next[1])};
    across = Four<A>{x_weight[0] * y_weight[0], x_weight[1] * y_weight[0], x_weight[0] * y_weight[1],
                     x_weight[1] * y_weight[1]};
    terms = row * across;
  } else {
    load_four<A>(row, first);
    terms = row * y_weight[0];
    for (int j = 1; j < 4; ++j) {
      load_four<A>(row, first + j * width);
      terms += row * y_weight[j];
    }
    load<A>(across, x_weight);
    terms *= across;
  }
}

// Four pixels at a time: the transpose turns their terms into four vectors that add up to the four values.
template <int kTaps, class T>
HOST_DEVICE void gather_span(const T* plane, int64_t width, int64_t count,
                             const Reads<kTaps, accumulate_t<T>>& reads, T* out) {
  using A = accumulate_t<T>;
  int64_t i = 0;
  for (; i < count; i += 4) {
    Four<A> terms[4];
    for (int k = 0; k < 4; ++k) {
      const int64_t pixel = std::min(i + k, count - 1);
      weighted_reads<kTaps>(plane + reads.first[pixel], width, reads.x_weight + kTaps * pixel,
                            reads.y_weight + kTaps * pixel, terms[k]);
    }
    transpose(terms[0], terms[1], terms[2], terms[3]);
    const Four<A> sum = (terms[0] + terms[1]) + (terms[2] + terms[3]);
    for (int k = 0; k < std::min<int64_t>(4, count - i); ++k) out[i + k] = T(sum[k]);
  }
}

template <int kTaps, class T>
HOST_DEVICE void warp_row(const Warp<T>& job, int64_t batch, int64_t py) {
  using A = accumulate_t<T>;
  const int64_t plane = job.height * job.width, out_plane = job.out_height * job.out_width;
  const A* u = job.flow + batch * 2 * out_plane + py * job.out_width;
  const A* v = u + out_plane;
  const T* image = job.image + batch * job.channels * plane;
  T* out = job.out + batch * job.channels * out_plane + py * job.out_width;
  for (int64_t start = 0; start < job.out_width; start += kSpan) {
    const int64_t count = std::min(kSpan, job.out_width - start);
    if constexpr (kTaps > 1) {
      Reads<kTaps, A> reads;
      if (prepare_reads<kTaps>(job, u + start, v + start, py, start, count, reads)) {
        for (int64_t c = 0; c < job.channels; ++c) {
          gather_span<kTaps>(image + c * plane, job.width, count, reads, out + c * out_plane + start);
        }
        continue;
      }
    }
    for (int64_t px = start; px < start + count; ++px) {
      const bool finite = is_finite(u[px]) && is_finite(v[px]);
      const Axis<kTaps, A> x = read_axis<kTaps>(px, finite ? u[px] : A(0), job.width, job.padding);
      const Axis<kTaps, A> y = read_axis<kTaps>(py, finite ? v[px] : A(0), job.height, job.padding);
      for (int64_t c = 0; c < job.channels; ++c) {
        out[c * out_plane + px] = finite ? T(sample(image + c * plane, job.width, x, y)) : T(A(0));
      }
    }
  }
}

}  // namespace photoflow
