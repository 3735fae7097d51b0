"""The whole story on one page: a photo, its stage, a motion, a clip."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photoflow.arrays import Array
from photoflow.clip import Clip, frame_count, keyframe_rate
from photoflow.deprecated import old_names
from photoflow.device import check_device, settled_device, torch_loading
from photoflow.errors import InputError
from photoflow.io import read_photo
from photoflow.io.origin import COMPOSITE
from photoflow.models.networks import KINDS, load_network
from photoflow.motion import Motion
from photoflow.motion.motion import total
from photoflow.segment import Segmenter
from photoflow.segment.selection import transparency
from photoflow.stage import Stage
from photoflow.stage.depth_finder import DepthFinder
from photoflow.stage.face_finder import FaceLandmarks
from photoflow.stage.file import is_stage_file
from photoflow.stage.judgement import aimed, chooses, needs_regions, resolved
from photoflow.stage.plan import assign, cameras_of, completed, parts_of
from photoflow.stage.progress import Progress, silent
from photoflow.stage.renderer import Staging
from photoflow.stage.said import check_said, only_holds, said_layers
from photoflow.stage.working_size import Size, over_white

OPTIONS = {
    "blueprint": ("exact", "raft"), "renderer": ("splat", "gan", "pyramid"),
    "interpolate": ("none", "dis", "refined", "rife", "amt"),
}  # fmt: skip


if TYPE_CHECKING:
    from photoflow.motion import Camera
    from photoflow.render.renderer import Renderer
    from photoflow.stage.renderer import Plan


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
        interpolate: "none": every frame is rendered; "dis", "refined", "rife" or "amt": only keyframes are, and the
            method of that name makes the frames between them.
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
        self._device = device
        self._find_depth = DepthFinder(self._settled_device)
        self._find_faces = FaceLandmarks(offline)
        if isinstance(segmenter, str):
            segmenter = Segmenter(device=device, offline=offline, method=segmenter)
        self.segmenter = segmenter

    def prepare(
        self,
        photo: Any,
        *,
        size: Size = None,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Any] | None = None,
        layers: Mapping[str, Mapping[str, Any]] | None = None,
        depth: Any = None,
        depth_far_bright: bool = False,
        behind: str | Path | None = None,
        report: Callable[[str], None] = silent,
        cancel: threading.Event | None = None,
    ) -> Stage:
        """Prepare a photo to be animated: find what is in it, or take what is said to be, and cut it out.

        What is behind a layer is filled in when it first moves, or taken from a clip at once.

        Args:
            photo: a path, a PIL image, a numpy array (H, W[, 3|4]) or a torch tensor (C, H, W).
            size: longest side in pixels, (width, height) to fit into, or "original"; by default the photo's own size
                with the longest side at most 1920.
            mask, box, points: the one thing that is to be a layer, `subject-1`; see `Stage.add`.
            layers: in their place several things, by their names: keywords of `Stage.add`, as in
                {"water": {"mask": "water.png"}}; where all say nothing but `free` and `pinned`, they are of the
                things that are found. Without any of these it is what stands out, as `subject-1`,
                `subject-2`, ..., or what the photo's own transparency says.
            depth: a picture of the photo's depth, near = bright, or an array (H, W): see
                `photoflow.segment.depth.read_depth`. Without it Depth Anything V2 measures the depth where its weights
                are on this machine.
            depth_far_bright: far is bright in it.
            behind: a clip (a video, or a folder of pictures) whose first frame the photo is: what a layer hides is
                taken from the frames that show it. At most 60 frames are looked at, up to another scene.
            report: receives one line after every step.
            cancel: set from another thread, it ends the work after the present step.

        Returns:
            A stage, to which more layers can be added. It has none, and its `note` says why, where nothing stands out.

        Raises:
            InputError: bad input, or nothing is where it is said to be.
            Cancelled: it was cancelled.
        """
        progress = Progress(report, cancel)
        stage = self._prepared(photo, size, said_layers(layers, mask, box, points), behind, progress)
        self._find_depth(stage, depth, depth_far_bright, progress)
        for layer in stage.layers:
            layer.cut_out()
            progress.done(f"cut out: {layer.name}")
        stage.look_behind(progress)
        return stage

    def animate(
        self,
        photo: Any,
        motion: Motion | Mapping[int | str, Motion] | None = None,
        *,
        seconds: float = 4.0,
        fps: float = 30.0,
        loop: bool = True,
        size: Size = None,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Any] | None = None,
        layers: Mapping[str, Mapping[str, Any]] | None = None,
        subject: int | str = 1,
        depth: Any = None,
        depth_far_bright: bool = False,
        behind: str | Path | None = None,
        border_pins: bool = True,
        keyframe_fps: float | None = None,
        draft: bool = False,
        report: Callable[[str], None] = silent,
        cancel: threading.Event | None = None,
    ) -> Clip:
        """Plan a clip: prepare the photo, unless it is a stage already, and lay out what moves how.

        Args:
            photo: a photo as `prepare` takes it; or a `Stage`, or the path of a .stage file.
            motion: what moves and how: a motion; or for each layer that moves, by its name or number, its own motion.
                By default `Auto()`: what is in the photo moves as such things do (`photoflow.stage.judgement`).
            seconds: length of the clip, up to an hour.
            fps: frames a second, 0.1 to 240.
            loop: the end leads into the beginning.
            size, layers: of a photo, see `prepare`; a stage has its size and its layers.
            mask, box, points: the one thing in a photo that is to be a layer, see `Stage.add`; in place of `layers`.
            subject: the layer that a motion moves which names none: its number, 1 = the first, its name, or "all".
            depth, depth_far_bright: of the photo, for a camera, see `prepare`; a stage has its depth already, where
                none is given. Where none is known, it is told from where the layers stand.
            behind: of a photo or a stage, a clip that shows what is behind, see `prepare`; with `draft`, nothing is
                looked for in it.
            border_pins: a subject that the picture's border cuts off is held there.
            keyframe_fps: keyframes a second where frames are interpolated, at most `fps`; a quarter of it by default.
            draft: what is uncovered is filled in quickly and roughly: for previews, which have to come at once.
            report: receives one line after every step.
            cancel: set from another thread, it ends the work after the present step.

        Returns:
            The clip; its frames are rendered when they are asked for. What is done to the stage afterwards leaves it
            as it is.

        Raises:
            InputError: bad input, or a motion of a subject in a photo in which none was found.
            Cancelled: it was cancelled.
        """
        parts = aimed(parts_of(motion), subject)
        self._check_cameras(cameras_of(parts)[0])  # before anything is looked for
        count = frame_count(seconds, fps)
        rate = keyframe_rate(keyframe_fps, fps, self._chosen["interpolate"])
        self._load_networks()
        progress, layers = Progress(report, cancel), said_layers(layers, mask, box, points)
        if isinstance(photo, Stage) or is_stage_file(photo):
            stage = self._opened(photo, size, layers, behind)
        else:
            stage = self._prepared(photo, size, layers, behind, progress, _flows_all_over(parts))
        if any(needs_regions(target, part, stage) for target, part in parts):
            stage.find_regions()
        chosen = any(chooses(part) for _, part in parts)
        faces = self._find_faces.at_hand(stage, progress) if chosen else []
        parts = resolved(parts, stage, self._chosen["renderer"] == "splat", faces)
        parts = self._find_faces(parts, stage, subject, progress)
        cameras, others = cameras_of(parts)
        if chosen and all(name is not None for name, _ in others):
            subject = 1  # it is said by then for which layer each is
        if cameras:
            self._find_depth(stage, depth, depth_far_bright, progress)
        elif depth is not None:
            raise InputError("depth: expected it with a motion of the camera, and there is none")
        plans = completed(assign(others, stage, subject), stage)
        for layer in stage.layers:
            if layer.given and not cameras and layer not in dict(plans):
                progress.done(f"{layer.name}: it stays, no motion is for it")
        staging = Staging(
            stage, stage.scale, float(count / fps), loop, border_pins, self._settled_device,
            lambda: self._network(self._chosen["blueprint"]), progress, draft,
        )  # fmt: skip
        renderer, moving = staging.renderer(plans, cameras)
        drawn = self._drawn_by_networks(renderer, stage.photo, moving, count, fps, rate)
        played = functools.partial(_played, renderer, staging, plans, cameras) if drawn is renderer else None
        moves = total([one if name is None else one.on(name) for name, one in parts])
        source_type = stage.source_type
        if source_type is not None and (behind is not None or stage.plate is not None):
            source_type = COMPOSITE
        return Clip(drawn, stage.photo, moving, fps, count, moves, loop, played, source_type)

    def _opened(
        self,
        stage: Any,
        size: Size,
        layers: Mapping[str, Mapping[str, Any]] | None,
        behind: str | Path | None,
    ) -> Stage:
        """Return a stage as it is now, or the one in a file.

        Raises:
            InputError: it cannot be read, or something is said that it has already.
        """
        if size is not None or layers is not None:
            raise InputError("stage: it has its size and layers; expected neither size, layers, mask, box nor points")
        opened = stage.snapshot() if isinstance(stage, Stage) else Stage.load(stage, self.segmenter)
        if behind is not None:
            opened.know_clip(behind)
        return opened

    def _prepared(
        self,
        photo: Any,
        size: Size,
        layers: Mapping[str, Mapping[str, Any]] | None,
        behind: str | Path | None,
        progress: Progress,
        everything: bool = False,
    ) -> Stage:
        """Return a stage with the layers that are said, or found; with `everything`, none is looked for."""
        picture = read_photo(photo)
        stage = Stage.of(over_white(picture), size, self.segmenter, source_type=picture.source_type)
        if behind is not None:
            stage.know_clip(behind)
        if (layers is None or only_holds(layers)) and (cut := transparency(picture)) is not None:
            holds = layers or {}
            layers = {**holds, "subject-1": {"mask": cut, **holds.get("subject-1", {})}}
        progress.check()
        if layers is not None and not only_holds(layers):
            for name, said in layers.items():
                check_said(name, said)
                with torch_loading():
                    stage.add(name, **said)
                progress.done(f"{name}: {stage.layers[-1].source}" if len(layers) > 1 else f"subject: {stage.note}")
        else:
            if not everything:
                with torch_loading():
                    stage.find()
            progress.done(f"subject: {stage.note or 'the whole picture'}")
            for name, said in (layers or {}).items():
                stage.hold(name, **said)
        return stage

    def _check_cameras(self, cameras: Sequence[Any]) -> None:
        if cameras and self._chosen["renderer"] != "splat":
            raise InputError(f"camera: expected renderer splat with it, got {self._chosen['renderer']}")

    def _load_networks(self) -> None:
        """Load the networks that are chosen; nothing is looked for where one, or the device, cannot be had."""
        if self._device.startswith("cuda"):
            self._settled_device()
        for kind in self._chosen.values():
            self._network(kind)

    def _network(self, kind: str) -> Any:
        """Return the network of a kind, loaded when it is first asked for; None for a kind without one."""
        if kind == "dis":
            from photoflow.models.dis import DISInterpolation

            return DISInterpolation()
        if kind in KINDS and kind not in self._networks:
            device = self._settled_device()
            self._networks[kind] = load_network(kind, self._weights.get(kind), **self._permits).to(device)
        return self._networks.get(kind)

    def _drawn_by_networks(
        self, exact: Renderer, rgb: Array, moving: Array, count: int, fps: float, rate: float
    ) -> Renderer:
        """Return the renderer in which a generator or an interpolator draws; the exact one where neither does."""
        renderer = exact
        if generator := self._network(self._chosen["renderer"]):
            times = [number / fps for number in range(count)]
            renderer = self._generated(renderer, rgb, moving, generator, times)
        if interpolator := self._network(self._chosen["interpolate"]):
            from photoflow.render.interpolated import InterpolatedRenderer

            renderer = InterpolatedRenderer(renderer, interpolator, float(count / fps), rate, self._settled_device())
        return renderer

    def _generated(
        self, exact: Renderer, rgb: Array, moving: Array, generator: Any, times: Sequence[float]
    ) -> Renderer:
        """Build the renderer for drawing the moving parts with a generator."""
        from photoflow.render.generated import GeneratedRenderer
        from photoflow.render.pyramid import PyramidRenderer

        if self._chosen["renderer"] == "pyramid":
            return PyramidRenderer(exact, rgb, moving, generator, self._settled_device(), times=times)
        return GeneratedRenderer(exact, rgb, moving, generator, self._settled_device())

    def _settled_device(self) -> str:
        return settled_device(self._device)


def _played(
    renderer: Renderer, staging: Staging, plans: Sequence[Plan], cameras: Sequence[tuple[float, Camera]]
) -> Renderer:
    """Return the renderer whose layers a player gets: what stays in the picture is cut out, too."""
    return staging.renderer(plans, cameras, loose=True)[0] if staging.rests(plans, cameras) else renderer


def _flows_all_over(parts: Sequence[tuple[int | str | None, Motion]]) -> bool:
    """Return whether motions need nothing but the picture: then nothing is looked for in it."""
    named = any(name is not None and part.inside for name, part in parts)
    return bool(parts) and not named and all(part.everywhere for _, part in parts)


__getattr__ = old_names(
    __name__,
    {
        "hole_behind": "photoflow.stage.composition.hole_behind",
        "over_white": "photoflow.stage.working_size.over_white",
        "resize_mask": "photoflow.stage.working_size.resize_mask",
        "resize_photo": "photoflow.stage.working_size.resize_photo",
    },
)
