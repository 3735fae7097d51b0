// The gradients of forward splatting on the CPU, one source row in one thread: everything is gathered from the targets.
//
// With P_q = sum_c grad_out[c, q] out[c, q], made once for each target pixel, D_q (see common/forward.h) needs neither
// the result nor a second reading of the channels: D_q = sum_c grad_out[c, q] image[c] - P_q.
#pragma once

#include <algorithm>

#include "../common/forward.h"
#include "warp_reads.h"

namespace photoflow {

// What a gradient needs beside the features, which alone have the image's type.
template <class A>
struct SplatPlanes {
  const A *metric, *normaliser, *products, *grad_coverage;  // products: P, (B, H, W); null for mode sum
  A *grad_flow, *grad_metric;
  int64_t height, width;
  SplatMode mode;
};

template <class T>
SplatPlanes<accumulate_t<T>> planes_of(const SplatBackward<T>& job, const accumulate_t<T>* products) {
  return {uses_metric(job.mode) ? job.metric : nullptr,
          job.normaliser,
          products,
          job.grad_coverage,
          job.grad_flow,
          job.grad_metric,
          job.height,
          job.width,
          job.mode};
}

// P of one target row.
template <class T>
HOST_DEVICE void products_of_row_any(const SplatBackward<T>& job, int64_t batch, int64_t py,
                                     accumulate_t<T>* products) {
  using A = accumulate_t<T>;
  const int64_t at = batch * job.by.batch + py * job.by.row, width = job.width;
  const T *incoming = job.grad_out + at, *out = job.out + at;
  if (job.by.channel == 1) {  // channels_last
    for (int64_t x = 0; x < width; ++x, incoming += job.channels, out += job.channels) {
      A sum = A(0);
      for (int64_t c = 0; c < job.channels; ++c) sum += A(incoming[c]) * A(out[c]);
      products[x] = sum;
    }
    return;
  }
  std::fill(products, products + width, A(0));
  for (int64_t c = 0; c < job.channels; ++c, incoming += job.by.channel, out += job.by.channel) {
    for (int64_t x = 0; x < width; ++x) products[x] += A(incoming[x]) * A(out[x]);
  }
}

// A span of source pixels that land with all four corners inside; arrays by corner, then pixel. `portion` is the
// product of bilinear weight and share.
template <class A>
struct Corners {
  int64_t first[kSpan];  // of the upper left corner in its plane
  A fx[kSpan], fy[kSpan];
  A bilinear[4][kSpan], share[4][kSpan], share_slope[4][kSpan], portion[4][kSpan], difference[4][kSpan];
};

// False if some pixel of the span does not land inside with all corners.
template <class A>
HOST_DEVICE bool find_corners(const SplatPlanes<A>& job, const A* u, const A* v, const A* metric, int64_t py,
                              int64_t start, int64_t count, Corners<A>& corners) {
  const int32_t column = static_cast<int32_t>(start), row = static_cast<int32_t>(py);
  const int32_t last_x = static_cast<int32_t>(job.width) - 2, last_y = static_cast<int32_t>(job.height) - 2;
  const A limit = A(1 << 30);
  int32_t x[kSpan], y[kSpan], outside = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool sane = (std::abs(u[i]) < limit) & (std::abs(v[i]) < limit);
    const A us = sane ? u[i] : A(0), vs = sane ? v[i] : A(0);
    const A whole_u = std::floor(us), whole_v = std::floor(vs);
    x[i] = sane ? column + static_cast<int32_t>(i) + static_cast<int32_t>(whole_u) : -1;
    y[i] = row + static_cast<int32_t>(whole_v);
    corners.fx[i] = us - whole_u;
    corners.fy[i] = vs - whole_v;
  }
  for (int64_t i = 0; i < count; ++i) {
    outside |= (x[i] >= 0) & (x[i] <= last_x) & (y[i] >= 0) & (y[i] <= last_y) ? 0 : 1;
  }
  if (metric) {
    for (int64_t i = 0; i < count; ++i) outside |= is_finite(metric[i]) ? 0 : 1;
  }
  if (outside) return false;
  const int64_t width = job.width;
  for (int64_t i = 0; i < count; ++i) corners.first[i] = y[i] * width + x[i];
  for (int64_t i = 0; i < count; ++i) {
    const A fx = corners.fx[i], fy = corners.fy[i];
    corners.bilinear[0][i] = (A(1) - fx) * (A(1) - fy);
    corners.bilinear[1][i] = fx * (A(1) - fy);
    corners.bilinear[2][i] = (A(1) - fx) * fy;
    corners.bilinear[3][i] = fx * fy;
  }
  return true;
}

// A plane of target pixels at the corners of a span, whose length is a multiple of 4.
template <class A>
HOST_DEVICE void gather_plane_corners(const A* plane, int64_t width, int64_t count, const Corners<A>& corners,
                                      A (&values)[4][kSpan]) {
  for (int64_t i = 0; i < count; i += 4) {
    vector_t<A, 4> corner[4];
    gather_corners(plane, width, corners.first + i, corner);
    for (int k = 0; k < 4; ++k) store(values[k] + i, corner[k]);
  }
}

// The shares, and ds/dmetric, from the normaliser at the corners; see `share` and SplatBackward::begin.
template <class A>
HOST_DEVICE void find_shares(const SplatPlanes<A>& job, const A* metric, int64_t batch, int64_t count,
                             Corners<A>& corners) {
  if (job.mode == SplatMode::kSum) {
    for (int k = 0; k < 4; ++k) std::fill(corners.share[k], corners.share[k] + count, A(1));
    return;
  }
  gather_plane_corners(job.normaliser + batch * job.height * job.width, job.width, count, corners, corners.share);
  if (job.mode == SplatMode::kAverage) return;
  for (int k = 0; k < 4; ++k) {
    A *share = corners.share[k], *slope = corners.share_slope[k];
    const A* bilinear = corners.bilinear[k];
    if (job.mode == SplatMode::kLinear) {
      for (int64_t i = 0; i < count; ++i) {
        slope[i] = share[i];
        share[i] *= metric[i];
      }
    } else {
      for (int64_t i = 0; i < count; ++i) {
        const A exponent = metric[i] - share[i], limit = bilinear[i] > A(0) ? A(88) : A(0);
        share[i] = quick_exp(exponent < limit ? exponent : limit);
        slope[i] = share[i];
      }
    }
  }
}

// Prepares a span; false if some pixel of it does not land inside with all corners, so that nothing was done.
template <class A>
HOST_DEVICE bool begin_span_any(const SplatPlanes<A>& job, int64_t batch, int64_t py, int64_t start, int64_t count,
                                const A* u, const A* v, Corners<A>& corners) {
  const int64_t plane = job.height * job.width;
  const A* metric = job.metric ? job.metric + batch * plane + py * job.width + start : nullptr;
  if (!find_corners(job, u, v, metric, py, start, count, corners)) return false;
  find_shares(job, metric, batch, count, corners);
  for (int k = 0; k < 4; ++k) {
    for (int64_t i = 0; i < count; ++i) corners.portion[k][i] = corners.bilinear[k][i] * corners.share[k][i];
  }
  if (!job.products) {
    for (int k = 0; k < 4; ++k) std::fill(corners.difference[k], corners.difference[k] + count, A(0));
    return true;
  }
  gather_plane_corners(job.products + batch * plane, job.width, count, corners, corners.difference);
  for (int k = 0; k < 4; ++k) {
    for (int64_t i = 0; i < count; ++i) corners.difference[k][i] = -corners.difference[k][i];
  }
  return true;
}

// One channel: adds to D and gives the gradient of the image.
template <class T>
HOST_DEVICE void gather_channel(const T* image, const T* grad_out, int64_t width, int64_t count,
                                Corners<accumulate_t<T>>& corners, T* grad_image) {
  using A = accumulate_t<T>;
  using V = vector_t<A, 4>;
  for (int64_t i = 0; i < count; i += 4) {
    V incoming[4], value, gradient{}, portion, difference;
    gather_corners(grad_out, width, corners.first + i, incoming);
    load_as<4, A>(value, image + i);
    for (int k = 0; k < 4; ++k) {
      load(portion, corners.portion[k] + i);
      load(difference, corners.difference[k] + i);
      gradient += portion * incoming[k];
      difference += incoming[k] * value;
      store(corners.difference[k] + i, difference);
    }
    if (grad_image) store_as<4, A>(grad_image + i, gradient);
  }
}

// All channels of one pixel, which lie side by side: vectors along the channels.
template <class T>
HOST_DEVICE void gather_side_by_side(const SplatBackward<T>& job, int64_t i, const T* image, const T* grad_out,
                                     Corners<accumulate_t<T>>& corners, T* grad_image) {
  using A = accumulate_t<T>;
  using V = vector_t<A, 8>;
  const int64_t channels = job.channels;
  const T* target[4];
  A portion[4], difference[4];
  V sums[4];
  for (int k = 0; k < 4; ++k) {
    target[k] = grad_out + (k >> 1) * job.by.row + (k & 1) * channels;
    portion[k] = corners.portion[k][i];
    difference[k] = A(0);
    sums[k] = V{};
  }
  int64_t c = 0;
  for (; c + 8 <= channels; c += 8) {
    V value, incoming, gradient{};
    load_as<8, A>(value, image + c);
    for (int k = 0; k < 4; ++k) {
      load_as<8, A>(incoming, target[k] + c);
      gradient += portion[k] * incoming;
      sums[k] += incoming * value;
    }
    if (grad_image) store_as<8, A>(grad_image + c, gradient);
  }
  for (; c < channels; ++c) {
    A gradient = A(0);
    for (int k = 0; k < 4; ++k) {
      gradient += portion[k] * A(target[k][c]);
      difference[k] += A(target[k][c]) * A(image[c]);
    }
    if (grad_image) grad_image[c] = T(gradient);
  }
  for (int k = 0; k < 4; ++k) {
    for (int lane = 0; lane < 8; ++lane) difference[k] += sums[k][lane];
    corners.difference[k][i] += difference[k];
  }
}

// All channels of a span, whose first pixel is `at` in its plane.
template <class T>
HOST_DEVICE void gather_span_any(const SplatBackward<T>& job, int64_t batch, int64_t at, int64_t count,
                                 Corners<accumulate_t<T>>& corners) {
  const int64_t first = batch * job.by.batch;
  const T *image = job.image + first + at * job.by.pixel, *grad_out = job.grad_out + first;
  T* grad_image = job.grad_image ? job.grad_image + first + at * job.by.pixel : nullptr;
  if (job.by.channel == 1) {  // channels_last
    const int64_t step = job.channels;
    for (int64_t i = 0; i < count; ++i) {
      gather_side_by_side(job, i, image + i * step, grad_out + corners.first[i] * step, corners,
                          grad_image ? grad_image + i * step : nullptr);
    }
  } else {
    for (int64_t c = 0; c < job.channels; ++c) {
      const int64_t channel = c * job.by.channel;
      gather_channel(image + channel, grad_out + channel, job.width, count, corners,
                     grad_image ? grad_image + channel : nullptr);
    }
  }
}

// The gradients of flow and metric, once D is complete. `at`: the span's first pixel in its plane.
template <class A>
HOST_DEVICE void finish_span_any(const SplatPlanes<A>& job, int64_t batch, int64_t at, int64_t count,
                                 Corners<A>& corners) {
  const int64_t plane = job.height * job.width;
  if (job.grad_metric) {
    A* to = job.grad_metric + batch * plane + at;
    for (int64_t i = 0; i < count; ++i) {
      A sum = A(0);
      for (int k = 0; k < 4; ++k) {
        sum += corners.bilinear[k][i] * corners.share_slope[k][i] * corners.difference[k][i];
      }
      to[i] = sum;
    }
  }
  if (!job.grad_flow) return;
  for (int k = 0; k < 4; ++k) {
    for (int64_t i = 0; i < count; ++i) corners.share[k][i] *= corners.difference[k][i];
  }
  if (job.grad_coverage) {
    gather_plane_corners(job.grad_coverage + batch * plane, job.width, count, corners, corners.difference);
    for (int k = 0; k < 4; ++k) {
      for (int64_t i = 0; i < count; ++i) corners.share[k][i] += corners.difference[k][i];
    }
  }
  A *along_x = job.grad_flow + batch * 2 * plane + at, *along_y = along_x + plane;
  for (int64_t i = 0; i < count; ++i) {
    const A fx = corners.fx[i], fy = corners.fy[i];
    const A a = corners.share[0][i], b = corners.share[1][i], c = corners.share[2][i], d = corners.share[3][i];
    along_x[i] = (b - a) * (A(1) - fy) + (d - c) * fy;
    along_y[i] = (c - a) * (A(1) - fx) + (d - b) * fx;
  }
}

}  // namespace photoflow
