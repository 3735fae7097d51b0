// Reads of neighbouring pixels, for machines whose vectors hold sixteen numbers: where the flow is smooth, sixteen
// neighbours read within 32 columns of few rows. Then whole vectors are loaded and their lanes permuted, where
// otherwise each pixel loads for itself.
#pragma once

#include "warp_reads.h"

namespace photoflow {

constexpr int64_t kGroup = 16, kWindow = 2 * kGroup;  // output pixels of a window, columns that it holds
constexpr int32_t kBehind = 4;                        // columns of a window before what its first pixel reads
constexpr int32_t kStarts = 6;                        // rows in which the pixels of a window may start to read

using Lanes = vector_t<int32_t, kGroup>;

// The windows of a span's groups of sixteen.
struct Windows {
  int64_t first[kSpan / kGroup];    // the number in its plane of the window's first pixel
  int32_t starts[kSpan / kGroup];   // rows in which its pixels start to read; 0: there is no window
  int32_t lane[kSpan], row[kSpan];  // the column and row within the window of the first pixel read
};

// The least of all lanes.
HOST_DEVICE int32_t least(Lanes lanes) {
  const auto fold = [&lanes](const Lanes& other)
                        __attribute__((always_inline)) { lanes = lanes < other ? lanes : other; };
  fold(__builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  fold(__builtin_shufflevector(lanes, lanes, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  fold(__builtin_shufflevector(lanes, lanes, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  fold(__builtin_shufflevector(lanes, lanes, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return lanes[0];
}

template <int kTaps, class A>
HOST_DEVICE void find_windows(int64_t width, int64_t count, const Places<A>& places, Windows& windows) {
  for (int64_t group = 0; group < count / kGroup; ++group) {
    const int64_t i = group * kGroup;
    windows.starts[group] = 0;
    if (width < kWindow) continue;
    Lanes x, y;
    load(x, places.x + i);
    load(y, places.y + i);
    const int64_t start = std::clamp<int64_t>(places.x[i] - kBehind, 0, width - kWindow);
    const int32_t top = least(y), starts = 1 - top - least(-y);
    const Lanes lane = x - static_cast<int32_t>(start), row = y - top;
    if (starts > kStarts || least(lane) < 0 || -least(-lane) > kWindow - kTaps) continue;
    windows.first[group] = top * width + start;
    windows.starts[group] = starts;
    store(windows.lane + i, lane);
    store(windows.row + i, row);
  }
}

// One channel of a group of sixteen pixels. Each row of the window is summed along x for all of them, and goes to
// those that read it.
template <int kTaps, class T, class A>
HOST_DEVICE void gather_window(const T* plane, int64_t width, const Windows& windows, int64_t group,
                               const Reads<kTaps, A>& reads, vector_t<A, kGroup>& value) {
  using V = vector_t<A, kGroup>;
  const int64_t i = group * kGroup;
  const T* from = plane + windows.first[group];
  V across[kTaps], down[kTaps];
  Lanes lane, row;
  load(lane, windows.lane + i);
  load(row, windows.row + i);
  for (int k = 0; k < kTaps; ++k) {
    load(across[k], reads.x_weight[k] + i);
    load(down[k], reads.y_weight[k] + i);
  }
  value = V{};
  for (int32_t line = 0; line < windows.starts[group] + kTaps - 1; ++line, from += width) {
    V left, right;
    load_as<kGroup, A>(left, from);
    load_as<kGroup, A>(right, from + kGroup);
    V sum = __builtin_shuffle(left, right, lane) * across[0];
    for (int k = 1; k < kTaps; ++k) sum += __builtin_shuffle(left, right, lane + k) * across[k];
    for (int j = 0; j < kTaps; ++j) value = row == line - j ? value + sum * down[j] : value;
  }
  // What the next row of output pixels will be the first to read. The machine does not foresee it: here each row is
  // read in turns with others.
  __builtin_prefetch(from + kBehind);
  __builtin_prefetch(from + kBehind + kGroup);
}

}  // namespace photoflow
