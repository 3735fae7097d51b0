// The arithmetic of the correlation lookup: where a pixel reads each level of the pyramid, and with what weights.
//
// Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020, section 3.2.
#pragma once

#include "scalar.h"

namespace photoflow {

constexpr int64_t kMostLevels = 16, kMostRadius = 16;

// Channels of the pyramid are padded with zeros to a multiple of this, so that every vector of them is whole and
// aligned.
constexpr int64_t kChannelStep = 16;

HOST_DEVICE int64_t padded_channels(int64_t channels) {
  return (channels + kChannelStep - 1) / kChannelStep * kChannelStep;
}

// The levels of a pyramid lie one behind the other; each halves the sides of the one before, rounding down.
struct PyramidShape {
  int64_t height, width, levels;

  HOST_DEVICE int64_t rows(int64_t level) const { return height >> level; }
  HOST_DEVICE int64_t columns(int64_t level) const { return width >> level; }

  // The index of a level's first position; that of level `levels` is the number of all positions.
  HOST_DEVICE int64_t first(int64_t level) const {
    int64_t sum = 0;
    for (int64_t i = 0; i < level; ++i) sum += rows(i) * columns(i);
    return sum;
  }
};

// What a pixel reads at one level. The bilinear fraction is the same for all offsets of the lookup, so that its
// (2r + 1)^2 results are blended from the (2r + 2)^2 correlations with the positions x, x + 1, ... and y, y + 1, ...
template <class A>
struct Window {
  int64_t x, y;
  A fx, fy;
};

// A window far from every image: all its correlations are 0.
constexpr int64_t kNowhere = -(int64_t(1) << 40);

template <class A>
HOST_DEVICE Window<A> place_window(A x, A y, int64_t level, int64_t radius) {
  const A limit = A(1 << 30);
  if (!(std::abs(x) <= limit && std::abs(y) <= limit)) return {kNowhere, kNowhere, A(0), A(0)};
  const A scale = A(1) / static_cast<A>(int64_t(1) << level);  // a power of two: exact
  const A whole_x = std::floor(x * scale), whole_y = std::floor(y * scale);
  return {static_cast<int64_t>(whole_x) - radius, static_cast<int64_t>(whole_y) - radius, x * scale - whole_x,
          y * scale - whole_y};
}

// The bilinear blend of d_yx. The result at the offset (i, j) - r of (x, y) blends the correlations at the columns i,
// i + 1 and the rows j, j + 1 of the window, and is number i (2r + 1) + j of its level: RAFT lets x move slowest.
//
// The gradient of the correlation at column i and row j is, with g_ij the incoming gradients (0 outside), their blend
// mirrored: blend(g_ij, g_(i-1)j, g_i(j-1), g_(i-1)(j-1)).
template <class A>
HOST_DEVICE A blend(A d00, A d01, A d10, A d11, A fx, A fy) {
  const A top = d00 + fx * (d01 - d00), bottom = d10 + fx * (d11 - d10);
  return top + fy * (bottom - top);
}

// The derivatives of the blend with respect to fx and fy.
template <class A>
HOST_DEVICE A slope_x(A d00, A d01, A d10, A d11, A fy) {
  return (d01 - d00) + fy * ((d11 - d10) - (d01 - d00));
}

template <class A>
HOST_DEVICE A slope_y(A d00, A d01, A d10, A d11, A fx) {
  return (d10 - d00) + fx * ((d11 - d01) - (d10 - d00));
}

}  // namespace photoflow
