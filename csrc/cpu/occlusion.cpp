// occlusion on the CPU.
#include "../common/checks.h"
#include "../common/consistency.h"
#include "simd.h"

namespace photoflow {
namespace {

template <class A>
HOST_DEVICE void seen_row(const A* there, const A* back, A* visible, int64_t py, int64_t height, int64_t width, A alpha,
                          A beta) {
  for (int64_t px = 0; px < width; ++px) {
    visible[py * width + px] = seen(there, back, py, px, height, width, alpha, beta);
  }
}

#define PHOTOFLOW_SEEN(A)                                                                                           \
  PHOTOFLOW_SIMD void run_row(const A* there, const A* back, A* visible, int64_t py, int64_t height, int64_t width, \
                              A alpha, A beta) {                                                                    \
    seen_row(there, back, visible, py, height, width, alpha, beta);                                                 \
  }
PHOTOFLOW_SEEN(float)
PHOTOFLOW_SEEN(double)
#undef PHOTOFLOW_SEEN

}  // namespace

std::tuple<Tensor, Tensor> occlusion_cpu(const Tensor& ab_any, const Tensor& ba_any, double alpha, double beta) {
  check_flows("occlusion", ab_any, ba_any);
  const Tensor ab = torch::stable::contiguous(ab_any), ba = torch::stable::contiguous(ba_any);
  const int64_t batch = ab.size(0), height = ab.size(2), width = ab.size(3), plane = height * width;
  Tensor visible_a = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  Tensor visible_b = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  if (batch * plane == 0) return {visible_a, visible_b};
  dispatch(ab.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    const A *from_a = data<A>(ab), *from_b = data<A>(ba);
    A *seen_a = mutable_data<A>(visible_a), *seen_b = mutable_data<A>(visible_b);
    torch::stable::parallel_for(0, batch * height, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t b = row / height, py = row % height;
        const A *there = from_a + b * 2 * plane, *back = from_b + b * 2 * plane;
        run_row(there, back, seen_a + b * plane, py, height, width, A(alpha), A(beta));
        run_row(back, there, seen_b + b * plane, py, height, width, A(alpha), A(beta));
      }
    });
  });
  return {visible_a, visible_b};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) { m.impl("occlusion", TORCH_BOX(&occlusion_cpu)); }

}  // namespace photoflow
