// backward_warp on the CPU.
#include "huge_pages.h"
#include "warp_row.h"

namespace photoflow {
namespace {

using Images = std::vector<Features>;

// float64 is for checking gradients: one version of it will do.
#define PHOTOFLOW_WARP(Clones, A)                                                             \
  Clones void run_nearest(const Warp<A>& job, const Images& images, int64_t b, int64_t py) {  \
    warp_row<1>(job, images, b, py);                                                          \
  }                                                                                           \
  Clones void run_bilinear(const Warp<A>& job, const Images& images, int64_t b, int64_t py) { \
    warp_row<2>(job, images, b, py);                                                          \
  }                                                                                           \
  Clones void run_bicubic(const Warp<A>& job, const Images& images, int64_t b, int64_t py) {  \
    warp_row<4>(job, images, b, py);                                                          \
  }
PHOTOFLOW_WARP(PHOTOFLOW_SIMD, float)
PHOTOFLOW_WARP(, double)
#undef PHOTOFLOW_WARP

constexpr const char* kName = "backward_warp";

template <class A>
void warp_rows(const Warp<A>& job, const Images& images) {
  torch::stable::parallel_for(0, job.batch * job.out_height, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t b = row / job.out_height, py = row % job.out_height;
      switch (job.mode) {
        case WarpMode::kNearest:
          run_nearest(job, images, b, py);
          break;
        case WarpMode::kBilinear:
          run_bilinear(job, images, b, py);
          break;
        default:
          run_bicubic(job, images, b, py);
      }
    }
  });
}

}  // namespace

std::vector<Tensor> backward_warp_many_cpu(const std::vector<Tensor>& images, const Tensor& flow, int64_t mode,
                                           int64_t padding) {
  check_warps(kName, images, flow);
  const WarpOutputs outputs(images, flow);
  for (const Tensor& result : outputs.results) prefer_huge_pages(result);
  dispatch_accumulate(flow.scalar_type(), [&](auto type) {
    warp_rows(warp_of<decltype(type)>(images.front(), flow, mode, padding), outputs.features);
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
