// forward_splat on CUDA. Sums are added atomically, in float32 whatever the image has: their order, and with it the
// last bits, may vary, but not where `deterministic` is asked for, which sums in integers.
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
  A *coverage, *normaliser;  // coverage: null where it was summed in place
  A eps;

  // What the sums of the channels are multiplied by.
  __device__ __forceinline__ A scale_of(Index index, A weight, A covered, bool writes) const {
    if (writes && coverage) coverage[index] = covered;
    if (source.mode == SplatMode::kSum) return A(1);
    const A scale = reciprocal(weight, covered, eps);
    if (!writes) return scale;
    if (source.mode != SplatMode::kSoftmax) {
      normaliser[index] = scale;
    } else if (scale == A(0)) {
      normaliser[index] = std::numeric_limits<A>::infinity();
    } else {
      const MetricRange<A> range = source.range[index / (source.height * source.width)];
      normaliser[index] = (range.narrow() ? range.most : source.peak[index]) + std::log(weight);
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

template <class T, class Index, class Sums>
struct SplatFinish {
  using A = accumulate_t<T>;
  SplatResult<T, Index> result;
  SplatTasks<Index> tasks;
  Sums sums, weights, coverage;

  __device__ void operator()(int64_t task) const {
    Index index, first;
    tasks.find(static_cast<Index>(task), index, first);
    const A covered = coverage.read(index);
    const A weight = weights.at ? weights.read(index) : covered;
    const A scale = result.scale_of(index, weight, covered, first == 0);
    const Index step = result.source.by.channel, left = result.source.channels - first;
    const Index count = left < tasks.chunk ? left : tasks.chunk, at = result.offset(index) + first * step;
    for (Index c = 0; c < count; ++c) result.out[at + c * step] = T(sums.read(at + c * step) * scale);
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
  Tensor like_features(ScalarType dtype) const {
    return empty_in(image, {image.size(0), image.size(1), image.size(2), image.size(3)}, dtype, format);
  }
  // Zeros of some type for each pixel.
  Tensor zeros(int64_t lanes, ScalarType dtype) const {
    return zeros_for(image, {image.size(0), image.size(2), image.size(3), lanes}, dtype);
  }
};

// `coverage`: null where it is summed in place.
template <class T, class Index>
SplatResult<T, Index> result_of(const SplatCall& call, const SplatSource<T, Index>& source, accumulate_t<T>* coverage) {
  using A = accumulate_t<T>;
  return {source, mutable_data<T>(call.out), coverage, mutable_data<A>(call.normaliser), A(call.eps)};
}

template <class T, class Index>
void splat_packed(const OnDevice& device, const SplatCall& call, const SplatSource<T, Index>& source) {
  using A = accumulate_t<T>;
  const Tensor sums = call.zeros(4, call.flow.scalar_type());
  const bool apart = uses_metric(call.mode);
  Tensor coverage = call.coverage;
  if (apart) torch::stable::zero_(coverage);
  A* const written = mutable_data<A>(coverage);
  launch(device, call.pixels(), SplatAddPacked<T, Index>{source, mutable_data<A>(sums), apart ? written : nullptr});
  launch(device, call.pixels(),
         SplatFinishPacked<T, Index>{result_of(call, source, apart ? nullptr : written), data<A>(sums),
                                     apart ? written : nullptr});
}

template <class T, class Index>
void splat_spread(const OnDevice& device, const SplatCall& call, const SplatSource<T, Index>& source) {
  using A = accumulate_t<T>;
  using Sums = FloatSums<A>;
  const SplatTasks<Index> tasks(call.pixels(), call.channels(), call.format == MemoryFormat::ChannelsLast);
  const ScalarType dtype = call.flow.scalar_type();
  // What is summed in the type of the result is summed in the result.
  const bool in_place = call.out.scalar_type() == dtype;
  Tensor sums = in_place ? call.out : call.like_features(dtype);
  Tensor coverage = call.coverage;
  torch::stable::zero_(sums);
  torch::stable::zero_(coverage);
  const Tensor weights = call.zeros(uses_metric(call.mode) ? 1 : 0, dtype);
  const Sums of_features{mutable_data<A>(sums)}, of_coverage{mutable_data<A>(coverage)};
  const Sums of_weights{uses_metric(call.mode) ? mutable_data<A>(weights) : nullptr};
  launch(device, tasks.count(), SplatAdd<T, Index, Sums>{source, tasks, of_features, of_weights, of_coverage});
  if (call.mode == SplatMode::kSum && in_place) return;
  launch(device, tasks.count(),
         SplatFinish<T, Index, Sums>{result_of(call, source, static_cast<A*>(nullptr)), tasks, of_features, of_weights,
                                     of_coverage});
}

template <class T>
void splat_repeatable(const OnDevice& device, const SplatCall& call, const SplatSource<T, int64_t>& source) {
  using A = accumulate_t<T>;
  const int64_t batch = call.image.size(0), height = call.image.size(2), width = call.image.size(3);
  const int64_t weighed = uses_metric(call.mode) ? batch : 0;
  const SplatTasks<int64_t> tasks(call.pixels(), call.channels(), call.format == MemoryFormat::ChannelsLast);
  const SumTensors<A> features(call.image, {batch, call.channels(), height, width}, call.format);
  const SumTensors<A> weights(call.image, {weighed, 1, height, width}, MemoryFormat::Contiguous);
  const SumTensors<A> coverage(call.image, {batch, 1, height, width}, MemoryFormat::Contiguous);
  const int64_t most = height * width;  // all pixels may land on one, with one corner each
  const IntegerSums<A> sums = features.integers(most), of_weights = weights.integers(most);
  const IntegerSums<A> of_coverage = coverage.integers(most);
  launch(device, tasks.count(),
         SplatAdd<T, int64_t, Magnitudes<A>>{source, tasks, features.magnitudes(), weights.magnitudes(),
                                             coverage.magnitudes()});
  launch(device, tasks.count(), SplatAdd<T, int64_t, IntegerSums<A>>{source, tasks, sums, of_weights, of_coverage});
  launch(device, tasks.count(),
         SplatFinish<T, int64_t, IntegerSums<A>>{result_of(call, source, mutable_data<A>(call.coverage)), tasks, sums,
                                                 of_weights, of_coverage});
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
                               nullptr};
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
  splat_spread(device, call, source);
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
