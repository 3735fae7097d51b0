"""Measures of one clip, collected frame by frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.evaluation.scores import MOST_DECIBELS
from photoflow.metrics import seam, smoothness


class ClipMeasures:
    """Measures of a loop's frames. Of each frame, only the subject's displacements stay in memory.

    Args:
        photo: uint8 (H, W, 3).
        subject: bool (H, W), the subject in the photo.
        touched: bool (H, W), pixels that the subject covers at any time. All others are background.
    """

    def __init__(self, photo: Array, subject: Array, touched: Array) -> None:
        self._photo, self._subject, self._touched = photo, subject, touched
        self._planned: list[Array] = []
        self._measured: list[Array] = []
        self._intensity: list[float] = []  # from each frame to the next
        self._first: Array | None = None
        self._last: Array | None = None
        self._squares, self._changed = 0.0, 0

    def add(self, frame: Array, planned: Array, measured: Array) -> None:
        """Add the next frame.

        Args:
            frame: uint8 (H, W, 3).
            planned: (2, H, W), planned flow from the photo to the frame, pixels.
            measured: (2, H, W), measured flow from the photo to the frame, pixels.
        """
        if self._last is None:
            self._first = frame
        else:
            self._intensity.append(self._difference(self._last, frame))
        self._last = frame
        errors = (frame.astype(np.int16) - self._photo)[~self._touched]
        self._squares += float(np.square(errors, dtype=np.int64).sum())
        self._changed += int(errors.any(axis=1).sum())
        self._planned.append(planned[:, self._subject])
        self._measured.append(measured[:, self._subject])

    def metrics(self) -> dict[str, float]:
        """Compute the measures of the clip.

        Returns:
            background_psnr: PSNR of the background in all frames; 100 dB if nothing changed.
            background_changed: share of the background's pixels that do not equal the photo's exactly.
            epe: mean distance between planned and measured displacements within the subject, pixels.
            smoothness: spatio-temporal variance of the measured motion from frame to frame, square pixels.
            seam_intensity, seam_motion: the step from the last frame to the first, as a multiple of the largest
                other step, in intensity and in measured pixels.
        """
        assert self._first is not None and self._last is not None
        pixels = len(self._measured) * int((~self._touched).sum())
        steps = self._steps()
        return {
            "background_psnr": _decibels(self._squares, 3 * pixels),
            "background_changed": self._changed / pixels if pixels else float("nan"),
            "epe": float(self._errors().mean()),
            "smoothness": float(smoothness(steps)),
            "seam_intensity": seam([*self._intensity, self._difference(self._last, self._first)]),
            "seam_motion": seam(self.motion_steps()),
        }

    def errors(self) -> Tensor:
        """Return the endpoint error of the subject's pixels in all frames, (1, 1, T, N), pixels."""
        return torch.from_numpy(self._errors())[None, None]

    def error_at(self, number: int) -> Array:
        """Return the endpoint error of a frame, (H, W), pixels; NaN outside the subject."""
        error = np.full(self._subject.shape, np.nan, np.float32)
        error[self._subject] = self._errors()[number]
        return error

    def flow_at(self, number: int) -> Array:
        """Return the measured flow of a frame within the subject, (2, H, W), pixels; 0 outside it."""
        flow = np.zeros((2, *self._subject.shape), np.float32)
        flow[:, self._subject] = self._measured[number]
        return flow

    def motion_steps(self) -> list[float]:
        """Measure how far the subject moves from each frame to the next, and from the last to the first, pixels."""
        return [float(length) for length in torch.hypot(*self._steps().unbind(1)).mean(dim=1)]

    def _steps(self) -> Tensor:
        """Return the displacements from each frame to the next, and from the last to the first, (T, 2, N), pixels."""
        found = torch.from_numpy(np.stack(self._measured))
        return found.roll(-1, dims=0) - found

    def _errors(self) -> Array:
        """Return the endpoint error of the subject's pixels in all frames, (T, N), pixels."""
        apart = np.stack(self._measured) - np.stack(self._planned)
        return np.asarray(np.hypot(apart[:, 0], apart[:, 1]), np.float32)

    def _difference(self, first: Array, second: Array) -> float:
        """Compute the mean difference of two frames, on a scale of 0 to 255, over all pixels outside the background."""
        return float(np.abs(first.astype(np.int16) - second)[self._touched].mean())


def _decibels(squares: float, count: int) -> float:
    """Compute the PSNR from a sum of squared differences of bytes and their count, capped as in `scores.decibels`."""
    if not count:
        return float("nan")
    return min(MOST_DECIBELS, float(10 * np.log10(255**2 * count / squares))) if squares else MOST_DECIBELS
