// correlation_lookup on the CPU: correlations computed where they are read.
#include "../common/correlation_checks.h"
#include "correlation_runs.h"

namespace photoflow {
namespace {

// Pixels that a thread takes at a time: small enough for their windows to stay in a core's own cache.
constexpr int64_t kTileRows = 4, kTileColumns = 32;
constexpr int64_t kTileSpans = kTileRows * kTileColumns / kSpan;

template <class T>
struct Lookup {
  using A = accumulate_t<T>;
  const T* fmap1;
  Strides<int64_t> strides;
  const A *pyramid, *coords;
  int64_t batch, channels, height, width, padded, radius;
  PyramidShape shape;
  A scale;

  int64_t plane() const { return height * width; }
  int64_t results() const { return (2 * radius + 1) * (2 * radius + 1); }  // of a pixel at one level
  // Multiplications of a pixel at one level.
  int64_t work() const { return (2 * radius + 2) * (2 * radius + 2) * padded; }
  int64_t tile_rows() const { return (height + kTileRows - 1) / kTileRows; }
  int64_t tile_columns() const { return (width + kTileColumns - 1) / kTileColumns; }
  int64_t tiles() const { return batch * tile_rows() * tile_columns(); }

  // Span `index` of a tile; without rows or columns where it lies outside the image.
  Patch patch(int64_t tile, int64_t index) const {
    constexpr int64_t kAcross = kTileColumns / kSpanColumns;
    const int64_t column = tile % tile_columns(), rest = tile / tile_columns();
    const int64_t y = rest % tile_rows() * kTileRows + index / kAcross * kSpanRows;
    const int64_t x = column * kTileColumns + index % kAcross * kSpanColumns;
    return {rest / tile_rows(), y, x, std::clamp<int64_t>(height - y, 0, kSpanRows),
            std::clamp<int64_t>(width - x, 0, kSpanColumns)};
  }

  SpanWindows<A> span(const Patch& patch, int64_t level) const {
    SpanWindows<A> span;
    place_span(coords + patch.batch * 2 * plane(), height, width, patch, level, radius, span);
    return span;
  }

  // A level of a pyramid like that of the features, such as its gradient.
  Level<A> level(A* pyramid_like, int64_t image, int64_t index) const {
    return {pyramid_like + (image * shape.first(shape.levels) + shape.first(index)) * padded, shape.rows(index),
            shape.columns(index), padded, 2 * radius + 2};
  }
  // The forward direction reads it only.
  Level<A> level(int64_t image, int64_t index) const { return level(const_cast<A*>(pyramid), image, index); }

  void load_tile(int64_t tile, A* queries) const {
    for (int64_t i = 0; i < kTileSpans; ++i) {
      load_queries(fmap1, strides, patch(tile, i), channels, 0, padded, scale, queries + i * kSpan * padded);
    }
  }
};

template <class T>
void look_up(const Lookup<T>& job, T* out) {
  using A = accumulate_t<T>;
  torch::stable::parallel_for(0, job.tiles(), items_a_thread(kTileSpans * kSpan * job.work() * job.shape.levels),
                              [&](int64_t begin, int64_t end) {
                                std::vector<A> queries(static_cast<size_t>(kTileSpans * kSpan * job.padded));
                                SpanMemory<A> memory(job.radius);
                                for (int64_t tile = begin; tile < end; ++tile) {
                                  job.load_tile(tile, queries.data());
                                  for (int64_t index = 0; index < job.shape.levels * kTileSpans; ++index) {
                                    const int64_t level = index / kTileSpans, i = index % kTileSpans;
                                    const Patch patch = job.patch(tile, i);
                                    if (patch.rows * patch.columns == 0) continue;
                                    const SpanWindows<A> span = job.span(patch, level);
                                    SpanSteps<A>::correlate(job.level(patch.batch, level), span,
                                                            queries.data() + i * kSpan * job.padded, memory);
                                    T* const first =
                                        out + (patch.batch * job.shape.levels + level) * job.results() * job.plane();
                                    blend_to(span, patch, job.radius, job.height, job.width, first, memory);
                                  }
                                }
                              });
}

template <class T, class A>
void store_queries(const A* queries, const Lookup<T>& job, const Patch& patch, T* grad) {
  for (int64_t c = 0; c < job.channels; ++c) {
    for (int64_t row = 0; row < patch.rows; ++row) {
      T* const to = grad + (patch.batch * job.channels + c) * job.plane() + (patch.y + row) * job.width + patch.x;
      const A* const from = queries + row * kSpanColumns * job.padded + c;
      for (int64_t p = 0; p < patch.columns; ++p) to[p] = T(from[p * job.padded]);
    }
  }
}

// The gradients of the queries and of their coordinates: both are gathered, pixel by pixel.
template <class T, class A>
void gather_gradients(const Lookup<T>& job, const T* grad, T* grad_fmap1, A* grad_coords) {
  const int64_t plane = job.plane();
  torch::stable::parallel_for(
      0, job.tiles() * kTileSpans, items_a_thread(kSpan * job.work() * job.shape.levels),
      [&](int64_t begin, int64_t end) {
        std::vector<A> queries(static_cast<size_t>(kSpan * job.padded)), sums(queries.size());
        SpanMemory<A> memory(job.radius);
        for (int64_t index = begin; index < end; ++index) {
          const Patch patch = job.patch(index / kTileSpans, index % kTileSpans);
          if (patch.rows * patch.columns == 0) continue;
          if (grad_coords) {
            load_queries(job.fmap1, job.strides, patch, job.channels, 0, job.padded, job.scale, queries.data());
          }
          std::fill(sums.begin(), sums.end(), A(0));
          A along[2 * kSpan] = {};
          for (int64_t number = 0; number < job.shape.levels; ++number) {
            const SpanWindows<A> span = job.span(patch, number);
            const Level<A> level = job.level(patch.batch, number);
            load_incoming(grad + (patch.batch * job.shape.levels + number) * job.results() * plane, patch, job.radius,
                          job.height, job.width, memory.incoming.data());
            if (grad_coords) {
              SpanSteps<A>::correlate(level, span, queries.data(), memory);
              SpanSteps<A>::slope(span, job.radius, A(1) / static_cast<A>(int64_t(1) << number), along, memory);
            }
            if (grad_fmap1) {
              SpanSteps<A>::weigh(span, job.radius, job.scale, memory);
              SpanSteps<A>::gather(level, span, sums.data(), job.padded, memory);
            }
          }
          if (grad_fmap1) store_queries(sums.data(), job, patch, grad_fmap1);
          if (grad_coords) store_along(along, patch, job.height, job.width, grad_coords);
        }
      });
}

// Channels whose gradient of the pyramid is one task: many, since every task prepares its spans anew, but so few that
// there is enough to do for every thread.
int64_t slice_of(int64_t images_and_levels, int64_t channels) {
  int64_t slice = 256;
  const int64_t wanted = 4 * torch::stable::get_num_threads();
  while (slice > 64 && images_and_levels * ((channels + slice - 1) / slice) < wanted) slice /= 2;
  return slice;
}

// The gradient of the pyramid is scattered. Some channels of one level of one image are one thread's, which visits the
// pixels in a fixed order, so that the result does not depend on the number of threads.
template <class T, class A>
void scatter_gradient(const Lookup<T>& job, const T* grad, A* grad_pyramid) {
  const int64_t levels = job.shape.levels, slice = slice_of(job.batch * levels, job.padded);
  const int64_t slices = (job.padded + slice - 1) / slice;
  const int64_t spans = job.tile_rows() * job.tile_columns() * kTileSpans;
  torch::stable::parallel_for(0, job.batch * slices * levels, items_a_thread(job.plane() * job.work() / slices),
                              [&](int64_t begin, int64_t end) {
                                std::vector<A> queries(static_cast<size_t>(kSpan * slice));
                                SpanMemory<A> memory(job.radius);
                                for (int64_t task = begin; task < end; ++task) {
                                  const int64_t image = task / (slices * levels), number = task % levels,
                                                first = task / levels % slices * slice;
                                  const int64_t last = std::min(first + slice, job.padded);
                                  Level<A> level = job.level(grad_pyramid, image, number);
                                  if (level.height * level.width == 0) continue;
                                  level.first += first;
                                  for (int64_t index = image * spans; index < (image + 1) * spans; ++index) {
                                    const Patch patch = job.patch(index / kTileSpans, index % kTileSpans);
                                    if (patch.rows * patch.columns == 0) continue;
                                    const SpanWindows<A> span = job.span(patch, number);
                                    load_queries(job.fmap1, job.strides, patch, job.channels, first, last, job.scale,
                                                 queries.data());
                                    load_incoming(grad + (image * levels + number) * job.results() * job.plane(), patch,
                                                  job.radius, job.height, job.width, memory.incoming.data());
                                    SpanSteps<A>::weigh(span, job.radius, A(1), memory);
                                    SpanSteps<A>::scatter(level, span, queries.data(), last - first, memory);
                                  }
                                }
                              });
}

}  // namespace

Tensor correlation_lookup_cpu(const Tensor& fmap1, const Tensor& pyramid_any, const Tensor& coords_any, int64_t height,
                              int64_t width, int64_t levels, int64_t radius) {
  const PyramidShape shape{height, width, levels};
  check_lookup(fmap1, pyramid_any, coords_any, shape, radius);
  const Tensor pyramid = torch::stable::contiguous(pyramid_any), coords = torch::stable::contiguous(coords_any);
  const int64_t side = 2 * radius + 1;
  Tensor out =
      empty_for(fmap1, {fmap1.size(0), levels * side * side, fmap1.size(2), fmap1.size(3)}, fmap1.scalar_type());
  if (out.numel() == 0) return out;
  dispatch(fmap1.scalar_type(), [&](auto type) {
    using T = decltype(type);
    look_up(lookup_of<Lookup, T>(fmap1, pyramid, coords, shape, radius), mutable_data<T>(out));
  });
  return out;
}

std::tuple<Tensor, Tensor, Tensor> correlation_lookup_backward_cpu(const Tensor& grad_any, const Tensor& fmap1,
                                                                   const Tensor& pyramid_any, const Tensor& coords_any,
                                                                   int64_t height, int64_t width, int64_t levels,
                                                                   int64_t radius, bool needs_fmap1, bool needs_pyramid,
                                                                   bool needs_coords) {
  const PyramidShape shape{height, width, levels};
  check_lookup(fmap1, pyramid_any, coords_any, shape, radius);
  const Tensor grad = torch::stable::contiguous(grad_any), pyramid = torch::stable::contiguous(pyramid_any),
               coords = torch::stable::contiguous(coords_any);
  const int64_t batch = fmap1.size(0), rows = fmap1.size(2), columns = fmap1.size(3), side = 2 * radius + 1;
  check_beside(kCorrelation, "grad", grad, fmap1, fmap1.scalar_type(), levels * side * side, rows, columns);
  Tensor grad_fmap1 = empty_for(fmap1, {needs_fmap1 ? batch : 0, fmap1.size(1), rows, columns}, fmap1.scalar_type());
  Tensor grad_pyramid =
      zeros_for(pyramid, {needs_pyramid ? batch : 0, pyramid.size(1), pyramid.size(2)}, pyramid.scalar_type());
  Tensor grad_coords = empty_for(coords, {needs_coords ? batch : 0, 2, rows, columns}, coords.scalar_type());
  if (grad.numel() == 0) return {grad_fmap1, grad_pyramid, grad_coords};
  dispatch(fmap1.scalar_type(), [&](auto type) {
    using T = decltype(type);
    using A = accumulate_t<T>;
    const Lookup<T> job = lookup_of<Lookup, T>(fmap1, pyramid, coords, shape, radius);
    if (needs_fmap1 || needs_coords) {
      gather_gradients(job, data<T>(grad), needs_fmap1 ? mutable_data<T>(grad_fmap1) : nullptr,
                       needs_coords ? mutable_data<A>(grad_coords) : nullptr);
    }
    // Without channels there is nothing to scatter, nor a slice of it.
    if (needs_pyramid && job.padded > 0) scatter_gradient(job, data<T>(grad), mutable_data<A>(grad_pyramid));
  });
  return {grad_fmap1, grad_pyramid, grad_coords};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("correlation_lookup", TORCH_BOX(&correlation_lookup_cpu));
  m.impl("correlation_lookup_backward", TORCH_BOX(&correlation_lookup_backward_cpu));
}

}  // namespace photoflow
