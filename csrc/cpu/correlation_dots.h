// Correlations of neighbouring pixels with the windows that they read, in vectors along the channels.
//
// Pixels are taken in groups of 2 by 2. Where their windows overlap, which they do wherever the flow is smooth, all
// four are multiplied with the union of the windows, so that what is loaded is used four times. The same three products
// serve both directions: queries (4, C), union (n, C) and weights (4, n) are
//   forward:                 weights = queries union^T
//   gradient of the queries: queries += weights union
//   gradient of the pyramid: union += weights^T queries.
#pragma once

#include <algorithm>
#include <vector>

#include "../common/correlation.h"
#include "simd.h"

namespace photoflow {

// A span: the pixels that are prepared together. Number i is in row i / kSpanColumns.
constexpr int kSpanRows = 2, kSpanColumns = 16, kSpan = kSpanRows * kSpanColumns, kGroup = 4;

// Vectors of kBytes, and how many sums fit into the registers that such a machine has.
template <class A, int kBytes>
struct Wide;
#define PHOTOFLOW_WIDTH(A, BYTES, AT_ONCE, VECTORS)                    \
  template <>                                                          \
  struct Wide<A, BYTES> {                                              \
    typedef A type __attribute__((vector_size(BYTES)));                \
    static constexpr int kLanes = BYTES / static_cast<int>(sizeof(A)); \
    static constexpr int kAtOnce = AT_ONCE, kVectors = VECTORS;        \
  }
PHOTOFLOW_WIDTH(float, 16, 2, 2);
PHOTOFLOW_WIDTH(float, 32, 2, 2);
PHOTOFLOW_WIDTH(float, 64, 6, 4);
PHOTOFLOW_WIDTH(double, 16, 2, 2);
PHOTOFLOW_WIDTH(double, 32, 2, 2);
PHOTOFLOW_WIDTH(double, 64, 6, 4);
#undef PHOTOFLOW_WIDTH

constexpr int kMostAtOnce = 8, kAhead = 4;  // kAhead: places that are fetched into the cache before their turn

// One level as a span reads it.
template <class A>
struct Level {
  A* first;  // its first position
  int64_t height, width, channels, side;
};

// Where the pixels of a span read, at one level.
template <class A>
struct SpanWindows {
  int64_t x[kSpan], y[kSpan];
  A fx[kSpan], fy[kSpan];
};

// The rectangle of positions that a group of pixels reads.
struct Box {
  int64_t left, top, right, bottom;
  HOST_DEVICE int64_t columns() const { return right - left; }
  HOST_DEVICE int64_t count() const { return right > left && bottom > top ? (right - left) * (bottom - top) : 0; }
};

// Memory of one group: the positions of its box and a number for each of them and each pixel.
template <class A>
struct GroupMemory {
  std::vector<A*> place;
  std::vector<A> number[kGroup];

  explicit GroupMemory(int64_t side) {
    const size_t most = static_cast<size_t>(2 * side * side + 3 * kMostAtOnce);
    place.resize(most);
    for (auto& row : number) row.resize(most);
  }
};

HOST_DEVICE int member(int group, int k) { return 2 * group + (k & 1) + (k >> 1) * kSpanColumns; }

template <class A>
HOST_DEVICE Box window_of(const SpanWindows<A>& span, int pixel, int64_t side) {
  return {span.x[pixel], span.y[pixel], span.x[pixel] + side, span.y[pixel] + side};
}

HOST_DEVICE Box joined(const Box& a, const Box& b) {
  return {std::min(a.left, b.left), std::min(a.top, b.top), std::max(a.right, b.right), std::max(a.bottom, b.bottom)};
}

HOST_DEVICE Box clipped(const Box& a, int64_t height, int64_t width) {
  return {std::max<int64_t>(a.left, 0), std::max<int64_t>(a.top, 0), std::min(a.right, width),
          std::min(a.bottom, height)};
}

// The union of a group's windows, and whether taking them together is worth it.
template <class A>
HOST_DEVICE bool together(const SpanWindows<A>& span, int group, int64_t side, Box& box) {
  box = window_of(span, member(group, 0), side);
  for (int k = 1; k < kGroup; ++k) box = joined(box, window_of(span, member(group, k), side));
  const int64_t wide = box.right - box.left, tall = box.bottom - box.top;
  return wide <= 2 * side && tall <= 2 * side && 3 * wide * tall <= 5 * side * side + 4 * side;
}

// Lists the positions of a box and returns how many they are; the last one is repeated, for what is done at once or
// ahead.
template <class A>
HOST_DEVICE int64_t list_places(const Level<A>& level, const Box& box, GroupMemory<A>& memory) {
  A** place = memory.place.data();
  int64_t count = 0;
  for (int64_t y = box.top; y < box.bottom; ++y) {
    A* at = level.first + (y * level.width + box.left) * level.channels;
    for (int64_t x = box.left; x < box.right; ++x, at += level.channels) place[count++] = at;
  }
  for (int i = 0; i < 2 * kMostAtOnce && count > 0; ++i) place[count + i] = place[count - 1];
  return count;
}

// Adds the halves of every run of lanes that belongs to one sum: of a and b, each with kSums sums, becomes a with both.
template <int kSums, class V>
HOST_DEVICE void fold(V& a, const V& b) {
  V low, high;
  if constexpr (sizeof(V) / sizeof(a[0]) == 16) {
    if constexpr (kSums == 1) {
      low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
      high = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    } else if constexpr (kSums == 2) {
      low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
      high = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    } else if constexpr (kSums == 4) {
      low = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
      high = __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
    } else {
      low = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      high = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    }
  } else if constexpr (sizeof(V) / sizeof(a[0]) == 8) {
    if constexpr (kSums == 1) {
      low = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
      high = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    } else if constexpr (kSums == 2) {
      low = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13);
      high = __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
    } else {
      low = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
      high = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
    }
  } else if constexpr (sizeof(V) / sizeof(a[0]) == 4) {
    if constexpr (kSums == 1) {
      low = __builtin_shufflevector(a, b, 0, 1, 4, 5);
      high = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    } else {
      low = __builtin_shufflevector(a, b, 0, 2, 4, 6);
      high = __builtin_shufflevector(a, b, 1, 3, 5, 7);
    }
  } else {
    low = __builtin_shufflevector(a, b, 0, 2);
    high = __builtin_shufflevector(a, b, 1, 3);
  }
  a = low + high;
}

// The sums over the lanes of eight vectors.
template <class V, class A>
HOST_DEVICE void sum_lanes(V* v, A* sums) {
  constexpr int kLanes = sizeof(V) / sizeof(A);
  constexpr int kRuns = kLanes < 8 ? kLanes : 8;  // vectors that become one
  for (int from = 0; from < 8; from += kRuns) {
    V* const part = v + from;
    for (int i = 0; i < kRuns; i += 2) fold<1>(part[i], part[i + 1]);
    if constexpr (kRuns >= 4) {
      for (int i = 0; i < kRuns; i += 4) fold<2>(part[i], part[i + 2]);
    }
    if constexpr (kRuns >= 8) fold<4>(part[0], part[4]);
    if constexpr (kLanes == 16) fold<8>(part[0], part[0]);
    __builtin_memcpy(sums + from, part, sizeof(A) * kRuns);
  }
}

// numbers[p][q] = <query[p], place[q]> for kPixels pixels and kPlaces places.
template <int kBytes, int kPixels, int kPlaces, class A>
HOST_DEVICE void multiply(const A* const* query, A* const* place, int64_t channels, A* const* numbers) {
  using W = Wide<A, kBytes>;
  using V = typename W::type;
  static_assert(kPixels * kPlaces % 8 == 0, "sums are taken from eight vectors at a time");
  V sum[kPixels * kPlaces];
#pragma GCC unroll 32
  for (int i = 0; i < kPixels * kPlaces; ++i) sum[i] = V{};
  for (int64_t c = 0; c < channels; c += W::kLanes) {
    V at[kPlaces];
#pragma GCC unroll 8
    for (int q = 0; q < kPlaces; ++q) {
      load(at[q], place[q] + c);
#if defined(__x86_64__)
      // Read once for all pixels: GCC would rather read it again for each, and loads are what this is short of.
      asm("" : "+v"(at[q]));
#endif
    }
    // Rows of the union are not next to each other, and the processor cannot guess where the next one is.
#pragma GCC unroll 8
    for (int q = 0; q < kPlaces; ++q) __builtin_prefetch(place[kPlaces + q] + c);
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
      V of;
      load(of, query[p] + c);
#pragma GCC unroll 8
      for (int q = 0; q < kPlaces; ++q) sum[p * kPlaces + q] += of * at[q];
    }
  }
  A flat[kPixels * kPlaces];
#pragma GCC unroll 4
  for (int i = 0; i < kPixels * kPlaces; i += 8) sum_lanes(sum + i, flat + i);
  for (int p = 0; p < kPixels; ++p) __builtin_memcpy(numbers[p], flat + p * kPlaces, sizeof(A) * kPlaces);
}

template <int kBytes, int kPixels, int kPlaces, class A>
HOST_DEVICE void multiply_all(const A* const* query, int64_t count, int64_t channels, GroupMemory<A>& memory) {
  for (int64_t n = 0; n < count; n += kPlaces) {
    A* numbers[kPixels];
    for (int p = 0; p < kPixels; ++p) numbers[p] = memory.number[p].data() + n;
    multiply<kBytes, kPixels, kPlaces>(query, memory.place.data() + n, channels, numbers);
  }
}

// query[p] += sum_n number[p][n] place[n], for kVectors vectors of channels.
template <class V, int kPixels, int kVectors, class A>
HOST_DEVICE void gather_part(A* const* query, int64_t count, const GroupMemory<A>& memory, int64_t c) {
  constexpr int kLanes = sizeof(V) / sizeof(A);
  V sum[kPixels * kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kPixels * kVectors; ++i) load(sum[i], query[i / kVectors] + c + i % kVectors * kLanes);
  for (int64_t n = 0; n < count; ++n) {
    V at[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      load(at[v], memory.place[n] + c + v * kLanes);
      __builtin_prefetch(memory.place[n + kAhead] + c + v * kLanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kPixels * kVectors; ++i) sum[i] += memory.number[i / kVectors][n] * at[i % kVectors];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kPixels * kVectors; ++i) store(query[i / kVectors] + c + i % kVectors * kLanes, sum[i]);
}

// place[n] += sum_p number[p][n] query[p], for kVectors vectors of channels.
template <class V, int kPixels, int kVectors, class A>
HOST_DEVICE void scatter_part(A* const* query, int64_t count, const GroupMemory<A>& memory, int64_t c) {
  constexpr int kLanes = sizeof(V) / sizeof(A);
  V of[kPixels * kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kPixels * kVectors; ++i) load(of[i], query[i / kVectors] + c + i % kVectors * kLanes);
  for (int64_t n = 0; n < count; ++n) {
    A* const at = memory.place[n] + c;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      V sum;
      load(sum, at + v * kLanes);
      __builtin_prefetch(memory.place[n + kAhead] + c + v * kLanes, 1);
#pragma GCC unroll 4
      for (int p = 0; p < kPixels; ++p) sum += memory.number[p][n] * of[p * kVectors + v];
      store(at + v * kLanes, sum);
    }
  }
}

template <int kBytes, int kPixels, bool kScatter, class A>
HOST_DEVICE void accumulate(A* const* query, int64_t count, int64_t channels, const GroupMemory<A>& memory) {
  using W = Wide<A, kBytes>;
  using V = typename W::type;
  int64_t c = 0;
  for (; c + W::kVectors * W::kLanes <= channels; c += W::kVectors * W::kLanes) {
    if constexpr (kScatter) {
      scatter_part<V, kPixels, W::kVectors>(query, count, memory, c);
    } else {
      gather_part<V, kPixels, W::kVectors>(query, count, memory, c);
    }
  }
  for (; c < channels; c += W::kLanes) {
    if constexpr (kScatter) {
      scatter_part<V, kPixels, 1>(query, count, memory, c);
    } else {
      gather_part<V, kPixels, 1>(query, count, memory, c);
    }
  }
}

}  // namespace photoflow
