// The tensors of backward_warp and of its gradient: checked, in a layout that the kernels read, and allocated.
#pragma once

#include <vector>

#include "layout.h"
#include "sampling.h"

namespace photoflow {

inline void check_warp(const char* op, const Tensor& image, const Tensor& flow) {
  check_features(op, "image", image);
  STD_TORCH_CHECK(flow.dim() == 4, op, ": flow: expected shape (B, 2, h, w), got ", shape_text(flow));
  check_beside(op, "flow", flow, image, accumulate_dtype(image.scalar_type()), 2, flow.size(2), flow.size(3));
  check_sides(op, "image", image);
  check_sides(op, "flow", flow);
  STD_TORCH_CHECK(image.size(2) * image.size(3) > 0 || flow.size(2) * flow.size(3) == 0, op,
                  ": image: expected at least one pixel to read, got ", shape_text(image));
}

// Several images that one flow warps: they share batch, height and width, and the type they accumulate in. The mode
// says how many pixels are read, and so how much memory there has to be: no other number may pass.
inline void check_warps(const char* op, const std::vector<Tensor>& images, const Tensor& flow, int64_t mode,
                        int64_t padding) {
  STD_TORCH_CHECK(mode == 1 || mode == 2 || mode == 4, op, ": mode: expected 1, 2 or 4, got ", mode);
  STD_TORCH_CHECK(padding >= 0 && padding <= 2, op, ": padding: expected 0, 1 or 2, got ", padding);
  STD_TORCH_CHECK(!images.empty(), op, ": image: expected at least one tensor, got none");
  for (const Tensor& image : images) {
    check_warp(op, image, flow);
    const Tensor& first = images.front();
    STD_TORCH_CHECK(image.size(2) == first.size(2) && image.size(3) == first.size(3), op,
                    ": image: expected tensors of one height and width, got ", shape_text(first), " and ",
                    shape_text(image));
  }
}

// Calls `body` with a value of the type that features of this dtype accumulate in.
template <class Body>
void dispatch_accumulate(ScalarType dtype, const Body& body) {
  if (dtype == ScalarType::Double) {
    body(double{});
  } else {
    body(float{});
  }
}

// One of the images, or in the gradient one of the images with the gradients of what was made from it and of itself.
// Image and gradients have one format; those of a size (H, W) lie `image_by` apart, those of (h, w) `out_by`.
struct Features {
  ScalarType dtype;
  MemoryFormat format;
  int64_t channels;
  const void* image;
  void* out;         // forward: the result; backward: the gradient of the image, null if not asked for
  const void* grad;  // backward: the gradient of the result
  Strides<int64_t> image_by, out_by;

  template <class T>
  const T* image_as() const {
    return static_cast<const T*>(image);
  }
  template <class T>
  T* out_as() const {
    return static_cast<T*>(out);
  }
  template <class T>
  const T* grad_as() const {
    return static_cast<const T*>(grad);
  }
};

// What a call of backward_warp gets; A is the type that everything accumulates in. The flow may have any strides.
template <class A>
struct Warp {
  const A* flow;
  Strides<int64_t> flow_by;
  A* grad_flow;  // contiguous; null: not asked for
  int64_t batch, height, width, out_height, out_width;
  WarpMode mode;
  Padding padding;
};

template <class A>
Warp<A> warp_of(const Tensor& image, const Tensor& flow, int64_t mode, int64_t padding) {
  return {data<A>(flow),
          {flow.stride(0), flow.stride(1), flow.stride(2), flow.stride(3)},
          nullptr,
          image.size(0),
          image.size(2),
          image.size(3),
          flow.size(2),
          flow.size(3),
          static_cast<WarpMode>(mode),
          static_cast<Padding>(padding)};
}

// The results of a call, each in the memory format of its image, and what the kernels need of both.
struct WarpOutputs {
  std::vector<Tensor> images, results;
  std::vector<Features> features;

  WarpOutputs(const std::vector<Tensor>& given, const Tensor& flow) {
    for (const Tensor& any : given) {
      const Tensor image = readable(any);
      const MemoryFormat format = format_of(image);
      const int64_t channels = image.size(1), height = flow.size(2), width = flow.size(3);
      const Tensor out = empty_in(image, {image.size(0), channels, height, width}, image.scalar_type(), format);
      images.push_back(image);
      results.push_back(out);
      features.push_back({image.scalar_type(), format, channels, image.const_data_ptr(), out.mutable_data_ptr(),
                          nullptr, strides_of(channels, image.size(2), image.size(3), format),
                          strides_of(channels, height, width, format)});
    }
  }
};

// The same for the gradient. A gradient that is not asked for has batch 0; all others are made by the kernels.
struct WarpGradients {
  std::vector<Tensor> images, incoming, results;
  std::vector<Features> features;
  Tensor grad_flow;

  WarpGradients(const char* op, const std::vector<Tensor>& grads, const std::vector<Tensor>& given, const Tensor& flow,
                const std::vector<bool>& needs_image, bool needs_flow) {
    STD_TORCH_CHECK(grads.size() == given.size() && needs_image.size() == given.size(), op, ": grad: expected ",
                    given.size(), " tensors, got ", grads.size());
    const int64_t out_height = flow.size(2), out_width = flow.size(3);
    for (size_t i = 0; i < given.size(); ++i) {
      const Tensor image = readable(given[i]);
      const MemoryFormat format = format_of(image);
      const int64_t batch = image.size(0), channels = image.size(1), height = image.size(2), width = image.size(3);
      check_beside(op, "grad", grads[i], image, image.scalar_type(), channels, out_height, out_width);
      const Tensor grad = torch::stable::contiguous(grads[i], format);
      const Tensor out =
          empty_in(image, {needs_image[i] ? batch : 0, channels, height, width}, image.scalar_type(), format);
      images.push_back(image);
      incoming.push_back(grad);
      results.push_back(out);
      features.push_back({image.scalar_type(), format, channels, image.const_data_ptr(),
                          needs_image[i] ? out.mutable_data_ptr() : nullptr, grad.const_data_ptr(),
                          strides_of(channels, height, width, format),
                          strides_of(channels, out_height, out_width, format)});
    }
    grad_flow = empty_for(flow, {needs_flow ? flow.size(0) : 0, 2, out_height, out_width}, flow.scalar_type());
  }
};

}  // namespace photoflow
