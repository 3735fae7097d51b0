"""Writer of video files, which leaves either the whole video or nothing."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from numpy.typing import NDArray

from photoflow.deprecated import old_names
from photoflow.errors import InputError
from photoflow.io import origin
from photoflow.io.atomic import check_directory, check_target, naming_errors, replacing
from photoflow.io.encoders import FORMATS, Encoder, Gif, Settings

MIN_FPS, MAX_FPS = 0.1, 240


def check_output(path: str | os.PathLike[str], alpha: bool = False) -> Path:
    """Check that a video can be written to ``path``, before anything is rendered.

    Args:
        path: a file with the suffix .mp4, .webm, .gif or .apng; a path without suffix, or one that ends in a
            slash, is a folder of PNG files.
        alpha: whether the video has to keep transparency.

    Returns:
        The absolute path.

    Raises:
        InputError: unknown suffix, a format without alpha, a missing or read-only folder, a folder in the
            place of the file, a folder of PNG files that holds something already.
    """
    kind = _kind(path)
    if alpha and not FORMATS[kind].alpha:
        raise InputError(f"cannot write {os.fspath(path)}: {kind[1:]} keeps no transparency, "
                         "expected .webm, .gif, .apng or a folder of PNG files")  # fmt: skip
    if kind:
        return check_target(path)
    folder = check_directory(path)
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"cannot write {folder}: the folder is not empty, expected a new or an empty one")
    return folder


def output_frames_and_rate(path: str | os.PathLike[str], count: int, fps: float) -> tuple[int, float]:
    """Return the number of frames that a file of this name keeps, and its rate: a .gif has at most 50 a second."""
    if _kind(path) != ".gif" or fps <= Gif.FASTEST:
        return count, fps
    return int((count - 1) * Gif.FASTEST / fps) + 1, Gif.FASTEST


class VideoWriter:
    """Writer of a video, frame by frame. The file appears under its name when the ``with`` block ends without error.

    On any exception, Ctrl-C included, the unfinished file is removed and an existing file stays as it was.

    ============  ============================================================================
    .mp4          H.264, 4:2:0, BT.709 limited range, plays in browsers; an odd last row or column is cut off
    .webm         VP9, the same; keeps alpha
    .gif          255 colours, ordered dithering, loops; at most 50 frames a second are kept; alpha becomes all or
                  nothing, from half opaque on
    .apng         lossless, loops; keeps alpha
    a folder      frame_00000.png, ...; lossless; keeps alpha
    ============  ============================================================================

    Args:
        path: see ``check_output``.
        width: of the frames, pixels, at least 2.
        height: of the frames, pixels, at least 2.
        fps: frames a second, 0.1 to 240.
        quality: 0 (small) to 100 (near lossless). H.264: crf = 40 - quality / 4; VP9: crf = 55 - 0.3 quality;
            the other formats ignore it.
        alpha: keep transparency; frames are then (H, W, 4), alpha straight.
        palette: GIF only: sample frames, like those that are written, that the colours are chosen from; without them
            the first frame is used.
        sound: a file whose first sound track, if it has one, is added to an .mp4 or .webm: copied if the format
            supports its codec, else encoded anew. The other formats keep no sound.
        gpu: whether a GPU may encode an .mp4, as it makes sense where that draws the frames: by NVENC where that
            works, at the same quality in about the same size. The bytes of the file then are those of that GPU.
        source_type: of frames that a network made, one of `photoflow.io.origin.GENERATED`, which the file then says: in
            XMP, each PNG of a folder too; a .webm in a tag.

    Raises:
        InputError: at once, before anything is written, if an argument is out of range or ``check_output`` fails;
            later if the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], width: int, height: int, fps: float | Fraction, *,
                 quality: int = 80, alpha: bool = False,
                 palette: Sequence[NDArray[np.uint8]] | None = None,
                 sound: str | os.PathLike[str] | None = None, gpu: bool = False,
                 source_type: str | None = None) -> None:  # fmt: skip
        self.path = check_output(path, alpha)
        if width < 2 or height < 2:
            raise InputError(f"expected a video of at least 2x2 pixels, got {width}x{height}")
        if not MIN_FPS <= fps <= MAX_FPS:
            raise InputError(f"expected {MIN_FPS} to {MAX_FPS} frames a second, got {fps}")
        if not 0 <= quality <= 100:
            raise InputError(f"expected a quality from 0 to 100, got {quality}")
        for sample in palette or ():
            _check_frame(sample, (height, width, 4 if alpha else 3), "a palette sample")
        if source_type is not None:
            origin.xmp(source_type)  # refuses another word
        rate = Fraction(fps).limit_denominator(1001)
        heard = Path(sound) if sound else None
        self._settings = Settings(width, height, rate, quality, alpha, palette, heard, gpu, source_type)
        self._format = FORMATS[_kind(path)]
        self._shape = (height, width, 4 if alpha else 3)
        self.frames_written = 0

    def __enter__(self) -> "VideoWriter":
        with ExitStack() as stack:
            self._hidden = stack.enter_context(replacing(self.path))
            with self._naming_errors():
                self._encoder: Encoder = self._format.encoder(self._hidden, self._settings)
            self._stack = stack.pop_all()
        return self

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Encode the next frame.

        Args:
            frame: uint8 (H, W, 3), or (H, W, 4) with ``alpha``. The caller may overwrite it afterwards.

        Raises:
            InputError: another shape or dtype, or the disk is full.
        """
        _check_frame(frame, self._shape, "a frame")
        with self._naming_errors():
            self._encoder.write(np.ascontiguousarray(frame))
        self.frames_written += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        if kind is not None:
            self._encoder.abort()
            self._stack.__exit__(kind, error, trace)  # removes the unfinished file
            return
        with self._naming_errors(), self._stack:  # leaving the stack renames the file
            self._finish()

    def _finish(self) -> None:
        try:
            if self.frames_written == 0:
                raise InputError(f"cannot write {self.path}: no frames")
            self._encoder.finish()
            if self._settings.source_type and self._format.marked:
                with open(self._hidden, "r+b") as file:
                    origin.mark(file, self._settings.source_type)
        except BaseException:
            self._encoder.abort()
            raise

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        with naming_errors(self.path):
            try:
                yield
            except av.FFmpegError as error:
                if isinstance(error, OSError):
                    raise  # a full disk, for instance: `naming_errors` names the file
                size = f"{self._settings.width}x{self._settings.height}"
                raise InputError(f"cannot encode {self.path} at {size}: {error.strerror or error}") from error


def _kind(path: str | os.PathLike[str]) -> str:
    """Return the key of ``FORMATS`` for a path."""
    text = os.fspath(path)
    if text.endswith(("/", os.sep)):
        return ""
    suffix = Path(text).suffix.lower()
    if text == "-":
        raise InputError("cannot write to -: a video needs a file, expected its name")
    if suffix not in FORMATS:
        raise InputError(f"cannot write {text}: expected .mp4, .webm, .gif, .apng or a folder "
                         f"(a name without suffix, for PNG files), got '{suffix}'")  # fmt: skip
    return suffix


def _check_frame(frame: NDArray[np.uint8], shape: tuple[int, int, int], name: str) -> None:
    if frame.dtype != np.uint8 or frame.shape != shape:
        raise InputError(f"expected {name} uint8 {shape}, got {frame.dtype} {frame.shape}")


__getattr__ = old_names(__name__, {"VideoReader": "photoflow.io.video_reader.VideoReader"})
