"""The whole story on one page: a photo, its subject, a motion, a clip."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.clip import Clip
from photoflow.device import check_device, settled_device
from photoflow.errors import InputError
from photoflow.io import Photo, read_photo
from photoflow.io.video import MAX_FPS, MIN_FPS
from photoflow.models.networks import KINDS, load_network
from photoflow.motion import Motion, Sway
from photoflow.motion.motion import Sum
from photoflow.render.background import fill_background
from photoflow.segment import Segmenter
from photoflow.segment.matting import matte
from photoflow.segment.selection import TOO_SMALL, scaled_selection

LONGEST_SIDE = 1920  # of a clip whose size nobody named: every player shows that
OPTIONS = {
    "blueprint": ("exact", "raft"), "renderer": ("splat", "gan", "pyramid"),
    "interpolate": ("none", "dis", "refined", "rife", "amt"),
}  # fmt: skip
MOVES = (0.25, 1.0)  # pixels: what moves by less all the time stands still, what moves by more does not
LOOK_SIDE = 960  # the subject is looked for on at least so many pixels, where the photo has them


if TYPE_CHECKING:
    from photoflow.render.renderer import Renderer


class Animator:
    """Turns photos into clips; holds what is loaded once.

    Args:
        device: "cpu", "cuda", "cuda:1", …; "auto" is CUDA where torch and photoflow have it. Whether it is
            there is seen when the first photo is animated.
        segmenter: finds the subject: "auto", "mask_rcnn", "u2netp" or "grabcut"; or a `Segmenter`, which has
            settled device and offline for itself.
        offline: never fetch weights.
        blueprint: where the flow comes from: "exact", as the motion plans it, or "raft", measured by RAFT between
            the subject and its moved copy.
        renderer: "splat", layers moved along the flow, or a generator: "gan", or "pyramid", that of Generative Image
            Dynamics.
        interpolate: "none": every frame is rendered; "dis", "refined", "rife" or "amt": keyframes are, and that
            makes the frames between them.
        weights: of those networks, by the names "raft", "gan", "pyramid", "refined", "rife" and "amt": a file, or a
            name that `photoflow weights list` shows. Without an entry those that come with photoflow are taken, where
            it has some.
        accept_licence: take weights whose licence forbids commercial use.

    Raises:
        InputError: no such kind of device, segmenter or network.
    """

    def __init__(
        self,
        device: str = "auto",
        segmenter: str | Segmenter = "auto",
        offline: bool = False,
        *,
        blueprint: str = "exact",
        renderer: str = "splat",
        interpolate: str = "none",
        weights: Mapping[str, str | Path] | None = None,
        accept_licence: bool = False,
    ) -> None:
        check_device(device)
        self._chosen = {"blueprint": blueprint, "renderer": renderer, "interpolate": interpolate}
        for option, known in OPTIONS.items():
            if self._chosen[option] not in known:
                raise InputError(f"{option}: expected one of {', '.join(known)}, got {self._chosen[option]!r}")
        self._weights = dict(weights or {})
        uses = {kind: option for option, known in OPTIONS.items() for kind in known if kind in KINDS}
        for kind in self._weights:
            if kind not in uses:
                raise InputError(f"weights: expected weights of one of {', '.join(uses)}, got {kind!r}")
            if kind != self._chosen[uses[kind]]:
                chosen = self._chosen[uses[kind]]
                raise InputError(f"weights: those of {kind} are for {uses[kind]} {kind}, got {chosen!r}")
        self._permits = {"offline": offline, "accept_licence": accept_licence}
        self._networks: dict[str, Any] = {}
        # torch takes seconds to load: it does so while the photo is read and its subject is found.
        self._loading = threading.Thread(target=_load_renderer, daemon=True)
        self._loading.start()
        self._device = device
        if isinstance(segmenter, str):
            segmenter = Segmenter(device=device, offline=offline, method=segmenter)
        self.segmenter = segmenter

    def animate(
        self,
        photo: Any,
        motion: Motion | None = None,
        *,
        seconds: float = 4.0,
        fps: float = 30.0,
        loop: bool = True,
        size: int | tuple[int, int] | str | None = None,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] | None = None,
        subject: int | str = 1,
        keyframe_fps: float | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> Clip:
        """Plan the clip: find the subject, cut it out, fill in behind it, and lay out its motion.

        Args:
            photo: a path, a PIL image, a numpy array (H, W[, 3|4]) or a torch tensor (C, H, W).
            motion: what moves and how; `Sway()` by default.
            seconds: length of the clip, up to an hour.
            fps: frames a second, 0.1 to 240.
            loop: the end leads into the beginning.
            size: longest side in pixels, (width, height), or "original"; by default the photo's
                own size with the longest side at most 1920.
            mask: the subject, where it is known: a path or an array (H, W) of the photo's size.
            box: (x, y, width, height) around the subject, pixels of the photo.
            points: (x, y) on the subject, pixels of the photo.
            subject: which of several subjects moves: 1 = the first, … or "all".
            keyframe_fps: keyframes a second where frames are interpolated, at most `fps`; a quarter of it by default.
            report: receives one line after every step.

        Returns:
            The clip; its frames are rendered when they are asked for.

        Raises:
            InputError: bad input, or a photo in which no subject was found.
        """
        motion = Sway() if motion is None else motion
        if not isinstance(motion, Motion):
            raise InputError(f"motion: expected one of photoflow.motion, for instance Sway(), got {motion!r}")
        count = frame_count(seconds, fps)
        rate = keyframe_rate(keyframe_fps, fps, self._chosen["interpolate"])
        if self._device.startswith("cuda"):
            self._settled_device()  # nothing is looked for on a device that is not there
        for value in self._chosen.values():
            self._network(value)  # nor is anything looked for where a network cannot be had
        picture = read_photo(photo)
        colours = over_white(picture)
        rgb, scale = resize_photo(colours, size)
        # The subject of a small clip is found on a larger picture, where its outline is finer.
        side = max(*rgb.shape[:2], min(LOOK_SIDE, max(colours.shape)))
        look, look_scale = (rgb, scale) if side == max(rgb.shape) else resize_photo(colours, side)
        selection = scaled_selection(picture, look.shape[:2], look_scale, mask, box, points)
        parts = list(motion.terms())
        if not selection and all(part.in_place for _, part in parts):
            masks, said = [np.ones(rgb.shape[:2], np.float32)], "the whole picture"
        else:
            found = self.segmenter(look, **selection)
            masks, said = [resize_mask(s.mask, rgb.shape[:2]) for s in found.subjects], found.method
        report(f"subject: {said}")
        plans = assign(parts, masks, subject)
        del picture, colours, look
        timing = {"scale": scale, "seconds": float(count / fps), "loop": loop}
        renderer, moving = self._lay_out(rgb, plans, masks, timing)
        if generator := self._network(self._chosen["renderer"]):
            renderer = self._generated(renderer, rgb, moving, generator, [number / fps for number in range(count)])
        if interpolator := self._network(self._chosen["interpolate"]):
            from photoflow.render.interpolated import InterpolatedRenderer

            renderer = InterpolatedRenderer(renderer, interpolator, float(count / fps), rate, self._settled_device())
        return Clip(renderer, rgb, moving, fps, count)

    def _network(self, kind: str) -> Any:
        """The network of a kind, loaded when it is first asked for; None for what needs no network."""
        if kind == "dis":
            from photoflow.models.dis import DISInterpolation

            return DISInterpolation()
        if kind in KINDS and kind not in self._networks:
            device = self._settled_device()
            self._networks[kind] = load_network(kind, self._weights.get(kind), **self._permits).to(device)
        return self._networks.get(kind)

    def _generated(
        self, exact: Renderer, rgb: Array, moving: Array, generator: Any, times: Sequence[float]
    ) -> Renderer:
        """The renderer that draws with a generator what moves."""
        from photoflow.render.generated import GeneratedRenderer
        from photoflow.render.pyramid import PyramidRenderer

        if self._chosen["renderer"] == "pyramid":
            return PyramidRenderer(exact, rgb, moving, generator, self._settled_device(), times=times)
        return GeneratedRenderer(exact, rgb, moving, generator, self._settled_device())

    def _lay_out(
        self, rgb: Array, plans: Sequence[tuple[Array, Motion]], masks: Sequence[Array], timing: dict[str, Any]
    ) -> tuple[Renderer, Array]:
        """The renderer of the planned motions, and the soft mask of all that moves."""
        subjects = [(*cut_out(rgb, mask), motion) for mask, motion in plans if not motion.in_place]
        regions = [(soft_region(mask), motion) for mask, motion in plans if motion.in_place]
        alphas = [alpha for _, alpha, _ in subjects]
        flowing = [mask for mask, motion in plans if motion.in_place]
        others = [mask for mask in masks if not any(mask is region for region in flowing)]
        background = fill_behind(rgb, alphas, others) if subjects else rgb
        device = self._settled_device()
        from photoflow.render.layered import FlowingLayer, Layer, LayeredRenderer, SubjectLayer

        # Water flows behind what stands in it, so its own colours are those of the filled background.
        layers: list[Layer] = [
            FlowingLayer(background, alpha, motion, device=device, **timing) for alpha, motion in regions
        ]
        # Subjects come with the most prominent first: it is drawn last, in front.
        blueprint = self._network(self._chosen["blueprint"])
        moved = [
            SubjectLayer(own, alpha, motion, device=device, blueprint=blueprint, **timing)
            for own, alpha, motion in subjects[::-1]
        ]
        layers += moved
        if moved:
            farthest = np.maximum.reduce([layer.farthest for layer in moved])
            cut_outs = [(own, alpha) for own, alpha, _ in subjects[::-1]]
            background = behind_what_rests(rgb, background, cut_outs, farthest)
        moving = np.maximum.reduce([*alphas, *(alpha for alpha, _ in regions)])
        return LayeredRenderer(background, layers, device), moving

    def _settled_device(self) -> str:
        self._loading.join()
        return settled_device(self._device)


def _load_renderer() -> None:
    importlib.import_module("photoflow.render.layered")


def frame_count(seconds: float, fps: float) -> int:
    """Number of frames of a clip, at least 1.

    Raises:
        InputError: the length or the rate is out of its range.
    """
    if not _is_number(seconds) or not 0 < seconds <= 3600:
        raise InputError(f"seconds: expected a number above 0 and at most 3600, got {seconds!r}")
    if not _is_number(fps) or not MIN_FPS <= fps <= MAX_FPS:
        raise InputError(f"fps: expected a number from {MIN_FPS} to {MAX_FPS}, got {fps!r}")
    count = round(seconds * fps)
    if count < 1:
        raise InputError(f"{seconds:g} seconds at {fps:g} frames a second make no frame; expected at least one")
    return count


def keyframe_rate(rate: float | None, fps: float, interpolate: str) -> float:
    """Keyframes a second.

    Raises:
        InputError: it is out of its range, or nothing is interpolated.
    """
    if rate is None:
        return fps / 4
    if interpolate == "none":
        raise InputError("keyframe-fps: expected only where frames are interpolated (dis, refined, rife or amt)")
    if not _is_number(rate) or not 0 < rate <= fps:
        raise InputError(f"keyframe-fps: expected a number above 0 and at most {fps:g} (fps), got {rate!r}")
    return float(rate)


def over_white(photo: Photo) -> Array:
    """The photo's colours, uint8 (H, W, 3); white shows where it is transparent."""
    if photo.alpha is None:
        return photo.rgb
    opacity = photo.alpha[..., None].astype(np.float32) / 255
    return np.asarray(photo.rgb * opacity + 255 * (1 - opacity) + 0.5, dtype=np.uint8)


def resize_photo(rgb: Array, size: int | tuple[int, int] | str | None) -> tuple[Array, float]:
    """The photo at the clip's size, and the clip's pixels per pixel of the photo; see `Animator.animate`.

    Raises:
        InputError: the size is not one.
    """
    height, width = rgb.shape[:2]
    if size is None:
        scale = min(1.0, LONGEST_SIDE / max(height, width))
    elif size == "original":
        scale = 1.0
    else:
        limits: Any = (size, size) if _is_number(size) else size
        if len(limits) != 2 or not all(_is_number(v) and 16 <= v <= 16384 for v in limits):
            raise InputError(f"size: expected a side of 16 to 16384 pixels, WIDTHxHEIGHT or original, got {size!r}")
        scale = min(float(limits[0]) / width, float(limits[1]) / height)
    if scale == 1:
        return rgb, 1.0
    target = max(2, round(width * scale)), max(2, round(height * scale))
    return cv2.resize(rgb, target, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), scale


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)  # numpy's numbers too


def resize_mask(mask: Array, size: tuple[int, ...]) -> Array:
    """The mask, float32 (H, W), at another size (height, width)."""
    return mask if mask.shape == size else cv2.resize(mask, size[::-1], interpolation=cv2.INTER_AREA)


def assign(
    parts: Sequence[tuple[int | None, Motion]], masks: Sequence[Array], subject: int | str
) -> list[tuple[Array, Motion]]:
    """Which subject moves how: (mask, motion) for every subject that moves.

    Args:
        parts: motions with the number of their subject; those without one go to `subject`.
        masks: of the subjects that were found.
        subject: a number from 1 on, or "all".

    Raises:
        InputError: there is no such subject, or motions do not go together.
    """
    numbers = range(1, len(masks) + 1)
    if subject != "all" and subject not in numbers:
        raise InputError(f"subject: expected a number from 1 to {len(masks)} (subjects found) or all, got {subject!r}")
    for number, motion in parts:
        if number is not None and number not in numbers:
            raise InputError(f"motion {motion.name}: subject {number} was not found; there are {len(masks)}")
    plans = []
    for number in numbers:
        own = [m for wanted, m in parts if wanted == number or (wanted is None and subject in ("all", number))]
        if len(own) > 1 and any(m.in_place for m in own):
            raise InputError("drift: it flows inside its region and cannot be added to another motion of the same one")
        if own:
            plans.append((masks[number - 1], own[0] if len(own) == 1 else Sum(tuple(own))))
    return plans


def soft_region(mask: Array) -> Array:
    """The mask with an edge a few pixels soft, for a region that stays where it is."""
    width = 0.004 * max(mask.shape)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), width), dtype=np.float32)


def cut_out(rgb: Array, mask: Array) -> tuple[Array, Array]:
    """The subject's own colours, uint8 (H, W, 3), and its opacity, float32 (H, W).

    Raises:
        InputError: nothing of the subject is left at the clip's size.
    """
    alpha, own = matte(rgb, mask) if (mask > 0.5).any() else (mask, rgb)
    if not (alpha > 0.5).any():
        raise InputError(TOO_SMALL)
    return own, alpha


def fill_behind(rgb: Array, alphas: Sequence[Array], subjects: Sequence[Array]) -> Array:
    """The photo without what has the given opacities; none of the subjects, as masks, is copied into its place."""
    return fill_background(rgb, hole_behind(alphas), np.logical_or.reduce([mask > 0.5 for mask in subjects]))


def behind_what_rests(rgb: Array, background: Array, subjects: Sequence[tuple[Array, Array]], farthest: Array) -> Array:
    """A background over which subjects give the photo again where they stand still, so that a stem that is not theirs
    is not cut off at their foot.

    Args:
        rgb: the photo, uint8 (H, W, 3).
        background: filled in behind them, the same.
        subjects: their own colours and their opacity, (H, W) in [0, 1], the one in front last.
        farthest: float32 (H, W), how far each pixel of theirs goes at most, pixels.

    Returns:
        uint8 (H, W, 3).
    """
    moved = cv2.dilate(farthest, around(farthest.shape, 2))
    still = np.clip((MOVES[1] - moved) / (MOVES[1] - MOVES[0]), 0, 1)
    filled = (background != rgb).any(axis=2) & (still > 0)
    photo, rest = rgb[filled].astype(np.float32), still[filled][:, None]
    shown, clear = np.zeros_like(photo), np.ones_like(rest)
    for own, alpha in subjects:
        over = alpha[filled][:, None]
        shown = shown * (1 - over) + own[filled] * over
        clear = clear * (1 - over)
    before = background[filled].astype(np.float32)
    seen = clear > 0.01  # less of it is not seen, and cannot be told from the photo
    wanted = np.where(seen, np.clip((photo - shown) / np.maximum(clear, 0.01), 0, 255), before)
    result: Array = background.copy()
    result[filled] = np.rint(before + (wanted - before) * rest)
    return result


def hole_behind(alphas: Sequence[Array]) -> Array:
    """Where the background is unknown: under the subjects and the rim that they stain; bool (H, W)."""
    opacity = np.maximum.reduce(alphas)
    covered = cv2.dilate((opacity > 0).astype(np.uint8), around(opacity.shape)) > 0
    # A subject that leaves next to nothing of the photo: what is left of it must do.
    return np.asarray(opacity > 0.5 if covered.all() else covered)


def around(size: tuple[int, ...], more: int = 0) -> Array:
    """The square that `cv2.dilate` takes, uint8: as wide as the rim that a subject stains in a picture (height, width),
    and some pixels more on each side."""
    width = 2 * (max(1, round(0.002 * max(size))) + more) + 1
    return np.ones((width, width), np.uint8)
