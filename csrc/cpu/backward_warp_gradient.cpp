// The gradient of backward_warp on the CPU.
#include <memory>

#include "huge_pages.h"
#include "warp_flow_gradient.h"
#include "warp_image_gradient.h"

namespace photoflow {
namespace {

using Images = std::vector<Features>;

constexpr int64_t kFewLanes = 4, kLanes = 16;  // channels that are summed side by side
constexpr int64_t kBandBytes = 512 << 10;      // sums of a band: they stay in a core's own cache

// float64 is for checking gradients: one version of it will do.
#define PHOTOFLOW_WARP_ADD(Clones, Name, kTaps, kLanes, A)                                                 \
  Clones void Name(const Warp<A>& job, const ImageBand<A>& band, const Span<A>& span, const A* incoming) { \
    add_span_to_band<kTaps, kLanes>(job, band, span, incoming);                                            \
  }
#define PHOTOFLOW_WARP_LANES(Clones, kLanes, A)                                                                     \
  Clones void interleave_##kLanes(const Features& features, const ImageBand<A>& band, const Span<A>& span, A* to) { \
    interleave<kLanes>(features, band, span, to);                                                                   \
  }                                                                                                                 \
  Clones void write_##kLanes(const Warp<A>& job, const Features& features, const ImageBand<A>& band) {              \
    write_band<kLanes>(job, features, band);                                                                        \
  }                                                                                                                 \
  PHOTOFLOW_WARP_ADD(Clones, add_nearest_##kLanes, 1, kLanes, A)                                                    \
  PHOTOFLOW_WARP_ADD(Clones, add_bilinear_##kLanes, 2, kLanes, A)                                                   \
  PHOTOFLOW_WARP_ADD(Clones, add_bicubic_##kLanes, 4, kLanes, A)
#define PHOTOFLOW_WARP(Clones, A)                                                              \
  PHOTOFLOW_WARP_LANES(Clones, 4, A)                                                           \
  PHOTOFLOW_WARP_LANES(Clones, 16, A)                                                          \
  Clones void flow_bilinear(const Warp<A>& job, const Images& images, int64_t b, int64_t py) { \
    flow_gradient_row<2>(job, images, b, py);                                                  \
  }                                                                                            \
  Clones void flow_bicubic(const Warp<A>& job, const Images& images, int64_t b, int64_t py) {  \
    flow_gradient_row<4>(job, images, b, py);                                                  \
  }
PHOTOFLOW_WARP(PHOTOFLOW_SIMD, float)
PHOTOFLOW_WARP(, double)
#undef PHOTOFLOW_WARP
#undef PHOTOFLOW_WARP_LANES
#undef PHOTOFLOW_WARP_ADD

// What is done for a band: fetch the incoming gradients of a span, add them, and in the end write the sums.
template <class A>
struct BandSteps {
  void (*interleave)(const Features&, const ImageBand<A>&, const Span<A>&, A*);
  void (*add)(const Warp<A>&, const ImageBand<A>&, const Span<A>&, const A*);
  void (*write)(const Warp<A>&, const Features&, const ImageBand<A>&);
};

template <class A>
BandSteps<A> steps_of(WarpMode mode, bool few) {
  switch (mode) {
    case WarpMode::kNearest:
      return few ? BandSteps<A>{interleave_4, add_nearest_4, write_4}
                 : BandSteps<A>{interleave_16, add_nearest_16, write_16};
    case WarpMode::kBilinear:
      return few ? BandSteps<A>{interleave_4, add_bilinear_4, write_4}
                 : BandSteps<A>{interleave_16, add_bilinear_16, write_16};
    default:
      return few ? BandSteps<A>{interleave_4, add_bicubic_4, write_4}
                 : BandSteps<A>{interleave_16, add_bicubic_16, write_16};
  }
}

constexpr const char* kName = "backward_warp";

// The reads of nearest do not change with the flow but in steps: its gradient is 0.
template <class A>
void flow_gradient(const Warp<A>& job, const Images& images) {
  if (job.mode == WarpMode::kNearest) {
    std::fill(job.grad_flow, job.grad_flow + job.batch * 2 * job.out_height * job.out_width, A(0));
    return;
  }
  torch::stable::parallel_for(0, job.batch * job.out_height, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if (job.mode == WarpMode::kBilinear) {
        flow_bilinear(job, images, row / job.out_height, row % job.out_height);
      } else {
        flow_bicubic(job, images, row / job.out_height, row % job.out_height);
      }
    }
  });
}

// Which image rows each span of output pixels touches, for all rows of all batches.
template <class A>
std::vector<Touched> survey(const Warp<A>& job) {
  const int64_t spans = (job.out_width + kSpan - 1) / kSpan;
  std::vector<Touched> touched(static_cast<size_t>(job.batch * job.out_height * spans));
  torch::stable::parallel_for(0, job.batch * job.out_height, 32, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t b = row / job.out_height, py = row % job.out_height;
      survey_row(job, b, py, touched.data() + row * spans);
    }
  });
  return touched;
}

// Rows of a band: few enough for the cache, but so many that a flow which scatters widely is not read too often.
int64_t band_rows(const std::vector<Touched>& touched, int64_t height, int64_t row_bytes) {
  int64_t rows = std::clamp<int64_t>(kBandBytes / std::max<int64_t>(row_bytes, 1), 4, std::max<int64_t>(height, 4));
  while (rows < height) {
    int64_t visits = 0, spans = 0;
    for (const Touched& range : touched) {
      if (range.high < range.low) continue;
      ++spans;
      visits += range.high / rows - range.low / rows + 1;
    }
    if (visits <= 2 * spans) break;
    rows *= 2;
  }
  return std::min(rows, height);
}

template <class A>
void image_gradient_band(const Warp<A>& job, const Features& features, const ImageBand<A>& band, int64_t lanes) {
  const BandSteps<A> steps = steps_of<A>(job.mode, lanes == kFewLanes);
  A gathered[2][kSpan], incoming[kSpan * kLanes];
  std::fill(band.sums, band.sums + (band.last - band.first + 2 * band.margin) * job.width * lanes, A(0));
  const Touched* touched = band.touched;
  for (int64_t py = 0; py < job.out_height; ++py) {
    for (int64_t start = 0; start < job.out_width; start += kSpan, ++touched) {
      if (touched->high < band.first || touched->low >= band.last || touched->high < touched->low) continue;
      const Span<A> span = span_of(job, band.batch, py, start, gathered);
      steps.interleave(features, band, span, incoming);
      steps.add(job, band, span, incoming);
    }
  }
  steps.write(job, features, band);
}

template <class A>
void image_gradient(const Warp<A>& job, const Features& features, const std::vector<Touched>& touched) {
  const int64_t lanes = features.channels <= kFewLanes ? kFewLanes : kLanes,
                groups = (features.channels + lanes - 1) / lanes;
  const int64_t row_size = job.width * lanes, margin = static_cast<int64_t>(job.mode) - 1;
  const int64_t rows = band_rows(touched, job.height, row_size * static_cast<int64_t>(sizeof(A)));
  const int64_t bands = (job.height + rows - 1) / rows;
  const int64_t spans = static_cast<int64_t>(touched.size()) / std::max<int64_t>(job.batch, 1);
  torch::stable::parallel_for(0, job.batch * groups * bands, 1, [&](int64_t begin, int64_t end) {
    const std::unique_ptr<A[]> sums(new A[static_cast<size_t>((rows + 2 * margin) * row_size)]);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t b = index / (groups * bands), channel = index / bands % groups * lanes;
      const int64_t first = index % bands * rows;
      const ImageBand<A> band{b,
                              channel,
                              std::min(lanes, features.channels - channel),
                              first,
                              std::min(first + rows, job.height),
                              margin,
                              sums.get(),
                              touched.data() + b * spans};
      image_gradient_band(job, features, band, lanes);
    }
  });
}

}  // namespace

std::tuple<std::vector<Tensor>, Tensor> backward_warp_many_backward_cpu(
    const std::vector<Tensor>& grads, const std::vector<Tensor>& images, const Tensor& flow, int64_t mode,
    int64_t padding, const std::vector<bool>& needs_image, bool needs_flow, bool) {
  check_warps(kName, images, flow, mode, padding);
  const WarpGradients gradients(kName, grads, images, flow, needs_image, needs_flow);
  dispatch_accumulate(flow.scalar_type(), [&](auto type) {
    using A = decltype(type);
    Warp<A> job = warp_of<A>(images.front(), flow, mode, padding);
    job.grad_flow = mutable_data<A>(gradients.grad_flow);
    if (needs_flow) flow_gradient(job, gradients.features);
    std::vector<Touched> touched;
    for (size_t i = 0; i < needs_image.size(); ++i) {
      if (!needs_image[i] || gradients.results[i].numel() == 0) continue;
      if (touched.empty()) touched = survey(job);
      prefer_huge_pages(gradients.results[i]);
      image_gradient(job, gradients.features[i], touched);
    }
  });
  return {gradients.results, gradients.grad_flow};
}

std::tuple<Tensor, Tensor> backward_warp_backward_cpu(const Tensor& grad, const Tensor& image, const Tensor& flow,
                                                      int64_t mode, int64_t padding, bool needs_image, bool needs_flow,
                                                      bool deterministic) {
  const auto [images, grad_flow] =
      backward_warp_many_backward_cpu({grad}, {image}, flow, mode, padding, {needs_image}, needs_flow, deterministic);
  return {images.front(), grad_flow};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("backward_warp_backward", TORCH_BOX(&backward_warp_backward_cpu));
  m.impl("backward_warp_many_backward", TORCH_BOX(&backward_warp_many_backward_cpu));
}

}  // namespace photoflow
