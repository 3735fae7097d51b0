// forward_splat on the CPU.
#include <mutex>

#include "../common/gradients.h"
#include "aligned.h"
#include "huge_pages.h"
#include "splat_stages.h"

namespace photoflow {
namespace {

constexpr double kWideRange = 60.0;  // exp(-60) = 9e-27: any narrower range of the metric is safe in float32
constexpr int64_t kLeastRows = 32;   // of a band: what lands at the seam of two is prepared for both

// Where every chunk lands, and how softmax is kept in range.
template <class A>
void survey(Splat<A>& job) {
  const size_t height = static_cast<size_t>(job.height);
  job.chunks = (job.width + kChunk - 1) / kChunk;
  job.reach.resize(height * static_cast<size_t>(job.chunks));
  job.row_reach.resize(height);
  A least = std::numeric_limits<A>::infinity(), most = -least;
  std::mutex mutex;
  torch::stable::parallel_for(0, job.height, 32, [&](int64_t begin, int64_t end) {
    Extent<A> metrics;
    for (int64_t row = begin; row < end; ++row) survey_row(job, row, metrics);
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

// Calls body(start, count) for every chunk of a source row that reaches the band, prepared.
template <class A, class Body>
void for_each_chunk(const Splat<A>& job, const Band<A>& band, int64_t py, Prepared<A>& p, const Body& body) {
  if (!job.row_reach[static_cast<size_t>(py)].meets(band.first, band.last)) return;
  for (int64_t chunk = 0; chunk < job.chunks; ++chunk) {
    if (!job.reach_of(py, chunk).meets(band.first, band.last)) continue;
    const int64_t start = chunk * kChunk, count = std::min(kChunk, job.width - start);
    prepare(job, py, start, count, p);
    body(start, count);
  }
}

template <class A>
void find_peaks(const Splat<A>& job, Prepared<A>& p, Band<A>& band) {
  std::fill(band.peak, band.peak + (band.rows() + 2) * band.stride, -std::numeric_limits<A>::infinity());
  for (int64_t py = 0; py < job.height; ++py) {
    for_each_chunk(job, band, py, p, [&](int64_t, int64_t count) { raise_peaks_any(p, count, band); });
  }
}

template <class A>
void scatter(const Splat<A>& job, const Pass& pass, const A* metric, int64_t count, const Prepared<A>& p,
             Band<A>& band) {
  if (job.wide_range) return scatter_by_peak(p, metric, pass, count, band);
  if (pass.planar) return scatter_planar(p, pass, count, band);
  switch (pass.stride()) {
    case 4:
      return scatter_4(p, pass.apart, count, band);
    case 8:
      return scatter_8(p, pass.apart, count, band);
    default:
      return scatter_16(p, pass.apart, count, band);
  }
}

template <class A>
void splat_pass(const Splat<A>& job, const Pass& pass, int64_t capacity, A* accumulators, Prepared<A>& p,
                Band<A>& band) {
  const int64_t row_size = band.stride * (pass.planar ? pass.lanes() + 1 : pass.stride() + 1);
  A* const others = accumulators + capacity * row_size;
  std::fill(others, others + row_size, A(0));
  band.line[0] = band.line[band.rows() + 1] = others;
  const auto open = [&](int64_t y) {
    A* const line = accumulators + y % capacity * row_size;
    std::fill(line, line + row_size, A(0));
    band.line[y - band.first + 1] = line;
  };
  OpenRows window{band.first, band.first};
  for (int64_t py = 0; py < job.height; ++py) {
    const int64_t opened = OpenRows::opened_by(job, py, band.first, band.last);
    while (window.opened < opened) open(window.opened++);
    for_each_chunk(job, band, py, p, [&](int64_t start, int64_t count) {
      fill_lanes(job, pass, py, start, count, p);
      scatter(job, pass, job.metric + py * job.width + start, count, p, band);
    });
    const int64_t closed = OpenRows::closed_by(job, py, band.first, band.last);
    for (; window.closed < closed; ++window.closed) {
      if (window.closed == window.opened) open(window.opened++);
      write_row(job, pass, window.closed - band.first, band);
    }
  }
}

template <class A>
void splat_rows(const Splat<A>& job, int64_t first, int64_t last) {
  const int64_t rows = last - first, stride = (job.width + 2 + kRun + 15) / 16 * 16,
                capacity = most_open(job, first, last);
  const Pass widest = next_pass(job, 0);
  const bool one_pass = widest.count == job.channels;
  const Aligned<A> sums((capacity + 1) * stride * (widest.stride() + 1));
  const Aligned<A> peak(job.wide_range ? (rows + 2) * stride : 1), scale((one_pass ? 1 : rows) * job.width);
  const Aligned<A*> line(rows + 2);
  Prepared<A> prepared;
  Band<A> band{first, last, stride, line.get(), peak.get(), scale.get(), one_pass ? 0 : job.width};
  if (job.wide_range) find_peaks(job, prepared, band);
  for (int64_t done = 0; done == 0 || done < job.channels;) {
    const Pass pass = next_pass(job, done);
    splat_pass(job, pass, capacity, sums.get(), prepared, band);
    done = std::max<int64_t>(pass.first + pass.count, 1);
  }
}

template <class A>
void splat_image(Splat<A>& job) {
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

// The tensors of a call.
struct SplatCall {
  const Tensor &image, &flow;
  const std::optional<Tensor>& metric;
  const Tensor &out, &coverage, &normaliser;
  SplatMode mode;
  double eps;
};

template <class A>
void splat_batch(const SplatCall& call, const Conversion<A>* conversion) {
  const int64_t channels = call.image.size(1), height = call.image.size(2), width = call.image.size(3);
  const int64_t plane = height * width, element_size = static_cast<int64_t>(call.image.element_size());
  Splat<A> job{};
  job.conversion = conversion;
  job.channels = channels;
  job.height = height;
  job.width = width;
  job.by = strides_of(channels, height, width, format_of(call.image));
  job.flow_by = strides_as_they_are(call.flow);
  job.mode = call.mode;
  job.eps = A(call.eps);
  const AnyFeatures<const char> image{static_cast<const char*>(call.image.const_data_ptr()), element_size};
  const AnyFeatures<char> out{static_cast<char*>(call.out.mutable_data_ptr()), element_size};
  for (int64_t b = 0; b < call.image.size(0); ++b) {
    job.image = {image.at(b * job.by.batch), element_size};
    job.out = {out.at(b * job.by.batch), element_size};
    job.flow = data<A>(call.flow) + b * job.flow_by.batch;
    job.metric = call.metric ? data<A>(*call.metric) + b * plane : nullptr;
    job.coverage = mutable_data<A>(call.coverage) + b * plane;
    job.normaliser = call.mode == SplatMode::kSum ? nullptr : mutable_data<A>(call.normaliser) + b * plane;
    job.wide_range = false;
    job.shift = A(0);
    splat_image(job);
  }
}

constexpr const char* kName = "forward_splat";

}  // namespace

// `deterministic` asks for nothing that is not so anyway.
std::tuple<Tensor, Tensor, Tensor> forward_splat_cpu(const Tensor& image_any, const Tensor& flow_any,
                                                     const std::optional<Tensor>& metric_any, int64_t mode_index,
                                                     double eps, bool /*deterministic*/) {
  const SplatMode mode = splat_mode(kName, mode_index);
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
  const SplatCall call{image, flow, metric, out, coverage, normaliser, mode, eps};
  switch (image.scalar_type()) {
    case ScalarType::Double:
      splat_batch<double>(call, nullptr);
      break;
    case ScalarType::Half:
      splat_batch<float>(call, &kConversion<Half>);
      break;
    case ScalarType::BFloat16:
      splat_batch<float>(call, &kConversion<BFloat16>);
      break;
    default:
      splat_batch<float>(call, nullptr);
  }
  return {out, coverage, normaliser};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) { m.impl("forward_splat", TORCH_BOX(&forward_splat_cpu)); }

}  // namespace photoflow
