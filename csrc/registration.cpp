// Every operator's schema on one page. Shapes: image (B, C, H, W); flow (B, 2, h, w) in pixels, x right, then y down;
// metric, coverage, normaliser and visibility (B, 1, H, W). All but image and out have the accumulation type of the
// image: float32, or float64 for float64. A gradient that is not needed comes back with batch 0.
//
// mode of backward_warp: 1 nearest, 2 bilinear, 4 bicubic (csrc/common/sampling.h); padding: 0 zeros, 1 border,
// 2 reflection. mode of forward_splat: 0 sum, 1 average, 2 linear, 3 softmax (csrc/common/forward.h).
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(photoflow, m) {
  m.def("backward_warp(Tensor image, Tensor flow, int mode, int padding) -> Tensor");
  m.def(
      "backward_warp_backward(Tensor grad, Tensor image, Tensor flow, int mode, int padding, bool needs_image, "
      "bool needs_flow, bool deterministic) -> (Tensor grad_image, Tensor grad_flow)");
  m.def("backward_warp_many(Tensor[] images, Tensor flow, int mode, int padding) -> Tensor[]");
  m.def(
      "backward_warp_many_backward(Tensor[] grads, Tensor[] images, Tensor flow, int mode, int padding, "
      "bool[] needs_image, bool needs_flow, bool deterministic) -> (Tensor[] grad_images, Tensor grad_flow)");

  m.def(
      "forward_splat(Tensor image, Tensor flow, Tensor? metric, int mode, float eps, bool deterministic) -> "
      "(Tensor out, Tensor coverage, Tensor normaliser)");
  m.def(
      "forward_splat_backward(Tensor grad_out, Tensor? grad_coverage, Tensor image, Tensor flow, Tensor? metric, "
      "Tensor out, Tensor normaliser, int mode, bool needs_image, bool needs_flow, bool needs_metric) -> "
      "(Tensor grad_image, Tensor grad_flow, Tensor grad_metric)");

  m.def("occlusion(Tensor flow_ab, Tensor flow_ba, float alpha, float beta) -> (Tensor visible_a, Tensor visible_b)");

  // w1 (K, 2, 3, 3), b1 (K), w2 (C, K, 3, 3) of the type of the second convolution, b2 (C); raw: what that gave.
  m.def(
      "flow_attention(Tensor feature, Tensor flow, Tensor w1, Tensor b1, Tensor w2, Tensor b2, bool keeps_raw) -> "
      "(Tensor out, Tensor raw)");
  m.def(
      "flow_attention_backward(Tensor grad, Tensor feature, Tensor flow, Tensor w1, Tensor b1, Tensor w2, Tensor b2, "
      "Tensor raw, bool needs_feature, bool needs_flow, bool needs_w1, bool needs_b1, bool needs_w2, bool needs_b2) -> "
      "(Tensor grad_feature, Tensor grad_flow, Tensor grad_w1, Tensor grad_b1, Tensor grad_w2, Tensor grad_b2)");

  m.def("correlation_pyramid(Tensor fmap, int levels) -> Tensor");
  m.def(
      "correlation_pyramid_backward(Tensor grad, SymInt channels, SymInt height, SymInt width, int levels) -> Tensor");
  m.def(
      "correlation_lookup(Tensor fmap1, Tensor pyramid, Tensor coords, SymInt height, SymInt width, int levels, "
      "int radius) -> Tensor");
  m.def(
      "correlation_lookup_backward(Tensor grad, Tensor fmap1, Tensor pyramid, Tensor coords, SymInt height, "
      "SymInt width, int levels, int radius, bool needs_fmap1, bool needs_pyramid, bool needs_coords) -> "
      "(Tensor grad_fmap1, Tensor grad_pyramid, Tensor grad_coords)");
  m.def(
      "correlation_volume_lookup(Tensor volume, Tensor coords, SymInt height, SymInt width, int levels, int radius) -> "
      "Tensor");
  m.def(
      "correlation_volume_lookup_backward(Tensor grad, Tensor volume, Tensor coords, SymInt height, SymInt width, "
      "int levels, int radius, bool needs_volume, bool needs_coords) -> (Tensor grad_volume, Tensor grad_coords)");
}
