"""Sound of one file, copied into another file while that is written."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from photoflow.errors import InputError
from photoflow.io.frame_times import is_joint
from photoflow.io.video_file import JOINTS, VideoFile, open_container

_STEP = Fraction(1, 10)  # seconds: packets of sound never step back as far as some of these, but at a joint


@dataclass(frozen=True)
class SoundCodecs:
    """Sound codecs that a container supports.

    Attributes:
        kept: codecs whose packets are copied unchanged.
        otherwise: the encoder used for all other codecs.
        rate: samples a second for this encoder; None: the rate of the source.
    """

    kept: frozenset[str]
    otherwise: str
    rate: int | None


SOUND_CODECS = {
    "mp4": SoundCodecs(frozenset({"aac", "ac3", "alac", "eac3", "mp3", "opus"}), "aac", None),
    "webm": SoundCodecs(frozenset({"opus", "vorbis"}), "libopus", 48_000),
}


def keeps_sound(path: str | os.PathLike[str]) -> bool:
    """Return whether a file of this name can hold sound when photoflow writes it."""
    return Path(path).suffix.lower().removeprefix(".") in SOUND_CODECS


def has_sound(path: Path) -> bool:
    """Return whether a media file holds sound.

    Raises:
        InputError: FFmpeg cannot read the file.
    """
    try:
        with open_container(path) as container:
            return _track(container) is not None
    except InputError as error:
        raise InputError(f"{path}: its sound cannot be read: {error}") from error


class Sound:
    """The first sound track of a file, muxed into an open container step by step.

    Only the packets that are due are read, so memory does not grow with the length. Packets keep their times relative
    to the first picture of their file.

    Args:
        source: a file with sound.
        container: an output container that already has its video stream, with nothing muxed yet.
        kind: format of the container, a key of `SOUND_CODECS`.

    Raises:
        InputError: the sound cannot be read or encoded.
    """

    def __init__(self, source: Path, container: Any, kind: str) -> None:
        self._path, self._target, codecs = source, container, SOUND_CODECS[kind]
        self._source = open_container(source)
        self._input = _track(self._source)
        self._copied = self._input.codec_context.codec.canonical_name in codecs.kept
        if self._copied:
            self._output: Any = container.add_stream_from_template(self._input)
        else:
            self._output = container.add_stream(codecs.otherwise, rate=codecs.rate or self._input.codec_context.rate)
            self._output.codec_context.layout = "mono" if self._input.codec_context.channels == 1 else "stereo"
        self._shifts = _shifts(source)
        self._joints = bool(self._source.format.flags & JOINTS)
        self._part, self._written = 0, -math.inf
        self._last: Fraction | None = None
        self._packets = self._made()
        self._pending: Any = None

    def advance(self, seconds: float | Fraction) -> None:
        """Mux the sound up to a time of the video, seconds."""
        with self._naming_errors():
            while True:
                packet = next(self._packets, None) if self._pending is None else self._pending
                self._pending = packet
                if packet is None or (packet.dts is not None and packet.dts * packet.time_base > seconds):
                    return
                self._target.mux(packet)
                self._pending = None

    def finish(self) -> None:
        """Mux the rest of the sound and close the source."""
        self.advance(float("inf"))
        self.close()

    def close(self) -> None:
        """Close the source file."""
        with suppress(av.FFmpegError, OSError):
            self._source.close()

    def _made(self) -> Iterator[Any]:
        """Yield packets for the output, timed from the first picture."""
        if self._copied:
            for packet in self._source.demux(self._input):
                if packet.dts is not None and self._moved(packet):  # the packet that marks the end has no time
                    packet.dts = packet.pts
                    packet.stream = self._output
                    yield packet
            return
        for frame in self._source.decode(self._input):
            if self._moved(frame):
                yield from self._output.encode(frame)
        yield from self._output.encode(None)

    def _moved(self, part: Any) -> bool:
        """Shift a packet or frame to its time in the output; return False if it has none there.

        That is, if it has no time at all, ends before time 0, or overlaps what was written before a joint.
        """
        if part.pts is None:
            return False
        time = part.pts * Fraction(part.time_base)
        self._part += self._last is not None and is_joint(self._last, time, _STEP, self._joints)
        self._last = time
        shift = round(self._shifts[min(self._part, len(self._shifts) - 1)] / part.time_base)
        part.pts += shift
        length = part.duration if isinstance(part, av.Packet) else Fraction(part.samples, part.rate) / part.time_base
        # What a codec needs before its first sound, at times below 0 from the start, is kept.
        before = shift != 0 and part.pts + (length or 0) <= 0
        if before or part.pts <= self._written:
            return False
        self._written = part.pts
        return True

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Turn an error of damaged sound into one that names the source; errors of the output pass through."""
        try:
            yield
        except av.error.InvalidDataError as error:
            raise InputError(f"{self._path}: its sound is damaged: {error.strerror or error}") from error


def _track(container: Any) -> Any:
    """Return the first sound track whose codec FFmpeg knows, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _shifts(path: Path) -> list[Fraction]:
    """Return what is added to the times of each part of a recording so that its first picture is at 0, seconds."""
    try:
        return VideoFile(path).shifts()
    except InputError:  # sound alone
        return [Fraction(0)]
