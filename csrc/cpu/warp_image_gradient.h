// The gradient of backward_warp with respect to an image, in bands of its rows:
//   grad_image[c, q] = sum_p w_q(p) grad_out[c, p].
// Each band is summed by one thread, in the order of the output pixels, whatever the number of bands and threads: the
// result does not depend on them. The sums of up to 16 channels lie side by side, so that one vector instruction adds
// a pixel's share to all of them.
#pragma once

#include "warp_reads.h"

namespace photoflow {

// The rows of the image that a span of output pixels adds to: none where high < low.
struct Touched {
  int32_t low, high;
};

// A band of image rows [first, last), and the sums of `lanes` channels from `channel` on. The sums have `margin` more
// rows on both sides, one less than the reads: pixels that touch the band add all their shares.
template <class A>
struct ImageBand {
  int64_t batch, channel, lanes, first, last, margin;
  A* sums;
  const Touched* touched;  // of this batch: out_height rows of as many spans as a row has
};

// The rows between which an axis's reads from `low` to `high` lie once they are padded.
HOST_DEVICE Touched padded_range(int64_t low, int64_t high, int64_t size, Padding padding) {
  if (padding == Padding::kReflection && (low < 0 || high >= size)) {
    const int64_t last = size - 1;
    if (low < -last || high > 2 * last) return {0, static_cast<int32_t>(last)};
    const int64_t least = std::min(std::max<int64_t>(low, 0), high > last ? 2 * last - high : last);
    const int64_t most = std::max(std::min(high, last), low < 0 ? -low : int64_t(0));
    return {static_cast<int32_t>(low < 0 ? 0 : least), static_cast<int32_t>(high > last ? last : most)};
  }
  if (padding == Padding::kZeros && (high < 0 || low >= size)) return {0, -1};
  const auto inside = [size](int64_t i) __attribute__((always_inline)) {
    return static_cast<int32_t>(i < 0 ? 0 : i >= size ? size - 1 : i);
  };
  return {inside(low), inside(high)};
}

template <class A>
void survey_row(const Warp<A>& job, int64_t batch, int64_t py, Touched* touched) {
  const int64_t taps = static_cast<int64_t>(job.mode);
  A gathered[2][kSpan];
  const A limit = A(1 << 30);
  for (int64_t start = 0; start < job.out_width; start += kSpan, ++touched) {
    const Span<A> span = span_of(job, batch, py, start, gathered);
    A low = limit, high = -limit;
    for (int64_t i = 0; i < span.count; ++i) {
      const bool finite = is_finite(span.u[i]) & is_finite(span.v[i]);
      const A v = span.v[i] < -limit ? -limit : span.v[i] > limit ? limit : span.v[i];
      low = finite && v < low ? v : low;
      high = finite && v > high ? v : high;
    }
    if (!(low <= high)) {
      *touched = {0, -1};
      continue;
    }
    // A pixel more on both sides: nearest rounds.
    const int64_t first = py + static_cast<int64_t>(std::floor(low)) - taps / 2;
    const int64_t last = py + static_cast<int64_t>(std::floor(high)) + taps / 2 + (taps == 1 ? 1 : 0);
    *touched = padded_range(first, last, job.height, job.padding);
  }
}

template <int kLanes, class T, class A>
HOST_DEVICE void interleave_as(const Features& features, const ImageBand<A>& band, const Span<A>& span, A* incoming) {
  const Strides<int64_t>& by = features.out_by;
  const T* grad = features.template grad_as<T>() + span.batch * by.batch + span.py * by.row + span.start * by.pixel +
                  band.channel * by.channel;
  const bool planar = by.pixel == 1;
  for (int64_t lane = 0; lane < kLanes; lane += 4) {
    int64_t i = 0;
    if (planar && lane + 4 <= band.lanes) {
      const T* from = grad + lane * by.channel;
      for (; i + 4 <= span.count; i += 4) {
        vector_t<A, 4> a, b, c, d;
        load_as<4, A>(a, from + i);
        load_as<4, A>(b, from + by.channel + i);
        load_as<4, A>(c, from + 2 * by.channel + i);
        load_as<4, A>(d, from + 3 * by.channel + i);
        transpose(a, b, c, d);
        store(incoming + (i + 0) * kLanes + lane, a);
        store(incoming + (i + 1) * kLanes + lane, b);
        store(incoming + (i + 2) * kLanes + lane, c);
        store(incoming + (i + 3) * kLanes + lane, d);
      }
    } else if (!planar && lane + 4 <= band.lanes) {
      for (; i < span.count; ++i) {
        vector_t<A, 4> a;
        load_as<4, A>(a, grad + i * by.pixel + lane);
        store(incoming + i * kLanes + lane, a);
      }
    } else {
      for (int64_t k = 0; k < 4; ++k) {
        const bool there = lane + k < band.lanes;
        const T* from = grad + (there ? lane + k : 0) * by.channel;
        for (int64_t p = 0; p < span.count; ++p) {
          incoming[p * kLanes + lane + k] = there ? A(from[p * by.pixel]) : A(0);
        }
      }
      continue;
    }
    for (; i < span.count; ++i) {
      for (int64_t k = 0; k < 4; ++k) incoming[i * kLanes + lane + k] = A(grad[(lane + k) * by.channel + i * by.pixel]);
    }
  }
}

// The incoming gradients of a span, kLanes channels of a pixel side by side; lanes beyond the channels are 0.
template <int kLanes, class A>
HOST_DEVICE void interleave(const Features& features, const ImageBand<A>& band, const Span<A>& span, A* incoming) {
  dispatch_features<A>(features, [&](auto type) __attribute__((always_inline)) {
    interleave_as<kLanes, decltype(type)>(features, band, span, incoming);
  });
}

template <int kLanes, class A>
HOST_DEVICE void add_lanes(A* sum, const A* incoming, A weight) {
  constexpr int kWidth = kLanes < 8 ? kLanes : 8;
  for (int lane = 0; lane < kLanes; lane += kWidth) {
    vector_t<A, kWidth> total, value;
    load(total, sum + lane);
    load(value, incoming + lane);
    total += value * weight;
    store(sum + lane, total);
  }
}

// A pixel that reads outside the image, or of a flow too large for 32 bits.
template <int kTaps, int kLanes, class A>
HOST_DEVICE void add_padded_pixel(const Warp<A>& job, const ImageBand<A>& band, const Span<A>& span, int64_t i,
                                  const A* incoming) {
  if (!(is_finite(span.u[i]) && is_finite(span.v[i]))) return;
  const Axis<kTaps, A> x = read_axis<kTaps>(span.start + i, span.u[i], job.width, job.padding);
  const Axis<kTaps, A> y = read_axis<kTaps>(span.py, span.v[i], job.height, job.padding);
  for (int j = 0; j < kTaps; ++j) {
    if (y.index[j] < band.first || y.index[j] >= band.last) continue;
    A* const row = band.sums + (y.index[j] - band.first + kTaps - 1) * job.width * kLanes;
    for (int k = 0; k < kTaps; ++k) {
      if (x.index[k] >= 0) add_lanes<kLanes>(row + x.index[k] * kLanes, incoming, y.weight[j] * x.weight[k]);
    }
  }
}

template <int kTaps, int kLanes, class A>
HOST_DEVICE void add_span_to_band(const Warp<A>& job, const ImageBand<A>& band, const Span<A>& span,
                                  const A* incoming) {
  Places<A> places;
  find_places<kTaps>(span, places);
  const int32_t last_x = static_cast<int32_t>(job.width) - kTaps, last_y = static_cast<int32_t>(job.height) - kTaps;
  const int32_t low = static_cast<int32_t>(band.first) - (kTaps - 1), high = static_cast<int32_t>(band.last) - 1;
  const int64_t stride = job.width * kLanes;
  for (int64_t i = 0; i < span.count; ++i, incoming += kLanes) {
    const int32_t x = places.x[i], y = places.y[i];
    if (!((places.sane[i] != 0) & (x >= 0) & (x <= last_x) & (y >= 0) & (y <= last_y))) {
      add_padded_pixel<kTaps, kLanes>(job, band, span, i, incoming);
      continue;
    }
    if (y < low || y > high) continue;
    A across[4], down[4];
    weights_of<kTaps>(places.fx[i], across);
    weights_of<kTaps>(places.fy[i], down);
    A* const first = band.sums + (y - low) * stride + x * static_cast<int64_t>(kLanes);
    for (int j = 0; j < kTaps; ++j) {
      for (int k = 0; k < kTaps; ++k) {
        add_lanes<kLanes>(first + j * stride + k * kLanes, incoming, down[j] * across[k]);
      }
    }
  }
}

template <int kLanes, class T, class A>
HOST_DEVICE void write_band_as(const Warp<A>& job, const Features& features, const ImageBand<A>& band) {
  const Strides<int64_t>& by = features.image_by;
  for (int64_t row = band.first; row < band.last; ++row) {
    const A* sums = band.sums + (row - band.first + band.margin) * job.width * kLanes;
    T* out = features.template out_as<T>() + band.batch * by.batch + row * by.row + band.channel * by.channel;
    int64_t lane = 0;
    for (; by.pixel == 1 && lane + 4 <= band.lanes; lane += 4) {
      T* const to = out + lane * by.channel;
      int64_t i = 0;
      for (; i + 4 <= job.width; i += 4) {
        vector_t<A, 4> a, b, c, d;
        load(a, sums + (i + 0) * kLanes + lane);
        load(b, sums + (i + 1) * kLanes + lane);
        load(c, sums + (i + 2) * kLanes + lane);
        load(d, sums + (i + 3) * kLanes + lane);
        transpose(a, b, c, d);
        store_as<4, A>(to + i, a);
        store_as<4, A>(to + by.channel + i, b);
        store_as<4, A>(to + 2 * by.channel + i, c);
        store_as<4, A>(to + 3 * by.channel + i, d);
      }
      for (; i < job.width; ++i) {
        for (int64_t k = 0; k < 4; ++k) to[k * by.channel + i] = T(sums[i * kLanes + lane + k]);
      }
    }
    if (by.pixel == 1) {
      for (; lane < band.lanes; ++lane) {
        for (int64_t i = 0; i < job.width; ++i) out[lane * by.channel + i] = T(sums[i * kLanes + lane]);
      }
    } else {
      for (int64_t i = 0; i < job.width; ++i) {
        for (int64_t k = 0; k < band.lanes; ++k) out[i * by.pixel + k] = T(sums[i * kLanes + k]);
      }
    }
  }
}

// Writes the sums of a band to the gradient of the image.
template <int kLanes, class A>
HOST_DEVICE void write_band(const Warp<A>& job, const Features& features, const ImageBand<A>& band) {
  dispatch_features<A>(features, [&](auto type) __attribute__((always_inline)) {
    write_band_as<kLanes, decltype(type)>(job, features, band);
  });
}

}  // namespace photoflow
