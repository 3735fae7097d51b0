// correlation_volume_lookup on the CPU: correlations read from a volume that holds them all.
#include "../common/correlation_checks.h"
#include "correlation_runs.h"

namespace photoflow {
namespace {

template <class A>
struct VolumeLookup {
  const A *volume, *coords;
  int64_t batch, height, width, radius;
  PyramidShape shape;

  int64_t plane() const { return height * width; }
  int64_t results() const { return (2 * radius + 1) * (2 * radius + 1); }
  int64_t rows() const { return (height + kSpanRows - 1) / kSpanRows; }
  int64_t columns() const { return (width + kSpanColumns - 1) / kSpanColumns; }
  int64_t spans() const { return batch * rows() * columns(); }

  Patch patch(int64_t index) const {
    const int64_t x = index % columns() * kSpanColumns, y = index / columns() % rows() * kSpanRows;
    return {index / columns() / rows(), y, x, std::min<int64_t>(kSpanRows, height - y),
            std::min<int64_t>(kSpanColumns, width - x)};
  }

  SpanWindows<A> span(const Patch& patch, int64_t level) const {
    SpanWindows<A> span;
    place_span(coords + patch.batch * 2 * plane(), height, width, patch, level, radius, span);
    return span;
  }

  // Copies between the pixels' rows of the volume, or of its gradient, and a buffer (side^2, kSpan).
  template <bool kToSpan>
  void copy(A* volume_like, const Patch& patch, const SpanWindows<A>& span, int64_t level, A* buffer) const {
    const int64_t side = 2 * radius + 2;
    const Box image{0, 0, shape.columns(level), shape.rows(level)};
    for (int64_t row = 0; row < patch.rows; ++row) {
      for (int64_t column = 0; column < patch.columns; ++column) {
        const int64_t i = row * kSpanColumns + column;
        const int64_t pixel = patch.batch * plane() + (patch.y + row) * width + patch.x + column;
        A* const at = volume_like + pixel * shape.first(shape.levels) + shape.first(level);
        for_shared_rows(image, window_of(span, static_cast<int>(i), side), side,
                        CopyNumbers<A, kToSpan>{at, buffer + i});
      }
    }
  }

  // The correlations of a span, 0 outside the image.
  void read(const Patch& patch, const SpanWindows<A>& span, int64_t level, SpanMemory<A>& memory) const {
    std::fill(memory.dots.begin(), memory.dots.end(), A(0));
    copy<true>(const_cast<A*>(volume), patch, span, level, memory.dots.data());  // which only reads it
  }
};

template <class A>
VolumeLookup<A> volume_lookup_of(const Tensor& volume, const Tensor& coords, const PyramidShape& shape,
                                 int64_t radius) {
  return {data<A>(volume), data<A>(coords), coords.size(0), coords.size(2), coords.size(3), radius, shape};
}

template <class A>
void look_up(const VolumeLookup<A>& job, A* out) {
  torch::stable::parallel_for(
      0, job.spans(), items_a_thread(8 * kSpan * job.results() * job.shape.levels), [&](int64_t begin, int64_t end) {
        SpanMemory<A> memory(job.radius);
        for (int64_t index = begin; index < end; ++index) {
          const Patch patch = job.patch(index);
          for (int64_t level = 0; level < job.shape.levels; ++level) {
            const SpanWindows<A> span = job.span(patch, level);
            job.read(patch, span, level, memory);
            A* const first = out + (patch.batch * job.shape.levels + level) * job.results() * job.plane();
            blend_to(span, patch, job.radius, job.height, job.width, first, memory);
          }
        }
      });
}

// Every pixel has a row of the volume to itself.
template <class A>
void volume_gradients(const VolumeLookup<A>& job, const A* grad, A* grad_volume, A* grad_coords) {
  torch::stable::parallel_for(
      0, job.spans(), items_a_thread(8 * kSpan * job.results() * job.shape.levels), [&](int64_t begin, int64_t end) {
        SpanMemory<A> memory(job.radius);
        for (int64_t index = begin; index < end; ++index) {
          const Patch patch = job.patch(index);
          A along[2 * kSpan] = {};
          for (int64_t level = 0; level < job.shape.levels; ++level) {
            const SpanWindows<A> span = job.span(patch, level);
            load_incoming(grad + (patch.batch * job.shape.levels + level) * job.results() * job.plane(), patch,
                          job.radius, job.height, job.width, memory.incoming.data());
            if (grad_coords) {
              job.read(patch, span, level, memory);
              SpanSteps<A>::slope(span, job.radius, A(1) / static_cast<A>(int64_t(1) << level), along, memory);
            }
            if (!grad_volume) continue;
            SpanSteps<A>::weigh(span, job.radius, A(1), memory);
            job.template copy<false>(grad_volume, patch, span, level, memory.weights.data());
          }
          if (grad_coords) store_along(along, patch, job.height, job.width, grad_coords);
        }
      });
}

}  // namespace

Tensor correlation_volume_lookup_cpu(const Tensor& volume_any, const Tensor& coords_any, int64_t height, int64_t width,
                                     int64_t levels, int64_t radius) {
  const PyramidShape shape{height, width, levels};
  check_volume_lookup(volume_any, coords_any, shape, radius);
  const Tensor volume = torch::stable::contiguous(volume_any), coords = torch::stable::contiguous(coords_any);
  const int64_t side = 2 * radius + 1;
  Tensor out =
      empty_for(coords, {coords.size(0), levels * side * side, coords.size(2), coords.size(3)}, coords.scalar_type());
  if (out.numel() == 0) return out;
  dispatch(coords.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    look_up(volume_lookup_of<A>(volume, coords, shape, radius), mutable_data<A>(out));
  });
  return out;
}

std::tuple<Tensor, Tensor> correlation_volume_lookup_backward_cpu(const Tensor& grad_any, const Tensor& volume_any,
                                                                  const Tensor& coords_any, int64_t height,
                                                                  int64_t width, int64_t levels, int64_t radius,
                                                                  bool needs_volume, bool needs_coords) {
  const PyramidShape shape{height, width, levels};
  check_volume_lookup(volume_any, coords_any, shape, radius);
  const Tensor grad = torch::stable::contiguous(grad_any), volume = torch::stable::contiguous(volume_any),
               coords = torch::stable::contiguous(coords_any);
  const int64_t batch = coords.size(0), rows = coords.size(2), columns = coords.size(3), side = 2 * radius + 1;
  check_beside(kCorrelation, "grad", grad, coords, coords.scalar_type(), levels * side * side, rows, columns);
  Tensor grad_volume =
      zeros_for(coords, {needs_volume ? batch : 0, volume.size(1), volume.size(2)}, volume.scalar_type());
  Tensor grad_coords = empty_for(coords, {needs_coords ? batch : 0, 2, rows, columns}, coords.scalar_type());
  if (grad.numel() == 0) return {grad_volume, grad_coords};
  dispatch(coords.scalar_type(), [&](auto type) {
    using A = accumulate_t<decltype(type)>;
    volume_gradients(volume_lookup_of<A>(volume, coords, shape, radius), data<A>(grad),
                     needs_volume ? mutable_data<A>(grad_volume) : nullptr,
                     needs_coords ? mutable_data<A>(grad_coords) : nullptr);
  });
  return {grad_volume, grad_coords};
}

STABLE_TORCH_LIBRARY_IMPL(photoflow, CPU, m) {
  m.impl("correlation_volume_lookup", TORCH_BOX(&correlation_volume_lookup_cpu));
  m.impl("correlation_volume_lookup_backward", TORCH_BOX(&correlation_volume_lookup_backward_cpu));
}

}  // namespace photoflow
