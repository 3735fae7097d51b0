// The arithmetic of flow_attention that is not a large convolution, for one pixel:
//   gate = sigmoid(conv(relu(conv(resized flow, w1) + b1), w2) + b2),   out = feature * gate,
// both convolutions 3 by 3 with zero padding 1.
//
// The first one reads only 18 numbers a pixel (two channels): it is computed here, directly from the flow, and its
// result is computed again for the gradient instead of being kept. The second is the library's (oneDNN, cuDNN); what it
// gives, `raw`, is kept for the gradient. Both hidden and raw lie pixel by pixel (channels_last), as the libraries'
// fastest kernels want it.
#pragma once

#include <algorithm>

#include "scalar.h"

namespace photoflow {

constexpr int kTaps = 18;         // numbers of the flow under a 3 by 3 kernel: (row, column, x or y)
constexpr int kRows = kTaps + 1;  // rows of the packed first weights: one a tap, and the bias

// A place between two pixels of an axis: (1 - t) of the first and t of the second.
template <class A>
struct Between {
  int64_t first, second;
  A t;
};

// Where pixel `i` of an axis resized from `from` to `to` pixels lies in the original. Pixels are areas that are scaled
// by to / from, so that their centres are at (i + 1/2) from / to - 1/2 (align_corners=False); the border repeats.
template <class A>
HOST_DEVICE Between<A> between(int64_t i, int64_t from, int64_t to) {
  const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
  const double place = at > 0 ? at : 0.0;
  const int64_t whole = static_cast<int64_t>(place), first = whole < from - 1 ? whole : from - 1;
  return {first, first + 1 < from ? first + 1 : first, A(place - static_cast<double>(first))};
}

// A flow (B, 2, height, width) of any strides that is read at the size (out_height, out_width).
template <class A>
struct ResizedFlow {
  const A* data;
  int64_t batch_stride, axis_stride, row_stride, pixel_stride;
  int64_t height, width, out_height, out_width;

  HOST_DEVICE const A* at(int64_t batch, int64_t y, int64_t x) const {
    return data + batch * batch_stride + y * row_stride + x * pixel_stride;
  }

  // What a change of size multiplies displacements by.
  HOST_DEVICE A scale_x() const { return A(static_cast<double>(out_width) / static_cast<double>(width)); }
  HOST_DEVICE A scale_y() const { return A(static_cast<double>(out_height) / static_cast<double>(height)); }

  // Adds one pixel; a flow that is not finite counts as 0 there, and spoils nothing else.
  HOST_DEVICE void add(const A* pixel, A weight, A& u, A& v) const {
    const A x = pixel[0], y = pixel[axis_stride];
    const bool finite = is_finite(x) && is_finite(y);
    u += finite ? weight * x : A(0);
    v += finite ? weight * y : A(0);
  }

  HOST_DEVICE void read(int64_t batch, const Between<A>& y, const Between<A>& x, A& u, A& v) const {
    A sum_u = A(0), sum_v = A(0);
    const A left = A(1) - x.t, top = A(1) - y.t;
    add(at(batch, y.first, x.first), top * left, sum_u, sum_v);
    add(at(batch, y.first, x.second), top * x.t, sum_u, sum_v);
    add(at(batch, y.second, x.first), y.t * left, sum_u, sum_v);
    add(at(batch, y.second, x.second), y.t * x.t, sum_u, sum_v);
    u = sum_u * scale_x();
    v = sum_v * scale_y();
  }
};

// The gradient of the resized flow at one pixel from that of all products of a flow value and a first weight, which lie
// as (B, H, W, 18): the pixel is tap (1 - dy, 1 - dx) of its neighbour at (dy, dx).
template <class A>
HOST_DEVICE void gather_products(const A* products, int64_t batch, int64_t y, int64_t x, int64_t height, int64_t width,
                                 A& u, A& v) {
  u = A(0);
  v = A(0);
  for (int dy = -1; dy <= 1; ++dy) {
    if (y + dy < 0 || y + dy >= height) continue;
    for (int dx = -1; dx <= 1; ++dx) {
      if (x + dx < 0 || x + dx >= width) continue;
      const A* product = products + ((batch * height + y + dy) * width + x + dx) * kTaps + ((1 - dy) * 3 + 1 - dx) * 2;
      u += product[0];
      v += product[1];
    }
  }
}

// Where weight (k, axis, row, column) of the first convolution stands among the taps.
HOST_DEVICE int64_t tap_of(int64_t axis, int64_t row, int64_t column) { return (row * 3 + column) * 2 + axis; }

// The gradients of one value of the result:
//   out = f s(r + b):   grad_f = g s,   grad_r = g f s (1 - s).
template <class A>
HOST_DEVICE void gate_gradients(A grad, A feature, A gate, A& grad_feature, A& grad_raw) {
  grad_feature = grad * gate;
  grad_raw = grad_feature * feature * (A(1) - gate);
}

}  // namespace photoflow
