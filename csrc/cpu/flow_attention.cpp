// flow_attention on the CPU. Sums over pixels are taken in parts that do not depend on the number of threads.
#include "../common/attention_tensors.h"
#include "attention_clones.h"

namespace photoflow {
namespace {

// As `dispatch`, for the type of the second convolution beside features that accumulate in A.
template <class A, class Body>
void dispatch_convolution(ScalarType dtype, const Body& body) {
  if constexpr (std::is_same_v<A, double>) {
    body(double{});
  } else if (dtype == ScalarType::Half) {
    body(Half{});
  } else if (dtype == ScalarType::BFloat16) {
    body(BFloat16{});
  } else {
    body(float{});
  }
}

Tensor accumulated(const Tensor& tensor, ScalarType dtype) {
  return torch::stable::contiguous(torch::stable::to(tensor, dtype));
}

template <class A>
PackedWeights<A> packed(const Tensor& w1, const Tensor& b1, ScalarType dtype) {
  const Tensor weight = accumulated(w1, dtype), bias = accumulated(b1, dtype);
  return PackedWeights<A>(data<A>(weight), data<A>(bias), w1.size(0));
}

// relu(conv(resized flow, w1) + b1), pixel by pixel, in the type of the second convolution.
Tensor hidden_of(const Tensor& feature, const Tensor& flow, const Tensor& w1, const Tensor& b1, ScalarType dtype) {
  const int64_t batch = feature.size(0), height = feature.size(2), width = feature.size(3), count = w1.size(0);
  const Tensor hidden = empty_in(feature, {batch, count, height, width}, dtype, MemoryFormat::ChannelsLast);
  const int64_t bands = (height + kTaskRows - 1) / kTaskRows;
  dispatch(dtype, [&](auto type) {
    using C = decltype(type);
    using A = accumulate_t<C>;
    const ResizedFlow<A> source = resized_flow<A>(flow, feature);
    PackedWeights<A> weights = packed<A>(w1, b1, flow.scalar_type());
    torch::stable::parallel_for(0, batch * bands, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t b = task / bands, first = task % bands * kTaskRows, rows = std::min(kTaskRows, height - first);
        const FlowRows<A> lines(source, b, first, rows);
        for (int64_t row = 0; row < rows; ++row) {
          hidden_row(lines.window(row, 0), lines.stride(), weights.rows.data(), weights.stride, count, width,
                     mutable_data<C>(hidden) + ((b * height + first + row) * width) * count);
        }
      }
    });
  });
  return hidden;
}

// A part of an image holds kPartPixels pixels with all their channels, and is one thread's.
constexpr int64_t kPartPixels = 256;

int64_t parts_of(int64_t plane) { return (plane + kPartPixels - 1) / kPartPixels; }

// Calls body(part, image, first pixel in it, number of pixels) for each part, `most` pixels at a time.
template <class Body>
void for_each_run(const Tensor& feature, int64_t most, const Body& body) {
  const int64_t plane = feature.size(2) * feature.size(3), parts = parts_of(plane);
  torch::stable::parallel_for(0, feature.size(0) * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t last = std::min(plane, (part % parts + 1) * kPartPixels);
      for (int64_t pixel = part % parts * kPartPixels; pixel < last; pixel += most) {
        body(part, part / parts, pixel, std::min(most, last - pixel));
      }
    }
  });
}

// Calls body(tile) for every tile of channels_last features, in the order of memory.
template <class Body>
void for_each_tile(const Tensor& feature, const Body& body) {
  const int64_t channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  const int64_t wide = std::min(channels, kTile), high = kTile / wide;
  for_each_run(feature, high, [&](int64_t part, int64_t image, int64_t pixel, int64_t pixels) {
    for (int64_t channel = 0; channel < channels; channel += wide) {
      body(Tile{part, image * plane + pixel, pixels, channel, std::min(wide, channels - channel)});
    }
  });
}

// Rows of gates are so much further apart than they are long: at a power of two they would compete for the same lines
// of the caches.
constexpr int64_t kOffBeat = 16;

Tensor gate(const Tensor& feature, const Tensor& raw, const Tensor& b2) {
  const int64_t channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  const Tensor out = empty_like_features(feature);
  const Tensor biases = accumulated(b2, accumulate_dtype(feature.scalar_type()));
  dispatch(feature.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    dispatch_convolution<A>(raw.scalar_type(), [&](auto convolution) {
      using C = decltype(convolution);
      const A* const bias = data<A>(biases);
      if (is_channels_last(feature)) {
        const Tiles<T> features(feature), outs(out);
        const Tiles<C> raws(raw);
        for_each_tile(feature, [&](const Tile& tile) {
          A buffers[3][kTile];
          const Values<A> value = features.read(tile, buffers[0]), before = raws.read(tile, buffers[1]);
          gate_tile(value, before, bias + tile.channel, tile.pixels, tile.channels, outs.spot(tile, buffers[2]));
          outs.write(tile, buffers[2]);
        });
        return;
      }
      for_each_run(feature, kBlock, [&](int64_t, int64_t image, int64_t pixel, int64_t pixels) {
        static thread_local std::vector<A> gates;
        const int64_t pitch = channels + kOffBeat, at = image * channels * plane + pixel;
        gates.resize(static_cast<size_t>(kBlock * pitch));
        gate_rows(data<C>(raw) + (image * plane + pixel) * channels, bias, pixels, channels, gates.data(), pitch);
        multiply_planes(data<T>(feature) + at, plane, gates.data(), pitch, pixels, channels, mutable_data<T>(out) + at);
      });
    });
  });
  return out;
}

// The sums of `parts` rows of `count` numbers, in order.
template <class A>
std::vector<A> sum_of_parts(const std::vector<A>& parts, int64_t count) {
  std::vector<A> sums(static_cast<size_t>(count), A(0));
  for (size_t i = 0; i < parts.size(); ++i) sums[i % static_cast<size_t>(count)] += parts[i];
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

GateGradients gate_backward(const Tensor& grad_any, const Tensor& feature, const Tensor& raw, const Tensor& b2,
                            const Needs& needs) {
  const Tensor grad = in_format(grad_any, format_of(feature));
  const Tensor biases = accumulated(b2, accumulate_dtype(feature.scalar_type()));
  const int64_t batch = feature.size(0), channels = feature.size(1), plane = feature.size(2) * feature.size(3);
  const ScalarType dtype = accumulate_dtype(feature.scalar_type());
  const auto like = [&](bool needed, ScalarType type, MemoryFormat format) {
    return empty_in(feature, {needed ? batch : 0, channels, feature.size(2), feature.size(3)}, type, format);
  };
  GateGradients result{like(needs.feature, feature.scalar_type(), format_of(feature)),
                       like(needs.second(), raw.scalar_type(), MemoryFormat::ChannelsLast), zero_gradient(b2, false)};
  dispatch(feature.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    dispatch_convolution<A>(raw.scalar_type(), [&](auto convolution) {
      using C = decltype(convolution);
      std::vector<A> sums(static_cast<size_t>(batch * parts_of(plane) * channels), A(0));
      const A* const bias = data<A>(biases);
      if (is_channels_last(feature)) {
        const Tiles<T> features(feature), grads(grad), grad_features(result.feature);
        const Tiles<C> raws(raw), grad_raws(result.raw);
        for_each_tile(feature, [&](const Tile& tile) {
          A buffers[5][kTile];
          const Values<A> beside[2] = {{buffers[3], tile.channels}, {buffers[4], tile.channels}};
          gate_backward_tile(grads.read(tile, buffers[0]), features.read(tile, buffers[1]), raws.read(tile, buffers[2]),
                             bias + tile.channel, tile.pixels, tile.channels,
                             needs.feature ? grad_features.spot(tile, buffers[3]) : beside[0],
                             needs.second() ? grad_raws.spot(tile, buffers[4]) : beside[1],
                             sums.data() + tile.part * channels + tile.channel);
          if (needs.feature) grad_features.write(tile, buffers[3]);
          if (needs.second()) grad_raws.write(tile, buffers[4]);
        });
      } else {
        for_each_run(feature, kBlock, [&](int64_t part, int64_t image, int64_t pixel, int64_t pixels) {
          static thread_local std::vector<A> gates;
          const int64_t pitch = channels + kOffBeat, at = image * channels * plane + pixel;
          const int64_t first = (image * plane + pixel) * channels;
          gates.resize(static_cast<size_t>(kBlock * pitch));
          gate_rows(data<C>(raw) + first, bias, pixels, channels, gates.data(), pitch);
          backward_planes(data<T>(grad) + at, data<T>(feature) + at, plane, pixels, channels, gates.data(), pitch,
                          needs.feature ? mutable_data<T>(result.feature) + at : nullptr,
                          sums.data() + part * channels);
          for (int64_t p = 0; needs.second() && p < pixels; ++p) {
            convert_back(gates.data() + p * pitch, channels, mutable_data<C>(result.raw) + first + p * channels);
          }
        });
      }
      if (!needs.b2) return;
      result.b2 = tensor_of(sum_of_parts(sums, channels), b2, dtype);
    });
  });
  return result;
}

// The gradients behind the first convolution: of w1 (K, 2, 3, 3) and b1 (K), and of the 18 products of every pixel
// (B, H, W, 18) where the flow's is asked for.
struct HiddenGradients {
  Tensor w1, b1, products;
};

template <class C, class A>
HiddenGradients hidden_backward(const C* grad, const C* hidden, const Tensor& feature, const Tensor& flow,
                                const Tensor& w1, const Tensor& b1, const Needs& needs) {
  const int64_t batch = feature.size(0), height = feature.size(2), width = feature.size(3), count = w1.size(0);
  const int64_t bands = (height + kTaskRows - 1) / kTaskRows;
  const ScalarType dtype = flow.scalar_type();
  HiddenGradients result{zero_gradient(w1, false), zero_gradient(b1, false),
                         empty_for(flow, {needs.flow ? batch : 0, height, width, kTaps}, dtype)};
  const ResizedFlow<A> source = resized_flow<A>(flow, feature);
  PackedWeights<A> weights = packed<A>(w1, b1, dtype);
  const int64_t padded = weights.stride;
  std::vector<A> sums(static_cast<size_t>(batch * bands * kRows * padded), A(0));
  A* const products = mutable_data<A>(result.products);
  torch::stable::parallel_for(0, batch * bands, 1, [&](int64_t begin, int64_t end) {
    std::vector<A> grads(static_cast<size_t>(width * padded), A(0));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t b = task / bands, first = task % bands * kTaskRows, rows = std::min(kTaskRows, height - first);
      const FlowRows<A> lines(source, b, first, rows);
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t pixel = (b * height + first + row) * width;
        for (int64_t x = 0; x < width; ++x) {
          const int64_t at = (pixel + x) * count;
          through_relu(grad + at, hidden + at, count, grads.data() + x * padded);
        }
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
  total.rows = sum_of_parts(sums, kRows * padded);
  std::vector<A> of_w1(static_cast<size_t>(count * kTaps)), of_b1(total.row(kTaps), total.row(kTaps) + count);
  for (int64_t i = 0; i < count * kTaps; ++i) {
    of_w1[static_cast<size_t>(i)] = total.row(tap_of(i % kTaps / 9, i % 9 / 3, i % 3))[i / kTaps];
  }
  if (needs.w1) result.w1 = tensor_of(of_w1, w1, dtype);
  if (needs.b1) result.b1 = tensor_of(of_b1, b1, dtype);
  return result;
}

// The adjoint of reading the flow: every pixel of the resized flow gives its gradient to the four that it read. One
// thread an image, in the order of the pixels.
template <class A>
Tensor flow_backward(const A* products, const Tensor& flow, const Tensor& feature) {
  const int64_t batch = flow.size(0), height = flow.size(2), width = flow.size(3), plane = height * width;
  const Tensor result = zeros_for(flow, {batch, 2, height, width}, flow.scalar_type());
  const ResizedFlow<A> source = resized_flow<A>(flow, feature);
  A* const grad = mutable_data<A>(result);
  torch::stable::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      A *const along_x = grad + b * 2 * plane, *const along_y = along_x + plane;
      for (int64_t y = 0; y < source.out_height; ++y) {
        const Between<A> down = between<A>(y, height, source.out_height);
        for (int64_t x = 0; x < source.out_width; ++x) {
          const Between<A> across = between<A>(x, width, source.out_width);
          A u, v;
          gather_products(products, b, y, x, source.out_height, source.out_width, u, v);
          u *= source.scale_x();
          v *= source.scale_y();
          for (int corner = 0; corner < 4; ++corner) {
            const int64_t row = corner < 2 ? down.first : down.second;
            const int64_t column = corner % 2 == 0 ? across.first : across.second;
            const A weight = (corner < 2 ? A(1) - down.t : down.t) * (corner % 2 == 0 ? A(1) - across.t : across.t);
            along_x[row * width + column] += weight * u;
            along_y[row * width + column] += weight * v;
          }
        }
      }
      for (int64_t i = 0; i < plane; ++i) {
        const A* const pixel = source.at(b, i / width, i % width);
        if (!(is_finite(pixel[0]) && is_finite(pixel[source.axis_stride]))) along_x[i] = along_y[i] = A(0);
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
      dispatch(w2.scalar_type(), [&](auto type) {
        using C = decltype(type);
        using A = accumulate_t<C>;
        inner = hidden_backward<C, A>(data<C>(*middle.input), data<C>(hidden), feature, flow, w1, b1, needs);
        if (needs.flow) grad_flow = flow_backward(data<A>(inner.products), flow, feature);
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
