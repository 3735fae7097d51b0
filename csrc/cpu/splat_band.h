// Forward splatting of one image into one band of target rows, in one thread.
//
// A band owns its target rows: it reads every source pixel that lands in them, in source order, and nobody else writes
// them. So the result does not depend on the number of threads. The accumulators of a target pixel lie side by side
// (channels, weight, coverage: 4 or 8 lanes), so that one vector addition serves them all, and the band is low enough
// for them to stay in the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "../common/forward.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kChunk = 128;  // source pixels prepared at a time

constexpr int32_t kNowhere = std::numeric_limits<int32_t>::min() / 2;  // the y of a pixel that does not land

// The y where the pixels of a chunk of a source row land: between low and high.
struct Reach {
  int32_t low = std::numeric_limits<int32_t>::max(), high = kNowhere;
  HOST_DEVICE bool meets(int64_t first, int64_t last) const { return high >= first - 1 && low < last; }
};

template <class T>
struct Splat {
  using A = accumulate_t<T>;
  // One image of the batch: (C, H, W), (2, H, W), (H, W) or null.
  const T* image;
  const A *flow, *metric;
  T* out;
  A *coverage, *normaliser;  // normaliser: null for mode sum
  int64_t channels, height, width, chunks;
  SplatMode mode;
  A eps;
  A shift = A(0);                // softmax: subtracted from the metric everywhere ...
  bool wide_range = false;       // ... unless the metric's range calls for the maximum of each target pixel
  std::vector<Reach> reach;      // of each chunk: (height, chunks)
  std::vector<Reach> row_reach;  // of each source row
};

// The prepared pixels of a chunk.
template <class A>
struct Prepared {
  int32_t x[kChunk], y[kChunk];
  A fx[kChunk], fy[kChunk], weight[kChunk];
  A corner[4][kChunk];              // bilinear weights
  alignas(64) A lanes[kChunk * 8];  // of one pixel side by side
};

template <class T>
HOST_DEVICE void prepare(const Splat<T>& job, int64_t py, int64_t start, int64_t count, Prepared<accumulate_t<T>>& p) {
  using A = accumulate_t<T>;
  const int64_t plane = job.height * job.width, at = py * job.width + start;
  const A *u = job.flow + at, *v = job.flow + plane + at;
  const int32_t width = static_cast<int32_t>(job.width), height = static_cast<int32_t>(job.height);
  const int32_t column = static_cast<int32_t>(start), row = static_cast<int32_t>(py);
  const A limit = A(1 << 30);
  for (int64_t i = 0; i < count; ++i) {
    const bool sane = (std::abs(u[i]) < limit) & (std::abs(v[i]) < limit);
    const A us = sane ? u[i] : A(0), vs = sane ? v[i] : A(0);
    const A whole_u = std::floor(us), whole_v = std::floor(vs);
    const int32_t x = column + static_cast<int32_t>(i) + static_cast<int32_t>(whole_u);
    const int32_t y = row + static_cast<int32_t>(whole_v);
    const bool lands = sane & (x >= -1) & (x < width) & (y >= -1) & (y < height);
    p.x[i] = x;
    p.y[i] = lands ? y : kNowhere;
    p.fx[i] = us - whole_u;
    p.fy[i] = vs - whole_v;
  }
  if (!job.metric) return;
  const A* metric = job.metric + at;
  for (int64_t i = 0; i < count; ++i) {
    p.y[i] = is_finite(metric[i]) ? p.y[i] : kNowhere;
    p.weight[i] = metric[i];
  }
}

// Fills the reach of every chunk of source row py, and widens [least, most] by the metric of the pixels that land.
template <class T>
HOST_DEVICE void survey_row(Splat<T>& job, int64_t py, accumulate_t<T>& least, accumulate_t<T>& most) {
  using A = accumulate_t<T>;
  constexpr int kWays = 16;  // minima kept side by side, so that they vectorise
  A lowest[kWays], highest[kWays];
  std::fill(lowest, lowest + kWays, least);
  std::fill(highest, highest + kWays, most);
  Prepared<A> p;
  Reach row;
  for (int64_t chunk = 0; chunk < job.chunks; ++chunk) {
    const int64_t start = chunk * kChunk, count = std::min(kChunk, job.width - start);
    prepare(job, py, start, count, p);
    std::fill(p.y + count, p.y + kChunk, kNowhere);
    int32_t low = std::numeric_limits<int32_t>::max(), high = kNowhere;
    for (int64_t i = 0; i < kChunk; ++i) {
      const int32_t y = p.y[i], y_low = y == kNowhere ? std::numeric_limits<int32_t>::max() : y;
      low = y_low < low ? y_low : low;
      high = y > high ? y : high;
    }
    const Reach reach{low, high};
    job.reach[static_cast<size_t>(py * job.chunks + chunk)] = reach;
    row.low = std::min(row.low, low);
    row.high = std::max(row.high, high);
    if (job.mode != SplatMode::kSoftmax) continue;
    std::fill(p.weight + count, p.weight + kChunk, A(0));
    for (int64_t i = 0; i < kChunk; i += kWays) {
      for (int k = 0; k < kWays; ++k) {
        const bool lands = p.y[i + k] != kNowhere;
        const A metric = p.weight[i + k];
        lowest[k] = lands & (metric < lowest[k]) ? metric : lowest[k];
        highest[k] = lands & (metric > highest[k]) ? metric : highest[k];
      }
    }
  }
  least = *std::min_element(lowest, lowest + kWays);
  most = *std::max_element(highest, highest + kWays);
  job.row_reach[static_cast<size_t>(py)] = row;
}

// The lanes of a pass: `count` channels from `first`, and in the first pass the weight (if it differs from the
// coverage) and the coverage.
struct Pass {
  int64_t first, count;
  bool weight, coverage;
};

// The accumulators of a band, with a border of one pixel that takes what lands outside.
template <class A>
struct Band {
  int64_t first, last, stride;  // target rows [first, last); pixels in a row of accumulators
  A *sums, *peak, *scale;       // (rows + 2, stride, lanes), (rows + 2, stride), (rows, width)
  A* planar;                    // (lanes, width)
  HOST_DEVICE int64_t rows() const { return last - first; }
};

template <class T>
HOST_DEVICE void raise_peaks(const Prepared<accumulate_t<T>>& p, int64_t count, Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = p.y[i] - (band.first - 1);
    if (row < 0 || row > band.rows()) continue;
    A* corner = band.peak + row * band.stride + p.x[i] + 1;
    const bool right = p.fx[i] > A(0), down = p.fy[i] > A(0), left = p.fx[i] < A(1), up = p.fy[i] < A(1);
    if (left && up) corner[0] = std::max(corner[0], p.weight[i]);
    if (right && up) corner[1] = std::max(corner[1], p.weight[i]);
    if (left && down) corner[band.stride] = std::max(corner[band.stride], p.weight[i]);
    if (right && down) corner[band.stride + 1] = std::max(corner[band.stride + 1], p.weight[i]);
  }
}

// Lane l of every pixel: its channels times its weight, then the weight, then 1 for the coverage.
template <int kLanes, class T>
HOST_DEVICE void fill_lanes(const Splat<T>& job, const Pass& pass, int64_t py, int64_t start, int64_t count,
                            Prepared<accumulate_t<T>>& p) {
  using A = accumulate_t<T>;
  if (job.wide_range) {
    std::fill(p.weight, p.weight + count, A(1));
  } else if (job.mode == SplatMode::kSoftmax) {
    const A shift = job.shift;
    for (int64_t i = 0; i < count; ++i) {
      // A pixel that does not land may have any metric.
      const A exponent = p.y[i] == kNowhere ? A(0) : p.weight[i] - shift;
      p.weight[i] = quick_exp(exponent);
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    const A fx = p.fx[i], fy = p.fy[i];
    p.corner[0][i] = (A(1) - fx) * (A(1) - fy);
    p.corner[1][i] = fx * (A(1) - fy);
    p.corner[2][i] = (A(1) - fx) * fy;
    p.corner[3][i] = fx * fy;
  }
  const int64_t plane = job.height * job.width;
  A planar[kLanes][kChunk];
  int lane = 0;
  for (int64_t c = pass.first; c < pass.first + pass.count; ++c, ++lane) {
    const T* channel = job.image + c * plane + py * job.width + start;
    if (job.metric) {
      for (int64_t i = 0; i < count; ++i) planar[lane][i] = A(channel[i]) * p.weight[i];
    } else {
      for (int64_t i = 0; i < count; ++i) planar[lane][i] = A(channel[i]);
    }
  }
  if (pass.weight) std::copy(p.weight, p.weight + count, planar[lane++]);
  if (pass.coverage) std::fill(planar[lane], planar[lane] + count, A(1)), ++lane;
  for (; lane < kLanes; ++lane) std::fill(planar[lane], planar[lane] + count, A(0));
  for (int64_t i = 0; i < count; i += 4) {
    for (int l = 0; l < kLanes; l += 4) {
      vector_t<A, 4> row[4];
      for (int k = 0; k < 4; ++k) load(row[k], planar[l + k] + i);
      transpose(row[0], row[1], row[2], row[3]);
      for (int k = 0; k < 4; ++k) store(p.lanes + (i + k) * kLanes + l, row[k]);
    }
  }
}

template <class V, class A>
HOST_DEVICE void add(A* sums, const V& lanes) {
  V sum;
  load(sum, sums);
  sum += lanes;
  store(sums, sum);
}

// The lanes of a row of accumulators, one array for each: planar[l * width + x].
template <int kLanes, class A>
HOST_DEVICE void separate(const A* sums, int64_t width, A* planar) {
  int64_t x = 0;
  for (; x + 4 <= width; x += 4) {
    for (int l = 0; l < kLanes; l += 4) {
      vector_t<A, 4> row[4];
      for (int k = 0; k < 4; ++k) load(row[k], sums + (x + k) * kLanes + l);
      transpose(row[0], row[1], row[2], row[3]);
      for (int k = 0; k < 4; ++k) store(planar + (l + k) * width + x, row[k]);
    }
  }
  for (; x < width; ++x) {
    for (int l = 0; l < kLanes; ++l) planar[l * width + x] = sums[x * kLanes + l];
  }
}

// Where the flow is smooth, the right corners of a pixel are the left corners of the next: they are carried over in
// registers, which halves the traffic and spares the wait for a sum just stored.
template <int kLanes, class T>
HOST_DEVICE void scatter(const Prepared<accumulate_t<T>>& p, int64_t count, Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  const int64_t rows = band.rows(), below = band.stride * kLanes;
  vector_t<A, kLanes> lanes, top, bottom, right_top = {}, right_bottom = {};
  A* carried = band.sums;  // where the right corners of the last pixel go; zeros may go to any place
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = p.y[i] - (band.first - 1);
    if (row < 0 || row > rows) continue;
    A* const place = band.sums + (row * band.stride + p.x[i] + 1) * kLanes;
    load(lanes, p.lanes + i * kLanes);
    top = lanes * p.corner[0][i];
    bottom = lanes * p.corner[2][i];
    if (place == carried) {
      top += right_top;
      bottom += right_bottom;
    } else {
      add(carried, right_top);
      add(carried + below, right_bottom);
    }
    add(place, top);
    add(place + below, bottom);
    right_top = lanes * p.corner[1][i];
    right_bottom = lanes * p.corner[3][i];
    carried = place + kLanes;
  }
  add(carried, right_top);
  add(carried + below, right_bottom);
}

// The same with exp(metric - peak of the target) as the weight. `coverage` is the lane that takes no such weight, or
// -1.
template <int kLanes, class T>
HOST_DEVICE void scatter_by_peak(const Prepared<accumulate_t<T>>& p, const accumulate_t<T>* metric, int64_t count,
                                 int64_t coverage, Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = p.y[i] - (band.first - 1);
    if (row < 0 || row > band.rows()) continue;
    const Landing<A> at{0, 0, p.fx[i], p.fy[i], true};
    for (int k = 0; k < 4; ++k) {
      const A bilinear = corner_weight(at, k);
      if (!(bilinear > A(0))) continue;
      const int64_t target = (row + (k >> 1)) * band.stride + p.x[i] + 1 + (k & 1);
      const A weight = bilinear * quick_exp(metric[i] - band.peak[target]);
      for (int l = 0; l < kLanes; ++l) {
        band.sums[target * kLanes + l] += (l == coverage ? bilinear : weight) * p.lanes[i * kLanes + l];
      }
    }
  }
}

// The factor that normalises each target pixel of row r, and the coverage and normaliser of the result. `planar` holds
// the row's sums, lane by lane.
template <class T>
HOST_DEVICE void finish_weights(const Splat<T>& job, const Pass& pass, int64_t r, const accumulate_t<T>* planar,
                                Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  const int64_t width = job.width, at = (band.first + r) * width;
  const A* weight = planar + pass.count * width;
  const A* landed = weight + (pass.weight ? width : 0);
  std::copy(landed, landed + width, job.coverage + at);
  if (job.mode == SplatMode::kSum) return;
  A* scale = band.scale + r * width;
  for (int64_t x = 0; x < width; ++x) scale[x] = reciprocal(weight[x], landed[x], job.eps);
  A* normaliser = job.normaliser + at;
  if (job.mode != SplatMode::kSoftmax) {
    std::copy(scale, scale + width, normaliser);
    return;
  }
  const A* peak = band.peak + (r + 1) * band.stride + 1;
  for (int64_t x = 0; x < width; ++x) {
    const A base = job.wide_range ? peak[x] : job.shift;
    const A logarithm = base + quick_log(scale[x] != A(0) ? weight[x] : A(1));
    normaliser[x] = scale[x] != A(0) ? logarithm : std::numeric_limits<A>::infinity();
  }
}

template <int kLanes, class T>
HOST_DEVICE void write_band(const Splat<T>& job, const Pass& pass, Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  const int64_t width = job.width;
  for (int64_t r = 0; r < band.rows(); ++r) {
    separate<kLanes>(band.sums + ((r + 1) * band.stride + 1) * kLanes, width, band.planar);
    if (pass.coverage) finish_weights(job, pass, r, band.planar, band);
    const A* scale = band.scale + r * width;
    for (int64_t c = 0; c < pass.count; ++c) {
      T* out = job.out + ((pass.first + c) * job.height + band.first + r) * width;
      const A* sums = band.planar + c * width;
      if (job.mode == SplatMode::kSum) {
        for (int64_t x = 0; x < width; ++x) out[x] = T(sums[x]);
      } else {
        for (int64_t x = 0; x < width; ++x) out[x] = T(sums[x] * scale[x]);
      }
    }
  }
}

// Calls body(py, start, count, prepared) for every chunk of the source that reaches the band.
template <class T, class Body>
HOST_DEVICE void for_each_chunk(const Splat<T>& job, const Band<accumulate_t<T>>& band, Prepared<accumulate_t<T>>& p,
                                const Body& body) {
  for (int64_t py = 0; py < job.height; ++py) {
    if (!job.row_reach[static_cast<size_t>(py)].meets(band.first, band.last)) continue;
    for (int64_t chunk = 0; chunk < job.chunks; ++chunk) {
      if (!job.reach[static_cast<size_t>(py * job.chunks + chunk)].meets(band.first, band.last)) continue;
      const int64_t start = chunk * kChunk, count = std::min(kChunk, job.width - start);
      prepare(job, py, start, count, p);
      body(py, start, count);
    }
  }
}

template <int kLanes, class T>
HOST_DEVICE void splat_pass(const Splat<T>& job, const Pass& pass, Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  Prepared<A> p;
  std::fill(band.sums, band.sums + (band.rows() + 2) * band.stride * kLanes, A(0));
  const int64_t coverage_lane = pass.coverage ? pass.count + (pass.weight ? 1 : 0) : -1;
  for_each_chunk(job, band, p, [&](int64_t py, int64_t start, int64_t count) __attribute__((always_inline)) {
    fill_lanes<kLanes>(job, pass, py, start, count, p);
    if (job.wide_range) {
      scatter_by_peak<kLanes, T>(p, job.metric + py * job.width + start, count, coverage_lane, band);
    } else {
      scatter<kLanes, T>(p, count, band);
    }
  });
  write_band<kLanes>(job, pass, band);
}

template <class T>
HOST_DEVICE void splat_band(const Splat<T>& job, Band<accumulate_t<T>>& band) {
  using A = accumulate_t<T>;
  if (job.wide_range) {
    Prepared<A> p;
    std::fill(band.peak, band.peak + (band.rows() + 2) * band.stride, -std::numeric_limits<A>::infinity());
    for_each_chunk(job, band, p, [&](int64_t, int64_t, int64_t count) __attribute__((always_inline)) {
      raise_peaks<T>(p, count, band);
    });
  }
  // For mode average the weight is the coverage.
  const bool weight = uses_metric(job.mode);
  Pass pass{0, std::min<int64_t>(job.channels, weight ? 6 : 7), weight, true};
  do {
    const int64_t lanes = pass.count + (pass.weight ? 1 : 0) + (pass.coverage ? 1 : 0);
    if (lanes <= 4) {
      splat_pass<4>(job, pass, band);
    } else {
      splat_pass<8>(job, pass, band);
    }
    const int64_t next = pass.first + pass.count;
    pass = {next, std::min<int64_t>(job.channels - next, 8), false, false};
  } while (pass.count > 0);
}

}  // namespace photoflow
