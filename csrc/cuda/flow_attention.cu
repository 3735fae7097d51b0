// flow_attention on CUDA. Sums over pixels are taken in parts of fixed size and order, so that they are repeatable.
#include "../common/attention_tensors.h"
#include "attention_kernels.cuh"

namespace photoflow {
namespace {

Tensor accumulated(const Tensor& tensor, ScalarType dtype) {
  return torch::stable::contiguous(torch::stable::to(tensor, dtype));
}

// Calls body(A{}) with the type that features accumulate in.
template <class Body>
void dispatch_accumulate(ScalarType features, const Body& body) {
  features == ScalarType::Double ? body(double{}) : body(float{});
}

// relu(conv(resized flow, w1) + b1), pixel by pixel, in the type of the second convolution.
Tensor hidden_of(const OnDevice& device, const Tensor& feature, const Tensor& flow, const Tensor& w1, const Tensor& b1,
                 ScalarType dtype) {
  const int64_t batch = feature.size(0), height = feature.size(2), width = feature.size(3), count = w1.size(0);
  const Tensor hidden = empty_in(feature, {batch, count, height, width}, dtype, MemoryFormat::ChannelsLast);
  const Tensor weight = accumulated(w1, flow.scalar_type()), bias = accumulated(b1, flow.scalar_type());
  dispatch_accumulate(dtype, [&](auto type) {
    using A = decltype(type);
    const Segments segments(batch, height, width);
    run_blocks(device, segments.count,
               HiddenForward<A>{resized_flow<A>(flow, feature), segments, data<A>(weight), data<A>(bias),
                                Numbers<A>(hidden), count});
  });
  return hidden;
}

Tensor gate(const OnDevice& device, const Tensor& feature, const Tensor& raw, const Tensor& b2) {
  const Tensor out = empty_like_features(feature), bias = accumulated(b2, accumulate_dtype(feature.scalar_type()));
  const int64_t channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  dispatch(feature.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    if (is_channels_last(feature)) {
      const auto run = [&](auto pack) {
        launch(device, feature.numel() / pack,
               GateForward<T, pack>{data<T>(feature), Numbers<A>(raw), data<A>(bias), mutable_data<T>(out), channels});
      };
      const bool packed = channels % 4 == 0 && aligned<Pack<T, 4>>(feature.const_data_ptr());
      packed ? run(std::integral_constant<int, 4>()) : run(std::integral_constant<int, 1>());
    } else {
      const PlaneTiles tiles(feature.size(0), channels, plane);
      run_blocks(device, tiles.count,
                 GatePlanes<T>{data<T>(feature), Numbers<A>(raw), data<A>(bias), mutable_data<T>(out), tiles});
    }
  });
  return out;
}

// The sums of `parts` rows of numbers, each as many as `like` has, in order; in the type of `like`.
template <class A>
Tensor sum_of_parts(const OnDevice& device, const Tensor& parts, int64_t offset, int64_t stride, const Tensor& like) {
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < like.dim(); ++i) shape.push_back(like.size(i));
  const Tensor sums = torch::stable::new_empty(like, shape, parts.scalar_type());
  launch(device, like.numel(),
         SumParts<A>{data<A>(parts) + offset, mutable_data<A>(sums), parts.numel() / stride, stride});
  return torch::stable::to(sums, like.scalar_type());
}

struct GateGradients {
  Tensor feature, raw, b2;
};

GateGradients gate_backward(const OnDevice& device, const Tensor& grad_any, const Tensor& feature, const Tensor& raw,
                            const Tensor& b2, const Needs& needs) {
  const Tensor grad = in_format(grad_any, format_of(feature));
  const ScalarType dtype = accumulate_dtype(feature.scalar_type());
  const Tensor bias = accumulated(b2, dtype);
  const int64_t batch = feature.size(0), channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  GateGradients result{needs.feature ? empty_like_features(feature) : zero_gradient(feature, false),
                       empty_in(feature, {needs.second() ? batch : 0, channels, feature.size(2), feature.size(3)},
                                raw.scalar_type(), MemoryFormat::ChannelsLast),
                       zero_gradient(b2, false)};
  dispatch(feature.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    const PlaneRuns runs(batch, channels, plane);
    const Tensor parts = empty_for(feature, {runs.parts, channels}, dtype);
    run_blocks(device, runs.count,
               GateBackward<T>{data<T>(grad), data<T>(feature), Numbers<A>(raw), data<A>(bias),
                               needs.feature ? mutable_data<T>(result.feature) : nullptr, Numbers<A>(result.raw),
                               needs.second(), mutable_data<A>(parts), runs, is_channels_last(feature)});
    if (needs.b2) result.b2 = sum_of_parts<A>(device, parts, 0, channels, b2);
  });
  return result;
}

struct HiddenGradients {
  Tensor flow, w1, b1;
};

template <class A>
HiddenGradients hidden_backward(const OnDevice& device, const Tensor& grad, const Tensor& hidden, const Tensor& feature,
                                const Tensor& flow, const Tensor& w1, const Tensor& b1, const Needs& needs) {
  const int64_t batch = feature.size(0), height = feature.size(2), width = feature.size(3), count = w1.size(0);
  const ScalarType dtype = flow.scalar_type();
  HiddenGradients result{zero_gradient(flow, false), zero_gradient(w1, false), zero_gradient(b1, false)};
  const ResizedFlow<A> source = resized_flow<A>(flow, feature);
  if (needs.w1 || needs.b1) {
    const WeightRuns runs(Segments(batch, height, width), count);
    const Tensor parts = empty_for(flow, {runs.parts, count * kRows}, dtype);
    run_blocks(device, runs.count,
               WeightGradients<A>{source, runs, Numbers<A>(grad), Numbers<A>(hidden), mutable_data<A>(parts)});
    if (needs.w1) result.w1 = sum_of_parts<A>(device, parts, 0, count * kRows, w1);
    if (needs.b1) result.b1 = sum_of_parts<A>(device, parts, count * kTaps, count * kRows, b1);
  }
  if (!needs.flow) return result;
  const Tensor weight = accumulated(w1, dtype);
  const Tensor products = empty_for(flow, {batch, height, width, kTaps}, dtype);
  const Tensor resized = empty_for(flow, {batch, height, width, 2}, dtype);
  result.flow = empty_for(flow, {batch, 2, flow.size(2), flow.size(3)}, dtype);
  launch(device, products.numel(),
         Products<A>{Numbers<A>(grad), Numbers<A>(hidden), data<A>(weight), mutable_data<A>(products), count});
  launch(device, batch * height * width, GatherProducts<A>{data<A>(products), mutable_data<A>(resized), source});
  launch(device, batch * flow.size(2) * flow.size(3),
         FlowBackward<A>{data<A>(resized), mutable_data<A>(result.flow), source});
  return result;
}

}  // namespace

std::tuple<Tensor, Tensor> flow_attention_cuda(const Tensor& feature_any, const Tensor& flow, const Tensor& w1,
                                               const Tensor& b1, const Tensor& w2, const Tensor& b2, bool keeps_raw) {
  check_attention(feature_any, flow, w1, b1, w2, b2);
  const OnDevice device(feature_any);
  const Tensor feature = readable(feature_any);
  if (feature.numel() == 0) return {empty_like_features(feature), no_raw(feature, w2.scalar_type(), keeps_raw)};
  const Tensor raw = convolve(hidden_of(device, feature, flow, w1, b1, w2.scalar_type()), w2);
  return {gate(device, feature, raw, b2), keeps_raw ? raw : no_raw(feature, w2.scalar_type(), false)};
}

SixTensors flow_attention_backward_cuda(const Tensor& grad, const Tensor& feature_any, const Tensor& flow,
                                        const Tensor& w1, const Tensor& b1, const Tensor& w2, const Tensor& b2,
                                        const Tensor& raw, bool needs_feature, bool needs_flow, bool needs_w1,
                                        bool needs_b1, bool needs_w2, bool needs_b2) {
  check_attention(feature_any, flow, w1, b1, w2, b2);
  check_backward(grad, raw, feature_any, w2);
  const OnDevice device(feature_any);
  const Needs needs{needs_feature, needs_flow, needs_w1, needs_b1, needs_w2, needs_b2};
  const Tensor feature = readable(feature_any);
  if (feature.numel() == 0) return zero_gradients(feature, flow, w1, b1, w2, b2, needs);
  const GateGradients outer =
      gate_backward(device, grad, feature, in_format(raw, MemoryFormat::ChannelsLast), b2, needs);
  Tensor grad_w2 = zero_gradient(w2, false);
  HiddenGradients inner{zero_gradient(flow, false), zero_gradient(w1, false), zero_gradient(b1, false)};
  if (needs.second()) {
    const Tensor hidden = hidden_of(device, feature, flow, w1, b1, w2.scalar_type());
    const ConvolutionGradients middle = convolve_backward(outer.raw, hidden, w2, needs.first(), needs.w2);
    if (needs.w2) grad_w2 = *middle.weight;
    if (needs.first()) {
      dispatch_accumulate(w2.scalar_type(), [&](auto type) {
        inner = hidden_backward<decltype(type)>(device, *middle.input, hidden, feature, flow, w1, b1, needs);
      });
    }
  }
  return {outer.feature, inner.flow, inner.w1, inner.b1, grad_w2, outer.b2};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("flow_attention", TORCH_BOX(&flow_attention_cuda));
  m.impl("flow_attention_backward", TORCH_BOX(&flow_attention_backward_cuda));
}

}  // namespace photoflow
