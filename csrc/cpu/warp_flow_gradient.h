// The gradient of backward_warp with respect to the flow, for one output row, in one thread:
//   grad_flow[p] = sum_c grad_out[c, p] sum_q image[c, q] dw_q/dflow.
#pragma once

#include "warp_reads.h"

namespace photoflow {

template <class A>
struct FlowSums {
  A x[kSpan], y[kSpan];
};

// Adds one channel of four pixels, transposed as in the forward direction.
template <int kTaps, class T, class A>
HOST_DEVICE void add_four(const T* plane, int64_t width, const T* grad, const Reads<kTaps, A>& reads, int64_t i,
                          FlowSums<A>& sums) {
  using V = vector_t<A, 4>;
  V column[4], slope[4], incoming, along_x, along_y, weight;
  if constexpr (kTaps == 2) {
    gather_corners(plane, width, reads.first + i, column);
    V left, right, top, bottom;
    load(left, reads.x_weight[0] + i);
    load(right, reads.x_weight[1] + i);
    load(top, reads.y_weight[0] + i);
    load(bottom, reads.y_weight[1] + i);
    along_x = (column[1] - column[0]) * top + (column[3] - column[2]) * bottom;
    along_y = (column[2] - column[0]) * left + (column[3] - column[1]) * right;
  } else {
    for (int k = 0; k < 4; ++k) {
      const T* first = plane + reads.first[i + k];
      V row;
      load_as<4, A>(row, first);
      column[k] = row * reads.y_weight[0][i + k];
      slope[k] = row * reads.y_slope[0][i + k];
      for (int j = 1; j < 4; ++j) {
        load_as<4, A>(row, first + j * width);
        column[k] += row * reads.y_weight[j][i + k];
        slope[k] += row * reads.y_slope[j][i + k];
      }
    }
    transpose(column[0], column[1], column[2], column[3]);
    transpose(slope[0], slope[1], slope[2], slope[3]);
    along_x = along_y = V{};
    for (int k = 0; k < 4; ++k) {
      load(weight, reads.x_slope[k] + i);
      along_x += column[k] * weight;
      load(weight, reads.x_weight[k] + i);
      along_y += slope[k] * weight;
    }
  }
  load_as<4, A>(incoming, grad + i);
  V sum;
  load(sum, sums.x + i);
  sum += along_x * incoming;
  store(sums.x + i, sum);
  load(sum, sums.y + i);
  sum += along_y * incoming;
  store(sums.y + i, sum);
}

// The vector of the derivatives of kWidth neighbouring channels of one pixel, or of kWidth = 1 channel.
template <int kTaps, int kWidth, class T, class A, class V>
HOST_DEVICE void channel_slopes(const T* first, int64_t row, int64_t pixel, const Reads<kTaps, A>& reads, int64_t i,
                                V& along_x, V& along_y) {
  along_x = along_y = V{};
  for (int j = 0; j < kTaps; ++j) {
    V sum{}, slope{}, value{};
    for (int k = 0; k < kTaps; ++k) {
      if constexpr (kWidth == 1) {
        value = A(first[j * row + k * pixel]);
      } else {
        load_as<kWidth, A>(value, first + j * row + k * pixel);
      }
      sum += value * reads.x_weight[k][i];
      slope += value * (kTaps == 2 ? (k ? A(1) : A(-1)) : reads.x_slope[k][i]);
    }
    along_x += slope * reads.y_weight[j][i];
    along_y += sum * (kTaps == 2 ? (j ? A(1) : A(-1)) : reads.y_slope[j][i]);
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void add_pixels(const Features& features, const T* image, const T* grad, const Span<A>& span,
                            const Reads<kTaps, A>& reads, FlowSums<A>& sums) {
  using V = vector_t<A, 8>;
  const int64_t channels = features.channels, row = features.image_by.row;
  for (int64_t i = 0; i < span.count; ++i, grad += channels) {
    const T* first = image + reads.first[i] * channels;
    V total_x{}, total_y{}, along_x, along_y, incoming{};
    int64_t c = 0;
    for (; c + 8 <= channels; c += 8) {
      channel_slopes<kTaps, 8>(first + c, row, channels, reads, i, along_x, along_y);
      load_as<8, A>(incoming, grad + c);
      total_x += along_x * incoming;
      total_y += along_y * incoming;
    }
    A x = A(0), y = A(0);
    for (; c < channels; ++c) {
      A one_x, one_y;
      channel_slopes<kTaps, 1>(first + c, row, channels, reads, i, one_x, one_y);
      x += one_x * A(grad[c]);
      y += one_y * A(grad[c]);
    }
    for (int k = 0; k < 8; ++k) {
      x += total_x[k];
      y += total_y[k];
    }
    sums.x[i] += x;
    sums.y[i] += y;
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void add_inside(const Warp<A>& job, const Features& features, const Span<A>& span,
                            const Reads<kTaps, A>& reads, FlowSums<A>& sums) {
  const Strides<int64_t>&from = features.image_by, &to = features.out_by;
  const T* image = features.template image_as<T>() + span.batch * from.batch;
  const T* grad = features.template grad_as<T>() + span.batch * to.batch + span.py * to.row + span.start * to.pixel;
  if (features.format == MemoryFormat::ChannelsLast) {
    return add_pixels<kTaps>(features, image, grad, span, reads, sums);
  }
  for (int64_t c = 0; c < features.channels; ++c, image += from.channel, grad += to.channel) {
    int64_t i = 0;
    for (; i + 4 <= span.count; i += 4) add_four<kTaps>(image, job.width, grad, reads, i, sums);
    for (; i < span.count; ++i) {
      A along_x, along_y;
      channel_slopes<kTaps, 1>(image + reads.first[i], job.width, 1, reads, i, along_x, along_y);
      sums.x[i] += along_x * A(grad[i]);
      sums.y[i] += along_y * A(grad[i]);
    }
  }
}

// Rare, and scalar in any case: not inlined, one version for all SIMD levels.
template <int kTaps, class T, class A>
[[gnu::noinline]] void add_anywhere(const Warp<A>& job, const Features& features, const Span<A>& span,
                                    FlowSums<A>& sums) {
  const Strides<int64_t>&from = features.image_by, &to = features.out_by;
  const T* image = features.template image_as<T>() + span.batch * from.batch;
  const T* grad = features.template grad_as<T>() + span.batch * to.batch + span.py * to.row + span.start * to.pixel;
  for (int64_t i = 0; i < span.count; ++i, grad += to.pixel) {
    if (!(is_finite(span.u[i]) && is_finite(span.v[i]))) continue;
    const Axis<kTaps, A> x = read_axis<kTaps>(span.start + i, span.u[i], job.width, job.padding);
    const Axis<kTaps, A> y = read_axis<kTaps>(span.py, span.v[i], job.height, job.padding);
    for (int64_t c = 0; c < features.channels; ++c) {
      A along_x, along_y;
      sample_slopes(image + c * from.channel, from.row, from.pixel, x, y, along_x, along_y);
      sums.x[i] += along_x * A(grad[c * to.channel]);
      sums.y[i] += along_y * A(grad[c * to.channel]);
    }
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void add_span_as(const Warp<A>& job, const Features& features, const Span<A>& span,
                             const Reads<kTaps, A>* reads, FlowSums<A>& sums) {
  if (reads) {
    add_inside<kTaps, T>(job, features, span, *reads, sums);
  } else {
    add_anywhere<kTaps, T>(job, features, span, sums);
  }
}

template <int kTaps, class A>
HOST_DEVICE void add_span(const Warp<A>& job, const std::vector<Features>& images, const Span<A>& span,
                          const Reads<kTaps, A>* reads, FlowSums<A>& sums) {
  for (const Features& features : images) {
    dispatch_features<A>(features, [&](auto type) __attribute__((always_inline)) {
      add_span_as<kTaps, decltype(type)>(job, features, span, reads, sums);
    });
  }
}

template <int kTaps, class A>
HOST_DEVICE void flow_gradient_row(const Warp<A>& job, const std::vector<Features>& images, int64_t batch, int64_t py) {
  Places<A> places;
  Reads<kTaps, A> reads;
  FlowSums<A> sums;
  A gathered[2][kSpan];
  A* const along_x = job.grad_flow + (batch * 2 * job.out_height + py) * job.out_width;
  A* const along_y = along_x + job.out_height * job.out_width;
  for (int64_t start = 0; start < job.out_width; start += kSpan) {
    const Span<A> span = span_of(job, batch, py, start, gathered);
    const bool whole = prepare_reads<kTaps, true>(job, span, places, reads);
    for (int64_t first = 0; first < span.count; first += whole ? kSpan : kPart) {
      const Span<A> part = whole ? span : part_of(span, first, kPart);
      const bool inside = whole || prepare_reads<kTaps, true>(job, part, places, reads);
      for (int64_t i = 0; i < part.count; ++i) sums.x[i] = sums.y[i] = A(0);
      add_span<kTaps>(job, images, part, inside ? &reads : nullptr, sums);
      for (int64_t i = 0; i < part.count; ++i) {
        along_x[part.start + i] = sums.x[i];
        along_y[part.start + i] = sums.y[i];
      }
    }
  }
}

}  // namespace photoflow
