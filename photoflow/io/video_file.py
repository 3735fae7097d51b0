"""Video files as FFmpeg reads them: which stream is the video, what can be decoded of it, and what has to be said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.stream import Disposition
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.frame_pixels import shown_pixels, square_size
from photoflow.io.frame_times import Clock, in_parts
from photoflow.io.photo import MAX_MEGAPIXELS
from photoflow.io.wide_colour import HLG, PQ, is_wide, peak_of

_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders of these drop the alpha
JOINTS = 0x0200  # AVFMT_TS_DISCONT: a format whose times may jump, such as MPEG-TS
_ODDEST_RATE = 1000  # frames a second, or seconds a frame: what is said beyond is a mistake, as is a rate below 0
_LEAST_SIDE = 16  # pixels: smaller frames, with planes of fewer colours yet, are too small for bwdif
# PyAV 19 takes tags in any encoding by itself, and knows the word no longer.
_ANY_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
_MISSING = 0.03  # share of the promised length above which a file counts as cut off


def open_container(path: Path) -> Any:
    """Open a media file; names and titles in another encoding than UTF-8 do no harm, and nothing else is opened by it.

    Raises:
        InputError: the file is missing, is no regular file, or is nothing that FFmpeg reads.
    """
    if not os.path.isfile(path):
        what = "a folder" if os.path.isdir(path) else "no file on a disk"
        there = os.path.exists(path)
        raise InputError(f"{path} is {what}, expected a video file" if there else f"{path}: no such file")
    try:
        return av.open(str(path), options={"protocol_whitelist": "file"}, **_ANY_TAGS)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = _cut_index(path) or getattr(error, "strerror", None) or error
        raise InputError(f"{path} is not a video file: {reason}") from error


def video_stream(container: Any) -> Any:
    """Return the first stream that is a video: no cover, no thumbnails, and of a codec that can be decoded.

    Raises:
        InputError: there is none, in words that lack the file's name.
    """
    moving = [stream for stream in container.streams.video if not stream.disposition & _NO_VIDEO]
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise InputError("holds a video of an unknown codec" if moving else "holds no video")
    if container.format.name.endswith("_pipe") or container.format.name == "image2":
        raise InputError("is a single picture, expected a video")
    return next((stream for stream in known if stream.frames != 1), known[0])


def rates_of(stream: Any) -> list[Fraction]:
    """Return the frames a second that a stream's header names, the likelier first; they may be far off."""
    named = (stream.average_rate, stream.guessed_rate)
    return [Fraction(rate) for rate in named if rate and 1 / _ODDEST_RATE <= rate <= _ODDEST_RATE]


class VideoFile:
    """A video file; each iteration decodes it anew.

    Damaged parts are left out, interlaced frames are deinterlaced, HDR is tone-mapped; `notes` says so.

    Args:
        path: an absolute path.

    Attributes:
        rates: frames a second that the header names.
        notes: what a person should know of the file, known once it has been read.
        alpha: whether anything is transparent.

    Raises:
        InputError: the file is missing, or holds no video.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes: dict[str, str] = {}
        with self._opened() as (container, stream):
            self.rates = rates_of(stream)
            self._aspect = pixel_aspect(stream)
            self._joints = bool(container.format.flags & JOINTS)
            self._promised = _length(container, stream)
            named = {name.lower(): value for name, value in stream.metadata.items()}  # some write it in capitals
            self._hidden_alpha = named.get("alpha_mode") == "1"
            self.codec = stream.codec_context.name
            packets = (packet for packet in _packets(container, stream) if packet.size)
            if len(container.streams) > 1 and sum(1 for _ in islice(packets, 2)) < 2:  # as beside music
                raise InputError(f"{self.path} holds a single picture, expected a video")
        self.alpha = self._has_alpha()

    @property
    def step(self) -> Fraction:
        """Return the usual time between two frames by the header, seconds."""
        return 1 / self.rates[0] if self.rates else Fraction(1, 25)

    @property
    def clock(self) -> Clock:
        """Return a clock for one iteration over the frames."""
        return Clock(self.step, self._joints)

    @property
    def notes(self) -> list[str]:
        """Return what was found so far, a sentence each, in lower case."""
        return list(self._notes.values())

    def times(self) -> tuple[list[Fraction], Fraction]:
        """Read, without decoding, when frames are shown: seconds from 0 on, in order, and when the last one ends."""
        clock = self.clock
        parts, tail = self._parts()
        times = [clock(time) for part in parts for time in part]
        return times, (times[-1] if times else Fraction(0)) + (tail or self.step)

    def shifts(self) -> list[Fraction]:
        """Return what is added to the times of each part of a joined recording so that they follow each other."""
        first = next((frame for frame in self._decoded() if frame.pts is not None), None)
        clock = self.clock
        shifts = []
        for part in self._parts()[0]:
            for time in part:
                clock(time)
            shifts.append(clock.shift)
        if not shifts or first is None:
            return [Fraction(0)]
        # The first frames of a recording may lack what they refer to; time begins with the first that can be decoded.
        late = first.pts * Fraction(first.time_base) + shifts[0]
        return [shift - late for shift in shifts]

    def _parts(self) -> tuple[list[list[Fraction]], Fraction]:
        """Read the times of each part as the file says them, and for how long the last frame is shown, seconds."""
        stamps, last, tail = [], None, Fraction(0)
        with self._opened() as (container, stream):
            for packet in _packets(container, stream):
                if packet.size and not packet.is_discard and not (self.codec == "vp8" and bytes(packet)[0] & 16 == 0):
                    base = packet.time_base or stream.time_base
                    pair = tuple(None if at is None else at * Fraction(base) for at in (packet.pts, packet.dts))
                    stamps.append((pair[0], pair[1]))
                    if pair[0] is not None and (last is None or pair[0] >= last):
                        last, tail = pair[0], max(packet.duration or 0, 0) * Fraction(base)
        return in_parts(stamps, self.step, self._joints), tail

    def frames(self) -> Iterator[tuple[Fraction | None, NDArray[np.uint8]]]:
        """Yield each frame with the time that the file says, seconds: uint8 (H, W, 3), or (H, W, 4) with `alpha`."""
        peak = None
        for frame in self._decoded():
            self._note_colours(frame)
            if peak is None and frame.color_trc == PQ:
                peak = peak_of(frame.side_data)
            time = None if frame.pts is None else frame.pts * Fraction(frame.time_base)
            self._check_size(frame)
            yield time, shown_pixels(frame, self._aspect, self.alpha, peak)

    def _decoded(self) -> Iterator[Any]:
        """Yield progressive frames with a time base."""
        deinterlace: Deinterlacer | None = None
        count, first, end = 0, None, 0.0
        with self._opened() as (container, stream):
            for frame in self._whole_frames(container, stream):
                if frame.time_base is None:
                    frame.time_base = stream.time_base
                count += 1
                if frame.time is not None:
                    first = frame.time if first is None else first
                    end = max(end, frame.time + float((frame.duration or 0) * frame.time_base))
                if deinterlace is None and frame.interlaced_frame and min(frame.width, frame.height) >= _LEAST_SIDE:
                    self._notes["interlaced"] = "interlaced: its fields are made into whole frames (bwdif)"
                    deinterlace = Deinterlacer(frame, str(self.path))
                yield from [frame] if deinterlace is None else deinterlace(frame)
        if deinterlace is not None:
            yield from deinterlace(None)
        if count == 0:
            raise InputError(f"{self.path} is truncated or damaged: no frame is complete")
        self._note_length(count, end - (first or 0.0))

    def _whole_frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield what can be decoded; what cannot is left out and counted."""
        decoder = stream.codec_context
        decoder.options = {"max_pixels": str(MAX_MEGAPIXELS * 1_000_000)}
        if self._hidden_alpha and self.codec in _WITH_ALPHA:
            decoder = av.CodecContext.create(_WITH_ALPHA[self.codec], "r")
        damaged = 0
        for packet in _packets(container, stream):
            try:
                yield from decoder.decode(packet if packet.size else None)
            except av.FFmpegError:
                damaged += 1
        with suppress(av.FFmpegError):  # what a file that ends with an error left in the decoder
            yield from decoder.decode(None)
        if damaged:
            self._notes["damaged"] = f"damaged: {damaged} of its parts cannot be decoded and are left out"

    def _has_alpha(self) -> bool:
        """Return whether anything is transparent: some formats are decoded with an alpha channel in any case."""
        for frame in self._decoded():
            if not any(component.is_alpha for component in frame.format.components):
                return False
            if int(frame.reformat(format="rgba").to_ndarray()[..., 3].min()) < 255:
                return True
        return False

    def _check_size(self, frame: Any) -> None:
        height, width = square_size(frame.height, frame.width, self._aspect)
        if height * width > MAX_MEGAPIXELS * 1_000_000:
            raise InputError(f"{self.path} is {width}x{height}, more than {MAX_MEGAPIXELS} megapixels a frame")

    def _note_colours(self, frame: Any) -> None:
        if frame.color_trc in (PQ, HLG):
            name = "PQ" if frame.color_trc == PQ else "HLG"
            self._notes["colours"] = f"HDR ({name}): tone-mapped to SDR"
        elif is_wide(frame.color_primaries):
            self._notes["colours"] = "wide colours: converted to those of BT.709"

    def _note_length(self, count: int, seconds: float) -> None:
        if self._promised and self._promised - seconds - 3 * self.step > _MISSING * self._promised:
            of = f"{seconds:.3g} of {float(self._promised):.3g}"
            self._notes["length"] = f"cut off: {count} frames, {of} seconds are there"

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        """Open the file and choose its video stream, the same one each time."""
        with open_container(self.path) as container:
            try:
                stream = video_stream(container)
            except InputError as error:
                raise InputError(f"{self.path} {error}") from error
            yield container, stream


class Deinterlacer:
    """Filter that makes whole frames of interlaced ones, one for one, and leaves progressive ones as they are.

    Args:
        frame: the first frame; all others have its size and format.
        name: of the file, for errors.
    """

    def __init__(self, frame: Any, name: str) -> None:
        self._name = name
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        bwdif = self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()
        self._shape = (frame.width, frame.height, frame.format.name)

    def __call__(self, frame: Any) -> Iterator[Any]:
        """Yield the frames that are ready; None as the last one gives the rest.

        Raises:
            InputError: a frame of another size or format.
        """
        if frame is not None and (frame.width, frame.height, frame.format.name) != self._shape:
            raise InputError(f"{self._name}: interlaced frames change their size or format, expected one throughout")
        self._graph.push(frame)
        while True:
            try:
                yield self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream up to the end, or to where the file cannot be read any further."""
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:  # a packet of a stream that began after the file was opened, which PyAV does not know
            continue
        except av.FFmpegError:
            return


def pixel_aspect(stream: Any) -> Fraction | None:
    """Return the width of a pixel by its height, or None where it is not said."""
    with suppress(ValueError, ZeroDivisionError, TypeError):  # what a header may hold
        return Fraction(stream.sample_aspect_ratio or 0) or None
    return None


def _length(container: Any, stream: Any) -> Fraction | None:
    """Return the length of the video that the file promises, seconds, or None.

    A container's length is that of its longest stream: it counts where the video is alone. In some formats it is the
    time of the end, whenever the first frame is shown.
    """
    if stream.duration and stream.duration > 0:
        return Fraction(stream.duration * stream.time_base)
    if len(container.streams) == 1 and container.duration and container.duration > 0:
        return Fraction(container.duration - max(container.start_time or 0, 0), av.time_base)
    return None


def _cut_index(path: Path) -> str | None:
    """Return what is missing of an MP4 or MOV file that was cut off before its index; None for anything else."""
    size, place = path.stat().st_size, 0
    with open(path, "rb") as file:
        while place + 8 <= size:
            file.seek(place)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if (place == 0) != (kind == b"ftyp") or kind == b"moov":
                return None
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return None
            if place + length > size:
                return f"it is cut off: {size} of at least {place + length} bytes are there, without its index"
            place += length
    return None
