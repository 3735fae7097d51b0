// How the features of a tensor (B, C, H, W) lie in memory: plane by plane (NCHW), or pixel by pixel (channels_last).
// Kernels handle these two without a copy; a tensor with any other strides is made contiguous first.
#pragma once

#include "checks.h"
#include "scalar.h"

namespace photoflow {

using torch::headeronly::MemoryFormat;

// True where (B, C, H, W) lies pixel by pixel without gaps. Strides of axes of size 1 say nothing. A tensor that is
// contiguous too, such as one of a single channel, counts as contiguous: plane by plane is what kernels know best.
// torch's own rule (c10::is_channels_last_strides_2d) for which format a new tensor like this one gets is stricter in
// the same way: contiguous tensors stay so.
inline bool is_channels_last(const Tensor& tensor) {
  if (tensor.is_contiguous()) return false;
  int64_t expected = 1;
  for (const int64_t axis : {1, 3, 2, 0}) {
    if (tensor.size(axis) != 1 && tensor.stride(axis) != expected) return false;
    expected *= tensor.size(axis);
  }
  return true;
}

inline MemoryFormat format_of(const Tensor& tensor) {
  return is_channels_last(tensor) ? MemoryFormat::ChannelsLast : MemoryFormat::Contiguous;
}

// The tensor itself where a kernel can read it as it lies, otherwise a contiguous copy.
inline Tensor readable(const Tensor& tensor) {
  return is_channels_last(tensor) ? tensor : torch::stable::contiguous(tensor);
}

// The tensor in a given format; a copy only where it has another.
inline Tensor in_format(const Tensor& tensor, MemoryFormat format) {
  return format_of(tensor) == format ? readable(tensor) : torch::stable::contiguous(tensor, format);
}

// A new tensor (B, C, H, W), uninitialised, in a given format on the device of another.
inline Tensor empty_in(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype,
                       MemoryFormat format) {
  return torch::stable::empty(shape, dtype, std::nullopt, like.device(), std::nullopt, format);
}

// The same, filled with zeros.
inline Tensor zeros_in(const Tensor& like, std::initializer_list<int64_t> shape, ScalarType dtype,
                       MemoryFormat format) {
  Tensor tensor = empty_in(like, shape, dtype, format);
  torch::stable::zero_(tensor);
  return tensor;
}

// Distances in elements between neighbours along each axis of a tensor (B, C, H, W) of either format.
template <class Index>
struct Strides {
  Index batch, channel, row, pixel;
};

template <class Index = int64_t>
Strides<Index> strides_of(int64_t channels, int64_t height, int64_t width, MemoryFormat format) {
  const int64_t whole = channels * height * width;
  if (format == MemoryFormat::ChannelsLast) {
    return {static_cast<Index>(whole), Index(1), static_cast<Index>(width * channels), static_cast<Index>(channels)};
  }
  return {static_cast<Index>(whole), static_cast<Index>(height * width), static_cast<Index>(width), Index(1)};
}

inline Strides<int64_t> strides_as_they_are(const Tensor& tensor) {
  return {tensor.stride(0), tensor.stride(1), tensor.stride(2), tensor.stride(3)};
}

template <class Index>
Strides<Index> narrowed(const Strides<int64_t>& by) {
  return {static_cast<Index>(by.batch), static_cast<Index>(by.channel), static_cast<Index>(by.row),
          static_cast<Index>(by.pixel)};
}

// True where the offsets in a tensor of so many elements, and what a kernel's loop adds to the last, fit in 32 bits.
inline bool fits_32_bits(int64_t elements) { return elements < (int64_t(1) << 31) - 4096; }

}  // namespace photoflow
