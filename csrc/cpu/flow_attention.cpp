// flow_attention on the CPU. Sums over pixels are taken in parts that do not depend on the number of threads.
#include "../common/attention_tensors.h"
#include "attention_hidden.h"
#include "attention_tile.h"

namespace photoflow {
namespace {

#define PHOTOFLOW_TILE(T)                                                                       \
  PHOTOFLOW_SIMD void load_tile(const T* from, const TilePlace& place, accumulate_t<T>* tile) { \
    load_tile_any(from, place, tile);                                                           \
  }                                                                                             \
  PHOTOFLOW_SIMD void store_tile(const accumulate_t<T>* tile, const TilePlace& place, T* to) {  \
    store_tile_any(tile, place, to);                                                            \
  }
#define PHOTOFLOW_GATE(A)                                                                                     \
  PHOTOFLOW_SIMD void gate_tile(const Values<A>& feature, const Values<A>& raw, const A* bias, int64_t pixels, \
                                int64_t channels, const Values<A>& out) { \
    gate_tile_any(feature, raw, bias, pixels, channels, out); \
  } \
  PHOTOFLOW_SIMD void gate_backward_tile(const Values<A>& grad, const Values<A>& feature, const Values<A>& raw, \
                                         const A* bias, int64_t pixels, int64_t channels, \
                                         const Values<A>& grad_feature, const Values<A>& grad_raw, A* grad_bias) { \
    gate_backward_tile_any(grad, feature, raw, bias, pixels, channels, grad_feature, grad_raw, grad_bias); \
  } \
  PHOTOFLOW_SIMD void weight_gradients_row(const A* window, int64_t stride, const A* grads, int64_t padded,   \
                                           int64_t width, A* sums) {                                          \
    weight_gradients_row_any(window, stride, grads, padded, width, sums);                                     \
  }                                                                                                           \
  PHOTOFLOW_SIMD void products_row(const A* grads, const A* weights, int64_t padded, int64_t width, A* out) { \
    products_row_any(grads, weights, padded, width, out);                                                     \
  }
#define PHOTOFLOW_HIDDEN(C)                                                                                   \
  PHOTOFLOW_SIMD void hidden_row(const accumulate_t<C>* window, int64_t stride, const accumulate_t<C>* w,     \
                                 int64_t padded, int64_t hidden, int64_t width, C* out) {                     \
    hidden_row_any(window, stride, w, padded, hidden, width, out);                                            \
  }
PHOTOFLOW_TILE(float)
PHOTOFLOW_TILE(double)
PHOTOFLOW_TILE(Half)
PHOTOFLOW_TILE(BFloat16)
PHOTOFLOW_GATE(float)
PHOTOFLOW_GATE(double)
PHOTOFLOW_HIDDEN(float)
PHOTOFLOW_HIDDEN(double)
PHOTOFLOW_HIDDEN(Half)
PHOTOFLOW_HIDDEN(BFloat16)
#undef PHOTOFLOW_TILE
#undef PHOTOFLOW_GATE
#undef PHOTOFLOW_HIDDEN

// Some pixels and channels of an image, of the part of the image that is one thread's.
struct Tile {
  int64_t part, batch, pixel, pixels, channel, channels;
};

// A tensor (B, C, H, W) in either format, cut into tiles.
template <class T>
struct Tiles {
  using A = accumulate_t<T>;
  T* data;
  Strides<int64_t> stride;
  explicit Tiles(const Tensor& tensor) : Tiles(tensor, format_of(tensor)) {}
  Tiles(const Tensor& tensor, MemoryFormat format)
      : data(const_cast<T*>(photoflow::data<T>(tensor))),
        stride(strides_of(tensor.size(1), tensor.size(2), tensor.size(3), format)) {}
  T* at(const Tile& tile) const {
    return data + tile.batch * stride.batch + tile.channel * stride.channel + tile.pixel * stride.pixel;
  }
  TilePlace place(const Tile& tile) const { return {stride.pixel, stride.channel, tile.pixels, tile.channels}; }

  // Where a tile's values can be computed with: where they lie, if that is possible.
  Values<A> spot(const Tile& tile, A* buffer) const {
    if constexpr (std::is_same_v<A, T>) {
      if (stride.channel == 1) return {at(tile), stride.pixel};
    }
    return {buffer, tile.channels};
  }
  // Asks for the values of the tile behind this one. Pixel by pixel that is its share of the next
  // pixels, in the order of memory.
  void prefetch_next(const Tile& tile) const {
    constexpr int64_t kLine = 64 / sizeof(T);
    if (stride.channel == 1) {
      const T* const from = at(tile) - tile.channel + tile.pixels * (stride.pixel + tile.channel);
      for (int64_t i = 0; i < tile.pixels * tile.channels; i += kLine) __builtin_prefetch(from + i, 0, 2);
    } else {
      const T* const from = at(tile) + tile.channels * stride.channel;
      for (int64_t c = 0; c < tile.channels; ++c) {
        for (int64_t p = 0; p < tile.pixels; p += kLine) {
          __builtin_prefetch(from + c * stride.channel + p);
        }
      }
    }
  }
  Values<A> read(const Tile& tile, A* buffer) const {
    const Values<A> values = spot(tile, buffer);
    if (values.data == buffer) load_tile(at(tile), place(tile), buffer);
    return values;
  }
  void write(const Tile& tile, const Values<A>& values, const A* buffer) const {
    if (values.data == buffer) store_tile(buffer, place(tile), at(tile));
  }
};

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

// Calls body(tile) for every tile. A part holds kPartPixels pixels with all their channels and is one thread's. Beside
// channels_last features a tile runs through memory as it lies; beside NCHW ones, where raw lies across,
// it is 16 planes wide, a cache line of raw.
constexpr int64_t kPartPixels = 256;

int64_t parts_of(int64_t plane) { return (plane + kPartPixels - 1) / kPartPixels; }

template <class Body>
void for_each_tile(const Tensor& feature, const Body& body) {
  const int64_t channels = feature.size(1), plane = feature.size(2) * feature.size(3), parts = parts_of(plane);
  const bool along = is_channels_last(feature);
  const int64_t wide = along ? std::min(channels, kTile) : kPlanes, high = std::max<int64_t>(1, kTile / wide);
  torch::stable::parallel_for(0, feature.size(0) * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t last = std::min(plane, (part % parts + 1) * kPartPixels);
      for (int64_t pixel = part % parts * kPartPixels; pixel < last; pixel += high) {
        for (int64_t channel = 0; channel < channels; channel += wide) {
          body(Tile{part, part / parts, pixel, std::min(high, last - pixel), channel,
                    std::min(wide, channels - channel)});
        }
      }
    }
  });
}

Tensor gate(const Tensor& feature, const Tensor& raw, const Tensor& b2) {
  const Tensor out = empty_like_features(feature);
  const Tensor biases = accumulated(b2, accumulate_dtype(feature.scalar_type()));
  dispatch(feature.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    dispatch_convolution<A>(raw.scalar_type(), [&](auto convolution) {
      using C = decltype(convolution);
      const Tiles<T> features(feature), outs(out);
      const Tiles<C> raws(raw, MemoryFormat::ChannelsLast);
      for_each_tile(feature, [&](const Tile& tile) {
        A buffers[3][kTile];
        const Values<A> value = features.read(tile, buffers[0]), before = raws.read(tile, buffers[1]);
        const Values<A> target = outs.spot(tile, buffers[2]);
        if (features.stride.channel != 1) {
          features.prefetch_next(tile);
          raws.prefetch_next(tile);
        }
        gate_tile(value, before, data<A>(biases) + tile.channel, tile.pixels, tile.channels, target);
        outs.write(tile, target, buffers[2]);
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
  const Tensor grad = readable(grad_any), biases = accumulated(b2, accumulate_dtype(feature.scalar_type()));
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
      const Tiles<T> features(feature), grads(grad), grad_features(result.feature, format_of(feature));
      const Tiles<C> raws(raw, MemoryFormat::ChannelsLast), grad_raws(result.raw, MemoryFormat::ChannelsLast);
      for_each_tile(feature, [&](const Tile& tile) {
        A buffers[5][kTile];
        const Values<A> incoming = grads.read(tile, buffers[0]), value = features.read(tile, buffers[1]);
        const Values<A> before = raws.read(tile, buffers[2]);
        const Values<A> to_feature = needs.feature ? grad_features.spot(tile, buffers[3]) : Values<A>{buffers[3], tile.channels};
        const Values<A> to_raw = needs.second() ? grad_raws.spot(tile, buffers[4]) : Values<A>{buffers[4], tile.channels};
        gate_backward_tile(incoming, value, before, data<A>(biases) + tile.channel, tile.pixels, tile.channels,
                           to_feature, to_raw, sums.data() + tile.part * channels + tile.channel);
        if (needs.feature) grad_features.write(tile, to_feature, buffers[3]);
        if (needs.second()) grad_raws.write(tile, to_raw, buffers[4]);
      });
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
