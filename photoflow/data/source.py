"""The interface of a source of samples."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

Batch = dict[str, Tensor]
"""Tensors, float32 unless it is said, under these names, of which a source gives those that it knows:

    image1, image2            (B, 3, H, W) in [0, 1]
    middle                    (B, 3, H, W) in [0, 1]: the frame at the time t between image1 (0) and image2 (1)
    t                         (B,) in (0, 1)
    flow, flow_back           (B, 2, H, W), pixels: image1 → image2, image2 → image1
    mask                      (B, 1, H, W) in [0, 1]: the objects, which move, in image1; the person in image
    image                     (B, 3, H, W) in [0, 1]: a photo of something that moves, of things, or of a person
    frames                    (B, 8, 3, H, W) in [0, 1]: five of a video in a row, then three from elsewhere in it
    volume                    (B, K, 4, H, W), pixels: its spectral volume over 5 seconds, real and imaginary part of x,
                              then of y
    things                    (B, N, H, W) uint8, 0 or 1: the masks of up to N things in image
    classes                   (B, N) int64: what each of them is, from 1 on; 0: there is none
    caption                   (B, T) uint8: what is seen in image, as UTF-8 with zeros beyond its end; see
                              `photoflow.data.texts`
    class_word                (B,) int64: which word of the caption is the person in image, from 0 on
    id_images                 (B, 4, 3, 224, 224) in [0, 1]: other photos of that person without their backgrounds
    id_count                  (B,) int64: how many of these there are, 1 to 4; what is beyond is 0
    visible, visible_back     (B, 1, H, W): 1 where a pixel of image1 is seen in image2, and of image2 in image1
"""


class Source(Protocol):
    """Anything that gives batches by number."""

    @property
    def name(self) -> str:
        """Return the name for a log or a weight's card."""

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number, from 0 on, with `count` samples; it depends on nothing else."""
