// What the operators of the correlation lookup ask of their tensors.
#pragma once

#include <algorithm>

#include "checks.h"
#include "correlation.h"
#include "layout.h"

namespace photoflow {

constexpr const char* kCorrelation = "correlation_lookup";

inline void check_levels(int64_t levels) {
  STD_TORCH_CHECK(levels >= 1 && levels <= kMostLevels, kCorrelation, ": levels: expected 1 to ", kMostLevels, ", got ",
                  levels);
}

inline void check_sizes(int64_t height, int64_t width, int64_t levels, int64_t radius) {
  check_levels(levels);
  STD_TORCH_CHECK(radius >= 0 && radius <= kMostRadius, kCorrelation, ": radius: expected 0 to ", kMostRadius, ", got ",
                  radius);
  const int64_t most = int64_t(1) << 29;
  STD_TORCH_CHECK(height >= 0 && width >= 0 && height < most && width < most, kCorrelation,
                  ": fmap2: expected sides below 2^29, got ", height, ", ", width);
}

// A tensor (B, a, b) beside the coordinates, in the type of the accumulation.
inline void check_table(const char* name, const Tensor& tensor, const Tensor& coords, int64_t rows, int64_t columns) {
  const bool fits =
      tensor.dim() == 3 && tensor.size(0) == coords.size(0) && tensor.size(1) == rows && tensor.size(2) == columns;
  STD_TORCH_CHECK(fits, kCorrelation, ": ", name, ": expected shape (", coords.size(0), ", ", rows, ", ", columns,
                  "), got ", shape_text(tensor));
  STD_TORCH_CHECK(tensor.scalar_type() == coords.scalar_type(), kCorrelation, ": ", name, ": expected ",
                  torch::headeronly::toString(coords.scalar_type()), ", got ",
                  torch::headeronly::toString(tensor.scalar_type()));
  STD_TORCH_CHECK(tensor.is_cuda() == coords.is_cuda() && tensor.get_device_index() == coords.get_device_index(),
                  kCorrelation, ": ", name, ": expected the device of the coordinates, got another");
}

// The gradient of a pyramid of so many channels, which has the type that features accumulate in.
inline void check_pyramid_gradient(const Tensor& grad, int64_t channels, const PyramidShape& shape) {
  check_sizes(shape.height, shape.width, shape.levels, 0);
  STD_TORCH_CHECK(channels >= 0, kCorrelation, ": channels: expected at least 0, got ", channels);
  STD_TORCH_CHECK(grad.dim() == 3, kCorrelation, ": grad: expected three axes, got ", shape_text(grad));
  const ScalarType dtype = grad.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, kCorrelation,
                  ": grad: expected float32 or float64, got ", torch::headeronly::toString(dtype));
  check_table("grad", grad, grad, shape.first(shape.levels), padded_channels(channels));
}

inline void check_lookup(const Tensor& fmap1, const Tensor& pyramid, const Tensor& coords, const PyramidShape& shape,
                         int64_t radius) {
  check_features(kCorrelation, "fmap1", fmap1);
  check_sides(kCorrelation, "fmap1", fmap1);
  check_sizes(shape.height, shape.width, shape.levels, radius);
  check_beside(kCorrelation, "coords", coords, fmap1, accumulate_dtype(fmap1.scalar_type()), 2, fmap1.size(2),
               fmap1.size(3));
  check_table("pyramid", pyramid, coords, shape.first(shape.levels), padded_channels(fmap1.size(1)));
}

inline void check_volume_lookup(const Tensor& volume, const Tensor& coords, const PyramidShape& shape, int64_t radius) {
  check_features(kCorrelation, "coords", coords);
  check_sides(kCorrelation, "coords", coords);
  check_sizes(shape.height, shape.width, shape.levels, radius);
  check_beside(kCorrelation, "coords", coords, coords, accumulate_dtype(coords.scalar_type()), 2, coords.size(2),
               coords.size(3));
  check_table("volume", volume, coords, coords.size(2) * coords.size(3), shape.first(shape.levels));
}

// The factor of RAFT's correlations: 1 / sqrt(C).
template <class A>
A correlation_scale(int64_t channels) {
  return static_cast<A>(1 / std::sqrt(static_cast<double>(std::max<int64_t>(channels, 1))));
}

// What the kernels of either device get; Lookup is their own structure of it.
template <template <class> class Lookup, class T>
Lookup<T> lookup_of(const Tensor& fmap1, const Tensor& pyramid, const Tensor& coords, const PyramidShape& shape,
                    int64_t radius) {
  using A = accumulate_t<T>;
  return {data<T>(fmap1),
          strides_as_they_are(fmap1),
          data<A>(pyramid),
          data<A>(coords),
          fmap1.size(0),
          fmap1.size(1),
          fmap1.size(2),
          fmap1.size(3),
          padded_channels(fmap1.size(1)),
          radius,
          shape,
          correlation_scale<A>(fmap1.size(1))};
}

}  // namespace photoflow
