// occlusion on the CPU.
#include <algorithm>

#include "../common/checks.h"
#include "../common/consistency.h"
#include "huge_pages.h"
#include "simd.h"

namespace photoflow {
namespace {

constexpr int64_t kSpan = 128;  // pixels checked at a time

// The ways back that a span of pixels reads: where the four neighbours lie, and their weights.
template <class A>
struct Returns {
  int64_t first[kSpan];  // offset of the upper left one
  A u[kSpan], v[kSpan], right[kSpan], down[kSpan], back_u[kSpan], back_v[kSpan];
  int32_t inside[kSpan];
};

// Of a pixel that leaves the image, or whose flow is not finite, some other place is read and `inside` is 0.
template <class A>
HOST_DEVICE void prepare_returns(const FlowPair<A>& job, int64_t py, int64_t start, int64_t count, Returns<A>& r) {
  const A* u = job.there + py * job.there_by.row + start * job.there_by.pixel;
  const A* v = u + job.there_by.channel;
  if (job.there_by.pixel == 1) {
    std::copy(u, u + count, r.u);
    std::copy(v, v + count, r.v);
  } else {
    for (int64_t i = 0; i < count; ++i) r.u[i] = u[i * job.there_by.pixel], r.v[i] = v[i * job.there_by.pixel];
  }
  const int32_t last_x = static_cast<int32_t>(job.width) - 1, last_y = static_cast<int32_t>(job.height) - 1;
  const int32_t column = static_cast<int32_t>(start), row = static_cast<int32_t>(py);
  const int64_t back_row = job.back_by.row, back_pixel = job.back_by.pixel;
  const A limit = A(1 << 29);
  int32_t x[kSpan], y[kSpan];
  for (int64_t i = 0; i < count; ++i) {
    const bool sane = (std::abs(r.u[i]) < limit) & (std::abs(r.v[i]) < limit);
    const A us = sane ? r.u[i] : A(0), vs = sane ? r.v[i] : A(0);
    const A whole_u = std::floor(us), whole_v = std::floor(vs);
    x[i] = sane ? column + static_cast<int32_t>(i) + static_cast<int32_t>(whole_u) : -1;
    y[i] = row + static_cast<int32_t>(whole_v);
    r.right[i] = us - whole_u;
    r.down[i] = vs - whole_v;
  }
  // The last column is reached exactly or not at all; it is read as the right neighbour of the last but one.
  for (int64_t i = 0; i < count; ++i) {
    const bool beyond_x = (x[i] > last_x) | ((x[i] == last_x) & (r.right[i] > A(0)));
    const bool beyond_y = (y[i] > last_y) | ((y[i] == last_y) & (r.down[i] > A(0)));
    r.inside[i] = (x[i] < 0) | (y[i] < 0) | beyond_x | beyond_y ? 0 : 1;
    r.right[i] = x[i] == last_x ? A(1) : r.right[i];
    r.down[i] = y[i] == last_y ? A(1) : r.down[i];
  }
  for (int64_t i = 0; i < count; ++i) {
    const int32_t left = x[i] < 0 ? 0 : x[i], top = y[i] < 0 ? 0 : y[i];
    const int64_t at = (top < last_y ? top : last_y - 1) * back_row;
    r.first[i] = at + (left < last_x ? left : last_x - 1) * back_pixel;
  }
}

// Both parts of the way back of four pixels: the neighbours of one pixel are loaded as vectors, and a transpose makes
// of those the vectors across the pixels in which the sum is done.
template <bool kInterleaved, class A>
HOST_DEVICE void read_four(const FlowPair<A>& job, int64_t i, Returns<A>& r) {
  vector_t<A, 4> u[4], v[4];
  for (int k = 0; k < 4; ++k) {
    const A* first = job.back + r.first[i + k];
    if constexpr (kInterleaved) {
      vector_t<A, 4> top, bottom;
      load(top, first);
      load(bottom, first + job.back_by.row);
      u[k] = __builtin_shufflevector(top, bottom, 0, 2, 4, 6);
      v[k] = __builtin_shufflevector(top, bottom, 1, 3, 5, 7);
    } else {
      vector_t<A, 2> top, bottom;
      load(top, first);
      load(bottom, first + job.back_by.row);
      u[k] = __builtin_shufflevector(top, bottom, 0, 1, 2, 3);
      load(top, first + job.back_by.channel);
      load(bottom, first + job.back_by.channel + job.back_by.row);
      v[k] = __builtin_shufflevector(top, bottom, 0, 1, 2, 3);
    }
  }
  transpose(u[0], u[1], u[2], u[3]);
  transpose(v[0], v[1], v[2], v[3]);
  vector_t<A, 4> right, down;
  load(right, r.right + i);
  load(down, r.down + i);
  const vector_t<A, 4> left = A(1) - right, up = A(1) - down;
  u[0] = (u[0] * left + u[1] * right) * up + (u[2] * left + u[3] * right) * down;
  v[0] = (v[0] * left + v[1] * right) * up + (v[2] * left + v[3] * right) * down;
  store(r.back_u + i, u[0]);
  store(r.back_v + i, v[0]);
}

// One row of the map of pixels seen.
template <class A>
HOST_DEVICE void seen_row(const FlowPair<A>& job, int64_t py, A alpha, A beta, A* visible) {
  int64_t start = 0;
  if (job.height > 1 && job.width > 1) {
    Returns<A> r;
    for (; start + 4 <= job.width; start += kSpan) {
      // What is beyond the last group of four is left to the end.
      const int64_t count = std::min(kSpan, job.width - start) / 4 * 4;
      prepare_returns(job, py, start, count, r);
      if (job.back_by.channel == 1) {
        for (int64_t i = 0; i < count; i += 4) read_four<true>(job, i, r);
      } else {
        for (int64_t i = 0; i < count; i += 4) read_four<false>(job, i, r);
      }
      int32_t unsure = 0;
      for (int64_t i = 0; i < count; ++i) {
        const A miss = missed_by(r.u[i], r.v[i], r.back_u[i], r.back_v[i]);
        const A bound = alpha * squared_lengths(r.u[i], r.v[i], r.back_u[i], r.back_v[i]) + beta;
        visible[start + i] = r.inside[i] & (miss < bound) ? A(1) : A(0);
        unsure |= r.inside[i] & (is_finite(miss) ? 0 : 1);
      }
      // A way back that is not finite may have been read with weight 0.
      for (int64_t i = 0; unsure && i < count; ++i) visible[start + i] = seen(job, py, start + i, alpha, beta);
      if (count < kSpan) {
        start += count;
        break;
      }
    }
  }
  for (; start < job.width; ++start) visible[start] = seen(job, py, start, alpha, beta);
}

#define PHOTOFLOW_SEEN(A)                                                                        \
  PHOTOFLOW_SIMD void run_row(const FlowPair<A>& job, int64_t py, A alpha, A beta, A* visible) { \
    seen_row(job, py, alpha, beta, visible);                                                     \
  }
PHOTOFLOW_SEEN(float)
PHOTOFLOW_SEEN(double)
#undef PHOTOFLOW_SEEN

}  // namespace

std::tuple<Tensor, Tensor> occlusion_cpu(const Tensor& ab_any, const Tensor& ba_any, double alpha, double beta) {
  check_flows("occlusion", ab_any, ba_any);
  const Tensor ab = readable(ab_any), ba = readable(ba_any);
  const int64_t batch = ab.size(0), height = ab.size(2), width = ab.size(3), plane = height * width;
  Tensor visible_a = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  Tensor visible_b = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  if (batch * plane == 0) return {visible_a, visible_b};
  prefer_huge_pages(visible_a);
  prefer_huge_pages(visible_b);
  dispatch(ab.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    const FlowPair<A> forth = flow_pair<A, int64_t>(ab, ba), back = flow_pair<A, int64_t>(ba, ab);
    A *seen_a = mutable_data<A>(visible_a), *seen_b = mutable_data<A>(visible_b);
    torch::stable::parallel_for(0, batch * height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t b = row / height, py = row % height;
        run_row(forth.of(b), py, A(alpha), A(beta), seen_a + row * width);
        run_row(back.of(b), py, A(alpha), A(beta), seen_b + row * width);
      }
    });
  });
  return {visible_a, visible_b};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) { m.impl("occlusion", TORCH_BOX(&occlusion_cpu)); }

}  // namespace photoflow
