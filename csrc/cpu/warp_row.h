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
  int64_t first[kSpan];  // index of the first pixel read
  A x_weight[kTaps][kSpan], y_weight[kTaps][kSpan];
};

// False if some pixel of the span reads outside the image, or has a flow that is not finite.
template <int kTaps, class T>
HOST_DEVICE bool prepare_reads(const Warp<T>& job, const accumulate_t<T>* u, const accumulate_t<T>* v, int64_t py,
                               int64_t start, int64_t count, Reads<kTaps, accumulate_t<T>>& reads) {
  using A = accumulate_t<T>;
  const int32_t before = kTaps / 2 - 1, width = static_cast<int32_t>(job.width), column = static_cast<int32_t>(start);
  const int32_t height = static_cast<int32_t>(job.height), row = static_cast<int32_t>(py);
  const A limit = A(1 << 30);
  int32_t outside = 0, xs[kSpan], ys[kSpan];
  A fx[kSpan], fy[kSpan];
  for (int64_t i = 0; i < count; ++i) {
    const bool sane = (std::abs(u[i]) < limit) & (std::abs(v[i]) < limit);
    const A us = sane ? u[i] : A(0), vs = sane ? v[i] : A(0);
    const A whole_u = std::floor(us), whole_v = std::floor(vs);
    const int32_t x = column + static_cast<int32_t>(i) + static_cast<int32_t>(whole_u) - before;
    const int32_t y = row + static_cast<int32_t>(whole_v) - before;
    const bool inside = sane & (x >= 0) & (x <= width - kTaps) & (y >= 0) & (y <= height - kTaps);
    outside |= inside ? 0 : 1;
    xs[i] = x;
    ys[i] = y;
    fx[i] = us - whole_u;
    fy[i] = vs - whole_v;
  }
  if (outside) return false;
  const int64_t stride = job.width;
  for (int64_t i = 0; i < count; ++i) reads.first[i] = ys[i] * stride + xs[i];
  for (int64_t i = 0; i < count; ++i) {
    A across[kTaps], down[kTaps];
    if constexpr (kTaps == 2) {
      linear_weights(fx[i], across);
      linear_weights(fy[i], down);
    } else {
      cubic_weights(fx[i], across);
      cubic_weights(fy[i], down);
    }
    for (int k = 0; k < kTaps; ++k) {
      reads.x_weight[k][i] = across[k];
      reads.y_weight[k][i] = down[k];
    }
  }
  return true;
}

template <int kWidth, class A, class T>
HOST_DEVICE void load_as(vector_t<A, kWidth>& vector, const T* from) {
  if constexpr (std::is_same_v<A, T>) {
    load(vector, from);
  } else {
    for (int k = 0; k < kWidth; ++k) vector[k] = A(from[k]);
  }
}

// Four pixels at a time: what one pixel reads is loaded as vectors along x, and a transpose makes of those the vectors
// across the four pixels in which the rest of the sum is done.
template <int kTaps, class T>
HOST_DEVICE void gather_four(const T* plane, int64_t width, const Reads<kTaps, accumulate_t<T>>& reads, int64_t i,
                             vector_t<accumulate_t<T>, 4>& value) {
  using A = accumulate_t<T>;
  vector_t<A, 4> column[4], weight[2 * kTaps];
  for (int k = 0; k < 4; ++k) {
    const T* first = plane + reads.first[i + k];
    if constexpr (kTaps == 2) {
      vector_t<A, 2> top, bottom;
      load_as<2, A>(top, first);
      load_as<2, A>(bottom, first + width);
      column[k] = __builtin_shufflevector(top, bottom, 0, 1, 2, 3);
    } else {
      vector_t<A, 4> row;
      load_as<4, A>(row, first);
      column[k] = row * reads.y_weight[0][i + k];
      for (int j = 1; j < 4; ++j) {
        load_as<4, A>(row, first + j * width);
        column[k] += row * reads.y_weight[j][i + k];
      }
    }
  }
  transpose(column[0], column[1], column[2], column[3]);
  for (int k = 0; k < kTaps; ++k) {
    load(weight[k], reads.x_weight[k] + i);
    load(weight[kTaps + k], reads.y_weight[k] + i);
  }
  if constexpr (kTaps == 2) {
    const vector_t<A, 4> top = column[0] * weight[0] + column[1] * weight[1];
    const vector_t<A, 4> bottom = column[2] * weight[0] + column[3] * weight[1];
    value = top * weight[2] + bottom * weight[3];
  } else {
    value = (column[0] * weight[0] + column[1] * weight[1]) + (column[2] * weight[2] + column[3] * weight[3]);
  }
}

template <int kTaps, class T>
HOST_DEVICE void gather_span(const T* plane, int64_t width, int64_t count, const Reads<kTaps, accumulate_t<T>>& reads,
                             T* out) {
  using A = accumulate_t<T>;
  vector_t<A, 4> value;
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    gather_four<kTaps>(plane, width, reads, i, value);
    if constexpr (std::is_same_v<A, T>) {
      store(out + i, value);
    } else {
      for (int k = 0; k < 4; ++k) out[i + k] = T(value[k]);
    }
  }
  for (; i < count; ++i) {
    A sum = A(0);
    for (int j = 0; j < kTaps; ++j) {
      A line = A(0);
      for (int k = 0; k < kTaps; ++k) line += reads.x_weight[k][i] * A(plane[reads.first[i] + j * width + k]);
      sum += reads.y_weight[j][i] * line;
    }
    out[i] = T(sum);
  }
}

// One row of the output of one image: pointers to its first channel, and where it is.
template <class T>
struct Row {
  const T* image;
  const accumulate_t<T>*u, *v;
  T* out;
  int64_t py;
};

// False if the span reads outside the image somewhere, and so was not written.
template <int kTaps, class T>
HOST_DEVICE bool warp_inside(const Warp<T>& job, const Row<T>& row, int64_t start, int64_t count) {
  Reads<kTaps, accumulate_t<T>> reads;
  if (!prepare_reads<kTaps>(job, row.u + start, row.v + start, row.py, start, count, reads)) return false;
  const int64_t plane = job.height * job.width, out_plane = job.out_height * job.out_width;
  for (int64_t c = 0; c < job.channels; ++c) {
    gather_span<kTaps>(row.image + c * plane, job.width, count, reads, row.out + c * out_plane + start);
  }
  return true;
}

template <int kTaps, class T>
HOST_DEVICE void warp_anywhere(const Warp<T>& job, const Row<T>& row, int64_t start, int64_t count) {
  using A = accumulate_t<T>;
  const int64_t plane = job.height * job.width, out_plane = job.out_height * job.out_width;
  for (int64_t px = start; px < start + count; ++px) {
    const bool finite = is_finite(row.u[px]) && is_finite(row.v[px]);
    const Axis<kTaps, A> x = read_axis<kTaps>(px, finite ? row.u[px] : A(0), job.width, job.padding);
    const Axis<kTaps, A> y = read_axis<kTaps>(row.py, finite ? row.v[px] : A(0), job.height, job.padding);
    for (int64_t c = 0; c < job.channels; ++c) {
      row.out[c * out_plane + px] = finite ? T(sample(row.image + c * plane, job.width, x, y)) : T(A(0));
    }
  }
}

template <int kTaps, class T>
HOST_DEVICE void warp_row(const Warp<T>& job, int64_t batch, int64_t py) {
  const int64_t plane = job.height * job.width, out_plane = job.out_height * job.out_width;
  const accumulate_t<T>* u = job.flow + batch * 2 * out_plane + py * job.out_width;
  const Row<T> row{job.image + batch * job.channels * plane, u, u + out_plane,
                   job.out + batch * job.channels * out_plane + py * job.out_width, py};
  constexpr int64_t kPart = 16;  // a span at the border is tried again in parts
  for (int64_t start = 0; start < job.out_width; start += kSpan) {
    const int64_t end = std::min(start + kSpan, job.out_width);
    if constexpr (kTaps == 1) {
      warp_anywhere<kTaps>(job, row, start, end - start);
    } else {
      if (warp_inside<kTaps>(job, row, start, end - start)) continue;
      for (int64_t part = start; part < end; part += kPart) {
        const int64_t count = std::min(kPart, end - part);
        if (!warp_inside<kTaps>(job, row, part, count)) warp_anywhere<kTaps>(job, row, part, count);
      }
    }
  }
}

}  // namespace photoflow
