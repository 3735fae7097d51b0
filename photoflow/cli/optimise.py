"""Command `photoflow optimise`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photoflow.cli.animate import check_clip_files, clip_report, drawn_frames
from photoflow.cli.app import (
    Device,
    Fps,
    Loop,
    Offline,
    PhotoPath,
    Quality,
    Read,
    Seconds,
    SegmenterName,
    Size,
    app,
    check_files,
    console,
    progress_bar,
)
from photoflow.cli.selection import Boxes, LayerOptions, Masks, NotPoints, Points
from photoflow.errors import InputError
from photoflow.options.parsing import numbers, parse_size
from photoflow.options.staged import staged

if TYPE_CHECKING:
    from photoflow.animator import Animator
    from photoflow.arrays import Array
    from photoflow.motion.optimised import Optimisation
    from photoflow.stage import Stage
    from photoflow.stage.layer import Layer


@app.command()
def optimise(
    photo: PhotoPath,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="motion.json; or a clip: .mp4, .webm, .gif, .apng, .html, a folder.")
    ] = Path("motion.json"),
    handle: Annotated[
        list[str] | None, typer.Option(help="X,Y,DX,DY: the point is to be moved by so many pixels; may be repeated.")
    ] = None,
    pin: Annotated[list[str] | None, typer.Option(help="X,Y: the point is to stay; may be repeated.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="A second picture, of the photo's size, that it is to become.")
    ] = None,
    like: Annotated[
        Path | None, typer.Option(help="A clip (or volume) with the amplitudes and directions that it is to have.")
    ] = None,
    generated: Annotated[
        bool, typer.Option("--generated", help="A clip's frames are the generator's: it draws what is uncovered.")
    ] = False,
    preview: Annotated[Path | None, typer.Option(help="Picture of the present state, written now and then.")] = None,
    save_motion: Annotated[Path | None, typer.Option(help="Beside a clip, the motion as a .json file.")] = None,
    steps: Annotated[int, typer.Option(min=0, help="Of the optimisation, at most.")] = 80,
    seed: Annotated[int, typer.Option(min=0, help="Of the networks' first weights.")] = 0,
    seconds: Seconds = 4.0,
    fps: Fps = 30.0,
    size: Size = None,
    loop: Loop = True,
    mask: Masks = None,
    box: Boxes = None,
    point: Points = None,
    not_point: NotPoints = None,
    quality: Quality = 80,
    segmenter: SegmenterName = "auto",
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Find the flow that moves a photo's points, makes it a second picture, or moves it like a clip.

    What moves is the layer that is said; else, of handles, the thing on which all of them lie; else the whole picture.
    An interrupt keeps the best flow so far.
    """
    from photoflow.animator import Animator
    from photoflow.clip import frame_count
    from photoflow.device import settled_device

    wanted = Wanted(handle or [], pin or [], to, like)
    options = LayerOptions(mask, box, point, not_point)
    is_clip = output.suffix.lower() != ".json"
    motion_file = save_motion if is_clip else output
    if not is_clip and (generated or save_motion):
        raise InputError(f"{output}: expected a clip with --generated and --save-motion, as they are beside one")
    read: Read = {"the photo": [photo], "its mask": options.files, "the target": [to, like]}
    _check_outputs(read, output if is_clip else None, motion_file, preview)
    frames = frame_count(seconds, fps)
    with progress_bar(drawn_frames(output, frames, fps) if is_clip else 1) as (advance, report):
        animator = Animator(device, segmenter, offline)
        stage, layer = _stage_of(animator, photo, size, options, wanted, report)
        found = _found(stage, layer, wanted, settled_device(device), steps, seed, preview, report)
        motion = found.motion if layer is None else found.motion.on(layer.name)
        if motion_file:
            motion.save(motion_file)
        if is_clip and generated:
            _write_generated(found, output, frames, fps, loop, quality, advance, stage.source_type)
        elif is_clip:
            clip = animator.animate(stage, motion, seconds=seconds, fps=fps, loop=loop, report=report)
            clip.save(output, quality=quality, progress=advance)
    console.print(_report(found, layer), markup=False, soft_wrap=True)
    if is_clip:
        console.print(clip_report(output, frames, fps, frames / fps), markup=False, soft_wrap=True)
    else:
        said = f"{output}: photoflow animate {photo} --motion {output}"
        console.print(said, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Wanted:
    """The texts of the options that say the target.

    Raises:
        InputError: none is said, or several, or pins without handles.
    """

    handles: Sequence[str]
    pins: Sequence[str]
    to: Path | None
    like: Path | None

    def __post_init__(self) -> None:
        said = sum((bool(self.handles), self.to is not None, self.like is not None))
        if said != 1:
            raise InputError("optimise: expected either --handle (one or more), --to or --like")
        if self.pins and not self.handles:
            raise InputError("pin: expected it with --handle")
        for path in (self.to, self.like):
            if path is not None and not path.is_file():
                raise InputError(f"{path}: no such file")

    def places(self) -> list[tuple[float, ...]]:
        """Return (x, y, dx, dy) of handles and (x, y, 0, 0) of pins, pixels of the photo."""
        pins = [(*numbers("pin", text, 2), 0.0, 0.0) for text in self.pins]
        return [*(numbers("handle", text, 4) for text in self.handles), *pins]


def _check_outputs(read: Read, clip: Path | None, motion: Path | None, preview: Path | None) -> None:
    """Check before any work that everything can be written, and that nothing read is replaced or written twice.

    Raises:
        InputError: something cannot, is, or are.
    """
    from photoflow.io import check_target

    if clip is not None:
        check_clip_files(read, clip, False, None, motion)
    elif motion is not None:
        check_target(motion)
    if preview is not None:
        check_target(preview)
        if preview.suffix.lower() not in (".png", ".jpg", ".webp"):
            raise InputError(f"{preview}: expected a name that ends in .png, .jpg or .webp for the preview")
    check_files(read, [path for path in (clip, motion, preview) if path])


def _stage_of(
    animator: Animator, photo: Path, size: str | None, options: LayerOptions, wanted: Wanted,
    report: Callable[[str], None],
) -> tuple[Stage, Layer | None]:  # fmt: skip
    """Return the photo as a stage, and the layer of it that moves; None: the whole picture."""
    from photoflow.io import read_photo
    from photoflow.stage import Stage
    from photoflow.stage.working_size import over_white

    source, layers = staged(animator, photo, size, options, report)
    if isinstance(source, Stage):
        stage = source
    elif layers or wanted.handles:
        stage = animator.prepare(source, size=parse_size(size), layers=layers, report=report)
    else:
        picture = read_photo(source)
        stage = Stage.of(
            over_white(picture), parse_size(size), animator.segmenter, source_type=picture.source_type
        )  # fmt: skip
    places = [(x * stage.scale, y * stage.scale) for x, y, *_ in wanted.places()]
    for layer in stage.layers:
        if layer.given or (places and _holds(layer, places)):
            return stage, layer
    for layer in stage.layers:  # they would stand still in the picture
        stage.remove(layer.name)
    return stage, None


def _holds(layer: Layer, places: Sequence[tuple[float, float]]) -> bool:
    """Return whether all places, pixels of the working size, are on a layer."""
    height, width = layer.mask.shape
    spots = [(min(max(round(x), 0), width - 1), min(max(round(y), 0), height - 1)) for x, y in places]
    return all(layer.mask[y, x] > 127 for x, y in spots)


def _found(
    stage: Stage, layer: Layer | None, wanted: Wanted, device: str, steps: int, seed: int, preview: Path | None,
    report: Callable[[str], None],
) -> Optimisation:  # fmt: skip
    """Return what the optimisation found for a layer, or for the whole picture."""
    import numpy as np

    from photoflow.io import read_photo, write_image
    from photoflow.motion.optimised import Handles, LikeClip, SecondPicture, optimise
    from photoflow.motion.optimised.canvas import features_words
    from photoflow.stage.working_size import over_white

    target: Handles | LikeClip | SecondPicture
    if wanted.like is not None:
        target = LikeClip(wanted.like)
    elif wanted.to is not None:
        second = over_white(read_photo(wanted.to))
        width, height = stage.photo_size
        if second.shape[:2] != (height, width):
            got = f"{second.shape[1]}x{second.shape[0]}"
            raise InputError(f"{wanted.to}: expected a picture of {width}x{height} pixels, as the photo, got {got}")
        target = SecondPicture(resized(second, stage.photo.shape[:2]))
    else:
        scaled = [tuple(stage.scale * value for value in place) for place in wanted.places()]
        target = Handles([place for place in scaled if any(place[2:])], [p[:2] for p in scaled if not any(p[2:])])
    report(features_words())
    mask = None if layer is None else layer.mask / np.float32(255)
    return optimise(
        stage.photo, target, mask, steps=steps, device=device, seed=seed, report=report,
        preview=None if preview is None else lambda frame: write_image(preview, frame),
    )  # fmt: skip


def resized(rgb: Array, size: tuple[int, int]) -> Array:
    """Return a picture, uint8 (H, W, 3), of another size (height, width)."""
    import cv2
    import numpy as np

    if rgb.shape[:2] == size:
        return rgb
    return np.asarray(cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA))


def _write_generated(
    found: Optimisation, output: Path, count: int, fps: float, loop: bool, quality: int, advance: Callable[[], None],
    source_type: str | None,
) -> None:  # fmt: skip
    """Write the clip that the generator draws."""
    from photoflow.io import VideoWriter

    def frame(number: int) -> Array:
        drawn: Array = found.frame(found.motion.amounts(number / fps, count / fps, loop))
        return drawn

    palette = [frame(count * part // 8) for part in range(8)] if output.suffix.lower() == ".gif" else None
    height, width = frame(0).shape[:2]
    with VideoWriter(
        output, width, height, fps, quality=quality, palette=palette, source_type=source_type
    ) as out:  # fmt: skip
        for number in range(count):
            out.write(frame(number))
            advance()


def _report(found: Optimisation, layer: Layer | None) -> str:
    """Describe in one line what was found."""
    ended = "interrupted" if found.interrupted else "ended"
    kept = f"that of step {found.best} is kept" if found.best else "the initial guess is kept"
    what = "the whole picture" if layer is None else layer.name
    return f"{what}: {found.said}; {ended} after {found.steps} steps, {kept}"
