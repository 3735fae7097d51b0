// occlusion on CUDA: one launch for both directions.
#include "../common/consistency.h"
#include "launch.cuh"

namespace photoflow {
namespace {

template <class A, class Index>
struct SeenBothWays {
  FlowPair<A, Index> forth, back;
  A *visible_a, *visible_b;
  A alpha, beta;

  __device__ void operator()(int64_t wide) const {
    const Index index = static_cast<Index>(wide), plane = forth.height * forth.width;
    const Index batch = index / plane, at = index - batch * plane;
    const Index py = at / forth.width, px = at - py * forth.width;
    visible_a[index] = seen(forth.of(batch), py, px, alpha, beta);
    visible_b[index] = seen(back.of(batch), py, px, alpha, beta);
  }
};

}  // namespace

std::tuple<Tensor, Tensor> occlusion_cuda(const Tensor& ab_any, const Tensor& ba_any, double alpha, double beta) {
  check_flows("occlusion", ab_any, ba_any);
  const OnDevice device(ab_any);
  const Tensor ab = readable(ab_any), ba = readable(ba_any);
  const int64_t batch = ab.size(0), height = ab.size(2), width = ab.size(3);
  Tensor visible_a = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  Tensor visible_b = empty_for(ab, {batch, 1, height, width}, ab.scalar_type());
  const auto run = [&](auto zero, auto index) {
    using A = decltype(zero);
    using Index = decltype(index);
    launch(device, batch * height * width,
           SeenBothWays<A, Index>{flow_pair<A, Index>(ab, ba), flow_pair<A, Index>(ba, ab), mutable_data<A>(visible_a),
                                  mutable_data<A>(visible_b), A(alpha), A(beta)});
  };
  const bool narrow = fits_32_bits(ab.numel());
  if (ab.scalar_type() == ScalarType::Double) {
    narrow ? run(double{}, int32_t{}) : run(double{}, int64_t{});
  } else {
    narrow ? run(float{}, int32_t{}) : run(float{}, int64_t{});
  }
  return {visible_a, visible_b};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) { m.impl("occlusion", TORCH_BOX(&occlusion_cuda)); }

}  // namespace photoflow
