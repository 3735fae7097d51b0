// forward_splat on CUDA. Sums are added atomically, in float32 whatever the image has: their order, and with it the
// last bits, may vary, but not where `deterministic` is asked for, which sums in 64-bit integers.
#include "splat_sums.cuh"

namespace photoflow {
namespace {

// From the sums of a target pixel to the result; the summed weights to the normaliser (see share() in
// common/forward.h).
template <class T, class Index>
struct SplatResult {
  using A = accumulate_t<T>;
  SplatSource<T, Index> source;
  T* out;
  A *coverage, *normaliser;
  A eps;

  // What the sums of the channels are multiplied by.
  __device__ __forceinline__ A scale_of(Index index, A weight, A covered, bool writes) const {
    if (writes) coverage[index] = covered;
    if (source.mode == SplatMode::kSum) return A(1);
    const A scale = reciprocal(weight, covered, eps);
    if (!writes) return scale;
    if (source.mode != SplatMode::kSoftmax) {
      normaliser[index] = scale;
    } else if (scale == A(0)) {
      normaliser[index] = std::numeric_limits<A>::infinity();
    } else {
      const MetricRange<A> range = source.range[index / (source.height * source.width)];
      const bool by_peak = source.always_by_peak || !range.narrow();
      normaliser[index] = (by_peak ? source.peak[index] : range.most) + std::log(weight);
    }
    return scale;
  }

  // The offset of the first channel of a pixel.
  __device__ __forceinline__ Index offset(Index index) const {
    const Index plane = source.height * source.width, batch = index / plane, at = index - batch * plane;
    const Index py = at / source.width;
    return batch * source.by.batch + py * source.by.row + (at - py * source.width) * source.by.pixel;
  }
};

template <class T, class Index, class Arithmetic>
struct SplatFinish {
  using A = accumulate_t<T>;
  using Sum = typename Arithmetic::Sum;
  SplatResult<T, Index> result;
  Arithmetic arithmetic;
  SplatTasks<Index> tasks;
  const Sum *sums, *weights, *coverage;

  __device__ void operator()(int64_t task) const {
    Index index, first;
    tasks.find(static_cast<Index>(task), index, first);
    const A covered = arithmetic.coverage().read(coverage[index]);
    const A weight = weights ? arithmetic.weights().read(weights[index]) : covered;
    const A scale = result.scale_of(index, weight, covered, first == 0);
    const auto features = arithmetic.features();
    const Index step = result.source.by.channel, left = result.source.channels - first;
    const Index count = left < tasks.chunk ? left : tasks.chunk, at = result.offset(index) + first * step;
    for (Index c = 0; c < count; ++c) result.out[at + c * step] = T(features.read(sums[at + c * step]) * scale);
  }
};

template <class T, class Index>
struct SplatFinishPacked {
  using A = accumulate_t<T>;
  SplatResult<T, Index> result;
  const A *sums, *coverage;

  __device__ void operator()(int64_t wide) const {
    const Index index = static_cast<Index>(wide), at = result.offset(index);
    const A* sum = sums + 4 * index;
    const A value[4] = {sum[0], sum[1], sum[2], sum[3]};
    const A scale = result.scale_of(index, value[3], coverage ? coverage[index] : value[3], true);
    for (int c = 0; c < 3; ++c) {
      if (c < result.source.channels) result.out[at + c * result.source.by.channel] = T(value[c] * scale);
    }
  }
};

constexpr const char* kName = "forward_splat";

// The tensors of a call.
struct SplatCall {
  MemoryFormat format;
  Tensor image, flow;
  std::optional<Tensor> metric;
  SplatMode mode;
  double eps;
  Tensor out, coverage, normaliser;

  SplatCall(const Tensor& image_any, const Tensor& flow_any, const std::optional<Tensor>& metric_any, SplatMode how,
            double least)
      : format(format_of(image_any)),
        image(readable(image_any)),
        flow(readable(flow_any)),
        metric(contiguous_or_none(metric_any)),
        mode(how),
        eps(least) {
    const int64_t batch = image.size(0), height = image.size(2), width = image.size(3);
    out = empty_in(image, {batch, image.size(1), height, width}, image.scalar_type(), format);
    coverage = empty_for(image, {batch, 1, height, width}, flow.scalar_type());
    normaliser = empty_for(image, {mode == SplatMode::kSum ? 0 : batch, 1, height, width}, flow.scalar_type());
  }
  int64_t pixels() const { return image.size(0) * image.size(2) * image.size(3); }
  int64_t channels() const { return image.size(1); }
  // Zeros of some type for each pixel.
  Tensor zeros(int64_t lanes, ScalarType dtype) const {
    return zeros_for(image, {image.size(0), image.size(2), image.size(3), lanes}, dtype);
  }
};

template <class T, class Index>
SplatResult<T, Index> result_of(const SplatCall& call, const SplatSource<T, Index>& source) {
  using A = accumulate_t<T>;
  return {source, mutable_data<T>(call.out), mutable_data<A>(call.coverage), mutable_data<A>(call.normaliser),
          A(call.eps)};
}

template <class T, class Index>
void splat_packed(const OnDevice& device, const SplatCall& call, const SplatSource<T, Index>& source) {
  using A = accumulate_t<T>;
  const Tensor sums = call.zeros(4, call.flow.scalar_type());
  const bool apart = uses_metric(call.mode);
  Tensor covered = call.coverage;
  if (apart) torch::stable::zero_(covered);
  A* const coverage = apart ? mutable_data<A>(covered) : nullptr;
  launch(device, call.pixels(), SplatAddPacked<T, Index>{source, mutable_data<A>(sums), coverage});
  launch(device, call.pixels(), SplatFinishPacked<T, Index>{result_of(call, source), data<A>(sums), coverage});
}

// Sums of `dtype`, laid out as the features: given, or new.
template <class T, class Index, class Arithmetic>
void splat_spread(const OnDevice& device, const SplatCall& call, const SplatSource<T, Index>& source,
                  const Arithmetic& arithmetic, ScalarType dtype) {
  using Sum = typename Arithmetic::Sum;
  const SplatTasks<Index> tasks(call.pixels(), call.channels(), call.format == MemoryFormat::ChannelsLast);
  // What is summed in the type of the result is summed in the result.
  const bool in_place = call.out.scalar_type() == dtype;
  Tensor sums =
      in_place ? call.out
               : empty_in(call.image, {call.image.size(0), call.channels(), call.image.size(2), call.image.size(3)},
                          dtype, call.format);
  Tensor coverage = call.coverage.scalar_type() == dtype ? call.coverage : call.zeros(1, dtype);
  torch::stable::zero_(sums);
  torch::stable::zero_(coverage);
  const Tensor weights = call.zeros(uses_metric(call.mode) ? 1 : 0, dtype);
  Sum* const weight = uses_metric(call.mode) ? mutable_data<Sum>(weights) : nullptr;
  launch(device, tasks.count(),
         SplatAdd<T, Index, Arithmetic>{source, arithmetic, tasks, mutable_data<Sum>(sums), weight,
                                        mutable_data<Sum>(coverage)});
  if (call.mode == SplatMode::kSum && in_place) return;
  launch(device, tasks.count(),
         SplatFinish<T, Index, Arithmetic>{result_of(call, source), arithmetic, tasks, data<Sum>(sums), weight,
                                           data<Sum>(coverage)});
}

// The number of terms in one sum, as a power of two: all pixels may land on one, with one corner each.
int log_terms(int64_t pixels) {
  int power = 0;
  while ((int64_t(1) << power) < pixels) ++power;
  return power;
}

template <class T>
void splat_repeatable(const OnDevice& device, const SplatCall& call, const SplatSource<T, int64_t>& source) {
  using A = accumulate_t<T>;
  const ScalarType bits = std::is_same_v<A, double> ? ScalarType::Long : ScalarType::Int;
  const Tensor largest = zeros_for(call.image, {2}, bits);
  auto* const magnitudes = mutable_data<magnitude_bits_t<A>>(largest);
  find_magnitude<T>(device, call.image, false, magnitudes);
  const bool linear = call.mode == SplatMode::kLinear;
  if (linear) find_magnitude<A>(device, *call.metric, true, magnitudes + 1);
  const int terms = log_terms(call.image.size(2) * call.image.size(3));
  splat_spread(device, call, source, Integers<A>{magnitudes, terms, linear}, ScalarType::Long);
}

template <class T, class Index>
void splat(const OnDevice& device, const SplatCall& call, bool deterministic) {
  using A = accumulate_t<T>;
  const int64_t batch = call.image.size(0), height = call.image.size(2), width = call.image.size(3);
  SplatSource<T, Index> source{data<T>(call.image),
                               data<A>(call.flow),
                               call.metric ? data<A>(*call.metric) : nullptr,
                               strides_of<Index>(call.channels(), height, width, call.format),
                               narrowed<Index>(strides_as_they_are(call.flow)),
                               static_cast<Index>(call.channels()),
                               static_cast<Index>(height),
                               static_cast<Index>(width),
                               call.mode,
                               nullptr,
                               nullptr,
                               deterministic};
  // Alive until the kernels are launched: what runs later on the stream comes after them.
  const bool softmax = call.mode == SplatMode::kSoftmax;
  Tensor range = empty_for(call.image, {softmax ? batch : 0, 2}, call.flow.scalar_type());
  Tensor peak = empty_for(call.image, {softmax ? batch : 0, height, width}, call.flow.scalar_type());
  if (softmax) {
    torch::stable::fill_(range, -std::numeric_limits<double>::infinity());
    torch::stable::fill_(peak, -std::numeric_limits<double>::infinity());
    find_peaks(device, source, range, peak);
  }
  // Each is compiled for one type of index alone: what repeats is not asked for its speed, and few channels seldom
  // need wide indices.
  if constexpr (std::is_same_v<Index, int64_t>) {
    if (deterministic) return splat_repeatable(device, call, source);
  } else {
    if (call.channels() >= 1 && call.channels() <= 3) return splat_packed(device, call, source);
  }
  splat_spread(device, call, source, FloatingPoint<A>{}, call.flow.scalar_type());
}

}  // namespace

std::tuple<Tensor, Tensor, Tensor> forward_splat_cuda(const Tensor& image, const Tensor& flow,
                                                      const std::optional<Tensor>& metric, int64_t mode_index,
                                                      double eps, bool deterministic) {
  const SplatMode mode = splat_mode(kName, mode_index);
  check_splat(kName, image, flow, metric, uses_metric(mode));
  const OnDevice device(image);
  const SplatCall call(image, flow, metric, mode, eps);
  if (call.pixels() > 0) {
    dispatch(image.scalar_type(), [&](auto type) {
      using T = decltype(type);
      // float64 serves to check gradients: one type of index will do.
      if constexpr (!std::is_same_v<T, double>) {
        if (!deterministic && fits_32_bits(call.pixels() * std::max<int64_t>(call.channels(), 4))) {
          return splat<T, int32_t>(device, call, false);
        }
      }
      splat<T, int64_t>(device, call, deterministic);
    });
  }
  return {call.out, call.coverage, call.normaliser};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) { m.impl("forward_splat", TORCH_BOX(&forward_splat_cuda)); }

}  // namespace photoflow
