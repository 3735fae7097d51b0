// correlation_pyramid and correlation_volume_lookup on CUDA: one thread a position, or a pixel at one level.
#include "../common/correlation_checks.h"
#include "launch.cuh"

namespace photoflow {
namespace {

// One channel of one position of the pyramid: the average of its block of pixels.
template <class T>
struct PyramidMean {
  using A = accumulate_t<T>;
  const T* fmap;
  Strides<int64_t> strides;
  A* pyramid;
  int64_t channels, padded;
  PyramidShape shape;

  __device__ void operator()(int64_t index) const {
    const int64_t c = index % padded, positions = shape.first(shape.levels), image = index / padded / positions;
    int64_t at = index / padded % positions, level = 0;
    for (; at >= shape.rows(level) * shape.columns(level); ++level) at -= shape.rows(level) * shape.columns(level);
    A sum = A(0);
    if (c < channels) {
      const int64_t step = int64_t(1) << level, y = at / shape.columns(level) * step,
                    x = at % shape.columns(level) * step;
      const T* const from = fmap + image * strides.batch + c * strides.channel;
      for (int64_t row = y; row < y + step; ++row) {
        for (int64_t column = x; column < x + step; ++column) {
          sum += A(from[row * strides.row + column * strides.pixel]);
        }
      }
      sum /= static_cast<A>(step * step);
    }
    pyramid[index] = sum;
  }
};

// The gradient of one channel of one pixel: those of its blocks, each divided among their pixels.
template <class A>
struct PyramidSpread {
  const A* grad;
  A* out;
  int64_t channels, padded;
  PyramidShape shape;

  __device__ void operator()(int64_t index) const {
    const int64_t x = index % shape.width, y = index / shape.width % shape.height;
    const int64_t channel = index / shape.width / shape.height, image = channel / channels;
    const A* const first = grad + image * shape.first(shape.levels) * padded + channel % channels;
    A sum = A(0);
    for (int64_t level = 0; level < shape.levels; ++level) {
      const int64_t row = y >> level, column = x >> level;
      if (row >= shape.rows(level) || column >= shape.columns(level)) continue;
      sum += first[(shape.first(level) + row * shape.columns(level) + column) * padded] /
             static_cast<A>(int64_t(1) << (2 * level));
    }
    out[index] = sum;
  }
};

template <class A>
struct VolumeJob {
  const A *volume, *coords;
  int64_t height, width, radius;
  PyramidShape shape;

  __device__ int64_t plane() const { return height * width; }
  __device__ int64_t side() const { return 2 * radius + 2; }

  __device__ Window<A> window(int64_t image, int64_t pixel, int64_t level) const {
    const A* const at = coords + image * 2 * plane() + pixel;
    return place_window(at[0], at[plane()], level, radius);
  }

  // Where the correlation at a column and row of a window lies in a table like the volume, or -1 outside the image.
  __device__ int64_t place(const Window<A>& window, int64_t image, int64_t pixel, int64_t level, int64_t column,
                           int64_t row) const {
    const int64_t x = window.x + column, y = window.y + row;
    if (!(x >= 0 && x < shape.columns(level) && y >= 0 && y < shape.rows(level))) return -1;
    return (image * plane() + pixel) * shape.first(shape.levels) + shape.first(level) + y * shape.columns(level) + x;
  }

  __device__ A read(const Window<A>& window, int64_t image, int64_t pixel, int64_t level, int64_t column,
                    int64_t row) const {
    const int64_t at = place(window, image, pixel, level, column, row);
    return at < 0 ? A(0) : volume[at];
  }
};

template <class A>
struct VolumeRead {
  VolumeJob<A> job;
  A* out;

  __device__ void operator()(int64_t index) const {
    const int64_t plane = job.plane(), pixel = index % plane, level = index / plane % job.shape.levels;
    const int64_t image = index / plane / job.shape.levels, n = job.side() - 1;
    const Window<A> window = job.window(image, pixel, level);
    A* const to = out + (image * job.shape.levels + level) * n * n * plane + pixel;
    for (int64_t i = 0; i < n; ++i) {
      A left = job.read(window, image, pixel, level, i, 0), right = job.read(window, image, pixel, level, i + 1, 0);
      for (int64_t j = 0; j < n; ++j) {
        const A next_left = job.read(window, image, pixel, level, i, j + 1);
        const A next_right = job.read(window, image, pixel, level, i + 1, j + 1);
        to[(i * n + j) * plane] = blend(left, right, next_left, next_right, window.fx, window.fy);
        left = next_left;
        right = next_right;
      }
    }
  }
};

// The gradients of one pixel, which has a row of the volume to itself.
template <class A>
struct VolumeGradient {
  VolumeJob<A> job;
  const A* grad;
  A *grad_volume, *grad_coords;  // null: not asked for

  __device__ void operator()(int64_t index) const {
    const int64_t plane = job.plane(), pixel = index % plane, image = index / plane, n = job.side() - 1;
    A along_x = A(0), along_y = A(0);
    for (int64_t level = 0; level < job.shape.levels; ++level) {
      const Window<A> window = job.window(image, pixel, level);
      const A* const g = grad + (image * job.shape.levels + level) * n * n * plane + pixel;
      const A scale = A(1) / static_cast<A>(int64_t(1) << level);
      for (int64_t i = 0; i <= n; ++i) {
        for (int64_t j = 0; j <= n; ++j) {
          if (grad_volume) spread(window, image, level, pixel, g, i, j, n);
          if (!grad_coords || i == n || j == n) continue;
          const A d00 = job.read(window, image, pixel, level, i, j);
          const A d01 = job.read(window, image, pixel, level, i + 1, j);
          const A d10 = job.read(window, image, pixel, level, i, j + 1);
          const A d11 = job.read(window, image, pixel, level, i + 1, j + 1);
          const A incoming = scale * g[(i * n + j) * plane];
          along_x += incoming * slope_x(d00, d01, d10, d11, window.fy);
          along_y += incoming * slope_y(d00, d01, d10, d11, window.fx);
        }
      }
    }
    if (!grad_coords) return;
    grad_coords[image * 2 * plane + pixel] = along_x;
    grad_coords[(image * 2 + 1) * plane + pixel] = along_y;
  }

  __device__ A incoming(const A* g, int64_t i, int64_t j, int64_t n) const {
    return i >= 0 && i < n && j >= 0 && j < n ? g[(i * n + j) * job.plane()] : A(0);
  }

  __device__ void spread(const Window<A>& window, int64_t image, int64_t level, int64_t pixel, const A* g, int64_t i,
                         int64_t j, int64_t n) const {
    const int64_t at = job.place(window, image, pixel, level, i, j);
    if (at < 0) return;
    grad_volume[at] = blend(incoming(g, i, j, n), incoming(g, i - 1, j, n), incoming(g, i, j - 1, n),
                            incoming(g, i - 1, j - 1, n), window.fx, window.fy);
  }
};

template <class A>
VolumeJob<A> volume_job(const Tensor& volume, const Tensor& coords, const PyramidShape& shape, int64_t radius) {
  return {data<A>(volume), data<A>(coords), coords.size(2), coords.size(3), radius, shape};
}

}  // namespace

Tensor correlation_pyramid_cuda(const Tensor& fmap, int64_t levels) {
  check_features(kCorrelation, "fmap2", fmap);
  check_sides(kCorrelation, "fmap2", fmap);
  check_levels(levels);
  const OnDevice device(fmap);
  const PyramidShape shape{fmap.size(2), fmap.size(3), levels};
  const int64_t channels = fmap.size(1), padded = padded_channels(channels);
  Tensor pyramid = empty_for(fmap, {fmap.size(0), shape.first(levels), padded}, accumulate_dtype(fmap.scalar_type()));
  dispatch(fmap.scalar_type(), [&](auto type) {
    using T = decltype(type);
    launch(device, pyramid.numel(),
           PyramidMean<T>{data<T>(fmap), strides_as_they_are(fmap), mutable_data<accumulate_t<T>>(pyramid), channels,
                          padded, shape});
  });
  return pyramid;
}

Tensor correlation_pyramid_backward_cuda(const Tensor& grad_any, int64_t channels, int64_t height, int64_t width,
                                         int64_t levels) {
  const PyramidShape shape{height, width, levels};
  check_pyramid_gradient(grad_any, channels, shape);
  const OnDevice device(grad_any);
  const Tensor grad = torch::stable::contiguous(grad_any);
  const int64_t padded = padded_channels(channels);
  Tensor out = empty_for(grad, {grad.size(0), channels, height, width}, grad.scalar_type());
  dispatch(grad.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    launch(device, out.numel(), PyramidSpread<A>{data<A>(grad), mutable_data<A>(out), channels, padded, shape});
  });
  return out;
}

Tensor correlation_volume_lookup_cuda(const Tensor& volume_any, const Tensor& coords_any, int64_t height, int64_t width,
                                      int64_t levels, int64_t radius) {
  const PyramidShape shape{height, width, levels};
  check_volume_lookup(volume_any, coords_any, shape, radius);
  const OnDevice device(coords_any);
  const Tensor volume = torch::stable::contiguous(volume_any), coords = torch::stable::contiguous(coords_any);
  const int64_t side = 2 * radius + 1, batch = coords.size(0), rows = coords.size(2), columns = coords.size(3);
  Tensor out = empty_for(coords, {batch, levels * side * side, rows, columns}, coords.scalar_type());
  dispatch(coords.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    launch(device, batch * levels * rows * columns,
           VolumeRead<A>{volume_job<A>(volume, coords, shape, radius), mutable_data<A>(out)});
  });
  return out;
}

std::tuple<Tensor, Tensor> correlation_volume_lookup_backward_cuda(const Tensor& grad_any, const Tensor& volume_any,
                                                                   const Tensor& coords_any, int64_t height,
                                                                   int64_t width, int64_t levels, int64_t radius,
                                                                   bool needs_volume, bool needs_coords) {
  const PyramidShape shape{height, width, levels};
  check_volume_lookup(volume_any, coords_any, shape, radius);
  const OnDevice device(coords_any);
  const Tensor grad = torch::stable::contiguous(grad_any), volume = torch::stable::contiguous(volume_any),
               coords = torch::stable::contiguous(coords_any);
  const int64_t batch = coords.size(0), rows = coords.size(2), columns = coords.size(3), side = 2 * radius + 1;
  check_beside(kCorrelation, "grad", grad, coords, coords.scalar_type(), levels * side * side, rows, columns);
  Tensor grad_volume =
      zeros_for(coords, {needs_volume ? batch : 0, volume.size(1), volume.size(2)}, volume.scalar_type());
  Tensor grad_coords = empty_for(coords, {needs_coords ? batch : 0, 2, rows, columns}, coords.scalar_type());
  dispatch(coords.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    launch(device, batch * rows * columns,
           VolumeGradient<A>{volume_job<A>(volume, coords, shape, radius), data<A>(grad),
                             needs_volume ? mutable_data<A>(grad_volume) : nullptr,
                             needs_coords ? mutable_data<A>(grad_coords) : nullptr});
  });
  return {grad_volume, grad_coords};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CUDA, m) {
  m.impl("correlation_pyramid", TORCH_BOX(&correlation_pyramid_cuda));
  m.impl("correlation_pyramid_backward", TORCH_BOX(&correlation_pyramid_backward_cuda));
  m.impl("correlation_volume_lookup", TORCH_BOX(&correlation_volume_lookup_cuda));
  m.impl("correlation_volume_lookup_backward", TORCH_BOX(&correlation_volume_lookup_backward_cuda));
}

}  // namespace photoflow
