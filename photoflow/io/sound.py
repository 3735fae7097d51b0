"""The sound of one file, carried into another while that is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from photoflow.errors import InputError


@dataclass(frozen=True)
class SoundCodecs:
    """What sound a container takes.

    Attributes:
        kept: codecs whose packets are copied as they are.
        otherwise: the encoder for all others.
        rate: samples a second for it; None: as they come.
    """

    kept: frozenset[str]
    otherwise: str
    rate: int | None


SOUND_CODECS = {
    "mp4": SoundCodecs(frozenset({"aac", "ac3", "alac", "eac3", "mp3", "opus"}), "aac", None),
    "webm": SoundCodecs(frozenset({"opus", "vorbis"}), "libopus", 48_000),
}


def keeps_sound(path: str | os.PathLike[str]) -> bool:
    """Whether a file of this name, once written, holds sound."""
    return Path(path).suffix.lower().removeprefix(".") in SOUND_CODECS


def has_sound(path: Path) -> bool:
    """Whether a file that FFmpeg reads holds sound.

    Raises:
        InputError: it is no such file.
    """
    try:
        with av.open(str(path)) as container:
            return _track(container) is not None
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: its sound cannot be read: {error.strerror or error}") from error


class Sound:
    """The first sound track of a file, muxed into an open container step by step.

    No more is read than what is due, so memory does not grow with the length. Packets keep their times relative to
    the first picture of their file.

    Args:
        source: a file with sound.
        container: an output container that has its video stream already and nothing muxed.
        kind: its format, a key of `SOUND_CODECS`.

    Raises:
        InputError: the sound cannot be read or encoded.
    """

    def __init__(self, source: Path, container: Any, kind: str) -> None:
        self._path, self._target, codecs = source, container, SOUND_CODECS[kind]
        self._source = av.open(str(source))
        self._input = _track(self._source)
        self._copied = self._input.codec_context.codec.canonical_name in codecs.kept
        if self._copied:
            self._output: Any = container.add_stream_from_template(self._input)
        else:
            self._output = container.add_stream(codecs.otherwise, rate=codecs.rate or self._input.codec_context.rate)
            self._output.codec_context.layout = "mono" if self._input.codec_context.channels == 1 else "stereo"
        self._start = _first_picture(source)
        self._packets = self._made()
        self._pending: Any = None

    def advance(self, seconds: float | Fraction) -> None:
        """Mux what sounds up to a time of the video."""
        with self._naming_errors():
            while True:
                packet = next(self._packets, None) if self._pending is None else self._pending
                self._pending = packet
                if packet is None or (packet.dts is not None and packet.dts * packet.time_base > seconds):
                    return
                self._target.mux(packet)
                self._pending = None

    def finish(self) -> None:
        """Mux all the rest."""
        self.advance(float("inf"))
        self.close()

    def close(self) -> None:
        """Close the file that is read."""
        with suppress(av.FFmpegError, OSError):
            self._source.close()

    def _made(self) -> Iterator[Any]:
        """Packets for the output, in time with its first picture."""
        if self._copied:
            for packet in self._source.demux(self._input):
                if packet.dts is not None and self._moved(packet):  # without a time: the mark of the end
                    packet.dts = packet.pts
                    packet.stream = self._output
                    yield packet
            return
        for frame in self._source.decode(self._input):
            if self._moved(frame):
                yield from self._output.encode(frame)
        yield from self._output.encode(None)

    def _moved(self, part: Any) -> bool:
        """Give a packet or a frame its time in the output; whether it has one: what was over before is left out."""
        if part.pts is None or not self._start:
            return part.pts is not None
        part.pts -= round(self._start / part.time_base)
        length = part.duration if isinstance(part, av.Packet) else Fraction(part.samples, part.rate) / part.time_base
        return bool(part.pts + (length or 0) > 0)

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        """Name the file whose sound is damaged; what the output says, such as that its disk is full, passes."""
        try:
            yield
        except av.error.InvalidDataError as error:
            raise InputError(f"{self._path}: its sound is damaged: {error.strerror or error}") from error


def _track(container: Any) -> Any:
    """The first sound track that FFmpeg has a name for, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def _first_picture(path: Path) -> Fraction:
    """When the first picture of a file is shown, seconds."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0) if container.streams.video else ():
            if frame.pts is not None and frame.time_base is not None:
                return Fraction(frame.pts * frame.time_base)
            break
    return Fraction(0)
