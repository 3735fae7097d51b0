// Backward warping of one output row, in one thread.
#pragma once

#include "warp_reads.h"

namespace photoflow {

// Four pixels of one plane at a time: what one pixel reads is loaded as vectors along x, and a transpose makes of
// those the vectors across the four pixels in which the rest of the sum is done.
template <int kTaps, class T, class A>
HOST_DEVICE void gather_four(const T* plane, int64_t width, const Reads<kTaps, A>& reads, int64_t i,
                             vector_t<A, 4>& value) {
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

// One pixel of one channel; the pixels read lie `pixel` apart.
template <int kTaps, class T, class A>
HOST_DEVICE A gather_one(const T* first, int64_t row, int64_t pixel, const Reads<kTaps, A>& reads, int64_t i) {
  A sum = A(0);
  for (int j = 0; j < kTaps; ++j) {
    A line = A(0);
    for (int k = 0; k < kTaps; ++k) line += reads.x_weight[k][i] * A(first[j * row + k * pixel]);
    sum += reads.y_weight[j][i] * line;
  }
  return sum;
}

template <int kTaps, class T, class A>
HOST_DEVICE void gather_plane(const T* plane, int64_t width, int64_t count, const Reads<kTaps, A>& reads, T* out) {
  int64_t i = 0;
  if constexpr (kTaps > 1) {
    vector_t<A, 4> value;
    for (; i + 4 <= count; i += 4) {
      gather_four<kTaps>(plane, width, reads, i, value);
      store_as<4, A>(out + i, value);
    }
  }
  for (; i < count; ++i) {
    out[i] = T(gather_one<kTaps>(plane + reads.first[i], width, 1, reads, i));
  }
}

// All channels of one pixel, which lie side by side: vectors along the channels.
template <int kTaps, int kWidth, class T, class A>
HOST_DEVICE void gather_channels(const T* first, int64_t row, int64_t channels, const Reads<kTaps, A>& reads, int64_t i,
                                 vector_t<A, kWidth>& sum) {
  sum = vector_t<A, kWidth>{};
  for (int j = 0; j < kTaps; ++j) {
    vector_t<A, kWidth> line{}, value;
    for (int k = 0; k < kTaps; ++k) {
      load_as<kWidth, A>(value, first + j * row + k * channels);
      line += value * reads.x_weight[k][i];
    }
    sum += line * reads.y_weight[j][i];
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void gather_pixels(const Features& features, const T* image, const Span<A>& span,
                               const Reads<kTaps, A>& reads, T* out) {
  const int64_t channels = features.channels, row = features.image_by.row;
  for (int64_t i = 0; i < span.count; ++i, out += channels) {
    const T* first = image + reads.first[i] * channels;
    int64_t c = 0;
    vector_t<A, 8> eight;
    for (; c + 8 <= channels; c += 8) {
      gather_channels<kTaps, 8>(first + c, row, channels, reads, i, eight);
      store_as<8, A>(out + c, eight);
    }
    vector_t<A, 4> four;
    for (; c + 4 <= channels; c += 4) {
      gather_channels<kTaps, 4>(first + c, row, channels, reads, i, four);
      store_as<4, A>(out + c, four);
    }
    for (; c < channels; ++c) out[c] = T(gather_one<kTaps>(first + c, row, channels, reads, i));
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void warp_inside(const Warp<A>& job, const Features& features, const Span<A>& span,
                             const Reads<kTaps, A>& reads) {
  const Strides<int64_t>&from = features.image_by, &to = features.out_by;
  const T* image = features.template image_as<T>() + span.batch * from.batch;
  T* out = features.template out_as<T>() + span.batch * to.batch + span.py * to.row + span.start * to.pixel;
  if (features.format == MemoryFormat::ChannelsLast) return gather_pixels<kTaps>(features, image, span, reads, out);
  for (int64_t c = 0; c < features.channels; ++c) {
    gather_plane<kTaps>(image + c * from.channel, job.width, span.count, reads, out + c * to.channel);
  }
}

// Rare, and scalar in any case: not inlined, one version for all SIMD levels.
template <int kTaps, class T, class A>
[[gnu::noinline]] void warp_anywhere(const Warp<A>& job, const Features& features, const Span<A>& span) {
  const Strides<int64_t>&from = features.image_by, &to = features.out_by;
  const T* image = features.template image_as<T>() + span.batch * from.batch;
  T* out = features.template out_as<T>() + span.batch * to.batch + span.py * to.row + span.start * to.pixel;
  for (int64_t i = 0; i < span.count; ++i, out += to.pixel) {
    const bool finite = is_finite(span.u[i]) && is_finite(span.v[i]);
    const Axis<kTaps, A> x = read_axis<kTaps>(span.start + i, finite ? span.u[i] : A(0), job.width, job.padding);
    const Axis<kTaps, A> y = read_axis<kTaps>(span.py, finite ? span.v[i] : A(0), job.height, job.padding);
    for (int64_t c = 0; c < features.channels; ++c) {
      out[c * to.channel] = finite ? T(sample_strided(image + c * from.channel, from.row, from.pixel, x, y)) : T(A(0));
    }
  }
}

// One span of one image; `reads` is null where some pixel of it reads outside.
template <int kTaps, class T, class A>
HOST_DEVICE void warp_span_as(const Warp<A>& job, const Features& features, const Span<A>& span,
                              const Reads<kTaps, A>* reads) {
  if (reads) {
    warp_inside<kTaps, T>(job, features, span, *reads);
  } else {
    warp_anywhere<kTaps, T>(job, features, span);
  }
}

template <int kTaps, class A>
HOST_DEVICE void warp_span(const Warp<A>& job, const std::vector<Features>& images, const Span<A>& span,
                           const Reads<kTaps, A>* reads) {
  for (const Features& features : images) {
    if constexpr (std::is_same_v<A, double>) {
      warp_span_as<kTaps, double>(job, features, span, reads);
    } else if (features.dtype == ScalarType::Half) {
      warp_span_as<kTaps, Half>(job, features, span, reads);
    } else if (features.dtype == ScalarType::BFloat16) {
      warp_span_as<kTaps, BFloat16>(job, features, span, reads);
    } else {
      warp_span_as<kTaps, float>(job, features, span, reads);
    }
  }
}

template <int kTaps, class A>
HOST_DEVICE void warp_row(const Warp<A>& job, const std::vector<Features>& images, int64_t batch, int64_t py) {
  Reads<kTaps, A> reads;
  A gathered[2][kSpan];
  for (int64_t start = 0; start < job.out_width; start += kSpan) {
    const Span<A> span = span_of(job, batch, py, start, gathered);
    const bool whole = prepare_reads<kTaps, false>(job, span, reads);
    // One call for both cases: each is a large piece of inlined code.
    for (int64_t first = 0; first < span.count; first += whole ? kSpan : kPart) {
      const Span<A> part = whole ? span : part_of(span, first);
      const bool inside = whole || prepare_reads<kTaps, false>(job, part, reads);
      warp_span<kTaps>(job, images, part, inside ? &reads : nullptr);
    }
  }
}

}  // namespace photoflow
