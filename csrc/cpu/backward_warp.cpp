// backward_warp on the CPU.
#include <memory>

#include "huge_pages.h"
#include "warp_pieces.h"

namespace photoflow {
namespace {

using Images = std::vector<Features>;

// float64 is for checking gradients: one version of it will do.
#define PHOTOFLOW_WARP(Target, Name, kTaps, kWide, A)                                                                 \
  Target void Name(const Warp<A>& job, const Images& images, int64_t first, int64_t last, Pieces<kTaps, A>& pieces) { \
    warp_rows<kTaps, kWide>(job, images, first, last, pieces);                                                        \
  }
#define PHOTOFLOW_WARPS(Target, Suffix, kWide, A)           \
  PHOTOFLOW_WARP(Target, run_bilinear##Suffix, 2, kWide, A) \
  PHOTOFLOW_WARP(Target, run_bicubic##Suffix, 4, kWide, A)
PHOTOFLOW_WARP(PHOTOFLOW_NARROW, run_nearest, 1, false, float)
PHOTOFLOW_WARP(, run_nearest, 1, false, double)
PHOTOFLOW_WARPS(PHOTOFLOW_NARROW, _narrow, false, float)
PHOTOFLOW_WARPS(, _narrow, false, double)
#ifdef PHOTOFLOW_WIDE
PHOTOFLOW_WARPS(PHOTOFLOW_WIDE, _wide, true, float)
#endif
#undef PHOTOFLOW_WARPS
#undef PHOTOFLOW_WARP

constexpr const char* kName = "backward_warp";

template <int kTaps, class A>
using Run = void (*)(const Warp<A>&, const Images&, int64_t, int64_t, Pieces<kTaps, A>&);

template <int kTaps, class A>
void warp_all(const Warp<A>& job, const Images& images, Run<kTaps, A> run) {
  torch::stable::parallel_for(0, job.batch * job.out_height, 8, [&](int64_t begin, int64_t end) {
    const std::unique_ptr<Pieces<kTaps, A>> pieces(new Pieces<kTaps, A>);
    run(job, images, begin, end, *pieces);
  });
}

template <class A>
void warp_all(const Warp<A>& job, const Images& images) {
  if (job.mode == WarpMode::kNearest) return warp_all<1, A>(job, images, run_nearest);
  const bool bilinear = job.mode == WarpMode::kBilinear;
#ifdef PHOTOFLOW_WIDE
  if constexpr (std::is_same_v<A, float>) {
    if (has_wide_vectors()) {
      return bilinear ? warp_all<2, A>(job, images, run_bilinear_wide) : warp_all<4, A>(job, images, run_bicubic_wide);
    }
  }
#endif
  return bilinear ? warp_all<2, A>(job, images, run_bilinear_narrow) : warp_all<4, A>(job, images, run_bicubic_narrow);
}

}  // namespace

std::vector<Tensor> backward_warp_many_cpu(const std::vector<Tensor>& images, const Tensor& flow, int64_t mode,
                                           int64_t padding) {
  check_warps(kName, images, flow, mode, padding);
  const WarpOutputs outputs(images, flow);
  for (const Tensor& result : outputs.results) prefer_huge_pages(result);
  dispatch_accumulate(flow.scalar_type(), [&](auto type) {
    warp_all(warp_of<decltype(type)>(images.front(), flow, mode, padding), outputs.features);
  });
  return outputs.results;
}

Tensor backward_warp_cpu(const Tensor& image, const Tensor& flow, int64_t mode, int64_t padding) {
  return backward_warp_many_cpu({image}, flow, mode, padding).front();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("backward_warp", TORCH_BOX(&backward_warp_cpu));
  m.impl("backward_warp_many", TORCH_BOX(&backward_warp_many_cpu));
}

}  // namespace photoflow
