"""Trajectories: the displacement of every pixel of a clip's first frame in each of its frames."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import VideoReader
from photoflow.io.frame_times import evenly, frame_rate
from photoflow.motion.looped import closes, with_closed_end
from photoflow.motion.spectral import FREQUENCIES, SpectralVolume

if TYPE_CHECKING:
    from torch import Tensor

    FlowNetwork = Callable[[Tensor, Tensor], Tensor]

SIDE = 512  # longest side, pixels, on which a clip is measured
MOST = 300  # frames: at 512x288 their trajectories take 350 MB
LEAST_SIDE = 16  # pixels: smaller frames are too small for DIS to match
EVEN = 0.25  # frame times by which frames may be off to count as evenly spaced
STILL = 0.1  # pixels: in a clip without motion only noise exceeds this


class Footage:
    """The frames of a video, or of a part of it, reduced in size; each iteration reads them anew.

    Args:
        path: a video file.
        size: longest side in pixels, at least 16; a smaller video is not enlarged.
        start: seconds that are skipped at the beginning.
        seconds: length of the part; by default the whole rest, but at most `MOST` frames.

    Attributes:
        path: as given.
        fps: frames a second: the slowest rate with a place for each frame of the video.
        full: (width, height) of the video's own frames.

    Raises:
        InputError: the file is missing or not a video, or the size or the part is out of its range.
    """

    def __init__(
        self, path: str | os.PathLike[str], size: int = SIDE, start: float = 0.0, seconds: float | None = None
    ) -> None:
        self.path = os.fspath(path)
        if size < LEAST_SIDE:
            raise InputError(f"size: expected a longest side of at least {LEAST_SIDE} pixels, got {size}")
        self._reader = VideoReader(path)
        self.fps = float(self._reader.fps)
        self.full = (self._reader.width, self._reader.height)
        self._scale = min(1.0, size / max(self.full))
        if not 0 <= start < float("inf"):
            raise InputError(f"start: expected at least 0 seconds, got {start:g}")
        self._start, times = start, self._reader.times
        self._first = bisect_left(times, start - 0.5 / self.fps)
        self._end = self._first + MOST
        if seconds is not None:
            longest = (times[self._end] if self._end < len(times) else start + MOST / self.fps) - start
            if not 0 < seconds <= longest + 1e-6:
                raise InputError(
                    f"seconds: expected more than 0 and at most {longest:g} ({MOST} frames of {self.path}), "
                    f"got {seconds:g}"
                )
            self._end = max(self._first + 1, bisect_left(times, start + seconds - 0.5 / self.fps))
        self._is_part = seconds is not None

    @property
    def notes(self) -> list[str]:
        """Return what a person should know of the video; see `VideoReader.notes`."""
        return self._reader.notes

    @property
    def left_out(self) -> int:
        """Return about how many frames are left out because there are more than `MOST` and no part was chosen."""
        return 0 if self._is_part else max(0, self._reader.count - self._end)

    def __iter__(self) -> Iterator[Array]:
        """Yield frames, uint8 (h, w, 3); see `timed`."""
        return (frame for _, frame in self.timed())

    def timed(self) -> Iterator[tuple[float, Array]]:
        """Yield frames, uint8 (h, w, 3), each with the second of the video at which it is shown.

        Raises:
            InputError: the video ends before the part begins.
        """
        size = (max(1, round(self.full[0] * self._scale)), max(1, round(self.full[1] * self._scale)))
        number = -1
        for number, (time, frame) in enumerate(self._reader.timed()):
            if number >= self._end:
                break
            if number >= self._first:
                rgb = np.ascontiguousarray(frame[..., :3])
                yield time, rgb if self._scale == 1 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        if number < self._first:
            seconds = self._reader.seconds
            raise InputError(f"{self.path}: expected a start within its {seconds:.4g} seconds, got {self._start:g}")

    def evenly(self) -> Iterator[Array]:
        """Yield frames `fps` times a second, each as often as it is shown."""
        return evenly(self.timed(), self.fps)


def trajectories(frames: Iterable[Array], network: FlowNetwork | None = None, device: str = "cpu") -> Array:
    """Measure the displacement of every pixel of the first frame in each frame.

    OpenCV's DIS flow is computed directly from the first frame to each frame, so that errors do not add up as they do
    when flows from frame to frame are joined; the search starts from the flow to the frame before. It is refined at
    full resolution, unlike in its presets: their flow is too smooth, and edges of moving objects bleed into the still
    background.

    Args:
        frames: uint8 (H, W, 3) each, all of one size, 2 to `MOST` of them. Only the first and the present one are kept
            in memory.
        network: measures the flow in place of DIS, called like `photoflow.models.raft.RAFT`: from one picture
            (1, 3, H, W), RGB in [0, 1], to another, (1, 2, H, W) pixels.
        device: device of the network.

    Returns:
        (T, 2, H, W) float32, pixels; 0 for the first frame.

    Raises:
        InputError: fewer than two frames, more than `MOST`, frames that are too small, or nothing moves.

    Source: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016. Generative Image Dynamics,
        section 7, also measures from the first picture to each later frame, by a coarse-to-fine flow.
    """
    found = displacements(frames, network, device)
    if not _moves(found):
        raise InputError(f"expected motion, but nothing moves by more than {STILL:g} pixels in its {len(found)} frames")
    return found


def displacements(frames: Iterable[Array], network: FlowNetwork | None = None, device: str = "cpu") -> Array:
    """Measure as `trajectories` does, also where nothing moves.

    Raises:
        InputError: fewer than two frames, more than `MOST`, or frames that are too small.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise InputError("expected at least 2 frames to see motion, got 0")
    height, width = first.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise InputError(f"expected frames of at least {LEAST_SIDE} pixels a side, got {width}x{height}")
    flow_to = _dis(first) if network is None else _by_network(first, network, device)
    found = np.empty((MOST, 2, height, width), np.float32)  # pages that are never written take no memory
    found[0], count = 0, 1
    for frame in remaining:
        if count == MOST:
            raise InputError(f"expected at most {MOST} frames to measure motion in, got more")
        found[count] = flow_to(frame, found[count - 1])
        count += 1
    if count < 2:
        raise InputError("expected at least 2 frames to see motion, got 1")
    return found[:count]


def _dis(first: Array) -> Callable[[Array, Array], Array]:
    """Return a function (frame, flow to the frame before) -> flow from `first` to the frame, (2, H, W), by DIS."""
    import torch

    from photoflow.models.dis import DIS

    method, still = DIS(whole=True), _planes(first)

    def flow_to(frame: Array, before: Array) -> Array:
        return np.asarray(method(still, _planes(frame), torch.from_numpy(before)[None])[0].numpy())

    return flow_to


def _by_network(first: Array, network: FlowNetwork, device: str) -> Callable[[Array, Array], Array]:
    """Return a function as from `_dis`, by a network; it ignores the flow to the frame before."""
    import torch

    from photoflow.device import fast_inference

    still = _planes(first).to(device)

    def flow_to(frame: Array, before: Array) -> Array:
        with torch.inference_mode(), fast_inference(still.device.type):
            return np.asarray(network(still, _planes(frame).to(device))[0].float().cpu().numpy())

    return flow_to


def _planes(rgb: Array) -> Tensor:
    """Convert a picture, uint8 (H, W, 3), to (1, 3, H, W) in [0, 1]."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None].float() / 255


def _moves(found: Array) -> bool:
    """Return whether at least a hundredth of the pixels move by more than `STILL` at some time."""
    farthest = np.zeros(found.shape[2:], np.float32)
    for flow in found:
        np.maximum(farthest, np.hypot(flow[0], flow[1]), out=farthest)
    return bool(np.percentile(farthest, 99) > STILL)


@dataclass(frozen=True, eq=False)
class Measured:
    """Result of `measure`.

    Args:
        volume: the clip's spectral volume, over the pixels of the measured frames.
        full: (width, height) of the clip's own frames.
        frames: number of measured frames.
        left_out: approximate number of frames left out because there are more than `MOST`.
        closed: True if the clip did not close by itself and its trajectories were faded to close.
        error: mean distance between the volume's trajectories and those that it was made from, pixels.
        kept: share of the energy (squared displacements) of these trajectories that the volume keeps.
    """

    volume: SpectralVolume
    full: tuple[int, int]
    frames: int
    left_out: int
    closed: bool
    error: float
    kept: float


def measure(
    footage: Footage, count: int = FREQUENCIES, network: FlowNetwork | None = None, device: str = "cpu"
) -> Measured:
    """Measure the spectral volume of a clip.

    A Fourier series is periodic, so a jump between the clip's end and its beginning would add power to all frequencies.
    If the end does not lead into the beginning, the end of the trajectories is faded (`photoflow.motion.looped`).

    Args:
        footage: the clip.
        count: number of frequencies to keep; a clip of T frames has T // 2 + 1.
        network, device: see `trajectories`.

    Raises:
        InputError: as `trajectories` and `SpectralVolume.from_trajectories`, with the clip's name.
    """
    times: list[float] = []

    def frames() -> Iterator[Array]:
        for time, frame in footage.timed():
            times.append(time)
            yield frame

    try:
        measured = trajectories(frames(), network, device)
        found, seconds = evenly_sampled(measured, times)
        is_loop = closes(found)
        if not is_loop:
            found = with_closed_end(found)
        kept = min(count, len(found) // 2 + 1)
        volume = SpectralVolume.from_trajectories(found, seconds, kept)
    except InputError as fault:
        raise InputError(str(fault) if footage.path in str(fault) else f"{footage.path}: {fault}") from fault
    error, share = fidelity(volume, found)
    return Measured(volume, footage.full, len(times), footage.left_out, not is_loop, error, share)


def evenly_sampled(measured: Array, times: Sequence[float]) -> tuple[Array, float]:
    """Bring displacements that were measured at any times to evenly spaced ones, as a Fourier series needs them.

    Args:
        measured: (T, 2, H, W) float32, pixels; T is at least 2.
        times: seconds of the T measurements, increasing.

    Returns:
        Displacements (N, 2, H, W), N <= `MOST`, and the length of their record, seconds: N times the interval between
        two of them. Those at even times are given back as they are, others are interpolated by cubic polynomials
        through neighbouring measurements (Catmull and Rom's, for uneven times).
    """
    at = np.asarray(times, np.float64) - times[0]
    count = len(at)
    step = at[-1] / (count - 1)
    if np.abs(at - step * np.arange(count)).max() < EVEN * step:
        return measured, round(at[-1] * count / (count - 1), 9)  # rounded, as times are sums of rounded ones
    rate = frame_rate([Fraction(t).limit_denominator(100_000) for t in at], [])
    wanted = min(MOST, round(at[-1] * float(rate)) + 1)
    grid = np.linspace(0, at[-1], wanted)
    weights = _cubic_weights(at, grid).astype(np.float32)
    even = (weights @ measured.reshape(count, -1)).reshape(wanted, *measured.shape[1:])
    return even, round(at[-1] * wanted / (wanted - 1), 9)


def _cubic_weights(at: Array, grid: Array) -> Array:
    """Return the weights (N, T) of values at times `at` (T,), increasing, in values at times `grid` (N,) among them.

    Between two times runs a cubic with the slopes of the parabolas through each and its neighbours.
    """
    count, rows = len(at), np.arange(len(grid))
    slopes = np.zeros((count, count))
    for k in range(count):
        a, b, c = max(k - 1, 0), k, min(k + 1, count - 1)
        before, after = at[b] - at[a], at[c] - at[b]
        for end, step, other in ((a, before, after), (c, after, before)):
            if step > 0:
                share = other / step / (before + after) if before > 0 and after > 0 else 1 / step
                slopes[k, end] += share if end == c else -share
                slopes[k, b] += -share if end == c else share
    left = np.clip(np.searchsorted(at, grid, side="right") - 1, 0, count - 2)
    width = (at[left + 1] - at[left])[:, None]
    s = (grid - at[left])[:, None] / width
    weights = (s**3 - 2 * s**2 + s) * width * slopes[left] + (s**3 - s**2) * width * slopes[left + 1]
    weights[rows, left] += (2 * s**3 - 3 * s**2 + 1)[:, 0]
    weights[rows, left + 1] += (3 * s**2 - 2 * s**3)[:, 0]
    return np.asarray(weights)


def fidelity(volume: SpectralVolume, measured: Array) -> tuple[float, float]:
    """Compare a volume with the trajectories that it was made from.

    Args:
        volume: a volume, whose record is as long as the trajectories.
        measured: (T, 2, H, W), pixels, evenly spaced over that record.

    Returns:
        The mean distance between both trajectories, pixels; and the volume's share of the energy, 0 to 1.
    """
    distance, energy = 0.0, 0.0
    for number, flow in enumerate(measured):
        apart = volume.displacement(number / len(measured) * volume.seconds) - flow
        distance += float(np.hypot(apart[0], apart[1]).mean())
        energy += float(np.square(flow, dtype=np.float64).sum(axis=0).mean())
    total = energy / len(measured)
    return distance / len(measured), float(volume.power.sum()) / total if total else 1.0
