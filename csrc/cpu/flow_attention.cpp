// flow_attention on the CPU. Sums over pixels are taken in parts that do not depend on the number of threads.
#include <functional>

#include "../common/attention_tensors.h"
#include "attention_clones.h"
#include "huge_pages.h"

namespace photoflow {
namespace {

// Calls body(A{}) with the type that features accumulate in.
template <class Body>
void dispatch_accumulate(ScalarType features, const Body& body) {
  features == ScalarType::Double ? body(double{}) : body(float{});
}

Tensor accumulated(const Tensor& tensor, ScalarType dtype) {
  return torch::stable::contiguous(torch::stable::to(tensor, dtype));
}

template <class A>
PackedWeights<A> packed(const Tensor& w1, const Tensor& b1, ScalarType dtype) {
  const Tensor weight = accumulated(w1, dtype), bias = accumulated(b1, dtype);
  return PackedWeights<A>(data<A>(weight), data<A>(bias), w1.size(0));
}

// A buffer for elements that are converted.
template <class A>
std::vector<A> buffer_for(const Elements<A>& elements, int64_t count) {
  return std::vector<A>(static_cast<size_t>(elements.converted() ? count : 0));
}

// relu(conv(resized flow, w1) + b1), pixel by pixel, in the type of the second convolution.
Tensor hidden_of(const Tensor& feature, const Tensor& flow, const Tensor& w1, const Tensor& b1, ScalarType dtype) {
  const int64_t batch = feature.size(0), height = feature.size(2), width = feature.size(3), count = w1.size(0);
  const Tensor hidden = empty_in(feature, {batch, count, height, width}, dtype, MemoryFormat::ChannelsLast);
  prefer_huge_pages(hidden);
  const int64_t bands = (height + kTaskRows - 1) / kTaskRows;
  dispatch_accumulate(dtype, [&](auto type) {
    using A = decltype(type);
    const ResizedFlow<A> source = resized_flow<A>(flow, feature);
    const PackedWeights<A> weights = packed<A>(w1, b1, flow.scalar_type());
    const Elements<A> result(hidden);
    torch::stable::parallel_for(0, batch * bands, 1, [&](int64_t begin, int64_t end) {
      std::vector<A> buffer = buffer_for(result, width * count);
      for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / bands, first = task % bands * kTaskRows, rows = std::min(kTaskRows, height - first);
        const FlowRows<A> lines(source, b, first, rows);
        for (int64_t row = 0; row < rows; ++row) {
          const int64_t at = (b * height + first + row) * width * count;
          hidden_row(lines.window(row, 0), lines.stride(), weights.rows.data(), weights.stride, count, width,
                     result.spot(at, buffer.data()));
          result.write(at, width * count, buffer.data());
        }
      }
    });
  });
  return hidden;
}

// A part of an image is a block of pixels with all their channels, and is one thread's.
struct Part {
  int64_t index, image, first, pixels;  // first: the first pixel in the image
};

// Pixels of channels_last features that are computed with at a time: about a thousand values.
int64_t run_of(int64_t channels) { return std::max<int64_t>(1, 1024 / channels); }

int64_t parts_of(int64_t plane) { return (plane + kBlock - 1) / kBlock; }

// Calls body(part, buffers) for each part of the features, with room for `needed` numbers.
template <class A, class Body>
void for_each_part(const Tensor& feature, int64_t needed, const Body& body) {
  const int64_t plane = feature.size(2) * feature.size(3), parts = parts_of(plane);
  torch::stable::parallel_for(0, feature.size(0) * parts, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> buffers(static_cast<size_t>(needed));
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part % parts * kBlock;
      body(Part{part, part / parts, first, std::min(kBlock, plane - first)}, buffers.data());
    }
  });
}

template <class A>
void gate_as(const Tensor& feature, const Tensor& raw, const Tensor& bias_tensor, const Tensor& out) {
  const int64_t channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  const Elements<A> features(feature), raws(raw), outs(out);
  const A* const bias = data<A>(bias_tensor);
  const bool last = is_channels_last(feature);
  const int64_t run = run_of(channels), room = last ? 3 * run : raws.converted() ? kBlock : 0;
  for_each_part<A>(feature, room * channels, [&](const Part& part, A* buffers) {
    const int64_t first = (part.image * plane + part.first) * channels;
    if (last) {
      for (int64_t p = 0; p < part.pixels; p += run) {
        const int64_t at = first + p * channels, pixels = std::min(run, part.pixels - p), count = pixels * channels;
        A* const to = outs.spot(at, buffers);
        gate_pixels(features.read(at, count, buffers + count), raws.read(at, count, buffers + 2 * count), bias, pixels,
                    channels, to);
        outs.write(at, count, to);
      }
      return;
    }
    A planes[kGroup * kBlock], value[kBlock], result[kBlock];
    const A* const rows = raws.read(first, part.pixels * channels, buffers);
    for (int64_t c = 0; c < channels; ++c) {
      if (c % kGroup == 0) turn_to_planes(rows + c, channels, part.pixels, std::min(kGroup, channels - c), planes);
      const int64_t at = (part.image * channels + c) * plane + part.first;
      A* const to = outs.spot(at, result);
      gate_plane(features.read(at, part.pixels, value), planes + c % kGroup * kBlock, bias[c], part.pixels, to);
      outs.write(at, part.pixels, to);
    }
  });
}

Tensor gate(const Tensor& feature, const Tensor& raw, const Tensor& b2) {
  const Tensor out = empty_like_features(feature);
  prefer_huge_pages(out);
  const ScalarType dtype = accumulate_dtype(feature.scalar_type());
  const Tensor bias = accumulated(b2, dtype);
  dispatch_accumulate(dtype, [&](auto type) { gate_as<decltype(type)>(feature, raw, bias, out); });
  return out;
}

// The sums of rows of `count` numbers, in order.
template <class A>
std::vector<A> sum_of_rows(const std::vector<A>& rows, int64_t count) {
  std::vector<A> sums(static_cast<size_t>(count), A(0));
  for (auto row = rows.begin(); row != rows.end(); row += count) {
    std::transform(sums.begin(), sums.end(), row, sums.begin(), std::plus<A>());
  }
  return sums;
}

// Writes a vector into a tensor of as many elements and casts that to the type of `like`.
template <class A>
Tensor tensor_of(const std::vector<A>& values, const Tensor& like, ScalarType dtype) {
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < like.dim(); ++i) shape.push_back(like.size(i));
  const Tensor tensor = torch::stable::new_empty(like, shape, dtype);
  std::copy(values.begin(), values.end(), mutable_data<A>(tensor));
  return torch::stable::to(tensor, like.scalar_type());
}

struct GateGradients {
  Tensor feature, raw, b2;
};

// What a pass over the gate reads and writes. Gradients that are not asked for are written to buffers alone.
template <class A>
struct GateBackward {
  Elements<A> grads, features, raws, grad_features, grad_raws;
  const A* bias;
  bool needs_feature, needs_raw;
  int64_t channels, plane;

  static constexpr int64_t kBuffers = 5;

  // Where features lie pixel by pixel; `buffers` has room for kBuffers runs.
  void pixels(const Part& part, A* buffers, A* grad_bias) const {
    const int64_t first = (part.image * plane + part.first) * channels, run = run_of(channels);
    for (int64_t p = 0; p < part.pixels; p += run) {
      const int64_t at = first + p * channels, pixels = std::min(run, part.pixels - p), count = pixels * channels;
      A* const to_feature = needs_feature ? grad_features.spot(at, buffers) : buffers;
      A* const to_raw = needs_raw ? grad_raws.spot(at, buffers + count) : buffers + count;
      gate_backward_pixels(grads.read(at, count, buffers + 2 * count), features.read(at, count, buffers + 3 * count),
                           raws.read(at, count, buffers + 4 * count), bias, pixels, channels, to_feature, to_raw,
                           grad_bias);
      if (needs_feature) grad_features.write(at, count, to_feature);
      if (needs_raw) grad_raws.write(at, count, to_raw);
    }
  }

  // Where they lie plane by plane; `buffers` has room for a block with all channels, twice.
  void planes(const Part& part, A* buffers, A* grad_bias) const {
    A turned[kGroup * kBlock], incoming[kBlock], value[kBlock], result[kBlock];
    const int64_t first = (part.image * plane + part.first) * channels, count = part.pixels * channels;
    const A* const rows = raws.read(first, count, buffers);
    A* const to_rows = needs_raw ? grad_raws.spot(first, buffers + kBlock * channels) : nullptr;
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t group = c / kGroup * kGroup, wide = std::min(kGroup, channels - group);
      if (c == group) turn_to_planes(rows + c, channels, part.pixels, wide, turned);
      const int64_t at = (part.image * channels + c) * plane + part.first;
      A* const to_feature = needs_feature ? grad_features.spot(at, result) : result;
      grad_bias[c] += gate_backward_plane(grads.read(at, part.pixels, incoming), features.read(at, part.pixels, value),
                                          turned + (c - group) * kBlock, bias[c], part.pixels, to_feature);
      if (needs_feature) grad_features.write(at, part.pixels, to_feature);
      if (needs_raw && c + 1 == group + wide) turn_to_rows(turned, channels, part.pixels, wide, to_rows + group);
    }
    if (needs_raw) grad_raws.write(first, count, to_rows);
  }
};

GateGradients gate_backward(const Tensor& grad_any, const Tensor& feature, const Tensor& raw, const Tensor& b2,
                            const Needs& needs) {
  const Tensor grad = in_format(grad_any, format_of(feature));
  const int64_t batch = feature.size(0), channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  const ScalarType dtype = accumulate_dtype(feature.scalar_type());
  const Tensor bias = accumulated(b2, dtype);
  const auto like = [&](bool needed, ScalarType type, MemoryFormat format) {
    const Tensor tensor =
        empty_in(feature, {needed ? batch : 0, channels, feature.size(2), feature.size(3)}, type, format);
    prefer_huge_pages(tensor);
    return tensor;
  };
  GateGradients result{like(needs.feature, feature.scalar_type(), format_of(feature)),
                       like(needs.second(), raw.scalar_type(), MemoryFormat::ChannelsLast), zero_gradient(b2, false)};
  dispatch_accumulate(dtype, [&](auto type) {
    using A = decltype(type);
    const bool last = is_channels_last(feature), half = feature.scalar_type() != dtype || raw.scalar_type() != dtype;
    const GateBackward<A> pass{Elements<A>(grad),
                               Elements<A>(feature),
                               Elements<A>(raw),
                               Elements<A>(result.feature),
                               Elements<A>(result.raw),
                               data<A>(bias),
                               needs.feature,
                               needs.second(),
                               channels,
                               plane};
    std::vector<A> sums(static_cast<size_t>(batch * parts_of(plane) * channels), A(0));
    const int64_t room = last ? GateBackward<A>::kBuffers * run_of(channels) : half ? 2 * kBlock : 0;
    for_each_part<A>(feature, room * channels, [&](const Part& part, A* buffers) {
      A* const grad_bias = sums.data() + part.index * channels;
      last ? pass.pixels(part, buffers, grad_bias) : pass.planes(part, buffers, grad_bias);
    });
    if (needs.b2) result.b2 = tensor_of(sum_of_rows(sums, channels), b2, dtype);
  });
  return result;
}

// The gradients behind the first convolution: of w1 (K, 2, 3, 3) and b1 (K), and of the 18 products of every pixel
// (B, H, W, 18) where the flow's is asked for.
struct HiddenGradients {
  Tensor w1, b1, products;
};

template <class A>
HiddenGradients hidden_backward(const Tensor& grad, const Tensor& hidden, const Tensor& feature, const Tensor& flow,
                                const Tensor& w1, const Tensor& b1, const Needs& needs) {
  const int64_t batch = feature.size(0), height = feature.size(2), width = feature.size(3), count = w1.size(0);
  const int64_t bands = (height + kTaskRows - 1) / kTaskRows, values = width * count;
  const ScalarType dtype = flow.scalar_type();
  HiddenGradients result{zero_gradient(w1, false), zero_gradient(b1, false),
                         empty_for(flow, {needs.flow ? batch : 0, height, width, kTaps}, dtype)};
  const ResizedFlow<A> source = resized_flow<A>(flow, feature);
  const PackedWeights<A> weights = packed<A>(w1, b1, dtype);
  const Elements<A> incoming(grad), outgoing(hidden);
  const int64_t padded = weights.stride;
  std::vector<A> sums(static_cast<size_t>(batch * bands * kRows * padded), A(0));
  A* const products = mutable_data<A>(result.products);
  torch::stable::parallel_for(0, batch * bands, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> grads(static_cast<size_t>(width * padded), A(0)), buffer = buffer_for(incoming, 2 * values);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / bands, first = task % bands * kTaskRows, rows = std::min(kTaskRows, height - first);
      const FlowRows<A> lines(source, b, first, rows);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t pixel = (b * height + first + row) * width, at = pixel * count;
        through_relu(incoming.read(at, values, buffer.data()), outgoing.read(at, values, buffer.data() + values), width,
                     count, padded, grads.data());
        if (needs.w1 || needs.b1) {
          weight_gradients_row(lines.window(row, 0), lines.stride(), grads.data(), padded, width,
                               sums.data() + task * kRows * padded);
        }
        if (needs.flow) {
          products_row(grads.data(), weights.rows.data(), padded, width, products + pixel * kTaps);
        }
      }
    }
  });
  if (!needs.w1 && !needs.b1) return result;
  PackedWeights<A> total = weights;
  total.rows = sum_of_rows(sums, kRows * padded);
  std::vector<A> of_w1(static_cast<size_t>(count * kTaps)), of_b1(total.row(kTaps), total.row(kTaps) + count);
  for (int64_t i = 0; i < count * kTaps; ++i) {
    of_w1[static_cast<size_t>(i)] = total.row(tap_of(i % kTaps / 9, i % 9 / 3, i % 3))[i / kTaps];
  }
  if (needs.w1) result.w1 = tensor_of(of_w1, w1, dtype);
  if (needs.b1) result.b1 = tensor_of(of_b1, b1, dtype);
  return result;
}

// The gradient of the resized flow, (B, H, W, 2).
template <class A>
std::vector<A> resized_gradient(const A* products, const ResizedFlow<A>& source, int64_t batch) {
  const int64_t height = source.out_height, width = source.out_width;
  std::vector<A> resized(static_cast<size_t>(batch * height * width * 2));
  torch::stable::parallel_for(0, batch * height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t x = 0; x < width; ++x) {
        A u, v;
        gather_products(products, row / height, row % height, x, height, width, u, v);
        A* const to = resized.data() + 2 * (row * width + x);
        to[0] = u * source.scale_x();
        to[1] = v * source.scale_y();
      }
    }
  });
  return resized;
}

// The adjoint of reading the flow: every pixel of the resized flow gives its gradient to the four that it read, those
// that are finite. One thread an image, in the order of the pixels.
template <class A>
Tensor flow_backward(const Tensor& products, const Tensor& flow, const Tensor& feature) {
  const int64_t batch = flow.size(0), height = flow.size(2), width = flow.size(3), plane = height * width;
  const Tensor result = zeros_for(flow, {batch, 2, height, width}, flow.scalar_type());
  const ResizedFlow<A> source = resized_flow<A>(flow, feature);
  const std::vector<A> resized = resized_gradient(data<A>(products), source, batch);
  A* const grad = mutable_data<A>(result);
  torch::stable::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    const A* from = resized.data() + begin * source.out_height * source.out_width * 2;
    for (int64_t b = begin; b < end; ++b) {
      A *const along_x = grad + b * 2 * plane, *const along_y = along_x + plane;
      for (int64_t y = 0; y < source.out_height; ++y) {
        const Between<A> down = between<A>(y, height, source.out_height);
        for (int64_t x = 0; x < source.out_width; ++x, from += 2) {
          const Between<A> across = between<A>(x, width, source.out_width);
          for (int corner = 0; corner < 4; ++corner) {
            const int64_t row = corner < 2 ? down.first : down.second;
            const int64_t column = corner % 2 == 0 ? across.first : across.second;
            const A* const pixel = source.at(b, row, column);
            if (!(is_finite(pixel[0]) && is_finite(pixel[source.axis_stride]))) continue;
            const A weight = (corner < 2 ? A(1) - down.t : down.t) * (corner % 2 == 0 ? A(1) - across.t : across.t);
            along_x[row * width + column] += weight * from[0];
            along_y[row * width + column] += weight * from[1];
          }
        }
      }
    }
  });
  return result;
}

}  // namespace

std::tuple<Tensor, Tensor> flow_attention_cpu(const Tensor& feature_any, const Tensor& flow, const Tensor& w1,
                                              const Tensor& b1, const Tensor& w2, const Tensor& b2, bool keeps_raw) {
  check_attention(feature_any, flow, w1, b1, w2, b2);
  const Tensor feature = readable(feature_any);
  if (feature.numel() == 0) return {empty_like_features(feature), no_raw(feature, w2.scalar_type(), keeps_raw)};
  const Tensor raw = convolve(hidden_of(feature, flow, w1, b1, w2.scalar_type()), w2);
  return {gate(feature, raw, b2), keeps_raw ? raw : no_raw(feature, w2.scalar_type(), false)};
}

SixTensors flow_attention_backward_cpu(const Tensor& grad, const Tensor& feature_any, const Tensor& flow,
                                       const Tensor& w1, const Tensor& b1, const Tensor& w2, const Tensor& b2,
                                       const Tensor& raw, bool needs_feature, bool needs_flow, bool needs_w1,
                                       bool needs_b1, bool needs_w2, bool needs_b2) {
  check_attention(feature_any, flow, w1, b1, w2, b2);
  check_backward(grad, raw, feature_any, w2);
  const Needs needs{needs_feature, needs_flow, needs_w1, needs_b1, needs_w2, needs_b2};
  const Tensor feature = readable(feature_any);
  if (feature.numel() == 0) return zero_gradients(feature, flow, w1, b1, w2, b2, needs);
  const GateGradients outer = gate_backward(grad, feature, in_format(raw, MemoryFormat::ChannelsLast), b2, needs);
  Tensor grad_flow = zero_gradient(flow, false), grad_w2 = zero_gradient(w2, false);
  HiddenGradients inner{zero_gradient(w1, false), zero_gradient(b1, false), grad_flow};
  if (needs.second()) {
    const Tensor hidden = hidden_of(feature, flow, w1, b1, w2.scalar_type());
    const ConvolutionGradients middle = convolve_backward(outer.raw, hidden, w2, needs.first(), needs.w2);
    if (needs.w2) grad_w2 = *middle.weight;
    if (needs.first()) {
      dispatch_accumulate(flow.scalar_type(), [&](auto type) {
        using A = decltype(type);
        inner = hidden_backward<A>(*middle.input, hidden, feature, flow, w1, b1, needs);
        if (needs.flow) grad_flow = flow_backward<A>(inner.products, flow, feature);
      });
    }
  }
  return {outer.feature, grad_flow, inner.w1, inner.b1, grad_w2, outer.b2};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("flow_attention", TORCH_BOX(&flow_attention_cpu));
  m.impl("flow_attention_backward", TORCH_BOX(&flow_attention_backward_cpu));
}

}  // namespace photoflow
