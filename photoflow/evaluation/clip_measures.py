"""The measures of one clip, gathered frame by frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array
from photoflow.evaluation.scores import MOST_DECIBELS
from photoflow.metrics import seam, smoothness


class ClipMeasures:
    """Measures of a loop's frames; of each, only the subject's displacements are kept.

    Args:
        photo: uint8 (H, W, 3).
        subject: bool (H, W), what is to move.
        touched: bool (H, W), where the subject ever is. All else is background.
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
        """Take in the next frame.

        Args:
            frame: uint8 (H, W, 3).
            planned: (2, H, W), from the photo to the frame, pixels.
            measured: the same as it was found.
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
        """The measures of the clip.

        Returns:
            background_psnr: of all frames, where the subject never is; 100 dB if nothing changed.
            background_changed: the share of pixels there that are not the photo's to the bit.
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
        """The endpoint error of the subject's pixels in all frames, (1, 1, T, N)."""
        return torch.from_numpy(self._errors())[None, None]

    def error_at(self, number: int) -> Array:
        """The endpoint error of a frame, (H, W); NaN around the subject."""
        error = np.full(self._subject.shape, np.nan, np.float32)
        error[self._subject] = self._errors()[number]
        return error

    def flow_at(self, number: int) -> Array:
        """The measured flow of a frame within the subject, (2, H, W); 0 around it."""
        flow = np.zeros((2, *self._subject.shape), np.float32)
        flow[:, self._subject] = self._measured[number]
        return flow

    def motion_steps(self) -> list[float]:
        """By how many pixels the subject moves from each frame to the next, from the last to the first too."""
        return [float(length) for length in torch.hypot(*self._steps().unbind(1)).mean(dim=1)]

    def _steps(self) -> Tensor:
        """(T, 2, N): displacements from each frame to the next."""
        found = torch.from_numpy(np.stack(self._measured))
        return found.roll(-1, dims=0) - found

    def _errors(self) -> Array:
        """(T, N)."""
        apart = np.stack(self._measured) - np.stack(self._planned)
        return np.asarray(np.hypot(apart[:, 0], apart[:, 1]), np.float32)

    def _difference(self, first: Array, second: Array) -> float:
        """The mean difference of two frames, of bytes, where the subject ever is."""
        return float(np.abs(first.astype(np.int16) - second)[self._touched].mean())


def _decibels(squares: float, count: int) -> float:
    """The signal-to-noise ratio of a sum of squared differences of bytes, as `scores.decibels` caps it."""
    if not count:
        return float("nan")
    return min(MOST_DECIBELS, float(10 * np.log10(255**2 * count / squares))) if squares else MOST_DECIBELS
