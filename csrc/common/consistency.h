// The forward-backward check of one pixel.
#pragma once

#include "layout.h"
#include "sampling.h"

namespace photoflow {

// The squared distance between a pixel and where the way there and back ends, and the squared lengths of both ways.
template <class A>
HOST_DEVICE A missed_by(A u, A v, A back_u, A back_v) {
  return (u + back_u) * (u + back_u) + (v + back_v) * (v + back_v);
}

template <class A>
HOST_DEVICE A squared_lengths(A u, A v, A back_u, A back_v) {
  return u * u + v * v + back_u * back_u + back_v * back_v;
}

// The flow from an image to another and the flow back, (2, H, W) each, in either format.
template <class A, class Index = int64_t>
struct FlowPair {
  const A *there, *back;
  Strides<Index> there_by, back_by;
  Index height, width;

  // Of one image of the batch.
  HOST_DEVICE FlowPair of(Index batch) const {
    return {there + batch * there_by.batch, back + batch * back_by.batch, there_by, back_by, height, width};
  }
};

template <class A, class Index>
FlowPair<A, Index> flow_pair(const Tensor& there, const Tensor& back) {
  const int64_t height = there.size(2), width = there.size(3);
  return {data<A>(there),
          data<A>(back),
          strides_of<Index>(2, height, width, format_of(there)),
          strides_of<Index>(2, height, width, format_of(back)),
          static_cast<Index>(height),
          static_cast<Index>(width)};
}

// A pixel p is seen in the other image when the way there and back ends near p:
//   |f(p) + g(p + f(p))|^2 < alpha (|f(p)|^2 + |g(p + f(p))|^2) + beta,
// with f the flow to the other image, g the flow back, and p + f(p) inside the other image.
//
// Meister, Hur and Roth, "UnFlow", AAAI 2018, equation (2).
template <class A, class Index>
HOST_DEVICE A seen(const FlowPair<A, Index>& flows, Index py, Index px, A alpha, A beta) {
  const A* at = flows.there + py * flows.there_by.row + px * flows.there_by.pixel;
  const A u = at[0], v = at[flows.there_by.channel], limit = A(1 << 29);
  if (!(std::abs(u) < limit && std::abs(v) < limit)) return A(0);
  Axis<2, A, Index> across = read_axis<2>(px, u, flows.width, Padding::kZeros);
  Axis<2, A, Index> down = read_axis<2>(py, v, flows.height, Padding::kZeros);
  // A neighbour of weight 0 is not read: its flow may be NaN. Any other has to be inside.
  for (int k = 0; k < 2; ++k) {
    if (!(across.weight[k] > A(0))) {
      across.index[k] = -1;
    } else if (across.index[k] < 0) {
      return A(0);
    }
    if (!(down.weight[k] > A(0))) {
      down.index[k] = -1;
    } else if (down.index[k] < 0) {
      return A(0);
    }
  }
  const A back_u = sample_strided(flows.back, flows.back_by.row, flows.back_by.pixel, across, down);
  const A back_v =
      sample_strided(flows.back + flows.back_by.channel, flows.back_by.row, flows.back_by.pixel, across, down);
  return missed_by(u, v, back_u, back_v) < alpha * squared_lengths(u, v, back_u, back_v) + beta ? A(1) : A(0);
}

}  // namespace photoflow
