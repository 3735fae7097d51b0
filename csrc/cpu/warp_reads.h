// Where a span of output pixels reads, prepared once for all channels of all images.
#pragma once

#include <algorithm>

#include "../common/warp.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kSpan = 128;  // output pixels prepared at a time
constexpr int64_t kPart = 16;   // a span at the border is tried again in parts

// A span of output pixels: batch, row, first column and number, with the flow of each.
template <class A>
struct Span {
  int64_t batch, py, start, count;
  const A *u, *v;
};

// The span's flow; values that are not neighbours in memory are brought together in `gathered`.
template <class A>
HOST_DEVICE Span<A> span_of(const Warp<A>& job, int64_t batch, int64_t py, int64_t start, A (&gathered)[2][kSpan]) {
  const int64_t count = std::min(kSpan, job.out_width - start);
  const A* u = job.flow + batch * job.flow_by.batch + py * job.flow_by.row + start * job.flow_by.pixel;
  const A* v = u + job.flow_by.channel;
  if (job.flow_by.pixel == 1) return {batch, py, start, count, u, v};
  for (int64_t i = 0; i < count; ++i) {
    gathered[0][i] = u[i * job.flow_by.pixel];
    gathered[1][i] = v[i * job.flow_by.pixel];
  }
  return {batch, py, start, count, gathered[0], gathered[1]};
}

// A part of a span: the same batch and row.
template <class A>
HOST_DEVICE Span<A> part_of(const Span<A>& span, int64_t first, int64_t size) {
  return {span.batch, span.py, span.start + first, std::min(size, span.count - first), span.u + first, span.v + first};
}

// First pixel read (its column and row) and fractions beyond; `sane` where the flow is small enough for 32 bits.
template <class A>
struct Places {
  int32_t x[kSpan], y[kSpan];
  A fx[kSpan], fy[kSpan];
  int32_t sane[kSpan];  // as wide as the others: the loops over them are vectorised
};

template <int kTaps, class A>
HOST_DEVICE void find_places(const Span<A>& span, Places<A>& places) {
  const int32_t before = kTaps == 1 ? 0 : kTaps / 2 - 1;
  const int32_t column = static_cast<int32_t>(span.start), row = static_cast<int32_t>(span.py);
  const A limit = A(1 << 30);
  for (int64_t i = 0; i < span.count; ++i) {
    const bool sane = (std::abs(span.u[i]) < limit) & (std::abs(span.v[i]) < limit);
    const A u = sane ? span.u[i] : A(0), v = sane ? span.v[i] : A(0);
    const int32_t px = column + static_cast<int32_t>(i);
    if constexpr (kTaps == 1) {
      // In float64, where the sum is exact, as in read_axis.
      places.x[i] = static_cast<int32_t>(std::nearbyint(static_cast<double>(px) + static_cast<double>(u)));
      places.y[i] = static_cast<int32_t>(std::nearbyint(static_cast<double>(row) + static_cast<double>(v)));
      places.fx[i] = places.fy[i] = A(0);
    } else {
      const A whole_u = std::floor(u), whole_v = std::floor(v);
      places.x[i] = px + static_cast<int32_t>(whole_u) - before;
      places.y[i] = row + static_cast<int32_t>(whole_v) - before;
      places.fx[i] = u - whole_u;
      places.fy[i] = v - whole_v;
    }
    places.sane[i] = sane ? 1 : 0;
  }
}

template <int kTaps, class A>
HOST_DEVICE void weights_of(A fraction, A* weight) {
  if constexpr (kTaps == 1) {
    weight[0] = A(1);
  } else if constexpr (kTaps == 2) {
    linear_weights(fraction, weight);
  } else {
    cubic_weights(fraction, weight);
  }
}

// The reads of a span whose pixels all read inside the image only. The slopes of bilinear reads are -1 and 1.
template <int kTaps, class A>
struct Reads {
  int64_t first[kSpan];  // the number in its plane of the first pixel read
  A x_weight[kTaps][kSpan], y_weight[kTaps][kSpan];
  A x_slope[kTaps][kSpan], y_slope[kTaps][kSpan];  // set for bicubic where asked for
};

// False if some pixel of the span reads outside the image, or has a flow that is not finite.
template <int kTaps, bool kSlopes, class A>
HOST_DEVICE bool prepare_reads(const Warp<A>& job, const Span<A>& span, Places<A>& places, Reads<kTaps, A>& reads) {
  find_places<kTaps>(span, places);
  const int32_t last_x = static_cast<int32_t>(job.width) - kTaps, last_y = static_cast<int32_t>(job.height) - kTaps;
  int32_t outside = 0;
  for (int64_t i = 0; i < span.count; ++i) {
    const bool inside =
        places.sane[i] & (places.x[i] >= 0) & (places.x[i] <= last_x) & (places.y[i] >= 0) & (places.y[i] <= last_y);
    outside |= inside ? 0 : 1;
  }
  if (outside) return false;
  for (int64_t i = 0; i < span.count; ++i) {
    reads.first[i] = places.y[i] * job.width + places.x[i];
    A across[4], down[4];
    weights_of<kTaps>(places.fx[i], across);
    weights_of<kTaps>(places.fy[i], down);
    for (int k = 0; k < kTaps; ++k) {
      reads.x_weight[k][i] = across[k];
      reads.y_weight[k][i] = down[k];
    }
    if constexpr (kSlopes && kTaps == 4) {
      cubic_slopes(places.fx[i], across);
      cubic_slopes(places.fy[i], down);
      for (int k = 0; k < kTaps; ++k) {
        reads.x_slope[k][i] = across[k];
        reads.y_slope[k][i] = down[k];
      }
    }
  }
  return true;
}

// Calls `body` with a value of the element type of an image that is accumulated in A.
template <class A, class Body>
HOST_DEVICE void dispatch_features(const Features& features, const Body& body) {
  if constexpr (std::is_same_v<A, double>) {
    body(double{});
  } else if (features.dtype == ScalarType::Half) {
    body(Half{});
  } else if (features.dtype == ScalarType::BFloat16) {
    body(BFloat16{});
  } else {
    body(float{});
  }
}

template <int kWidth, class A, class T>
HOST_DEVICE void load_as(vector_t<A, kWidth>& vector, const T* from) {
  if constexpr (std::is_same_v<A, T>) {
    load(vector, from);
  } else {
    A values[kWidth];
    for (int k = 0; k < kWidth; ++k) values[k] = A(from[k]);
    load(vector, values);
  }
}

template <int kWidth, class A, class T>
HOST_DEVICE void store_as(T* to, const vector_t<A, kWidth>& vector) {
  if constexpr (std::is_same_v<A, T>) {
    store(to, vector);
  } else {
    A values[kWidth];
    store(values, vector);
    for (int k = 0; k < kWidth; ++k) to[k] = T(values[k]);
  }
}

// One value of a plane at each corner of the bilinear reads of four pixels: vectors across the pixels.
template <class V, class T>
HOST_DEVICE void gather_corners(const T* plane, int64_t width, const int64_t* first, V* corner) {
  using A = accumulate_t<T>;
  for (int k = 0; k < 4; ++k) {
    vector_t<A, 2> top, bottom;
    load_as<2, A>(top, plane + first[k]);
    load_as<2, A>(bottom, plane + first[k] + width);
    corner[k] = __builtin_shufflevector(top, bottom, 0, 1, 2, 3);
  }
  transpose(corner[0], corner[1], corner[2], corner[3]);
}

}  // namespace photoflow
