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
    mask                      (B, 1, H, W) in [0, 1]: the objects, which move, in image1
    image                     (B, 3, H, W) in [0, 1]: a photo of something that moves, or of things
    frames                    (B, 8, 3, H, W) in [0, 1]: five of a video in a row, then three from elsewhere in it
    volume                    (B, K, 4, H, W), pixels: its spectral volume over 5 seconds, real and imaginary part of x,
                              then of y
    things                    (B, N, H, W) uint8, 0 or 1: the masks of up to N things in image
    classes                   (B, N) int64: what each of them is, from 1 on; 0: there is none
    visible, visible_back     (B, 1, H, W): 1 where a pixel of image1 is seen in image2, and of image2 in image1
"""


class Source(Protocol):
    """Anything that gives batches by number."""

    @property
    def name(self) -> str:
        """Return the name for a log or a weight's card."""

    def batch(self, number: int, count: int) -> Batch:
        """Return the batch of that number, from 0 on, with `count` samples; it depends on nothing else."""
