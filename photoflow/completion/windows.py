"""Completion of a clip by a network that sees a window of neighbouring frames and some references at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from photoflow import ops
from photoflow.arrays import Array
from photoflow.completion.checks import check_frame
from photoflow.completion.seams import joined_parts
from photoflow.completion.store import Store
from photoflow.completion.trails import Hole
from photoflow.device import fast_inference
from photoflow.interpolation import CutDetector

HALF = 5  # frames on either side of a window's middle; windows are as many apart
APART = 10  # frames between references
REACH = 60  # frames on either side from which references are taken: memory does not grow with the clip
LONGEST = 864  # pixels of the longer side at which a network for any size works


def networked(
    frames: Iterable[Array],
    masks: Iterable[Array],
    network: nn.Module,
    size: tuple[int, int] | None,
    *,
    device: str = "cpu",
    folder: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[Array]:
    """Fill the holes of a clip with what a network draws there, at a reduced size; all else keeps its detail.

    Each window is the frames up to 5 before and after its middle, with every tenth frame of the scene as a reference;
    what the windows over a frame draw is averaged. Enlarged to the frame, it is joined to what is around the hole.

    Args:
        frames: uint8 (H, W, 3) each; iterated twice.
        masks: bool (H, W) each, true where the frame is unknown; as many as frames.
        network: E²FGVI with its weights; it is moved to `device`.
        size: (height, width) that the network works at; None: the frames', up to 864 pixels on the longer side.
        device: of the network.
        folder: where holes that are filled are kept, so that another call goes on; None: nowhere.
        progress: called twice a frame.

    Yields:
        uint8 (H, W, 3): each frame, equal to the given one outside of its mask.

    Raises:
        InputError: frames or masks have other types, shapes or numbers, or a mask covers a whole frame.

    Source: Li et al., "Towards An End-to-End Framework for Flow-Guided Video Inpainting", CVPR 2022, section 4: windows
        of 10 and references every 10. References from the whole clip there; within 60 frames here.
    """
    windows = _Windows(frames, masks, network.to(device).eval(), size, device, progress)
    store = None if folder is None else Store(folder)
    for number, frame in enumerate(frames):
        hole = windows.hole(number)
        result = frame.copy()
        if len(hole):
            if store is not None and store.has("drawn", number):
                colours = store.read("drawn", number)["colours"]
            else:
                colours = _fitted(frame, hole, windows.drawn(number))
                if store is not None:
                    store.write("drawn", number, colours=colours)
            result[hole.mask] = colours
        windows.forget(number)
        yield result
        progress()


def _fitted(frame: Array, hole: Hole, drawn: Array) -> Array:
    """Enlarge what was drawn, float32 (h, w, 3), and join it to the frame: the hole's colours, uint8 (N, 3)."""
    large = cv2.resize(drawn, frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    planes = np.where(hole.mask[..., None], large, frame).astype(np.float32)
    right, down = (np.roll(large, -1, axis) - large for axis in (1, 0))
    joined = joined_parts(planes, hole.mask, right, down, np.inf)[hole.mask]
    return np.asarray(np.rint(joined.clip(0, 255)), np.uint8)


class _Windows:
    """The windows of a clip: frames are read ahead, reduced, and forgotten when no window needs them."""

    def __init__(
        self,
        frames: Iterable[Array],
        masks: Iterable[Array],
        network: nn.Module,
        size: tuple[int, int] | None,
        device: str,
        progress: Callable[[], None],
    ) -> None:
        self._ahead = enumerate(zip_longest(frames, masks))
        self._network, self._size, self._device, self._progress = network, size, device, progress
        self._is_cut = CutDetector()
        self._last: Array | None = None
        self._scene = -1
        self._scenes: dict[int, int] = {}
        self._small: dict[int, tuple[Array, Array]] = {}  # reduced frames, uint8 (h, w, 3), and their holes
        self._masks: dict[int, tuple[Array, Any]] = {}
        self._sums: dict[int, tuple[Array, int]] = {}
        self._drawn: set[tuple[int, int]] = set()  # middles and scenes
        self._shape: tuple[int, int] | None = None

    def hole(self, number: int) -> Hole:
        """Return the hole of a frame."""
        self._read_up_to(number + HALF)
        return Hole.of(*self._masks[number])

    def drawn(self, number: int) -> Array:
        """Return what the windows over a frame draw, float32 (h, w, 3), 0 to 255."""
        first = -(-max(0, number - HALF) // HALF) * HALF
        for middle in range(first, number + HALF + 1, HALF):
            self._draw(middle, self._scenes[number])
        total, count = self._sums[number]
        return np.asarray(total / count, np.float32)

    def forget(self, number: int) -> None:
        """Let go of what no frame after this one needs."""
        self._sums.pop(number, None)
        self._masks.pop(number, None)
        for old in [one for one in self._small if one < number - REACH - HALF]:
            del self._small[old], self._scenes[old]

    def _read_up_to(self, number: int) -> None:
        while self._last_read < number and (one := next(self._ahead, None)) is not None:
            place, (frame, mask) = one
            self._shape = check_frame(place, frame, mask, self._shape)
            if self._last is None or self._is_cut(self._last, frame):
                self._scene += 1
            self._last = frame
            height, width = self._size or _bounded(frame.shape)
            unknown = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0
            small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
            self._small[place], self._scenes[place] = (small, unknown), self._scene
            self._masks[place] = np.packbits(mask), mask.shape
            self._progress()

    @property
    def _last_read(self) -> int:
        return max(self._small, default=-1)

    @ops.repeatable()
    def _draw(self, middle: int, number: int) -> None:
        """Draw the frames of a window that belong to a scene, if that was not done yet."""
        if (middle, number) in self._drawn:
            return
        self._drawn.add((middle, number))
        self._read_up_to(middle + REACH)
        scene = [one for one in self._small if self._scenes[one] == number]
        local = [one for one in scene if abs(one - middle) <= HALF]
        others = [one for one in scene if one % APART == 0 and abs(one - middle) <= REACH and one not in local]
        planes = torch.stack([self._plane(one) for one in [*local, *others]])[None].to(self._device)
        with torch.inference_mode(), fast_inference(self._device):
            out = self._network(planes, len(local))[0][: len(local)]
        pictures = ((out.float() + 1) * 127.5).permute(0, 2, 3, 1).cpu().numpy()
        for one, picture in zip(local, pictures):
            total, count = self._sums.get(one, (np.float32(0), 0))
            self._sums[one] = (total + picture, count + 1)

    def _plane(self, number: int) -> Tensor:
        """Return a reduced frame as the network takes it, (3, h, w) in [-1, 1], 0 in the hole."""
        picture, hole = self._small[number]
        plane = torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1
        return plane * torch.from_numpy(~hole)


def _bounded(shape: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, LONGEST / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
