// correlation_pyramid on the CPU: features, channels last, and their averages over blocks of 2^i by 2^i pixels.
#include <vector>

#include "../common/correlation_checks.h"
#include "correlation_span.h"

namespace photoflow {
namespace {

// The mean of each 2 by 2 block of the level above.
template <class A>
void halve_row(const A* above, int64_t above_width, A* out, int64_t width, int64_t channels) {
  for (int64_t x = 0; x < width; ++x) {
    const A *top = above + 2 * x * channels, *bottom = top + above_width * channels;
    A* const to = out + x * channels;
    for (int64_t c = 0; c < channels; ++c) {
      to[c] = ((top[c] + top[channels + c]) + (bottom[c] + bottom[channels + c])) * A(0.25);
    }
  }
}

template <class T, class A>
void build_pyramid(const Tensor& fmap, const PyramidShape& shape, A* pyramid) {
  const int64_t batch = fmap.size(0), channels = fmap.size(1), padded = padded_channels(channels);
  const int64_t image = shape.first(shape.levels) * padded;
  const Strides<int64_t> strides = strides_as_they_are(fmap);
  const T* const features = data<T>(fmap);
  torch::stable::parallel_for(0, batch * shape.height, items_a_thread(8 * shape.width * padded),
                              [&](int64_t begin, int64_t end) {
                                for (int64_t row = begin; row < end; ++row) {
                                  const int64_t b = row / shape.height, y = row % shape.height;
                                  A* const to = pyramid + b * image + y * shape.width * padded;
                                  for (int64_t x = 0; x < shape.width; x += kSpanColumns) {
                                    const Patch patch{b, y, x, 1, std::min<int64_t>(kSpanColumns, shape.width - x)};
                                    load_queries(features, strides, patch, channels, 0, padded, A(1), to + x * padded);
                                  }
                                }
                              });
  for (int64_t level = 1; level < shape.levels; ++level) {
    const int64_t height = shape.rows(level), width = shape.columns(level), above = shape.columns(level - 1);
    if (height * width == 0) return;
    torch::stable::parallel_for(0, batch * height, items_a_thread(8 * width * padded), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        A* const first = pyramid + row / height * image;
        const int64_t y = row % height;
        halve_row(first + (shape.first(level - 1) + 2 * y * above) * padded, above,
                  first + (shape.first(level) + y * width) * padded, width, padded);
      }
    });
  }
}

// The gradient of a pixel: the sum, over the levels, of the gradients of its block, each divided among 4^i pixels.
template <class A>
void spread(const A* grad, const PyramidShape& shape, int64_t padded, int64_t y, int64_t x, A* sum) {
  std::fill(sum, sum + padded, A(0));
  for (int64_t level = 0; level < shape.levels; ++level) {
    const int64_t row = y >> level, column = x >> level;
    if (row >= shape.rows(level) || column >= shape.columns(level)) continue;
    const A* const from = grad + (shape.first(level) + row * shape.columns(level) + column) * padded;
    const A share = A(1) / static_cast<A>(int64_t(1) << (2 * level));
    for (int64_t c = 0; c < padded; ++c) sum[c] += share * from[c];
  }
}

}  // namespace

Tensor correlation_pyramid_cpu(const Tensor& fmap, int64_t levels) {
  check_features(kCorrelation, "fmap2", fmap);
  check_sides(kCorrelation, "fmap2", fmap);
  check_levels(levels);
  const PyramidShape shape{fmap.size(2), fmap.size(3), levels};
  Tensor pyramid = empty_for(fmap, {fmap.size(0), shape.first(levels), padded_channels(fmap.size(1))},
                             accumulate_dtype(fmap.scalar_type()));
  if (pyramid.numel() == 0) return pyramid;
  dispatch(fmap.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    build_pyramid<T, A>(fmap, shape, mutable_data<A>(pyramid));
  });
  return pyramid;
}

Tensor correlation_pyramid_backward_cpu(const Tensor& grad_any, int64_t channels, int64_t height, int64_t width,
                                        int64_t levels) {
  const PyramidShape shape{height, width, levels};
  check_pyramid_gradient(grad_any, channels, shape);
  const Tensor grad = torch::stable::contiguous(grad_any);
  const int64_t batch = grad.size(0), padded = padded_channels(channels), plane = height * width;
  Tensor out = empty_for(grad, {batch, channels, height, width}, grad.scalar_type());
  if (out.numel() == 0) return out;
  dispatch(grad.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    const A* const from = data<A>(grad);
    A* const to = mutable_data<A>(out);
    torch::stable::parallel_for(0, batch * height, items_a_thread(8 * width * padded), [&](int64_t begin, int64_t end) {
      std::vector<A> sums(static_cast<size_t>(kSpanColumns * padded));
      for (int64_t row = begin; row < end; ++row) {
        const int64_t b = row / height, y = row % height;
        for (int64_t x = 0; x < width; x += kSpanColumns) {
          const int64_t count = std::min<int64_t>(kSpanColumns, width - x);
          for (int64_t i = 0; i < count; ++i) {
            spread(from + b * shape.first(levels) * padded, shape, padded, y, x + i, sums.data() + i * padded);
          }
          for (int64_t c = 0; c < channels; ++c) {
            A* const line = to + (b * channels + c) * plane + y * width + x;
            for (int64_t i = 0; i < count; ++i) line[i] = sums[static_cast<size_t>(i * padded + c)];
          }
        }
      }
    });
  });
  return out;
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("correlation_pyramid", TORCH_BOX(&correlation_pyramid_cpu));
  m.impl("correlation_pyramid_backward", TORCH_BOX(&correlation_pyramid_backward_cpu));
}

}  // namespace photoflow
