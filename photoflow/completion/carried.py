"""A mask of a clip's first frame, carried through the clip by flow and settled at each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.completion.cues import ColourGrid, by_colour, by_likeness, by_place, unexplained
from photoflow.completion.frames import SIDE, Frame, camera_motion, flow_between, places, sampled, seen_by_camera
from photoflow.completion.sighting import seen_again
from photoflow.interpolation import CutDetector
from photoflow.segment.grabcut import settle
from photoflow.segment.guided import shrunk
from photoflow.segment.subject import Bits
from photoflow.segment.work_size import at_photo_size

_LATEST = 2  # frames that are remembered, besides the first
# Lengths at the working size, pixels.
_SOFT = 2.5  # by which the carried outline may be off
_REACH = 14.0  # how far beyond the carried outline the thing may be, and
_DEPTH = 20.0  # how deep within it nothing else may be: standard deviations
_AROUND = 60.0  # what counts as its surroundings
_APART = 3.0  # by which the flow there and back may miss
_UNLIKE = 8.0  # levels of Lab by which a place and what the flow brings there may differ
# What the cues count for, beside the carried mask and the colours around its place, which count fully.
_BEHIND, _MOTION, _COLOURS = 0.7, 0.7, 0.5
_DOUBT = 0.1  # what the carried mask counts for where no frame explains the place
_LOW, _HIGH = 0.2, 0.8  # between them GrabCut decides
_SURE = 0.8
# Of the thing's area when seen whole: with less it is hidden, with less it is looked for, from this on it is whole.
_GONE, _LITTLE, _WHOLE = 0.01, 0.25, 0.8
_SHRINKING = 0.98  # from frame to frame: what loses more goes behind something
_FEWEST = 4  # pixels of a mask
_FEWEST_MOVED = 20  # that tell how the thing moves
# Pixels a frame, beside the camera's motion, from which on a part moves, and up to which it rests, or, as flow errs by
# more near what is quick, times that of the quickest part; the share of the thing that has to move for others to be
# left behind; and for how many frames they have to be.
_MOVES, _RESTS, _SLOW, _MOVING_SHARE, _LEFT = 1.5, 0.4, 0.06, 0.1, 3
_FORGETTING = 0.97  # from frame to frame, of where the thing is though it is not seen


@dataclass(eq=False)
class _Memory:
    """A frame that is remembered, with the thing in it, and how the newest frame moves to it."""

    frame: Frame
    mask: Array  # (H, W) float32 in [0, 1]
    colours: ColourGrid
    flow: Array  # (H, W, 2)
    camera: Array  # 3 × 3

    @classmethod
    def of(cls, frame: Frame, mask: Array) -> _Memory:
        return cls(frame, mask, ColourGrid(frame, mask), np.zeros((*frame.shape, 2), np.float32), np.eye(3))


def carried(
    frames: Iterable[Array],
    mask: Bits,
    *,
    on_cut: Callable[[int], None] = lambda number: None,
) -> Iterator[Bits]:
    """Yield the mask of a thing in each frame of a clip, from its mask in the first one.

    After a cut to another scene the thing is not there, and masks are empty.

    Args:
        frames: uint8 (H, W, 3), read one by one: memory does not grow with the clip.
        mask: (H, W) bool, in the first frame.
        on_cut: called with the number, from 0 on, of the frame that begins another scene.

    Yields:
        (H, W) bool, one for each frame; the first is `mask`.
    """
    carrier, is_cut = None, CutDetector()
    before: Array | None = None
    for number, frame in enumerate(frames):
        if before is not None and not is_cut.found and is_cut(before, frame):
            on_cut(number)
        if is_cut.found:
            found = np.zeros(mask.shape, bool)
        elif carrier is None:
            carrier, found = Carrier(frame, mask), mask
        else:
            found = carrier(frame)
        before = frame
        yield found


class Carrier:
    """Tracker of a thing, called with the second frame of a scene and those after it, in order.

    The mask moves by DIS flow from the frames before and from the first one, each where the flow explains the frame.
    What it then is at the frame, cues say: the colours around the same place in those frames and the thing's colours
    anywhere; whether the background, moved as the camera moves, explains the place; and whether the place moves as the
    background does. Those that do not tell the thing from its surroundings in this clip say nothing. GrabCut decides
    where they leave doubt.

    Args:
        rgb: the first frame, uint8 (H, W, 3).
        mask: (H, W) bool, the thing in it.

    Of a thing that goes behind something narrow, the part that is not seen is moved on with the rest, and settled as
    soon as it comes out; one that is hidden wholly, or leaves the picture, is searched for as it was when seen whole.

    Source: a mask as a vote of local models that are carried along: Bai et al., "Video SnapCut", SIGGRAPH 2009.
    """

    def __init__(self, rgb: Array, mask: Bits) -> None:
        frame = Frame.of(rgb)
        self._unit = max(frame.shape) / SIDE
        self._first = _Memory.of(frame, shrunk(mask.astype(np.float32), frame.shape))
        self._latest = [self._first]
        self._area = self._visible = float(self._first.mask.sum())
        self._whole_mask = self._first.mask
        self._resting = np.zeros(frame.shape, np.float32)  # for how many frames each pixel was left behind
        self._note_whole()

    def __call__(self, rgb: Array) -> Bits:
        """Return the mask, (H, W) bool, in the next frame."""
        frame = Frame.of(rgb)
        step = self._step(frame)
        if step is None:
            return np.zeros(rgb.shape[:2], bool)
        expected = sampled(self._latest[-1].mask, places(frame.shape) + step)
        found = np.zeros(frame.shape, bool)
        if (expected > 0.5).any():
            self._whole_mask = _moved_rigidly(self._whole_mask, step, expected > _SURE)
            self._follow(frame, step, expected)
            found = settle(frame.rgb, self._probability(frame, step, expected), _LOW, _HIGH)
            found = self._without_what_is_left(found, step)
        self._visible = float(found.sum())
        if self._is_hidden:
            return np.zeros(rgb.shape[:2], bool)
        mask = found.astype(np.float32)
        self._latest = [*self._latest[-_LATEST + 1 :], _Memory.of(frame, mask)]
        self._whole_mask = np.maximum(mask, _FORGETTING * self._whole_mask)
        self._area = max(_SHRINKING * self._area, self._visible)
        if self._visible >= _WHOLE * self._area:
            self._note_whole()
        return at_photo_size(rgb, frame.rgb, mask) > 0.5

    @property
    def _is_hidden(self) -> bool:
        return self._visible < max(_FEWEST, _GONE * self._area)

    def _note_whole(self) -> None:
        """Remember the latest frame as one in which the thing is seen whole."""
        self._whole, self._first_then = self._latest[-1], (self._first.flow, self._first.camera)

    def _step(self, frame: Frame) -> Array | None:
        """Return the flow of a frame to the latest one with the thing; None: it is hidden in this one.

        Where little of the thing was left, it is looked for as it was when it was seen whole, and if it is found, the
        latest frame is that one again.
        """
        if self._visible >= _LITTLE * self._area:
            return flow_between(frame, self._latest[-1].frame)
        back = seen_again(frame, self._whole.frame, self._whole.mask > 0.5)
        if back is None:
            return None if self._is_hidden else flow_between(frame, self._latest[-1].frame)
        self._latest = [self._whole]
        self._first.flow, self._first.camera = self._first_then
        start = np.full((*frame.shape, 2), back, np.float32)
        there = sampled(self._whole.mask, places(frame.shape) + start) > 0
        far, near = (flow_between(frame, self._whole.frame, begun) for begun in (None, start))
        return np.where(there[..., None], near, far)

    def _follow(self, frame: Frame, step: Array, expected: Array) -> None:
        """Bring the flows and the camera's motion to the frames that are remembered up to a new frame."""
        around = cv2.dilate(expected, np.ones((15, 15), np.uint8))
        camera = camera_motion(step, around < 0.1)
        at = places(frame.shape) + step
        for memory in self._memories:
            if memory is self._latest[-1]:
                memory.flow, memory.camera = step, camera
            else:
                memory.flow = flow_between(frame, memory.frame, step + sampled(memory.flow, at))
                memory.camera = memory.camera @ camera

    @property
    def _memories(self) -> list[_Memory]:
        return self._latest if self._first in self._latest else [self._first, *self._latest]

    def _without_what_is_left(self, found: Bits, step: Array) -> Bits:
        """Take away parts that rest apart from the thing while it moves on: background that it has uncovered."""
        camera = seen_by_camera(self._latest[-1].camera, found.shape) - places(found.shape)
        speed = np.linalg.norm(step - camera, axis=2)
        count, parts, boxes, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
        speeds = [float(np.median(speed[parts == number])) for number in range(1, count)]
        least = _MOVING_SHARE * found.sum()
        quickest = max((one for one, box in zip(speeds, boxes[1:]) if box[-1] >= least), default=0.0)
        moves, slow = quickest > _MOVES, max(_RESTS, _SLOW * quickest)
        before = sampled(self._resting, places(found.shape) + step)
        begun = [float(np.median(before[parts == number])) > 0.5 for number in range(1, count)]
        resting = [n for n, (one, was) in enumerate(zip(speeds, begun), 1) if (moves or was) and one < slow]
        self._resting = np.where(np.isin(parts, resting), before + 1, 0).astype(np.float32)
        left = [number for number in range(1, count) if np.median(self._resting[parts == number]) > _LEFT - 0.5]
        return np.asarray(found & ~np.isin(parts, left))

    def _probability(self, frame: Frame, step: Array, expected: Array) -> Array:
        """Return how likely each pixel is the thing's, (H, W) float32.

        Args:
            frame: the new one.
            step: its flow to the latest.
            expected: the latest mask, moved by it.
        """
        memories, here = self._memories, places(frame.shape)
        bits = expected > 0.5
        outside, inside = _away(np.maximum(expected, self._whole_mask) > 0.5), _away(~bits)
        odds = self._vote(frame)
        odds += by_place([(memory.colours, here + memory.flow) for memory in memories], frame.lab)
        odds += _COLOURS * by_colour([memory.colours for memory in memories], frame.lab)
        thing, rest = expected > _SURE, (expected < 0.1) & (_away(bits) < _AROUND * self._unit)
        for weight, values in self._values(frame, step):
            odds += weight * by_likeness(values, thing, rest)
        odds -= (outside / (_REACH * self._unit)) ** 2
        odds += np.minimum((inside / (_DEPTH * self._unit)) ** 2, 3.0)
        return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), np.float32)

    def _vote(self, frame: Frame) -> Array:
        """Return how much likelier each pixel is the thing's by the masks moved here, each where its frame fits."""
        here, latest = places(frame.shape), self._latest[-1]
        total, weights = np.zeros(frame.shape, np.float32), np.full(frame.shape, 1e-6, np.float32)
        for memory in self._memories:
            at = here + memory.flow
            apart = np.linalg.norm(sampled(memory.frame.lab, at).astype(np.float32) - frame.lab, axis=2)
            weight = np.exp(-((cv2.blur(apart, (7, 7)) / _UNLIKE) ** 2) / 2) + 1e-3
            if memory is latest:
                back = flow_between(latest.frame, frame)
                missed = np.linalg.norm(sampled(back, at) + memory.flow, axis=2)
                weight = weight * np.exp(-((missed / _APART) ** 2) / 2) + 1e-3
            total += weight * sampled(memory.mask, at)
            weights += weight
        share = np.clip(cv2.GaussianBlur(total / weights, (0, 0), _SOFT * self._unit), 0.02, 0.98)
        return np.asarray(np.log(share / (1 - share)) * np.clip(weights, _DOUBT, 1.0))

    def _values(self, frame: Frame, step: Array) -> Iterator[tuple[float, Array]]:
        """Yield what may tell the thing from its surroundings, (H, W) each, and what that counts for."""
        differences = [
            unexplained(frame, memory.frame, seen_by_camera(memory.camera, frame.shape), memory.mask)
            for memory in self._memories
        ]
        yield _BEHIND, np.min(differences, axis=0)
        camera = seen_by_camera(self._latest[-1].camera, frame.shape) - places(frame.shape)
        yield _MOTION, np.linalg.norm(step - camera, axis=2)


def _away(bits: Bits) -> Array:
    """Return how far each pixel is from a mask, pixels."""
    return np.asarray(cv2.distanceTransform((~bits).astype(np.uint8), cv2.DIST_L2, 5))


def _moved_rigidly(mask: Array, step: Array, thing: Bits) -> Array:
    """Move a mask by the similarity that fits the flow of a thing's visible part, which is back to the mask's frame."""
    here = places(mask.shape)[thing]
    if len(here) < _FEWEST_MOVED:
        return mask
    cv2.setRNGSeed(0)
    back, _ = cv2.estimateAffinePartial2D(here, here + step[thing], ransacReprojThreshold=2.0, maxIters=200)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return mask if back is None else np.asarray(cv2.warpAffine(mask, back, mask.shape[::-1], flags=flags))
