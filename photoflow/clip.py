"""A planned clip: frames that are rendered when they are asked for."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photoflow import viz
from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import VideoWriter, check_directory, check_output, check_target, write_image
from photoflow.io.video import MAX_FPS, MIN_FPS
from photoflow.motion.scene import moments

if TYPE_CHECKING:
    from photoflow.motion import Motion
    from photoflow.player import MovingPicture
    from photoflow.render.renderer import Renderer


PAGE = ".html"
EXPLAINED = ("mask.png", "flow.png", "trajectories.png", "strip.png", "xt.png")  # what `Clip.explain` writes
SHOWN, SHOWN_SECONDS = 960, 15.0  # pixels along the longest side, and seconds, of what a notebook shows
EXPLAIN_ROWS = 600  # of the x-t slice, at most: a long clip is sampled


def is_page(path: str | os.PathLike[str]) -> bool:
    """Return whether a clip is written to this path as a page."""
    return os.fspath(path).lower().endswith(PAGE)


def check_clip_output(path: str | os.PathLike[str], alpha: bool = False) -> None:
    """Check that a clip can be written to a path, before any work.

    Raises:
        InputError: it cannot; see `photoflow.io.check_output`.
    """
    if not is_page(path):
        check_output(path, alpha)
    elif alpha:
        raise InputError(f"cannot write {os.fspath(path)}: a page has the whole picture; expected it without alpha")
    else:
        check_target(path)


class Clip(Sequence[Array]):
    """The frames of an animated photo.

    A sequence of uint8 (H, W, 3) frames: `len(clip)`, `clip[i]` and iteration; each access renders,
    none is kept, so a long clip takes no more memory than a short one. In a notebook it shows itself.

    Args:
        renderer: draws the frame of a time.
        photo: uint8 (H, W, 3), the still picture.
        mask: float32 (H, W) in [0, 1], what of it moves.
        fps: frames a second.
        count: number of frames.
        motion: what moves how, with what was chosen and not said.
        loop: whether its end leads into its beginning.
        played: returns the renderer whose layers a player gets, in which what stays is cut out, too; None: it is the
            one that draws.
        source_type: of a photo that a network made, see `photoflow.io.Photo`; the clip's files say the same.
    """

    def __init__(
        self, renderer: Renderer, photo: Array, mask: Array, fps: float, count: int, motion: Motion, loop: bool = True,
        played: Callable[[], Renderer] | None = None, source_type: str | None = None,
    ) -> None:  # fmt: skip
        self.renderer, self.photo, self.mask, self.fps, self._count = renderer, photo, mask, fps, count
        self.motion, self.loop, self._played, self.source_type = motion, loop, played, source_type

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(f"clip has {self._count} frames, asked for frame {index}")
        return self.renderer.frame(self.time(index % self._count))

    def time(self, index: int) -> float:
        """Return when a frame is shown, seconds from the beginning."""
        return float(index / self.fps)  # a rate may be a fraction, with which numpy does not calculate

    @property
    def width(self) -> int:
        """Return the pixels of a row."""
        return int(self.photo.shape[1])

    @property
    def height(self) -> int:
        """Return the pixels of a column."""
        return int(self.photo.shape[0])

    @property
    def seconds(self) -> float:
        """Return the length of the clip in seconds."""
        return float(self._count / self.fps)

    def cutouts(self) -> Iterator[Array]:
        """Yield the moving subjects alone, frame by frame, uint8 (H, W, 4), transparent around them."""
        return (self._cutout(i) for i in range(self._count))

    def _cutout(self, index: int) -> Array:
        return self.renderer.cutout(self.time(index))

    def picture(self) -> MovingPicture:
        """Return the clip as a moving picture for a player, in which everything that is cut out can be pulled.

        Raises:
            InputError: a generator draws it, or frames between keyframes are made.
        """
        from photoflow.player.picture import moving_picture

        return moving_picture(self.renderer if self._played is None else self._played(), self.seconds, self.loop)

    def _drawn(self, numbers: Iterable[int], alone: bool = False) -> Iterator[Array]:
        """Yield frames of these numbers, or the moving subjects `alone`; a GPU draws the next ones meanwhile."""
        from photoflow.render.fetching import fetched

        draw = self.renderer.cutout_planes if alone else self.renderer.planes
        return fetched(draw(self.time(number)) for number in numbers)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        quality: int = 80,
        alpha: bool = False,
        progress: Callable[[], None] = lambda: None,
    ) -> Path:
        """Write the clip to a file.

        Where the photo's file says that a network made it, so does the clip's; but for an .html.

        Args:
            path: .mp4, .webm, .gif, .apng, .html, or a folder (no suffix) for a png a frame. What stands
                there is replaced once the new file is whole, and only then. An .html is one page that needs nothing
                else: it plays the photo in a browser, and whoever opens it can pull what is in it.
            quality: 0 to 100; not of an .html.
            alpha: the moving subjects alone, over nothing (webm, gif, apng, png folder).
            progress: called after every frame.

        Returns:
            The path, for what shows or takes a file.

        Raises:
            InputError: the format, the folder or the space on the disk does not allow it.
        """
        check_clip_output(path, alpha)
        if is_page(path):
            self._save_page(path, progress)
            return Path(path)
        palette = list(self._drawn(self._spread(8), alpha)) if str(path).lower().endswith(".gif") else None
        with VideoWriter(
            path, self.width, self.height, self.fps, quality=quality, alpha=alpha, palette=palette,
            gpu=self.renderer.device.type == "cuda", source_type=self.source_type,
        ) as out:  # fmt: skip
            for frame in self._drawn(range(self._count), alpha):
                out.write(frame)
                progress()
        return Path(path)

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        format: str = "flo",
        frames: bool = False,
        noise: bool = False,
        seed: int = 0,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        """Write what other programs need to follow the motion, a file a frame; `export.json` describes it.

        `flow/` has the way of every pixel of the photo to the frame, `vectors/` that of every pixel of the frame to the
        next one, pixels; `masks/` where each layer that moves is, alone, in the frame and (`masks/NAME.png`) at rest.
        Frames are written as they are made: a long clip takes no more memory than a short one.

        Args:
            folder: a new or an empty one; it appears once all is written.
            format: "flo" (Middlebury: x right, y down), or "exr" (OpenEXR: x right, y up, vectors also to the frame
                before; see `photoflow.compositing.vector_channels`).
            frames: write `frames/`, png, too.
            noise: write `noise/noises.npy`, float16 (frames, ceil(H / 8), ceil(W / 8), 16), white Gaussian noise that
                moves with the picture, and `noise/input.mp4`: what Go-with-the-Flow's networks are given, see
                `photoflow.render.noise.WarpedNoise`.
            seed: of that noise.
            progress: called after every frame.

        Raises:
            InputError: no such format, its package is not installed, a generator or interpolation makes the frames, or
                the folder holds something or cannot be made.
        """
        from photoflow.compositing import export

        export(self, folder, format=format, frames=frames, noise=noise, seed=seed, progress=progress)

    def _save_page(self, path: str | os.PathLike[str], progress: Callable[[], None]) -> None:
        """Write the page, with a small video for browsers that cannot play the picture itself."""
        from photoflow.player.page import small_video, video_frames, write_page

        numbers = video_frames(self._count, self.fps)

        def told() -> Iterator[Array]:
            for frame in self._drawn(numbers):
                yield frame
                progress()

        video = small_video(told(), max(MIN_FPS, self.fps / numbers.step), (self.width, self.height))
        write_page(path, self.picture().pullable(), video)

    def _spread(self, count: int) -> list[int]:
        """Return the numbers of so many frames, evenly spread over the clip."""
        return [int(i) for i in np.linspace(0, self._count, count, endpoint=False)]

    def _sample(self, count: int) -> Iterator[Array]:
        return self._drawn(self._spread(count))

    def explain(self, folder: str | os.PathLike[str], *, progress: Callable[[], None] = lambda: None) -> None:
        """Write pictures that show how the clip came about.

        `mask.png` (what moves), `flow.png` (displacements where they are largest, as colours),
        `trajectories.png` (paths of points over the photo), `strip.png` (six frames) and
        `xt.png` (one row of the picture over time: time runs downwards).

        Args:
            folder: made where it does not exist; pictures of these names in it are replaced.
            progress: called after every row of `xt.png`: one a frame, at most `EXPLAIN_ROWS`.

        Raises:
            InputError: it cannot be written to.
        """
        target = check_directory(folder)
        points = viz.grid_points(self.mask, 40)
        paths, peak, row = self._survey(points)
        slice_ = viz.xt_slice(self._told(min(self._count, EXPLAIN_ROWS), progress), row=row)
        target.mkdir(exist_ok=True)
        drawn = (
            viz.overlay_mask(self.photo, self.mask),
            viz.with_legend(viz.flow_to_rgb(peak)),
            viz.draw_trajectories(self.photo, paths),
            viz.strip(list(self._sample(6))),
            slice_,
        )
        for name, picture in zip(EXPLAINED, drawn, strict=True):
            write_image(target / name, picture)

    def _told(self, count: int, progress: Callable[[], None]) -> Iterator[Array]:
        for frame in self._sample(count):
            yield frame
            progress()

    def _survey(self, points: Array) -> tuple[Array, Array, int]:
        """Find the paths of `points` (N, 2) as (T, N, 2), the clip's largest flow, and the row that moves most."""
        paths, largest, energies = [points], np.zeros(1, np.float32), np.zeros(self.height)
        x, y = points[:, 0].astype(int), points[:, 1].astype(int)
        for t in moments(self.seconds, 2, 49):
            flow = self.renderer.flow(float(t))
            paths.append(points + flow[:, y, x].T)
            energies += np.square(flow).sum(axis=(0, 2))
            if np.square(flow).sum() >= np.square(largest).sum():
                largest = flow
        return np.stack(paths), largest, int(energies.argmax())

    def _repr_html_(self) -> str:
        """Return the clip as a video inside a notebook, of at most `SHOWN` pixels and `SHOWN_SECONDS`.

        The video is in the notebook's file, so it is kept small: at most some ten megabytes.
        """
        from photoflow.player.page import small_video

        count = min(self._count, math.ceil(SHOWN_SECONDS * self.fps))
        video = small_video(self._drawn(range(count)), self.fps, (self.width, self.height), SHOWN, quality=80)
        width = round(self.width * min(1, SHOWN / max(self.width, self.height)))
        again = " loop" if self.loop and count == self._count else ""
        rest = "" if count == self._count else f"<p>The first {count / self.fps:g} of {self.seconds:g} seconds.</p>"
        return (
            f'<video width="{width}" style="max-width: 100%; height: auto" controls autoplay{again} muted playsinline '
            f'src="data:video/mp4;base64,{base64.b64encode(video).decode()}"></video>{rest}'
        )


def frame_count(seconds: float, fps: float) -> int:
    """Return the number of frames of a clip, at least 1.

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
    """Return the keyframes a second.

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


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)  # numpy's numbers too
