// occlusion on CUDA.
#include "../common/consistency.h"
#include "launch.h"

namespace photoflow {
namespace {

template <class A>
struct SeenBothWays {
  const A *ab, *ba;
  A *visible_a, *visible_b;
  int64_t height, width;
  A alpha, beta;

  __device__ void operator()(int64_t index) const {
    const int64_t plane = height * width, at = index % plane, first = index / plane * 2 * plane;
    const int64_t py = at / width, px = at % width;
    visible_a[index] = seen(ab + first, ba + first, py, px, height, width, alpha, beta);
    visible_b[index] = seen(ba + first, ab + first, py, px, height, width, alpha, beta);
  }
};

}  // namespace

std::tuple<Tensor, Tensor> occlusion_cuda(const Tensor& ab_any, const Tensor& ba_any, double alpha, double beta) {
  check_flows("occlusion", ab_any, ba_any);
  const OnDevice device(ab_any);
  const Tensor ab = torch::stable::contiguous(ab_any), ba = torch::stable::contiguous(ba_any);
  const int64_t batch = ab.size(0), height = ab.size(2), width = ab.size(3);
  Tensor visible_a = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  Tensor visible_b = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  const auto run = [&](auto zero) {
    using A = decltype(zero);
    launch(device, batch * height * width,
           SeenBothWays<A>{data<A>(ab), data<A>(ba), mutable_data<A>(visible_a), mutable_data<A>(visible_b), height,
                           width, A(alpha), A(beta)});
  };
  if (ab.scalar_type() == ScalarType::Double) {
    run(double{});
  } else {
    run(float{});
  }
  return {visible_a, visible_b};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) { m.impl("occlusion", TORCH_BOX(&occlusion_cuda)); }

}  // namespace photoflow
