// forward_splat on the CPU.
#include <mutex>

#include "../common/gradients.h"
#include "aligned.h"
#include "huge_pages.h"
#include "splat_band.h"

namespace photoflow {
namespace {

constexpr double kWideRange = 60.0;  // exp(-60) = 9e-27: any narrower range of the metric is safe in float32
constexpr int64_t kLeastRows = 32;   // of a band: what lands at the seam of two is prepared for both

#define PHOTOFLOW_SPLAT(T)                                                                                        \
  PHOTOFLOW_SIMD void run_survey(Splat<T>& job, int64_t row, Extent<accumulate_t<T>>& metrics) {                  \
    survey_row(job, row, metrics);                                                                                \
  }                                                                                                               \
  PHOTOFLOW_SIMD void run_peaks(const Splat<T>& job, Prepared<accumulate_t<T>>& p, Band<accumulate_t<T>>& band) { \
    find_peaks(job, p, band);                                                                                     \
  }                                                                                                               \
  PHOTOFLOW_SIMD void run_4(const Splat<T>& job, const Pass& pass, int64_t capacity, accumulate_t<T>* sums,       \
                            Prepared<accumulate_t<T>>& p, Band<accumulate_t<T>>& band) {                          \
    splat_pass<4>(job, pass, capacity, sums, p, band);                                                            \
  }                                                                                                               \
  PHOTOFLOW_SIMD void run_8(const Splat<T>& job, const Pass& pass, int64_t capacity, accumulate_t<T>* sums,       \
                            Prepared<accumulate_t<T>>& p, Band<accumulate_t<T>>& band) {                          \
    splat_pass<8>(job, pass, capacity, sums, p, band);                                                            \
  }                                                                                                               \
  PHOTOFLOW_SIMD void run_16(const Splat<T>& job, const Pass& pass, int64_t capacity, accumulate_t<T>* sums,      \
                             Prepared<accumulate_t<T>>& p, Band<accumulate_t<T>>& band) {                         \
    splat_pass<16>(job, pass, capacity, sums, p, band);                                                           \
  }
PHOTOFLOW_SPLAT(float)
PHOTOFLOW_SPLAT(double)
PHOTOFLOW_SPLAT(Half)
PHOTOFLOW_SPLAT(BFloat16)
#undef PHOTOFLOW_SPLAT

// Where every chunk lands, and how softmax is kept in range.
template <class T>
void survey(Splat<T>& job) {
  using A = accumulate_t<T>;
  const size_t height = static_cast<size_t>(job.height);
  job.chunks = (job.width + kChunk - 1) / kChunk;
  job.reach.resize(height * static_cast<size_t>(job.chunks));
  job.row_reach.resize(height);
  A least = std::numeric_limits<A>::infinity(), most = -least;
  std::mutex mutex;
  torch::stable::parallel_for(0, job.height, 32, [&](int64_t begin, int64_t end) {
    Extent<A> metrics;
    for (int64_t row = begin; row < end; ++row) run_survey(job, row, metrics);
    const std::lock_guard<std::mutex> lock(mutex);
    least = std::min(least, metrics.lowest());
    most = std::max(most, metrics.highest());
  });
  job.low_from.assign(height + 1, std::numeric_limits<int32_t>::max());
  for (size_t py = height; py-- > 0;) job.low_from[py] = std::min(job.low_from[py + 1], job.row_reach[py].low);
  if (job.mode != SplatMode::kSoftmax || !(least <= most)) return;
  job.wide_range = static_cast<double>(most) - static_cast<double>(least) > kWideRange;
  job.shift = job.wide_range ? A(0) : most;
}

template <class T>
void splat_rows(const Splat<T>& job, int64_t first, int64_t last) {
  using A = accumulate_t<T>;
  const int64_t rows = last - first, stride = job.width + 2, capacity = most_open(job, first, last);
  const int64_t most_lanes = lanes_of(next_pass(job.mode, job.channels, 0));
  const bool one_pass = next_pass(job.mode, job.channels, 0).count == job.channels;
  const Aligned<A> sums((capacity + 1) * (stride * (most_lanes + 1) + 16));
  const Aligned<A> peak(job.wide_range ? (rows + 2) * stride : 1), scale((one_pass ? 1 : rows) * job.width);
  const Aligned<A*> line(rows + 2);
  Prepared<A> prepared;
  Band<A> band{first, last, stride, line.get(), peak.get(), scale.get(), one_pass ? 0 : job.width};
  if (job.wide_range) run_peaks(job, prepared, band);
  for (int64_t done = 0; done == 0 || done < job.channels;) {
    const Pass pass = next_pass(job.mode, job.channels, done);
    switch (lanes_of(pass)) {
      case 4:
        run_4(job, pass, capacity, sums.get(), prepared, band);
        break;
      case 8:
        run_8(job, pass, capacity, sums.get(), prepared, band);
        break;
      default:
        run_16(job, pass, capacity, sums.get(), prepared, band);
    }
    done = std::max<int64_t>(pass.first + pass.count, 1);
  }
}

template <class T>
void splat_image(Splat<T>& job) {
  survey(job);
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t bands = std::clamp<int64_t>(job.height / kLeastRows, 1, 2 * threads);
  const int64_t rows = (job.height + bands - 1) / bands;
  torch::stable::parallel_for(0, (job.height + rows - 1) / rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t band = begin; band < end; ++band) {
      splat_rows(job, band * rows, std::min((band + 1) * rows, job.height));
    }
  });
}

constexpr const char* kName = "forward_splat";

}  // namespace

// `deterministic` asks for nothing that is not so anyway.
std::tuple<Tensor, Tensor, Tensor> forward_splat_cpu(const Tensor& image_any, const Tensor& flow_any,
                                                     const std::optional<Tensor>& metric_any, int64_t mode_index,
                                                     double eps, bool /*deterministic*/) {
  const SplatMode mode = static_cast<SplatMode>(mode_index);
  check_splat(kName, image_any, flow_any, metric_any, uses_metric(mode));
  const Tensor image = readable(image_any), flow = readable(flow_any);
  const std::optional<Tensor> metric = contiguous_or_none(metric_any);
  const int64_t batch = image.size(0), channels = image.size(1), height = image.size(2), width = image.size(3);
  const ScalarType dtype = flow.scalar_type();
  const bool normalised = mode != SplatMode::kSum;
  Tensor out = empty_in(image, {batch, channels, height, width}, image.scalar_type(), format_of(image));
  Tensor coverage = empty_for(image, {batch, 1, height, width}, dtype);
  Tensor normaliser = empty_for(image, {normalised ? batch : 0, 1, height, width}, dtype);
  const int64_t plane = height * width;
  if (batch * plane == 0) return {out, coverage, normaliser};
  for (const Tensor& result : {out, coverage, normaliser}) prefer_huge_pages(result);
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    Splat<T> job{};
    job.channels = channels;
    job.height = height;
    job.width = width;
    job.by = strides_of(channels, height, width, format_of(image));
    job.flow_by = strides_as_they_are(flow);
    job.mode = mode;
    job.eps = A(eps);
    for (int64_t b = 0; b < batch; ++b) {
      job.image = data<T>(image) + b * job.by.batch;
      job.flow = data<A>(flow) + b * job.flow_by.batch;
      job.metric = metric ? data<A>(*metric) + b * plane : nullptr;
      job.out = mutable_data<T>(out) + b * job.by.batch;
      job.coverage = mutable_data<A>(coverage) + b * plane;
      job.normaliser = normalised ? mutable_data<A>(normaliser) + b * plane : nullptr;
      job.wide_range = false;
      job.shift = A(0);
      splat_image(job);
    }
  });
  return {out, coverage, normaliser};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) { m.impl("forward_splat", TORCH_BOX(&forward_splat_cpu)); }

}  // namespace photoflow
