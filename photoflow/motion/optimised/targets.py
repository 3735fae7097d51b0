"""Targets of an optimisation: handles that are to be moved, a second picture, and a clip's motion."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.optimised.canvas import Canvas, planes_of
from photoflow.motion.optimised.common_motion import common_motion

LONGEST = 1024  # pixels: the photo's longer side at which the flow to a second picture is measured
PATCH = 16  # cells; of the patches of a second picture every fifth is held out
HELD_OUT = 5
REGION = 16  # cells: the side of a region whose amplitude and direction are the clip's
FREE = 0.01  # weight of staying at rest, where nothing is known but the handles
SHARED = 2.0  # weight of staying at the motion that most handles share: the others are of smaller things
MEASURED = 3.0  # weight of staying near a measured flow: colours alone tell less of it than it knows
MODES = 3  # of a clip
MOMENTS = 64  # of a clip's record at which its modes are told


@dataclass(frozen=True)
class Start:
    """The beginning of an optimisation.

    Args:
        flow: the initial guess u0, (K, 2, H, W) on the fine grid, in its cells.
        anchors: (N, 2), cells of the fine grid, where the flow is asked for by itself.
        reach: by how many cells the flow may have to change: the unit of what the network says.
        courses: (K, F) complex, the Fourier coefficients of the flows' amounts; None: the flow is one way.
        record: seconds after which the courses repeat.
        rest: weight of the mean square of what the flow changes: how far the guess is to be trusted.
    """

    flow: Tensor
    anchors: Tensor
    reach: float
    courses: Array | None = None
    record: float = 0.0
    rest: float = FREE


class Aim(Protocol):
    """A target on one photo's canvas. Flows are (K, 2, H, W) in cells; a frame is y', (1, 3, H, W)."""

    draws: bool
    """Whether y' has to be like something; else the generator is held against the photo as the flow moves it."""

    @property
    def start(self) -> Start:
        """Return the initial guess."""

    def miss(self, flow: Tensor, frame: Tensor) -> Tensor:
        """Return how far the flow, or the frame, is from what is asked for: what is minimised."""

    def score(self, flow: Tensor, frame: Tensor) -> float:
        """Return the same where it was not optimised for, as far as there is such a place: it decides when to stop."""

    def words(self, flow: Tensor, frame: Tensor) -> str:
        """Describe how near it is, for a person."""


class Target(Protocol):
    """A thing that the flow of a photo is optimised for."""

    def aim(self, canvas: Canvas) -> Aim:
        """Return the target on a photo's canvas.

        Raises:
            InputError: it does not fit the photo.
        """


@dataclass(frozen=True)
class Handles:
    """Points that are to be moved, and others that are to stay.

    Args:
        handles: (x, y, dx, dy), pixels of the photo; at least one that moves.
        pins: (x, y) of what stays.

    Raises:
        InputError: no handle moves.
    """

    handles: Sequence[Sequence[float]]
    pins: Sequence[Sequence[float]] = ()

    def __post_init__(self) -> None:
        if not any(handle[2] or handle[3] for handle in self.handles):
            raise InputError("handle: expected at least one that moves, x,y,dx,dy, got none")

    def aim(self, canvas: Canvas) -> Aim:
        """Return the handles in cells of a photo's canvas."""
        rows = [*self.handles, *((*pin, 0.0, 0.0) for pin in self.pins)]
        height, width = canvas.rgb.shape[:2]
        for x, y, *_ in rows:
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                raise InputError(f"handle: expected points within the {width}x{height} pixels, got {x:g},{y:g}")
        given = torch.tensor(rows, dtype=torch.float32, device=canvas.photo.device)
        scale = given.new_tensor(canvas.scale)
        return HandlesAim((given[:, :2] + 0.5) * scale - 0.5, given[:, 2:] * scale, canvas)


class HandlesAim:
    """Handles on a canvas.

    Args:
        places: (N, 2), cells.
        wanted: (N, 2), their displacements, cells.
        canvas: of the photo.
    """

    draws = False

    def __init__(self, places: Tensor, wanted: Tensor, canvas: Canvas) -> None:
        self._places, self._wanted, self._cell = places, wanted, canvas.scale[0]
        flow = common_motion(places, wanted, canvas.size)
        left = float((wanted - _sampled(flow, places)).abs().max())
        self.start = Start(flow, places, max(1.0, left), rest=SHARED if flow.any() else FREE)

    def miss(self, flow: Tensor, frame: Tensor) -> Tensor:
        return (_sampled(flow, self._places) - self._wanted).square().sum(1).mean()

    def score(self, flow: Tensor, frame: Tensor) -> float:
        return float(self.miss(flow, frame))

    def words(self, flow: Tensor, frame: Tensor) -> str:
        apart = (_sampled(flow, self._places) - self._wanted).norm(dim=1).mean()
        return f"{float(apart) / self._cell:.2f} px from the handles"


@dataclass(frozen=True, eq=False)
class SecondPicture:
    """A second picture, which the moved photo is to be.

    Args:
        rgb: uint8 (H, W, 3), of the photo's size.
    """

    rgb: Array

    def aim(self, canvas: Canvas) -> Aim:
        """Return the second picture on a photo's canvas."""
        if self.rgb.shape != canvas.rgb.shape:
            height, width = canvas.rgb.shape[:2]
            raise InputError(
                f"to: expected a picture of {width}x{height} pixels, as the photo, got "
                f"{self.rgb.shape[1]}x{self.rgb.shape[0]}"
            )
        return SecondPictureAim(self.rgb, canvas)


class SecondPictureAim:
    """A second picture on a canvas; what is held out are patches of it."""

    draws = True

    def __init__(self, rgb: Array, canvas: Canvas) -> None:
        height, width = canvas.size
        self._wanted = planes_of(rgb, (width, height)).to(canvas.photo.device)
        self._held = _patches(canvas.size).to(canvas.photo.device) * canvas.mask
        self._learned = canvas.mask - self._held
        flow = torch.from_numpy(_measured(canvas, rgb)).to(canvas.photo.device)
        self.start = Start(flow[None], flow.new_zeros(0, 2), 1.0, rest=MEASURED)

    def miss(self, flow: Tensor, frame: Tensor) -> Tensor:
        return self._apart(frame, self._learned)

    def score(self, flow: Tensor, frame: Tensor) -> float:
        return float(self._apart(frame, self._held))

    def words(self, flow: Tensor, frame: Tensor) -> str:
        return f"{-10 * math.log10(max(1e-10, self.score(flow, frame))):.2f} dB where it was not optimised for"

    def _apart(self, frame: Tensor, where: Tensor) -> Tensor:
        return ((frame - self._wanted).square() * where).sum() / (3 * where.sum()).clamp_min(1)


@dataclass(frozen=True)
class LikeClip:
    """A clip whose amplitudes and directions, region by region, the motion is to have.

    The clip is laid on what may move: on the whole photo, or on the mask's box.

    Args:
        path: a video, or a spectral volume (.safetensors).
    """

    path: str | os.PathLike[str]

    def aim(self, canvas: Canvas) -> Aim:
        """Return the clip's modes on a photo's canvas."""
        from photoflow.motion.spectral_motion import volume_of

        path = Path(self.path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        volume, _ = volume_of(os.path.abspath(path), path.stat().st_mtime_ns)
        shapes, courses = modes(volume.trajectories(np.arange(MOMENTS) * volume.seconds / MOMENTS))
        return ClipAim(shapes, courses, volume.seconds, canvas)


class ClipAim:
    """A clip's modes on a canvas.

    Args:
        shapes: (K, 2, h, w), pixels of the clip.
        courses: (K, F) complex, the Fourier coefficients of their amounts.
        record: seconds after which they repeat.
        canvas: of the photo.
    """

    draws = False

    def __init__(self, shapes: Array, courses: Array, record: float, canvas: Canvas) -> None:
        self._mask, self._cell = canvas.mask, canvas.scale[0]
        laid = torch.from_numpy(_laid(shapes, canvas)).to(canvas.photo.device)
        self._area = functional.avg_pool2d(self._mask, REGION, ceil_mode=True, count_include_pad=False)
        self._wanted = self._by_region(laid)
        # How far and where to is known of each region: that is the guess.
        spread = functional.interpolate(self._wanted[:, :2], canvas.size, mode="bilinear", align_corners=False)
        reach = max(1.0, float(spread.abs().max()))
        self.start = Start(spread, spread.new_zeros(0, 2), reach, courses, record)

    def miss(self, flow: Tensor, frame: Tensor) -> Tensor:
        apart = (self._by_region(flow) - self._wanted).square().sum(1, keepdim=True) * self._area
        return apart.sum() / self._area.sum().clamp_min(1e-6)

    def score(self, flow: Tensor, frame: Tensor) -> float:
        return float(self.miss(flow, frame))

    def words(self, flow: Tensor, frame: Tensor) -> str:
        return f"{float(self.miss(flow, frame)) ** 0.5 / self._cell:.2f} px from the clip's amplitudes"

    def _by_region(self, flow: Tensor) -> Tensor:
        """Return the mean displacement of each region, and the root of its mean square: (K, 3, rows, columns)."""
        square = flow.square().sum(1, keepdim=True)
        pooled = functional.avg_pool2d(
            torch.cat([flow, square], 1) * self._mask, REGION, ceil_mode=True, count_include_pad=False
        ) / self._area.clamp_min(1e-3)
        return torch.cat([pooled[:, :2], (pooled[:, 2:] + 1e-4).sqrt()], 1)


def modes(trajectories: Array, count: int = MODES) -> tuple[Array, Array]:
    """Return the main modes of motion: shapes and the courses of their amounts.

    Args:
        trajectories: (T, 2, H, W), displacements over one record, which repeats.
        count: how many at most; those without motion are left out, but for the first.

    Returns:
        Shapes (K, 2, H, W) float32, and (K, T // 4) complex Fourier coefficients of their amounts, whose mean square
        over time is 1.

    Source: principal components of the trajectories, by the method of snapshots: Sirovich, "Turbulence and the
    dynamics of coherent structures", 1987.
    """
    times = len(trajectories)
    flat = (trajectories - trajectories.mean(0)).reshape(times, -1).astype(np.float32)
    energy, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    kept = [column for column in range(times - 1, times - 1 - count, -1) if energy[column] > 1e-3 * energy[-1]]
    amounts = math.sqrt(times) * vectors[:, kept or [times - 1]].T
    shapes = (amounts @ flat / times).reshape(-1, *trajectories.shape[1:])
    courses = np.fft.fft(amounts, axis=1)[:, : max(2, times // 4)] / times
    return np.asarray(shapes, np.float32), courses


def _laid(shapes: Array, canvas: Canvas) -> Array:
    """Return a clip's shapes on what may move of a canvas, in its cells; beyond it they are repeated."""
    inside = (canvas.mask[0, 0] > 0.5).cpu().numpy().astype(np.uint8)
    left, top, width, height = cv2.boundingRect(inside)
    if not width:
        raise InputError("like: expected a mask in which something can move, got an empty one")
    stretch = np.array([width / shapes.shape[3], height / shapes.shape[2]], np.float32)[:, None, None]
    rows, columns = canvas.size
    margins = (top, rows - top - height, left, columns - left - width)
    planes = [cv2.resize(plane, (width, height)) for plane in (shapes * stretch).reshape(-1, *shapes.shape[2:])]
    around = [cv2.copyMakeBorder(plane, *margins, cv2.BORDER_REPLICATE) for plane in planes]
    return np.stack(around).reshape(len(shapes), 2, rows, columns)


def _measured(canvas: Canvas, rgb: Array) -> Array:
    """Return the flow from the photo to a second picture by refined DIS, (2, H, W) float32, cells of the fine grid."""
    from photoflow.models.networks import load_network

    height, width = canvas.rgb.shape[:2]
    share = min(1.0, LONGEST / max(height, width))
    size = max(8, round(width * share)), max(8, round(height * share))
    device = canvas.photo.device
    network = load_network("flow", None).to(device)
    first, second = (planes_of(one, size).to(device) for one in (canvas.rgb, rgb))
    flow = network(first, second)[0].cpu().numpy()
    rows, columns = canvas.size
    small = [cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) for plane in flow]
    stretch = np.array([columns / size[0], rows / size[1]], np.float32)[:, None, None]
    return np.asarray(np.stack(small) * stretch, np.float32)


def _patches(size: tuple[int, int]) -> Tensor:
    """Return 1 in the patches that are held out, (1, 1, H, W); none are neighbours."""
    rows, columns = (torch.arange(side) // PATCH for side in size)
    return ((2 * rows[:, None] + columns[None]) % HELD_OUT == 0).float()[None, None]


def _sampled(flow: Tensor, places: Tensor) -> Tensor:
    """Return a flow (1, 2, H, W) at places (N, 2), in its cells: (N, 2)."""
    size = places.new_tensor([flow.shape[3], flow.shape[2]])
    grid = (2 * places + 1) / size - 1
    found = functional.grid_sample(flow, grid[None, None], align_corners=False, padding_mode="border")
    return found[0, :, 0].T
