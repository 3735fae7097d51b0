"""The optimisation of a flow on one photo: features, the flow's network, the moved photo, the generator, and back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from photoflow.arrays import Array
from photoflow.errors import Cancelled, InputError
from photoflow.motion.optimised.canvas import Canvas
from photoflow.motion.optimised.motion import Optimised
from photoflow.motion.optimised.networks import AlongEdges, FlowNetwork, FrameNetwork, fused, moved_by
from photoflow.motion.optimised.targets import Aim, Target

STEPS = 80
RATE = 3e-3  # of Adam, for the flow; the paper's 1e-3 is for 10 000 steps
FRAME_RATE = 2e-3
LOOK = 10  # steps between two looks at the score
PATIENCE = 4  # looks without a better score after which it ends
LEAST_GAIN = 0.002  # of the guess's score: what counts as better
SMOOTH = 0.3  # weight of the flow's squared slope where no edge is
FOLDS = 20.0  # weight of the barrier
LEAST_AREA = 0.1  # of a cell, after the motion, below which the barrier pushes
DRAWN = 1.0  # weight of the error of what the generator draws where the photo shows
STILL = 0.25, 0.6  # cells: a flow that begins at rest stays there below the first, and is as it is from the second on


@dataclass(frozen=True, eq=False)
class Optimisation:
    """An optimised motion, and what came of it beside.

    Args:
        motion: the flow, as a motion.
        steps: how many were taken.
        best: the one that is kept; 0: the initial guess.
        interrupted: whether it was, before its end.
        said: how near it is to the target, in words.
    """

    motion: Optimised
    steps: int
    best: int
    interrupted: bool
    said: str
    _canvas: Canvas
    _flow: Tensor
    _frames: FrameNetwork

    def frame(self, amounts: list[float]) -> Array:
        """Draw y' for some amounts of the motion's shapes: uint8 (H, W, 3), of the photo's size.

        What arrives of the photo is moved at its full size; what the generator drew fills the holes.
        """
        with torch.no_grad():
            weights = self._flow.new_tensor(amounts)
            flow = torch.tensordot(weights, self._flow, dims=1)[None] * self._canvas.mask
            drawn = self._frames(self._canvas.features, _halved(flow))
            photo = torch.from_numpy(self._canvas.rgb).permute(2, 0, 1)[None].float().to(flow.device) / 255
            size = photo.shape[2:]
            stretch = flow.new_tensor([size[1] / flow.shape[3], size[0] / flow.shape[2]])[None, :, None, None]
            large = functional.interpolate(flow, size, mode="bilinear", align_corners=False) * stretch
            moved, arrived = moved_by(photo, large)
            filled = functional.interpolate(drawn, size, mode="bicubic", align_corners=False).clamp(0, 1)
            frame = fused(moved, arrived, filled)[0].permute(1, 2, 0)
            return np.asarray((255 * frame).round().to(torch.uint8).cpu().numpy())


def optimise(
    rgb: Array,
    target: Target,
    mask: Array | None = None,
    *,
    steps: int = STEPS,
    device: str = "cpu",
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
    preview: Callable[[Array], None] | None = None,
    cancel: threading.Event | None = None,
) -> Optimisation:
    """Find the flow of a photo that a target asks for.

    The flow is u = u0 + E(phi(f(x))): the target's initial guess and what a network makes of the photo's features,
    smoothed along the photo's edges. x' is the photo moved by u, y = G(f(x), u) what a generator draws of it, y' both
    fused. Adam moves both networks so that the target is met, the flow stays near the guess, is smooth but for the
    photo's edges and does not fold, and y is the photo wherever it shows: a deep image prior for what it does not show.
    What had the best score, the guess included, is kept; it ends when that has not improved for a while, and on an
    interrupt.

    Args:
        rgb: the photo, uint8 (H, W, 3).
        target: `Handles`, `SecondPicture` or `LikeClip`.
        mask: float32 (H, W) in [0, 1], what may move; None: all of it.
        steps: of Adam at most.
        device: where it is computed.
        seed: of the networks' first weights.
        report: receives a line now and then.
        preview: receives y' now and then, uint8 (h, w, 3), at most 256 pixels wide or high.
        cancel: set from another thread, it ends the work.

    Raises:
        InputError: the target does not fit the photo, or `steps` is below 0.
        Cancelled: it was cancelled.

    Source: D-ID, sections 3 and 4: u* = argmin_u L(y', target), Adam. Ours, as with L(y', x) nothing would move: the
        targets, smoothness, barrier, early stopping, and the deep image prior (Ulyanov et al., CVPR 2018).
    """
    if steps < 0:
        raise InputError(f"steps: expected at least 0, got {steps}")
    canvas = Canvas.of(rgb, mask, device)
    aim = target.aim(canvas)
    work = _Work(canvas, aim, seed, whole=mask is None)
    interrupted = False
    try:
        for number in range(1, steps + 1):
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled")
            work.step(number, steps)
            if number % LOOK == 0 or number == steps:
                waited = work.look(number)
                report(f"step {number} of {steps}: {work.said}")
                if preview is not None:
                    preview(work.seen())
                if waited >= PATIENCE:
                    break
    except KeyboardInterrupt:
        interrupted = True
    return work.outcome(interrupted)


class _Work:
    """An optimisation under way: networks, optimiser, and the best flow so far."""

    def __init__(self, canvas: Canvas, aim: Aim, seed: int, *, whole: bool) -> None:
        self._canvas, self._aim, self._start, self._whole = canvas, aim, aim.start, whole
        features = canvas.features
        device = canvas.photo.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._phi = FlowNetwork(features.shape[1], len(self._start.flow)).to(device)
            self._frames = FrameNetwork(features.shape[1]).to(device)
            self._chance = torch.Generator().manual_seed(seed)
        edges = functional.avg_pool2d(canvas.outlines, 2)
        self._along_edges = AlongEdges(edges, (self._start.anchors - 0.5) / 2)
        self._adam = torch.optim.Adam(
            [{"params": self._phi.parameters(), "lr": RATE}, {"params": self._frames.parameters(), "lr": FRAME_RATE}]
        )
        self._done, self._best, self._waited = 0, 0, 0
        self._kept = self._start.flow
        self._least = 1.0
        with torch.no_grad():
            self.said = aim.words(self._kept, self._drawn(self._kept))
        self._kept_said = self.said

    def step(self, number: int, steps: int) -> None:
        """Take a step of Adam, at a rate that falls by a cosine."""
        share = 0.5 * (1 + np.cos(np.pi * (number - 1) / steps))
        for group, rate in zip(self._adam.param_groups, (RATE, FRAME_RATE)):
            group["lr"] = rate * max(0.05, share)
        change = self._change()
        flow = self._start.flow + change
        loss = self._start.rest * _masked_mean(change.square().sum(1, keepdim=True), self._canvas.mask)
        loss = loss + SMOOTH * _slope(change, self._canvas) + FOLDS * folding(flow, self._canvas.likeness)
        if self._aim.draws:
            loss = loss + self._frame_loss(flow, flow)
        else:  # the generator has to draw the photo on its way, too
            amount = float(torch.rand((), generator=self._chance))
            loss = loss + self._frame_loss(flow, amount * flow.detach())
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        self._done = number

    def look(self, number: int) -> int:
        """Compare the present flow with the best one; return how many looks it is since one was clearly better."""
        with torch.no_grad():
            flow, guess = self._start.flow + self._change(), self._start.flow
            frame = self._drawn(flow)
            self.said = self._aim.words(flow, frame)
            # The guess is drawn anew, too: what the generator learned meanwhile is no merit of the flow.
            before = self._aim.score(guess, self._drawn(guess) if self._aim.draws else frame)
            score = self._aim.score(flow, frame) / max(before, 1e-12)
        self._waited = 0 if score < self._least - LEAST_GAIN else self._waited + 1
        if score < self._least:
            self._least, self._kept, self._best, self._kept_said = score, flow, number, self.said
        return self._waited

    def seen(self) -> Array:
        """Return y' as it is now, uint8 (h, w, 3)."""
        with torch.no_grad():
            frame = self._drawn(self._kept)[0].permute(1, 2, 0)
        return np.asarray((255 * frame.clamp(0, 1)).round().to(torch.uint8).cpu().numpy())

    def outcome(self, interrupted: bool) -> Optimisation:
        """Return the best flow as a motion."""
        flow = self._kept if self._start.flow.any() else _settled(self._kept)
        grids = (flow / max(self._canvas.size)).cpu().numpy()
        return Optimisation(
            Optimised.of(grids, self._start.courses, self._start.record, whole=self._whole),
            self._done, self._best, interrupted, self._kept_said, self._canvas, flow, self._frames,
        )  # fmt: skip

    def _change(self) -> Tensor:
        """Return E(phi(f(x))) on the fine grid, in its cells."""
        coarse = self._along_edges(self._start.reach * self._phi(self._canvas.features))
        return functional.interpolate(coarse, self._canvas.size, mode="bilinear", align_corners=False)

    def _frame_loss(self, flow: Tensor, part: Tensor) -> Tensor:
        """Return how far the target is missed, and how far the generator's picture is from the photo it shows."""
        moved, arrived, drawn = self._moved(part)
        own = ((drawn - moved.detach()).square() * arrived.detach()).mean()
        return self._aim.miss(flow, fused(moved, arrived, drawn)) + DRAWN * own

    def _drawn(self, flow: Tensor) -> Tensor:
        return fused(*self._moved(flow))

    def _moved(self, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return x', where it arrived, and y, by the first of the flows."""
        inside = flow[:1] * self._canvas.mask
        moved, arrived = moved_by(self._canvas.photo, inside)
        return moved, arrived, self._frames(self._canvas.features, _halved(inside.detach()))


def folding(flow: Tensor, likeness: tuple[Tensor, Tensor]) -> Tensor:
    """Return how far cells shrink below `LEAST_AREA` of themselves, or turn over, where no edge is: the squares, summed
    along the longer side, as a fold is a line.

    Args:
        flow: (K, 2, H, W), cells.
        likeness: of neighbours along x (1, 1, H, W - 1) and y (1, 1, H - 1, W): where things are torn apart, the nearer
            one may lie on the other.
    """
    across = flow.diff(dim=3)[:, :, :-1]
    down = flow.diff(dim=2)[:, :, :, :-1]
    area = (1 + across[:, 0]) * (1 + down[:, 1]) - across[:, 1] * down[:, 0]
    joined = (likeness[0][:, 0, :-1] * likeness[1][:, 0, :, :-1]).square()  # edges of outlines are some cells wide
    return (joined * functional.relu(LEAST_AREA - area).square()).sum() / (len(flow) * max(flow.shape[2:]))


def _slope(flow: Tensor, canvas: Canvas) -> Tensor:
    """Return the mean squared difference of neighbours, as far as they are alike."""
    slopes = [
        (alike * flow.diff(dim=axis).square().sum(1, keepdim=True)).mean()
        for alike, axis in zip(canvas.likeness, (3, 2))
    ]
    return slopes[0] + slopes[1]


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    mean: Tensor = (values * mask).sum() / (len(values) * mask.sum()).clamp_min(1)
    return mean


def _settled(flow: Tensor) -> Tensor:
    """Return a flow with what is hardly there at rest, so that the photo stays itself there, to the bit."""
    low, high = STILL
    share: Tensor = ((flow.norm(dim=1, keepdim=True) - low) / (high - low)).clamp(0, 1)
    return flow * share * share * (3 - 2 * share)


def _halved(flow: Tensor) -> Tensor:
    """Return a flow on the coarse grid, in its cells."""
    return 0.5 * functional.avg_pool2d(flow, 2)
