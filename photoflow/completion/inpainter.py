"""A clip without the thing that moves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from photoflow.arrays import Array
from photoflow.completion.masks import ClipMasks, written
from photoflow.completion.propagation import propagated
from photoflow.completion.store import Store
from photoflow.completion.trails import Hole
from photoflow.completion.windows import networked
from photoflow.device import settled_device
from photoflow.errors import InputError
from photoflow.interpolation import Reader, check_target, open_frames, palette_samples
from photoflow.io import VideoReader, VideoWriter
from photoflow.io.atomic import check_directory, write_bytes
from photoflow.io.sound import has_sound, keeps_sound
from photoflow.io.video import MIN_FPS
from photoflow.segment import Segmenter

_JOB, _NOTES = "job.json", "notes.json"


@dataclass(frozen=True)
class Inpainted:
    """Result of `Inpainter.inpaint`.

    Args:
        frames: number of frames written.
        fps: frames a second of the output.
        source: how the mask was found.
        silenced: whether the clip's sound was left out because the output's format cannot hold it.
        notes: what a person should know, a sentence each.
    """

    frames: int
    fps: Fraction
    source: str
    silenced: bool
    notes: tuple[str, ...] = ()


class Inpainter:
    """Takes things out of clips: what is behind them comes from the frames that show it.

    Args:
        weights: of E²FGVI, a name in the registry or a file; None: what other frames show is followed along the flow,
            see `photoflow.completion.propagated`, which needs no weights.
        device: "auto", "cpu", "cuda" or "cuda:1": of the network, and of the one that finds things.
        segmenter: finds what is in a box or at points; None: one of its own.
        offline: never fetch weights.
        accept_licence: accept weights whose licence forbids commercial use.

    Raises:
        WeightsError: the weights are not to be had, may not be used, or are those of another network.
        InputError: no such device.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        *,
        device: str = "auto",
        segmenter: Segmenter | None = None,
        offline: bool = False,
        accept_licence: bool = False,
    ) -> None:
        self._segmenter = segmenter or Segmenter(device, offline)
        self._weights = weights
        self._network: nn.Module | None = None
        if weights is not None:
            from photoflow.models.networks import load_network

            self._device = settled_device(device)
            self._network = load_network("completion", weights, offline=offline, accept_licence=accept_licence)

    def inpaint(
        self,
        clip: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        mask: Any = None,
        box: Sequence[float] | None = None,
        points: Sequence[Any] | None = None,
        not_points: Sequence[Any] | None = None,
        still: bool = False,
        margin: float | None = None,
        fps: float = 30.0,
        quality: int = 80,
        work: str | os.PathLike[str] | None = None,
        show_mask: str | os.PathLike[str] | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> Inpainted:
        """Write a clip without what its masks cover.

        Frames are read and written one after the other, so that memory does not grow with the clip's length. What is
        outside of the masks stays as it is, up to the encoder; sound, transparency and the times of frames, too.

        Args:
            clip: a video, an animated picture, or a folder of pictures.
            target: see `photoflow.io.check_output`.
            mask: see `photoflow.completion.masks.ClipMasks`; the same for box, points, not_points, still and margin.
            box: X, Y, W, H.
            points: X, Y pairs.
            not_points: X, Y pairs.
            still: whether what is said holds for every frame as it is.
            margin: pixels by which masks are widened; more takes a shadow along.
            fps: of a folder of pictures; a video has its own.
            quality: 0 to 100.
            work: a folder that keeps what is measured and filled: the same call goes on where an earlier one ended.
            show_mask: where the thing's masks are written, white on black; a folder of them can be corrected and given
                as `mask`.
            progress: called twice a frame.

        Raises:
            InputError: the clip or what is said of it is not as it should be, or the output cannot be written.
            NoSubjectError: nothing stands out in the box or at the points.
        """
        frames = open_frames(clip, fps)
        check_target(frames, target)
        said = {"mask": mask, "box": box, "points": points, "not_points": not_points, "still": still, "margin": margin}
        folder = None if work is None else self._work_folder(work, frames, said)
        masks = ClipMasks(frames, **said, segmenter=self._segmenter)
        sound = frames.path if isinstance(frames, VideoReader) else None
        rate = max(frames.fps, Fraction(MIN_FPS).limit_denominator(10))
        palette = list(palette_samples(frames)) if str(target).lower().endswith(".gif") else None
        with ExitStack() as files:
            writer = files.enter_context(
                VideoWriter(
                    target, frames.width, frames.height, rate, quality=quality, alpha=frames.alpha, palette=palette,
                    sound=sound,
                )
            )  # fmt: skip
            things = masks.of_thing() if folder is None else _kept(masks, Store(folder), frames.count)
            if show_mask is not None:
                shown = files.enter_context(VideoWriter(show_mask, frames.width, frames.height, rate, quality=100))
                things = written(things, shown)
            holes = (masks.widened(bits) for bits in things)
            completed = self.completed(_Colours(frames), holes, folder=folder, progress=progress)
            for frame, count in _timed(frames, completed, rate):
                for _ in range(count):
                    writer.write(frame)
        silenced = sound is not None and not keeps_sound(target) and has_sound(sound)
        notes = (*frames.notes, *(masks.notes or _kept_notes(folder)))
        return Inpainted(writer.frames_written, rate, masks.source, silenced, notes)

    def completed(
        self,
        frames: Iterable[Array],
        masks: Iterable[Array],
        *,
        folder: Path | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> Iterator[Array]:
        """Fill the holes of frames.

        Args:
            frames: uint8 (H, W, 3) each; iterated twice.
            masks: bool (H, W) each, true where the frame is unknown; as many as frames.
            folder: where what is measured and filled is kept, so that another call goes on; None: nowhere.
            progress: called twice a frame.

        Yields:
            uint8 (H, W, 3): each frame, equal to the given one outside of its mask.

        Raises:
            InputError: frames or masks have other types, shapes or numbers, or a mask covers a whole frame.
        """
        if self._network is None:
            return propagated(frames, masks, folder=folder, progress=progress)
        size = getattr(self._network, "frame_size", None)
        return networked(frames, masks, self._network, size, device=self._device, folder=folder, progress=progress)

    def _work_folder(self, work: str | os.PathLike[str], frames: Reader, said: dict[str, Any]) -> Path:
        """Return the folder of a job that was begun, or begin it.

        Raises:
            InputError: the folder holds something else.
        """
        folder = check_directory(work)
        job = {
            "clip": _stamp(frames.path), "weights": str(self._weights),
            "said": {key: _stamp(value) if _is_file(value) else _text(value) for key, value in said.items()},
        }  # fmt: skip
        text = json.dumps(job, indent=1)
        if (folder / _JOB).is_file():
            if (folder / _JOB).read_text() != text:
                raise InputError(
                    f"work: {folder} holds work on another clip or mask; expected a new or an empty folder"
                )
            return folder
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(f"work: {folder} holds something else; expected a new or an empty folder")
        folder.mkdir(exist_ok=True)
        write_bytes(folder / _JOB, text.encode())
        return folder


class _Colours:
    """The frames of a clip without their transparency, as often as they are iterated."""

    def __init__(self, frames: Reader) -> None:
        self._frames = frames

    def __iter__(self) -> Iterator[Array]:
        return (np.ascontiguousarray(frame[..., :3]) for frame in self._frames)


def _timed(frames: Reader, completed: Iterator[Array], rate: Fraction) -> Iterator[tuple[Array, int]]:
    """Yield each frame, with its transparency, and how many frames of the output it is shown for."""
    places = [round(time * rate) for time in frames.times]
    ends = [*places[1:], round(Fraction(frames.seconds) * rate)]
    given = iter(frames) if frames.alpha else None
    for number, frame in enumerate(completed):
        if given is not None:
            frame = np.dstack([frame, next(given)[..., 3]])
        # A damaged clip may hold other frames than its times say.
        shown = ends[number] - places[number] if number < len(places) else 1
        yield frame, max(1 if number + 1 >= len(places) else 0, shown)


def _kept(masks: ClipMasks, store: Store, count: int) -> Iterator[Array]:
    """Yield the thing's masks, from the store if all are there, else each after it was kept."""
    if all(store.has("mask", number) for number in range(count)):
        for number in range(count):
            record = store.read("mask", number)
            yield Hole.of(record["mask"], record["shape"]).mask
        return
    for number, bits in enumerate(masks.of_thing()):
        store.write("mask", number, mask=np.packbits(bits), shape=bits.shape)
        yield bits
    write_bytes(store.folder / _NOTES, json.dumps(masks.notes).encode())


def _kept_notes(folder: Path | None) -> tuple[str, ...]:
    """Return what was to be said of masks that were kept with the work."""
    if folder is None or not (folder / _NOTES).is_file():
        return ()
    return tuple(json.loads((folder / _NOTES).read_text()))


def _is_file(value: Any) -> bool:
    return isinstance(value, str | os.PathLike) and os.path.exists(value)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        import zlib

        return f"{value.shape} {zlib.crc32(np.ascontiguousarray(value).tobytes())}"
    return repr(value)


def _stamp(path: Any) -> list[Any]:
    status = os.stat(path)
    return [os.path.abspath(path), status.st_size, status.st_mtime_ns]
