// The lookup of a span of pixels at one level: its correlations, their blends, and the same backwards.
//
// Buffers are (numbers, kSpan): one number of all pixels of the span after another, so that what is done to every pixel
// alike is vectorised across pixels.
#pragma once

#include "../common/layout.h"
#include "correlation_dots.h"

namespace photoflow {

// The pixels of a span inside the image: rows [y, y + rows), columns [x, x + columns) of one image of the batch.
struct Patch {
  int64_t batch, y, x, rows, columns;
};

// How many items of so many multiplications each are worth a thread of their own.
inline int64_t items_a_thread(int64_t work) {
  return std::max<int64_t>(1, (int64_t(1) << 20) / std::max<int64_t>(work, 1));
}

template <class A>
struct SpanMemory {
  std::vector<A> dots, weights, incoming;
  GroupMemory<A> group;

  explicit SpanMemory(int64_t radius)
      : dots(static_cast<size_t>((2 * radius + 2) * (2 * radius + 2) * kSpan)),
        weights(dots.size()),
        incoming(static_cast<size_t>((2 * radius + 3) * (2 * radius + 3) * kSpan)),
        group(2 * radius + 2) {}
};

// `coords` are those of the patch's image: two planes of the given height and width.
template <class A>
HOST_DEVICE void place_span(const A* coords, int64_t height, int64_t width, const Patch& patch, int64_t level,
                            int64_t radius, SpanWindows<A>& span) {
  for (int i = 0; i < kSpan; ++i) {
    const int64_t row = i / kSpanColumns, column = i % kSpanColumns;
    Window<A> window{kNowhere, kNowhere, A(0), A(0)};
    if (row < patch.rows && column < patch.columns) {
      const int64_t at = (patch.y + row) * width + patch.x + column;
      window = place_window(coords[at], coords[height * width + at], level, radius);
    }
    span.x[i] = window.x;
    span.y[i] = window.y;
    span.fx[i] = window.fx;
    span.fy[i] = window.fy;
  }
}

// Calls body(number in the box, number in the pixel's window, length) for the rows that a window shares with a box.
template <class Body>
HOST_DEVICE void for_shared_rows(const Box& box, const Box& window, int64_t side, const Body& body) {
  const int64_t left = std::max(box.left, window.left), right = std::min(box.right, window.right);
  if (left >= right) return;
  for (int64_t y = std::max(box.top, window.top); y < std::min(box.bottom, window.bottom); ++y) {
    body((y - box.top) * box.columns() + left - box.left, (y - window.top) * side + left - window.left, right - left);
  }
}

// A copy of numbers between a group's memory, in the order of its box, and a span's buffer.
template <class A, bool kToSpan>
struct CopyNumbers {
  A *group, *span;  // the span's begins at the pixel
  HOST_DEVICE void operator()(int64_t in_box, int64_t in_window, int64_t length) const {
    for (int64_t i = 0; i < length; ++i) {
      A &there = span[(in_window + i) * kSpan], &here = group[in_box + i];
      (kToSpan ? there : here) = kToSpan ? here : there;
    }
  }
};

template <int kBytes, int kPixels, class A>
HOST_DEVICE void correlate_box(const Level<A>& level, const SpanWindows<A>& span, const int* pixel, const A* queries,
                               const Box& box, A* dots, GroupMemory<A>& memory) {
  if (box.count() == 0) return;
  constexpr int kPlaces = kPixels == 1 ? 8 : Wide<A, kBytes>::kAtOnce;
  const int64_t count = list_places(level, box, memory);
  const A* query[kPixels];
  for (int k = 0; k < kPixels; ++k) query[k] = queries + pixel[k] * level.channels;
  multiply_all<kBytes, kPixels, kPlaces>(query, count, level.channels, memory);
  for (int k = 0; k < kPixels; ++k) {
    const CopyNumbers<A, true> copy{memory.number[k].data(), dots + pixel[k]};
    for_shared_rows(box, window_of(span, pixel[k], level.side), level.side, copy);
  }
}

// dots (side^2, kSpan): the correlations of every pixel of the span with its window, 0 outside the image.
template <int kBytes, class A>
HOST_DEVICE void correlate_span(const Level<A>& level, const SpanWindows<A>& span, const A* queries, A* dots,
                                GroupMemory<A>& memory) {
  std::fill(dots, dots + level.side * level.side * kSpan, A(0));
  for (int group = 0; group < kSpan / kGroup; ++group) {
    int pixel[kGroup];
    for (int k = 0; k < kGroup; ++k) pixel[k] = member(group, k);
    Box box;
    if (together(span, group, level.side, box)) {
      box = clipped(box, level.height, level.width);
      correlate_box<kBytes, kGroup>(level, span, pixel, queries, box, dots, memory);
      continue;
    }
    for (int k = 0; k < kGroup; ++k) {
      box = clipped(window_of(span, pixel[k], level.side), level.height, level.width);
      correlate_box<kBytes, 1>(level, span, pixel + k, queries, box, dots, memory);
    }
  }
}

template <int kBytes, int kPixels, bool kScatter, class A>
HOST_DEVICE void accumulate_box(const Level<A>& level, const SpanWindows<A>& span, const int* pixel, A* queries,
                                int64_t channels, const Box& box, A* weights, GroupMemory<A>& memory) {
  if (box.count() == 0) return;
  const int64_t count = list_places(level, box, memory);
  A* query[kPixels];
  for (int k = 0; k < kPixels; ++k) {
    query[k] = queries + pixel[k] * channels;
    A* const number = memory.number[k].data();
    std::fill(number, number + count, A(0));
    const CopyNumbers<A, false> copy{number, weights + pixel[k]};
    for_shared_rows(box, window_of(span, pixel[k], level.side), level.side, copy);
  }
  accumulate<kBytes, kPixels, kScatter>(query, count, channels, memory);
}

// With weights (side^2, kSpan): adds to the queries what they gather from the level, or scatters them to it.
// `channels` are those of the queries, which may be some of the level's.
template <int kBytes, bool kScatter, class A>
HOST_DEVICE void accumulate_span(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,
                                 A* weights, GroupMemory<A>& memory) {
  for (int group = 0; group < kSpan / kGroup; ++group) {
    int pixel[kGroup];
    for (int k = 0; k < kGroup; ++k) pixel[k] = member(group, k);
    Box box;
    if (together(span, group, level.side, box)) {
      box = clipped(box, level.height, level.width);
      accumulate_box<kBytes, kGroup, kScatter>(level, span, pixel, queries, channels, box, weights, memory);
      continue;
    }
    for (int k = 0; k < kGroup; ++k) {
      box = clipped(window_of(span, pixel[k], level.side), level.height, level.width);
      accumulate_box<kBytes, 1, kScatter>(level, span, pixel + k, queries, channels, box, weights, memory);
    }
  }
}

// The results of a level, written to their planes; `out` is the first of the level, of the patch's image.
template <class T, class A>
HOST_DEVICE void blend_span(const A* dots, const SpanWindows<A>& span, const Patch& patch, int64_t radius,
                            int64_t height, int64_t width, T* out) {
  const int64_t n = 2 * radius + 1, side = n + 1;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const A *top = dots + (j * side + i) * kSpan, *bottom = top + side * kSpan;
      A value[kSpan];
      for (int p = 0; p < kSpan; ++p) {
        value[p] = blend(top[p], top[kSpan + p], bottom[p], bottom[kSpan + p], span.fx[p], span.fy[p]);
      }
      T* const plane = out + (i * n + j) * height * width + patch.y * width + patch.x;
      for (int64_t row = 0; row < patch.rows; ++row) {
        for (int64_t p = 0; p < patch.columns; ++p) plane[row * width + p] = T(value[row * kSpanColumns + p]);
      }
    }
  }
}

// The incoming gradients of a level, ((n + 2)^2, kSpan) for n = 2 radius + 1, with a border of zeros; row i is x.
template <class T, class A>
HOST_DEVICE void load_incoming(const T* grad, const Patch& patch, int64_t radius, int64_t height, int64_t width,
                               A* incoming) {
  const int64_t n = 2 * radius + 1;
  std::fill(incoming, incoming + (n + 2) * (n + 2) * kSpan, A(0));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const T* const plane = grad + (i * n + j) * height * width + patch.y * width + patch.x;
      A* const to = incoming + ((i + 1) * (n + 2) + j + 1) * kSpan;
      for (int64_t row = 0; row < patch.rows; ++row) {
        for (int64_t p = 0; p < patch.columns; ++p) to[row * kSpanColumns + p] = A(plane[row * width + p]);
      }
    }
  }
}

// weights (side^2, kSpan): the gradients of the correlations, times `scale`.
template <class A>
HOST_DEVICE void weigh_span(const A* incoming, const SpanWindows<A>& span, int64_t radius, A scale, A* weights) {
  const int64_t n = 2 * radius + 1, side = n + 1;
  for (int64_t row = 0; row < side; ++row) {
    for (int64_t column = 0; column < side; ++column) {
      // Entry (column + 1, row + 1) of `incoming` is g of that column and row.
      const A* const left = incoming + (column * (n + 2) + row) * kSpan;
      const A* const right = left + (n + 2) * kSpan;
      A* const to = weights + (row * side + column) * kSpan;
      for (int p = 0; p < kSpan; ++p) {
        to[p] = scale * blend(right[kSpan + p], left[kSpan + p], right[p], left[p], span.fx[p], span.fy[p]);
      }
    }
  }
}

// Adds the gradients of the coordinates, of level 0, to along (2, kSpan); `scale` is that of the level.
template <class A>
HOST_DEVICE void slope_span(const A* incoming, const A* dots, const SpanWindows<A>& span, int64_t radius, A scale,
                            A* along) {
  const int64_t n = 2 * radius + 1, side = n + 1;
  A sum_x[kSpan] = {}, sum_y[kSpan] = {};
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const A *top = dots + (j * side + i) * kSpan, *bottom = top + side * kSpan;
      const A* const g = incoming + ((i + 1) * (n + 2) + j + 1) * kSpan;
      for (int p = 0; p < kSpan; ++p) {
        sum_x[p] += g[p] * slope_x(top[p], top[kSpan + p], bottom[p], bottom[kSpan + p], span.fy[p]);
        sum_y[p] += g[p] * slope_y(top[p], top[kSpan + p], bottom[p], bottom[kSpan + p], span.fx[p]);
      }
    }
  }
  for (int p = 0; p < kSpan; ++p) {
    along[p] += scale * sum_x[p];
    along[kSpan + p] += scale * sum_y[p];
  }
}

// Writes along (2, kSpan), the gradients of a patch's coordinates, to their planes.
template <class A>
HOST_DEVICE void store_along(const A* along, const Patch& patch, int64_t height, int64_t width, A* grad_coords) {
  for (int64_t i = 0; i < 2 * kSpan; ++i) {
    const int64_t axis = i / kSpan, row = i % kSpan / kSpanColumns, column = i % kSpanColumns;
    if (row >= patch.rows || column >= patch.columns) continue;
    grad_coords[((patch.batch * 2 + axis) * height + patch.y + row) * width + patch.x + column] = along[i];
  }
}

// Features [first, last) of a patch's pixels, times `scale`, to (kSpan, last - first); features beyond the last are 0.
// Eight channels at a time: planes may lie a power of two apart, where a cache holds no more lines.
template <class T, class A>
HOST_DEVICE void load_queries(const T* features, const Strides<int64_t>& strides, const Patch& patch, int64_t channels,
                              int64_t first, int64_t last, A scale, A* queries) {
  const int64_t count = last - first;
  for (int64_t row = 0; row < patch.rows; ++row) {
    const T* const from =
        features + patch.batch * strides.batch + (patch.y + row) * strides.row + patch.x * strides.pixel;
    for (int64_t c = first; c < last; c += 8) {
      const int64_t some = std::clamp<int64_t>(channels - c, 0, 8);
      for (int64_t k = c + 16; k < std::min(c + 24, channels); ++k) __builtin_prefetch(from + k * strides.channel);
      for (int64_t p = 0; p < patch.columns; ++p) {
        A* const to = queries + (row * kSpanColumns + p) * count + c - first;
        const T* const at = from + p * strides.pixel + c * strides.channel;
        for (int64_t k = 0; k < some; ++k) to[k] = scale * A(at[k * strides.channel]);
        for (int64_t k = some; k < 8; ++k) to[k] = A(0);
      }
    }
  }
}

}  // namespace photoflow
