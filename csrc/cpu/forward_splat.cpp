// forward_splat on the CPU.
#include <mutex>
#include <new>

#include "../common/gradients.h"
#include "splat_band.h"

namespace photoflow {
namespace {

constexpr int64_t kBandBytes = 512 << 10;  // accumulators of a band: they stay in a core's own cache
constexpr double kWideRange = 60.0;        // exp(-60) = 9e-27: any narrower range of the metric is safe in float32

#define PHOTOFLOW_SPLAT(T)                                                                                    \
  PHOTOFLOW_SIMD void run_band(const Splat<T>& job, Band<accumulate_t<T>>& band) { splat_band(job, band); }   \
  PHOTOFLOW_SIMD void run_survey(Splat<T>& job, int64_t row, accumulate_t<T>& least, accumulate_t<T>& most) { \
    survey_row(job, row, least, most);                                                                        \
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
  A least = std::numeric_limits<A>::infinity(), most = -least;
  std::mutex mutex;
  torch::stable::parallel_for(0, job.height, 32, [&](int64_t begin, int64_t end) {
    A low = std::numeric_limits<A>::infinity(), high = -low;
    for (int64_t row = begin; row < end; ++row) run_survey(job, row, low, high);
    const std::lock_guard<std::mutex> lock(mutex);
    least = std::min(least, low);
    most = std::max(most, high);
  });
  if (job.mode != SplatMode::kSoftmax || !(least <= most)) return;
  job.wide_range = static_cast<double>(most) - static_cast<double>(least) > kWideRange;
  job.shift = most;
}

// Rows of a band: few enough for the cache, but so many that a flow which scatters widely is not read too often.
template <class T>
int64_t band_rows(const Splat<T>& job) {
  const int64_t lanes = job.channels + (uses_metric(job.mode) ? 2 : 1) <= 4 ? 4 : 8;
  const int64_t row_bytes = (job.width + 2) * lanes * static_cast<int64_t>(sizeof(accumulate_t<T>));
  const int64_t threads = torch::stable::get_num_threads();
  const int64_t share = (job.height + threads - 1) / threads;
  int64_t rows = std::clamp<int64_t>(kBandBytes / row_bytes, 4, std::max<int64_t>(share, 4));
  while (rows < share) {
    int64_t visits = 0, landing = 0;
    for (const Reach& reach : job.reach) {
      if (reach.high < reach.low) continue;
      ++landing;
      const int64_t first = std::max<int64_t>(reach.low, 0), last = std::min<int64_t>(reach.high + 1, job.height - 1);
      visits += last / rows - first / rows + 1;
    }
    if (visits <= 2 * landing) break;
    rows *= 2;
  }
  return std::min(rows, share);
}

// Numbers that begin at a cache line, so that the 8 lanes of a pixel never straddle two.
template <class A>
class Aligned {
 public:
  explicit Aligned(int64_t count)
      : begin_(static_cast<A*>(::operator new(static_cast<size_t>(count) * sizeof(A), kLine))) {}
  ~Aligned() { ::operator delete(begin_, kLine); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  A* get() const { return begin_; }

 private:
  static constexpr std::align_val_t kLine{64};
  A* begin_;
};

template <class T>
void splat_image(Splat<T>& job) {
  using A = accumulate_t<T>;
  job.chunks = (job.width + kChunk - 1) / kChunk;
  job.reach.assign(static_cast<size_t>(job.height * job.chunks), Reach{});
  job.row_reach.assign(static_cast<size_t>(job.height), Reach{});
  survey(job);
  const int64_t rows = band_rows(job), bands = (job.height + rows - 1) / rows, stride = job.width + 2;
  torch::stable::parallel_for(0, bands, 1, [&](int64_t begin, int64_t end) {
    const Aligned<A> sums((rows + 2) * stride * 8), peak(job.wide_range ? (rows + 2) * stride : 1);
    const Aligned<A> scale(rows * job.width), planar(8 * job.width);
    for (int64_t index = begin; index < end; ++index) {
      const int64_t first = index * rows;
      Band<A> band{first,       std::min(first + rows, job.height), stride, sums.get(), peak.get(), scale.get(),
                   planar.get()};
      run_band(job, band);
    }
  });
}

constexpr const char* kName = "forward_splat";

}  // namespace

std::tuple<Tensor, Tensor, Tensor> forward_splat_cpu(const Tensor& image_any, const Tensor& flow_any,
                                                     const std::optional<Tensor>& metric_any, int64_t mode_index,
                                                     double eps) {
  const SplatMode mode = static_cast<SplatMode>(mode_index);
  check_splat(kName, image_any, flow_any, metric_any, uses_metric(mode));
  const Tensor image = torch::stable::contiguous(image_any), flow = torch::stable::contiguous(flow_any);
  const std::optional<Tensor> metric = contiguous_or_none(metric_any);
  const int64_t batch = image.size(0), channels = image.size(1), height = image.size(2), width = image.size(3);
  const ScalarType dtype = flow.scalar_type();
  const bool normalised = mode != SplatMode::kSum;
  Tensor out = empty_for(image, {batch, channels, height, width}, image.scalar_type());
  Tensor coverage = empty_for(image, {batch, 1, height, width}, dtype);
  Tensor normaliser = empty_for(image, {normalised ? batch : 0, 1, height, width}, dtype);
  const int64_t plane = height * width;
  if (batch * plane == 0) return {out, coverage, normaliser};
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    for (int64_t b = 0; b < batch; ++b) {
      Splat<T> job{};
      job.image = data<T>(image) + b * channels * plane;
      job.flow = data<A>(flow) + b * 2 * plane;
      job.metric = metric ? data<A>(*metric) + b * plane : nullptr;
      job.out = mutable_data<T>(out) + b * channels * plane;
      job.coverage = mutable_data<A>(coverage) + b * plane;
      job.normaliser = normalised ? mutable_data<A>(normaliser) + b * plane : nullptr;
      job.channels = channels;
      job.height = height;
      job.width = width;
      job.mode = mode;
      job.eps = A(eps);
      splat_image(job);
    }
  });
  return {out, coverage, normaliser};
}

std::tuple<Tensor, Tensor, Tensor> forward_splat_backward_cpu(
    const Tensor& grad_out_any, const Tensor& grad_coverage_any, const Tensor& image_any, const Tensor& flow_any,
    const std::optional<Tensor>& metric_any, const Tensor& out_any, const Tensor& normaliser_any, int64_t mode_index,
    bool needs_image, bool needs_flow, bool needs_metric) {
  const SplatMode mode = static_cast<SplatMode>(mode_index);
  check_splat(kName, image_any, flow_any, metric_any, uses_metric(mode));
  const SplatGradients gradients(kName, grad_out_any, grad_coverage_any, image_any, flow_any, metric_any, out_any,
                                 normaliser_any, mode != SplatMode::kSum, needs_image, needs_flow, needs_metric);
  if (gradients.pixels() == 0) return gradients.result();
  dispatch(image_any.scalar_type(), [&](auto type) {
    const SplatBackward<decltype(type)> pixel = splat_backward<decltype(type)>(gradients, mode);
    const int64_t height = pixel.height, rows = image_any.size(0) * height;
    torch::stable::parallel_for(0, rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t px = 0; px < pixel.width; ++px) pixel(row / height, row % height, px);
      }
    });
  });
  return gradients.result();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("forward_splat", TORCH_BOX(&forward_splat_cpu));
  m.impl("forward_splat_backward", TORCH_BOX(&forward_splat_backward_cpu));
}

}  // namespace photoflow
