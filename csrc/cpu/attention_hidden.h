// The first convolution of flow_attention on the CPU: flow to hidden features, and the gradient of that.
#pragma once

#include <algorithm>
#include <vector>

#include "../common/attention.h"
#include "simd.h"

namespace photoflow {

constexpr int64_t kLanes = 8;     // hidden channels computed at a time
constexpr int64_t kPixels = 8;    // pixels whose sums are in registers at the same time
constexpr int64_t kTaskRows = 4;  // image rows that a thread takes at a time

// The first weights as rows of `hidden` numbers, filled with zeros to a multiple of kLanes: one row for each tap, and
// the bias.
template <class A>
struct PackedWeights {
  std::vector<A> rows;
  int64_t hidden, stride;

  // `weight` (K, 2, 3, 3) and `bias` (K), contiguous.
  PackedWeights(const A* weight, const A* bias, int64_t count)
      : hidden(count), stride((count + kLanes - 1) / kLanes * kLanes) {
    rows.assign(static_cast<size_t>(kRows * stride), A(0));
    for (int64_t k = 0; k < hidden; ++k) {
      for (int64_t i = 0; i < kTaps; ++i) row(tap_of(i / 9, i % 9 / 3, i % 3))[k] = weight[k * kTaps + i];
      row(kTaps)[k] = bias[k];
    }
  }
  A* row(int64_t tap) { return rows.data() + tap * stride; }
};

// Rows of the resized flow with a frame of zeros, x and y interleaved: what the taps of a few image rows read.
template <class A>
class FlowRows {
 public:
  FlowRows(const ResizedFlow<A>& flow, int64_t batch, int64_t first, int64_t count)
      : stride_(2 * (flow.out_width + 2)), values_(static_cast<size_t>((count + 2) * stride_), A(0)) {
    std::vector<Between<A>> columns(static_cast<size_t>(flow.out_width));
    for (int64_t x = 0; x < flow.out_width; ++x) {
      columns[static_cast<size_t>(x)] = between<A>(x, flow.width, flow.out_width);
    }
    for (int64_t row = 0; row < count + 2; ++row) {
      const int64_t y = first + row - 1;
      if (y < 0 || y >= flow.out_height) continue;
      const Between<A> down = between<A>(y, flow.height, flow.out_height);
      A* to = values_.data() + row * stride_ + 2;
      for (int64_t x = 0; x < flow.out_width; ++x) {
        flow.read(batch, down, columns[static_cast<size_t>(x)], to[2 * x], to[2 * x + 1]);
      }
    }
  }

  // The upper left of the 3 by 3 window of pixel x of a row; its lines are `stride` apart.
  const A* window(int64_t row, int64_t x) const { return values_.data() + row * stride_ + 2 * x; }
  int64_t stride() const { return stride_; }

 private:
  int64_t stride_;
  std::vector<A> values_;
};

// relu(conv(flow) + bias) of kCount pixels of a row whose first window is at `window`, computed together.
template <int kCount, class A>
HOST_DEVICE void hidden_pixels(const A* window, int64_t stride, const A* weights, int64_t padded, int64_t hidden,
                               A* out) {
  for (int64_t k = 0; k < padded; k += kLanes) {
    vector_t<A, kLanes> sum[kCount], weight;
    load(weight, weights + kTaps * padded + k);
    for (int p = 0; p < kCount; ++p) sum[p] = weight;
    for (int row = 0; row < 3; ++row) {
      const A* const value = window + row * stride;
      for (int i = 0; i < 6; ++i) {
        load(weight, weights + (6 * row + i) * padded + k);
        for (int p = 0; p < kCount; ++p) sum[p] += weight * value[i + 2 * p];
      }
    }
    for (int p = 0; p < kCount; ++p) {
      const vector_t<A, kLanes> zero = {};
      sum[p] = sum[p] < zero ? zero : sum[p];  // NaN stays NaN, as in torch's relu
      A* const to = out + p * hidden + k;
      if (k + kLanes <= hidden) {
        store(to, sum[p]);
      } else {
        for (int64_t lane = 0; lane < hidden - k; ++lane) to[lane] = sum[p][lane];
      }
    }
  }
}

template <class A>
HOST_DEVICE void hidden_row_any(const A* window, int64_t stride, const A* weights, int64_t padded, int64_t hidden,
                                int64_t width, A* out) {
  int64_t x = 0;
  for (; x + kPixels <= width; x += kPixels) {
    hidden_pixels<kPixels>(window + 2 * x, stride, weights, padded, hidden, out + x * hidden);
  }
  for (; x < width; ++x) hidden_pixels<1>(window + 2 * x, stride, weights, padded, hidden, out + x * hidden);
}

// The gradient through the ReLU of the `count` hidden channels of some pixels, as rows of `padded` numbers.
template <class A>
HOST_DEVICE void through_relu_any(const A* grad, const A* hidden, int64_t pixels, int64_t count, int64_t padded,
                                  A* out) {
  for (int64_t x = 0; x < pixels; ++x) {
    const A *const from = grad + x * count, *const value = hidden + x * count;
    A* const to = out + x * padded;
    for (int64_t k = 0; k < count; ++k) to[k] = value[k] > A(0) ? from[k] : A(0);
  }
}

// Adds a row's part to the gradients of the packed weights; `grads` (width, padded) has passed the ReLU. Loops over
// taps are nested, since the compiler unrolls no more than 16 rounds: sums must be registers.
template <class A>
HOST_DEVICE void weight_gradients_row_any(const A* window, int64_t stride, const A* grads, int64_t padded,
                                          int64_t width, A* sums) {
  for (int64_t k = 0; k < padded; k += kLanes) {
    vector_t<A, kLanes> sum[3][6], bias, grad;
    for (int row = 0; row < 3; ++row) {
      for (int i = 0; i < 6; ++i) load(sum[row][i], sums + (6 * row + i) * padded + k);
    }
    load(bias, sums + kTaps * padded + k);
    for (int64_t x = 0; x < width; ++x) {
      load(grad, grads + x * padded + k);
      for (int row = 0; row < 3; ++row) {
        const A* const value = window + row * stride + 2 * x;
        for (int i = 0; i < 6; ++i) sum[row][i] += grad * value[i];
      }
      bias += grad;
    }
    for (int row = 0; row < 3; ++row) {
      for (int i = 0; i < 6; ++i) store(sums + (6 * row + i) * padded + k, sum[row][i]);
    }
    store(sums + kTaps * padded + k, bias);
  }
}

// Each pixel's gradients of the 18 products of its first weights with flow values, summed over the hidden channels.
template <class A>
HOST_DEVICE void products_row_any(const A* grads, const A* weights, int64_t padded, int64_t width, A* products) {
  for (int64_t x = 0; x < width; ++x) {
    vector_t<A, kLanes> sum[3][6] = {}, grad, weight;
    for (int64_t k = 0; k < padded; k += kLanes) {
      load(grad, grads + x * padded + k);
      for (int row = 0; row < 3; ++row) {
        for (int i = 0; i < 6; ++i) {
          load(weight, weights + (6 * row + i) * padded + k);
          sum[row][i] += grad * weight;
        }
      }
    }
    for (int row = 0; row < 3; ++row) {
      for (int i = 0; i < 6; ++i) {
        A total = A(0);
        for (int lane = 0; lane < kLanes; ++lane) total += sum[row][i][lane];
        products[x * kTaps + 6 * row + i] = total;
      }
    }
  }
}

}  // namespace photoflow
