// Forward splatting on the CPU: what is written. One thread splats an image into one band of target rows.
//
// A band owns its target rows: it reads every source pixel that lands in them, in source order, and nobody else writes
// them. So the result does not depend on the number of threads. Of the band only the rows that the source is just
// reaching have accumulators: a row is opened before the first source row that reaches it, and written to the result
// after the last, so that the accumulators stay in the cache.
#pragma once

#include <type_traits>

#include "splat_source.h"

namespace photoflow {

template <class A>
struct Band {
  int64_t first, last, stride;  // target rows [first, last); pixels in a row of accumulators: the width and a border
  // Row r is the target row first - 1 + r; the first and the last take what belongs to other bands.
  // Of each row, its accumulators: (stride, lanes), or (lanes, stride) in a planar pass; then (stride) for the
  // coverage where kept apart.
  A** line;
  A* peak;   // softmax, wide range: the largest metric that lands, (rows + 2, stride)
  A* scale;  // what normalises each pixel, (rows, width), or (1, width) where one pass does
  int64_t scale_step;
  HOST_DEVICE int64_t rows() const { return last - first; }
};

template <class A>
HOST_DEVICE void raise_peaks_any(const Prepared<A>& p, int64_t count, Band<A>& band) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = p.y[i] - (band.first - 1);
    if (row < 0 || row > band.rows()) continue;
    for (int k = 0; k < 4; ++k) {
      A& peak = band.peak[(row + (k >> 1)) * band.stride + p.x[i] + 1 + (k & 1)];
      if (p.corner(k)[i] > A(0) && p.weight[i] > peak) peak = p.weight[i];
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

// Source neighbours that land on target neighbours are a run: the right corners of a pixel are the left corners of the
// next. They are carried over in registers, which halves the traffic and spares the wait for a sum just stored.
template <int kLanes, bool kApart, class A>
HOST_DEVICE void scatter_runs(const Prepared<A>& p, int64_t count, Band<A>& band) {
  using V = vector_t<A, kLanes>;
  const uint64_t rows = static_cast<uint64_t>(band.rows());
  const int64_t covers = band.stride * kLanes;
  for (int64_t i = 0; i < count;) {
    const uint64_t row = static_cast<uint64_t>(p.y[i] - (band.first - 1));
    if (row > rows) {
      ++i;
      continue;
    }
    const int64_t x = p.x[i] + 1;
    A *upper = band.line[row] + x * kLanes, *lower = band.line[row + 1] + x * kLanes;
    A *upper_cover = band.line[row] + covers + x, *lower_cover = band.line[row + 1] + covers + x;
    V right_upper{}, right_lower{};
    A cover_upper = A(0), cover_lower = A(0);
    do {
      const A corner[4] = {p.corner(0)[i], p.corner(1)[i], p.corner(2)[i], p.corner(3)[i]};
      V lanes;
      load(lanes, p.lanes + i * kLanes);
      right_upper += lanes * corner[0];
      right_lower += lanes * corner[2];
      add(upper, right_upper);
      add(lower, right_lower);
      right_upper = lanes * corner[1];
      right_lower = lanes * corner[3];
      upper += kLanes;
      lower += kLanes;
      if (kApart) {
        *upper_cover++ += corner[0] + cover_upper;
        *lower_cover++ += corner[2] + cover_lower;
        cover_upper = corner[1];
        cover_lower = corner[3];
      }
    } while (p.follows[++i]);
    add(upper, right_upper);
    add(lower, right_lower);
    if (kApart) *upper_cover += cover_upper;
    if (kApart) *lower_cover += cover_lower;
  }
}

// Integers as wide as A.
template <class A, int kWidth>
struct Mask;
template <>
struct Mask<float, 8> {
  typedef int32_t type __attribute__((vector_size(32)));
};
template <>
struct Mask<double, 8> {
  typedef int64_t type __attribute__((vector_size(64)));
};
template <class A, int kWidth>
using mask_t = typename Mask<A, kWidth>::type;

constexpr int kRun = 8;  // target pixels that a planar pass adds to at a time

// Sets the numbers whose integer is 0 to 0, and leaves those where all its bits are set.
template <class V, class M>
HOST_DEVICE void mask(V& values, const M& wanted) {
  values = reinterpret_cast<V>(reinterpret_cast<M>(values) & wanted);
}

// The run at source pixel i, or the first kRun - 1 pixels of it, in each lane's own array: whole vectors along the run,
// where what belongs to other pixels adds zeros. Returns its length.
template <class A, class Bits>
HOST_DEVICE int64_t scatter_run(const Prepared<A>& p, const Pass& pass, int64_t i, const Bits* some, Band<A>& band) {
  using V = vector_t<A, kRun>;
  using M = mask_t<A, kRun>;
  uint64_t next;
  __builtin_memcpy(&next, p.follows + i + 1, sizeof next);
  // A byte of 0 ends the run, and so does the room for the right corners.
  const int64_t length = 1 + __builtin_ctzll((~next & 0x0001010101010101u) | (uint64_t(1) << 48)) / 8;
  const uint64_t row = static_cast<uint64_t>(p.y[i] - (band.first - 1));
  if (row > static_cast<uint64_t>(band.rows())) return length;
  M left, right;
  load(left, some + 2 * kRun - length);
  load(right, some + 2 * kRun - length - 1);
  right[0] = 0;
  V weight[4];
  for (int k = 0; k < 4; ++k) load(weight[k], p.corner(k) + i - k % 2);
  A *upper = band.line[row] + p.x[i] + 1, *lower = band.line[row + 1] + p.x[i] + 1;
  const int64_t lanes = pass.lanes();
  for (int64_t l = 0; l < lanes; ++l, upper += band.stride, lower += band.stride) {
    V here, before;
    load(here, p.planar(l) + i);
    load(before, p.planar(l) + i - 1);
    mask(here, left);
    mask(before, right);
    add(upper, here * weight[0] + before * weight[1]);
    add(lower, here * weight[2] + before * weight[3]);
  }
  if (!pass.apart) return length;
  for (int k = 0; k < 4; ++k) mask(weight[k], k % 2 == 0 ? left : right);
  add(upper, weight[0] + weight[1]);
  add(lower, weight[2] + weight[3]);
  return length;
}

template <class A>
HOST_DEVICE void scatter_planar_any(const Prepared<A>& p, const Pass& pass, int64_t count, Band<A>& band) {
  // Masks of any length: a vector read from 2 kRun - n has its first n integers set, one from a place before n + 1.
  std::conditional_t<sizeof(A) == 4, int32_t, int64_t> some[3 * kRun];
  for (int i = 0; i < 3 * kRun; ++i) some[i] = i >= kRun && i < 2 * kRun ? -1 : 0;
  for (int64_t i = 0; i < count;) i += scatter_run(p, pass, i, some, band);
}

template <int kLanes, class A>
HOST_DEVICE void scatter_lanes_any(const Prepared<A>& p, bool apart, int64_t count, Band<A>& band) {
  if (apart) {
    scatter_runs<kLanes, true>(p, count, band);
  } else {
    scatter_runs<kLanes, false>(p, count, band);
  }
}

// The same with exp(metric - peak of the target) as the weight.
template <class A>
HOST_DEVICE void scatter_by_peak_any(const Prepared<A>& p, const A* metric, const Pass& pass, int64_t count,
                                     Band<A>& band) {
  using V = vector_t<A, 4>;
  const int64_t lanes = pass.stride();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = p.y[i] - (band.first - 1);
    if (row < 0 || row > band.rows()) continue;
    for (int k = 0; k < 4; ++k) {
      const A bilinear = p.corner(k)[i];
      if (!(bilinear > A(0))) continue;
      const int64_t to = row + (k >> 1), x = p.x[i] + 1 + (k & 1);
      const A weight = bilinear * quick_exp(metric[i] - band.peak[to * band.stride + x]);
      A* const line = band.line[to];
      for (int64_t l = 0; l < lanes; l += 4) {
        V values;
        load(values, p.lanes + i * lanes + l);
        values *= weight;
        add(line + x * lanes + l, values);
      }
      if (pass.apart) line[band.stride * lanes + x] += bilinear;
    }
  }
}

constexpr int64_t kPiece = 64;  // target pixels written at a time

// The sums of a piece of a row of accumulators, one array for each lane.
template <class A>
HOST_DEVICE void separate(const A* sums, int64_t lanes, int64_t count, A (&planar)[kMostLanes][kPiece]) {
  int64_t x = 0;
  for (; x + 4 <= count; x += 4) {
    for (int64_t l = 0; l < lanes; l += 4) {
      vector_t<A, 4> row[4];
      for (int k = 0; k < 4; ++k) load(row[k], sums + (x + k) * lanes + l);
      transpose(row[0], row[1], row[2], row[3]);
      for (int k = 0; k < 4; ++k) store(planar[l + k] + x, row[k]);
    }
  }
  for (; x < count; ++x) {
    for (int64_t l = 0; l < lanes; ++l) planar[l][x] = sums[x * lanes + l];
  }
}

// The factors that normalise `count` target pixels from `x` in row r, and their coverage and normaliser.
template <class A>
HOST_DEVICE void finish_weights(const Splat<A>& job, int64_t r, int64_t x, int64_t count, const A* weight,
                                const A* landed, Band<A>& band) {
  const int64_t at = (band.first + r) * job.width + x;
  std::copy(landed, landed + count, job.coverage + at);
  A* const scale = band.scale + r * band.scale_step + x;
  if (job.mode == SplatMode::kSum) {
    std::fill(scale, scale + count, A(1));
    return;
  }
  for (int64_t i = 0; i < count; ++i) scale[i] = reciprocal(weight[i], landed[i], job.eps);
  A* const normaliser = job.normaliser + at;
  if (job.mode != SplatMode::kSoftmax) {
    std::copy(scale, scale + count, normaliser);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const A logarithm = job.shift + quick_log(scale[i] != A(0) ? weight[i] : A(1));
    normaliser[i] = scale[i] != A(0) ? logarithm : std::numeric_limits<A>::infinity();
  }
  if (!job.wide_range) return;
  const A* peak = band.peak + (r + 1) * band.stride + 1 + x;  // where the shift is 0
  for (int64_t i = 0; i < count; ++i) normaliser[i] += scale[i] != A(0) ? peak[i] : A(0);
}

// Target row r of the band to the result.
template <class A>
HOST_DEVICE void write_row_any(const Splat<A>& job, const Pass& pass, int64_t r, Band<A>& band) {
  const int64_t lanes = pass.stride(), channels = pass.count, row = pass.first * job.by.channel;
  const int64_t between = pass.planar ? band.stride : kPiece;  // from one lane to the next
  const A* line = band.line[r + 1];
  const A* coverage = line + band.stride * (pass.planar ? pass.lanes() : lanes) + 1;
  alignas(64) A separated[kMostLanes][kPiece];
  A converted[kMostLanes * kPiece];
  for (int64_t x = 0; x < job.width; x += kPiece) {
    const int64_t count = std::min(kPiece, job.width - x);
    const int64_t offset = row + (band.first + r) * job.by.row + x * job.by.pixel;
    const bool side_by_side = job.by.channel == 1;
    const A* const sums = line + (x + 1) * lanes;
    const A* const planar = pass.planar ? line + x + 1 : separated[0];
    if (!pass.planar && (pass.weight || !side_by_side)) separate(sums, lanes, count, separated);
    const A* weight = planar + (pass.weight ? channels : 0) * between;
    if (pass.weight) finish_weights(job, r, x, count, weight, pass.apart ? coverage + x : weight, band);
    const A* scale = band.scale + r * band.scale_step + x;
    if (side_by_side) {  // channels_last
      const Block<A> to = block_of(job, offset, job.by.pixel, converted, channels);
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t l = 0; l < channels; ++l) to.first[i * to.step + l] = sums[i * lanes + l] * scale[i];
      }
      write_pieces(job, offset, job.by.pixel, count, channels, to);
    } else {
      const Block<A> to = block_of(job, offset, job.by.channel, converted, kPiece);
      for (int64_t l = 0; l < channels; ++l) {
        for (int64_t i = 0; i < count; ++i) to.first[l * to.step + i] = planar[l * between + i] * scale[i];
      }
      write_pieces(job, offset, job.by.channel, channels, count, to);
    }
  }
}

// The target rows that have accumulators while source row py is splatted: [closed, opened).
struct OpenRows {
  int64_t closed, opened;

  template <class A>
  static int64_t opened_by(const Splat<A>& job, int64_t py, int64_t first, int64_t last) {
    const Reach& reach = job.row_reach[static_cast<size_t>(py)];
    return reach.meets(first, last) ? std::min<int64_t>(reach.high + 2, last) : first;
  }
  template <class A>
  static int64_t closed_by(const Splat<A>& job, int64_t py, int64_t first, int64_t last) {
    return std::clamp<int64_t>(job.low_from[static_cast<size_t>(py) + 1], first, last);
  }
};

// The most rows that are open at a time.
template <class A>
int64_t most_open(const Splat<A>& job, int64_t first, int64_t last) {
  int64_t most = 1;
  OpenRows window{first, first};
  for (int64_t py = 0; py < job.height; ++py) {
    window.opened = std::max(window.opened, OpenRows::opened_by(job, py, first, last));
    most = std::max(most, window.opened - window.closed);
    window.closed = OpenRows::closed_by(job, py, first, last);
    window.opened = std::max(window.opened, window.closed);
  }
  return most;
}

// The channels in as few passes as there are: 4, 8 or 16 lanes at a time.
template <class A>
Pass next_pass(const Splat<A>& job, int64_t first) {
  const bool weight = first == 0;
  Pass pass{first, std::min<int64_t>(job.channels - first, kMostLanes - (weight ? 1 : 0)), weight,
            weight && uses_metric(job.mode), false};
  pass.planar = pass.lanes() <= 4 && !job.wide_range && job.by.channel != 1;
  return pass;
}

}  // namespace photoflow
