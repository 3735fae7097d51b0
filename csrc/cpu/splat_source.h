// Forward splatting on the CPU: what is read. The source pixels are prepared in chunks of a row: where they land, with
// what bilinear weights, and their values side by side ("lanes"), ready to be added to a target pixel.
#pragma once

#include <algorithm>
#include <vector>

#include "../common/forward.h"
#include "../common/layout.h"
#include "simd.h"
#include "splat_features.h"

namespace photoflow {

constexpr int64_t kChunk = 128;  // source pixels prepared at a time
constexpr int kMostLanes = 16;   // values added to a target pixel at a time
constexpr int64_t kEdge = 16;    // numbers before and after those of a chunk, which vectors may read

constexpr int32_t kNowhere = std::numeric_limits<int32_t>::min() / 2;  // the y of a pixel that does not land

// The target rows y, of all rows y and y + 1 that source pixels land on: between low and high.
struct Reach {
  int32_t low = std::numeric_limits<int32_t>::max(), high = kNowhere;
  HOST_DEVICE bool meets(int64_t first, int64_t last) const { return high >= first - 1 && low < last; }
};

template <class A>
struct Splat {
  // One image of the batch: (C, H, W) in either format, (2, H, W), (H, W) or null.
  AnyFeatures<const char> image;
  const A *flow, *metric;
  AnyFeatures<char> out;
  const Conversion<A>* conversion;  // null where image and out have type A
  A *coverage, *normaliser;         // normaliser: null for mode sum
  int64_t channels, height, width, chunks;
  Strides<int64_t> by, flow_by;  // by: of image and out
  SplatMode mode;
  A eps;
  A shift = A(0);                 // softmax: subtracted from the metric everywhere ...
  bool wide_range = false;        // ... unless the metric's range calls for the maximum of each target pixel
  std::vector<Reach> reach;       // of each chunk: (height, chunks)
  std::vector<Reach> row_reach;   // of each source row
  std::vector<int32_t> low_from;  // the lowest reach of a source row and all after it: (height + 1)

  HOST_DEVICE const Reach& reach_of(int64_t py, int64_t chunk) const {
    return reach[static_cast<size_t>(py * chunks + chunk)];
  }
};

// Some lanes of the least and the greatest value, kept side by side so that they vectorise.
template <class A>
struct Extent {
  static constexpr int kWays = 16;
  A least[kWays], most[kWays];

  HOST_DEVICE Extent() {
    std::fill(least, least + kWays, std::numeric_limits<A>::infinity());
    std::fill(most, most + kWays, -std::numeric_limits<A>::infinity());
  }
  HOST_DEVICE void widen(int way, A value, bool counts) {
    least[way] = counts & (value < least[way]) ? value : least[way];
    most[way] = counts & (value > most[way]) ? value : most[way];
  }
  HOST_DEVICE A lowest() const { return *std::min_element(least, least + kWays); }
  HOST_DEVICE A highest() const { return *std::max_element(most, most + kWays); }
};

// `count` numbers of a row from `start`, brought together where they are not neighbours in memory.
template <class A>
HOST_DEVICE const A* side_by_side(const A* row, int64_t step, int64_t start, int64_t count, A* gathered) {
  row += start * step;
  if (step == 1) return row;
  for (int64_t i = 0; i < count; ++i) gathered[i] = row[i * step];
  return gathered;
}

// Fills the reach of every chunk of source row py, and widens `metrics` by the metric of the pixels that may land.
template <class A>
HOST_DEVICE void survey_row_any(Splat<A>& job, int64_t py, Extent<A>& metrics) {
  constexpr int kWays = Extent<A>::kWays;
  A gathered[kChunk];
  // A little wider than needed, so that no rounding of a bound drops a pixel.
  const A margin = A(1) + A(job.height) * A(1e-6), above = A(-1 - py) - margin, below = A(job.height - py) + margin;
  Reach row;
  for (int64_t chunk = 0; chunk < job.chunks; ++chunk) {
    const int64_t start = chunk * kChunk, count = std::min(kChunk, job.width - start);
    const A* v =
        side_by_side(job.flow + job.flow_by.channel + py * job.flow_by.row, job.flow_by.pixel, start, count, gathered);
    // Other modes do without a metric: any number will do.
    const A* metric = job.mode == SplatMode::kSoftmax ? job.metric + py * job.width + start : v;
    Extent<A> shifts;
    int64_t i = 0;
    for (; i + kWays <= count; i += kWays) {
      for (int k = 0; k < kWays; ++k) {
        const bool lands = (v[i + k] > above) & (v[i + k] < below);
        shifts.widen(k, v[i + k], lands);
        metrics.widen(k, metric[i + k], lands & is_finite(metric[i + k]));
      }
    }
    for (; i < count; ++i) {
      const bool lands = (v[i] > above) & (v[i] < below);
      shifts.widen(0, v[i], lands);
      metrics.widen(0, metric[i], lands & is_finite(metric[i]));
    }
    Reach reach;
    const A lowest = shifts.lowest(), highest = shifts.highest();
    if (lowest <= highest) {
      const int64_t low = py + static_cast<int64_t>(std::floor(lowest));
      const int64_t high = py + static_cast<int64_t>(std::floor(highest));
      reach.low = static_cast<int32_t>(std::clamp<int64_t>(low, -1, job.height - 1));
      reach.high = static_cast<int32_t>(std::clamp<int64_t>(high, -1, job.height - 1));
    }
    job.reach[static_cast<size_t>(py * job.chunks + chunk)] = reach;
    row.low = std::min(row.low, reach.low);
    row.high = std::max(row.high, reach.high);
  }
  job.row_reach[static_cast<size_t>(py)] = row;
}

// The prepared pixels of a chunk.
template <class A>
struct Prepared {
  int32_t x[kChunk], y[kChunk];
  A weight[kChunk];
  alignas(64) A lanes[kChunk * kMostLanes];  // of one pixel side by side
  A converted[kMostLanes * kChunk];          // features of another type than A

  // 1 where a pixel lands right of the one before; 0 for the first, and beyond the last.
  uint8_t follows[kChunk + 8];

  HOST_DEVICE Prepared() {
    std::fill(corners_[0], corners_[0] + 4 * kPadded, A(0));
    std::fill(planar_[0], planar_[0] + kMostLanes * kPadded, A(0));
    std::fill(follows, follows + kChunk + 8, uint8_t(0));
  }
  // The bilinear weights of corner k.
  HOST_DEVICE A* corner(int k) { return corners_[k] + kEdge; }
  HOST_DEVICE const A* corner(int k) const { return corners_[k] + kEdge; }
  // The lanes, one array for each.
  HOST_DEVICE A* planar(int64_t lane) { return planar_[lane] + kEdge; }
  HOST_DEVICE const A* planar(int64_t lane) const { return planar_[lane] + kEdge; }

  HOST_DEVICE void find_runs(int64_t count) {
    int32_t same[kChunk];
    for (int64_t i = 1; i < count; ++i) same[i] = ((x[i] - x[i - 1]) ^ 1) | (y[i] ^ y[i - 1]);
    for (int64_t i = 1; i < count; ++i) follows[i] = same[i] == 0 ? 1 : 0;
    follows[0] = follows[count] = 0;
  }

 private:
  static constexpr int64_t kPadded = kEdge + kChunk + kEdge;
  alignas(64) A corners_[4][kPadded];
  alignas(64) A planar_[kMostLanes][kPadded];
};

template <class A>
HOST_DEVICE void prepare_any(const Splat<A>& job, int64_t py, int64_t start, int64_t count, Prepared<A>& p) {
  A gathered[2][kChunk];
  const A* const flow = job.flow + py * job.flow_by.row;
  const A* u = side_by_side(flow, job.flow_by.pixel, start, count, gathered[0]);
  const A* v = side_by_side(flow + job.flow_by.channel, job.flow_by.pixel, start, count, gathered[1]);
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
    const A fx = us - whole_u, fy = vs - whole_v;
    p.x[i] = x;
    p.y[i] = lands ? y : kNowhere;
    p.corner(0)[i] = (A(1) - fx) * (A(1) - fy);
    p.corner(1)[i] = fx * (A(1) - fy);
    p.corner(2)[i] = (A(1) - fx) * fy;
    p.corner(3)[i] = fx * fy;
  }
  if (!job.metric) return;
  const A* metric = job.metric + py * job.width + start;
  for (int64_t i = 0; i < count; ++i) {
    const bool finite = is_finite(metric[i]);
    p.y[i] = finite ? p.y[i] : kNowhere;
    p.weight[i] = finite ? metric[i] : A(0);
  }
}

// What a pass adds up: `count` channels from `first`; then, in the first pass, the weight, or the coverage where that
// is the same. Where it is not the coverage is kept apart.
struct Pass {
  int64_t first, count;
  bool weight, apart;
  bool planar;  // the sums of each lane in an array of their own, otherwise those of a pixel side by side
  HOST_DEVICE int64_t lanes() const { return count + (weight ? 1 : 0); }
  // The lanes that a pixel has in memory.
  HOST_DEVICE int64_t stride() const { return lanes() <= 4 ? 4 : lanes() <= 8 ? 8 : 16; }
};

// From the metric to the weight.
template <class A>
HOST_DEVICE void weigh(const Splat<A>& job, int64_t count, Prepared<A>& p) {
  if (job.wide_range || !job.metric) {
    std::fill(p.weight, p.weight + count, A(1));
  } else if (job.mode == SplatMode::kSoftmax) {
    const A shift = job.shift;
    // Of a pixel that does not land the metric may be beyond the shift.
    for (int64_t i = 0; i < count; ++i) p.weight[i] = quick_exp(std::min(p.weight[i] - shift, A(0)));
  }
}

// Fills the lanes of every pixel: its channels times its weight, then the weight.
template <class A>
HOST_DEVICE void fill_lanes_any(const Splat<A>& job, const Pass& pass, int64_t py, int64_t start, int64_t count,
                                Prepared<A>& p) {
  p.find_runs(count);
  weigh(job, count, p);
  const int64_t offset = pass.first * job.by.channel + py * job.by.row + start * job.by.pixel, lanes = pass.stride();
  if (job.by.channel == 1) {  // channels_last
    int64_t step = job.by.pixel;
    const A* values = read_pieces(job, offset, step, count, pass.count, pass.count, p.converted);
    for (int64_t i = 0; i < count; ++i, values += step) {
      A* const to = p.lanes + i * lanes;
      const A weight = p.weight[i];
      for (int64_t l = 0; l < pass.count; ++l) to[l] = values[l] * weight;
      for (int64_t l = pass.count; l < lanes; ++l) to[l] = A(0);
      if (pass.weight) to[pass.count] = weight;
    }
    return;
  }
  int64_t step = job.by.channel;
  const A* values = read_pieces(job, offset, step, pass.count, count, kChunk, p.converted);
  for (int64_t l = 0; l < pass.count; ++l, values += step) {
    A* const to = p.planar(l);
    for (int64_t i = 0; i < count; ++i) to[i] = values[i] * p.weight[i];
  }
  if (pass.weight) std::copy(p.weight, p.weight + count, p.planar(pass.count));
  if (pass.planar) return;
  for (int64_t i = 0; i < count; i += 4) {
    for (int64_t l = 0; l < lanes; l += 4) {
      vector_t<A, 4> row[4];
      for (int k = 0; k < 4; ++k) load(row[k], p.planar(l + k) + i);
      transpose(row[0], row[1], row[2], row[3]);
      for (int k = 0; k < 4; ++k) store(p.lanes + (i + k) * lanes + l, row[k]);
    }
  }
}

}  // namespace photoflow
