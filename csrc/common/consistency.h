// The forward-backward check of one pixel.
#pragma once

#include "sampling.h"

namespace photoflow {

// A pixel p is seen in the other image when the way there and back ends near p:
//   |f(p) + g(p + f(p))|^2 < alpha (|f(p)|^2 + |g(p + f(p))|^2) + beta,
// with f the flow to the other image, g the flow back, and p + f(p) inside the other image.
//
// Meister, Hur and Roth, "UnFlow", AAAI 2018, equation (2).
template <class A>
HOST_DEVICE A seen(const A* there, const A* back, int64_t py, int64_t px, int64_t height, int64_t width, A alpha,
                   A beta) {
  const int64_t plane = height * width, at = py * width + px;
  const A u = there[at], v = there[plane + at];
  if (!(is_finite(u) && is_finite(v))) return A(0);
  const double x = static_cast<double>(px) + static_cast<double>(u),
               y = static_cast<double>(py) + static_cast<double>(v);
  if (!(x >= 0 && x <= static_cast<double>(width - 1) && y >= 0 && y <= static_cast<double>(height - 1))) return A(0);
  Axis<2, A> across = read_axis<2>(px, u, width, Padding::kBorder);
  Axis<2, A> down = read_axis<2>(py, v, height, Padding::kBorder);
  // A neighbour of weight 0 is not read: its flow may be NaN.
  for (int k = 0; k < 2; ++k) {
    if (!(across.weight[k] > A(0))) across.index[k] = -1;
    if (!(down.weight[k] > A(0))) down.index[k] = -1;
  }
  const A back_u = sample(back, width, across, down), back_v = sample(back + plane, width, across, down);
  const A miss = (u + back_u) * (u + back_u) + (v + back_v) * (v + back_v);
  const A length = u * u + v * v + back_u * back_u + back_v * back_v;
  return miss < alpha * length + beta ? A(1) : A(0);
}

}  // namespace photoflow
