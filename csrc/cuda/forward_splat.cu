// forward_splat on CUDA. Sums are added atomically, so that their order, and with it the last bits, may vary.
#include "../common/gradients.h"
#include "launch.h"

namespace photoflow {
namespace {

// Raises *at to value. The bits of floating-point numbers order like integers, those of negative ones in reverse.
__device__ void atomic_raise(float* at, float value) {
  value += 0.0f;  // -0 becomes +0
  if (value >= 0.0f) {
    atomicMax(reinterpret_cast<int*>(at), __float_as_int(value));
  } else {
    atomicMin(reinterpret_cast<unsigned*>(at), __float_as_uint(value));
  }
}

__device__ void atomic_raise(double* at, double value) {
  value += 0.0;
  const long long bits = __double_as_longlong(value);
  if (value >= 0.0) {
    atomicMax(reinterpret_cast<long long*>(at), bits);
  } else {
    atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(bits));
  }
}

template <class T>
struct SplatForward {
  using A = accumulate_t<T>;
  const T* image;
  const A *flow, *metric;
  A *sums, *coverage, *weights, *peak;  // of the target pixels; weights: modes linear and softmax, peak: softmax
  int64_t channels, height, width;
  SplatMode mode;

  // The landing of source pixel `index` of the batch; its metric goes to `weight`.
  __device__ Landing<A> landing(int64_t index, A& weight) const {
    const int64_t plane = height * width, batch = index / plane, at = index % plane;
    const A u = flow[(batch * 2 + 0) * plane + at], v = flow[(batch * 2 + 1) * plane + at];
    weight = metric ? metric[index] : A(1);
    Landing<A> to = land(at % width, at / width, u, v, width, height);
    to.lands = to.lands && is_finite(weight);
    return to;
  }
};

// First pass of softmax: the largest metric that lands on each target pixel.
template <class T>
struct SplatPeak : SplatForward<T> {
  using A = accumulate_t<T>;
  __device__ void operator()(int64_t index) const {
    A weight;
    const Landing<A> to = this->landing(index, weight);
    if (!to.lands) return;
    const int64_t plane = this->height * this->width, first = index / plane * plane;
    for (int k = 0; k < 4; ++k) {
      const int64_t corner = corner_index(to, k, this->width, this->height);
      if (corner >= 0 && corner_weight(to, k) > A(0)) atomic_raise(this->peak + first + corner, weight);
    }
  }
};

template <class T>
struct SplatAdd : SplatForward<T> {
  using A = accumulate_t<T>;
  __device__ void operator()(int64_t index) const {
    A weight;
    const Landing<A> to = this->landing(index, weight);
    if (!to.lands) return;
    const int64_t plane = this->height * this->width, batch = index / plane, at = index % plane;
    for (int k = 0; k < 4; ++k) {
      const int64_t corner = corner_index(to, k, this->width, this->height);
      const A bilinear = corner_weight(to, k);
      if (corner < 0 || !(bilinear > A(0))) continue;
      const int64_t target = batch * plane + corner;
      const bool softmax = this->mode == SplatMode::kSoftmax;
      const A portion = bilinear * (softmax ? std::exp(weight - this->peak[target]) : weight);
      atomicAdd(this->coverage + target, bilinear);
      if (this->weights) atomicAdd(this->weights + target, portion);
      for (int64_t c = 0; c < this->channels; ++c) {
        const int64_t base = (batch * this->channels + c) * plane;
        atomicAdd(this->sums + base + corner, portion * A(this->image[base + at]));
      }
    }
  }
};

// Sums to the result; the summed weights to the normaliser (see share() in common/forward.h).
template <class T>
struct SplatNormalise {
  using A = accumulate_t<T>;
  const A *sums, *coverage, *peak;
  A* normaliser;
  T* out;
  int64_t channels, plane;
  SplatMode mode;
  A eps;

  __device__ void operator()(int64_t index) const {
    A scale = A(1);
    if (mode != SplatMode::kSum) {
      const A sum = mode == SplatMode::kAverage ? coverage[index] : normaliser[index];
      scale = reciprocal(sum, coverage[index], eps);
      const bool something = scale != A(0);
      normaliser[index] = mode != SplatMode::kSoftmax ? scale
                          : something                 ? peak[index] + std::log(sum)
                                                      : std::numeric_limits<A>::infinity();
    }
    const int64_t batch = index / plane, at = index % plane;
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t place = (batch * channels + c) * plane + at;
      out[place] = T(sums[place] * scale);
    }
  }
};

template <class T>
struct SplatGradient {
  SplatBackward<T> pixel;
  __device__ void operator()(int64_t index) const {
    const int64_t plane = pixel.height * pixel.width, at = index % plane;
    pixel(index / plane, at / pixel.width, at % pixel.width);
  }
};

constexpr const char* kName = "forward_splat";

}  // namespace

std::tuple<Tensor, Tensor, Tensor> forward_splat_cuda(const Tensor& image_any, const Tensor& flow_any,
                                                      const std::optional<Tensor>& metric_any, int64_t mode_index,
                                                      double eps) {
  const SplatMode mode = static_cast<SplatMode>(mode_index);
  check_splat(kName, image_any, flow_any, metric_any, uses_metric(mode));
  const OnDevice device(image_any);
  const Tensor image = torch::stable::contiguous(image_any), flow = torch::stable::contiguous(flow_any);
  const std::optional<Tensor> metric = contiguous_or_none(metric_any);
  const int64_t batch = image.size(0), channels = image.size(1), height = image.size(2), width = image.size(3);
  const ScalarType dtype = flow.scalar_type();
  const bool normalised = mode != SplatMode::kSum, softmax = mode == SplatMode::kSoftmax;
  Tensor out = zeros_for(image, {batch, channels, height, width}, image.scalar_type());
  Tensor coverage = zeros_for(image, {batch, 1, height, width}, dtype);
  Tensor normaliser = zeros_for(image, {normalised ? batch : 0, 1, height, width}, dtype);
  const int64_t pixels = batch * height * width;
  if (pixels == 0) return {out, coverage, normaliser};
  // Half precision is summed beside the result, everything else in it.
  const Tensor sums = image.scalar_type() == dtype ? out : zeros_for(image, {batch, channels, height, width}, dtype);
  Tensor peak = empty_for(image, {softmax ? batch : 0, 1, height, width}, dtype);
  if (softmax) torch::stable::fill_(peak, -std::numeric_limits<double>::infinity());
  dispatch(image.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    const SplatForward<T> source{data<T>(image),
                                 data<A>(flow),
                                 metric ? data<A>(*metric) : nullptr,
                                 mutable_data<A>(sums),
                                 mutable_data<A>(coverage),
                                 metric ? mutable_data<A>(normaliser) : nullptr,
                                 mutable_data<A>(peak),
                                 channels,
                                 height,
                                 width,
                                 mode};
    if (softmax) launch(device, pixels, SplatPeak<T>{source});
    launch(device, pixels, SplatAdd<T>{source});
    if (!normalised && image.scalar_type() == dtype) return;
    launch(device, pixels,
           SplatNormalise<T>{data<A>(sums), data<A>(coverage), data<A>(peak), mutable_data<A>(normaliser),
                             mutable_data<T>(out), channels, height * width, mode, A(eps)});
  });
  return {out, coverage, normaliser};
}

std::tuple<Tensor, Tensor, Tensor> forward_splat_backward_cuda(
    const Tensor& grad_out_any, const Tensor& grad_coverage_any, const Tensor& image_any, const Tensor& flow_any,
    const std::optional<Tensor>& metric_any, const Tensor& out_any, const Tensor& normaliser_any, int64_t mode_index,
    bool needs_image, bool needs_flow, bool needs_metric) {
  const SplatMode mode = static_cast<SplatMode>(mode_index);
  check_splat(kName, image_any, flow_any, metric_any, uses_metric(mode));
  const OnDevice device(image_any);
  const SplatGradients gradients(kName, grad_out_any, grad_coverage_any, image_any, flow_any, metric_any, out_any,
                                 normaliser_any, mode != SplatMode::kSum, needs_image, needs_flow, needs_metric);
  dispatch(image_any.scalar_type(), [&](auto type) {
    using T = decltype(type);
    launch(device, gradients.pixels(), SplatGradient<T>{splat_backward<T>(gradients, mode)});
  });
  return gradients.result();
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("forward_splat", TORCH_BOX(&forward_splat_cuda));
  m.impl("forward_splat_backward", TORCH_BOX(&forward_splat_backward_cuda));
}

}  // namespace photoflow
