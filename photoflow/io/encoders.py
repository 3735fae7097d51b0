"""Encoders, one for each video format. Each takes one frame at a time and keeps no more than its codec needs.

An encoder writes to the path it is given, whatever the file's name; ``photoflow.io.video`` chooses the path.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from photoflow.io import origin
from photoflow.io.gif import Quantizer
from photoflow.io.sound import Sound, has_sound
from photoflow.io.yuv import rgb_to_yuv420

Frame = NDArray[np.uint8]
_BT709, _LIMITED = 1, 1  # ITU-T H.273 code points, the same for matrix, primaries and transfer
_NVENC = "h264_nvenc"
_AT_ONCE = {"movflags": "+faststart"}  # plays while it loads
_NOT_RANDOM = {"fflags": "+bitexact"}  # a track's number, which is random otherwise
_AVX512F = 13  # OpenCV's CPU_AVX_512F, which its Python module does not name
_LARGE = 8_000_000  # pixels; from here on the default look-ahead of x264 costs 0.6 GB and more


@dataclass(frozen=True)
class Settings:
    """Settings that every encoder is opened with.

    Attributes:
        width: width of the frames, pixels.
        height: height of the frames, pixels.
        fps: frames a second.
        quality: 0 (small file) to 100 (near lossless).
        alpha: whether frames are (H, W, 4).
        palette: sample frames for formats with a palette, or None.
        sound: a file whose sound is added if the format can hold sound, or None.
        gpu: whether a GPU may encode.
        source_type: what a file says of its origin, one of `photoflow.io.origin.GENERATED`, or None. The encoders of
            WebM and of PNG files write it; the others' files are marked when they are closed.
    """

    width: int
    height: int
    fps: Fraction
    quality: int
    alpha: bool
    palette: Sequence[Frame] | None
    sound: Path | None
    gpu: bool = False
    source_type: str | None = None


class Encoder(Protocol):
    """Interface of an encoder."""

    def write(self, frame: Frame) -> None:
        """Encode the next frame, uint8 (H, W, 3) or (H, W, 4), contiguous."""

    def finish(self) -> None:
        """Write all pending data and close the file."""

    def abort(self) -> None:
        """Close the file without finishing it; the caller removes it."""


class _Stream:
    """A container with one video stream."""

    def __init__(self, path: Path, container: str, codec: str, rate: Fraction, width: int, height: int,
                 pixel_format: str, options: dict[str, str], threads: int,
                 container_options: dict[str, str] | None = None) -> None:  # fmt: skip
        self._container = av.open(str(path), "w", format=container, options=container_options or {})
        self._stream = cast(av.VideoStream, self._container.add_stream(codec, rate=rate, options=options))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, pixel_format
        context = self._stream.codec_context
        context.thread_count = threads
        if pixel_format.startswith("yuv"):
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED
        context.open()  # open at once, so that an unsupported size fails before any frame is rendered

    def encode(self, frame: av.VideoFrame | None, pts: int = 0, duration: int | None = None) -> None:
        if frame is not None:
            frame.pts = pts
        for packet in self._stream.encode(frame):
            if duration is not None:
                packet.duration = duration  # PyAV drops a frame's duration; GIF needs it for the last delay
            self._container.mux(packet)

    def add_tag(self, name: str, value: str) -> None:
        """Add a tag to the container. Call this before the first frame."""
        self._container.metadata[name] = value

    def add_sound(self, source: Path, container: str) -> Sound | None:
        """Add a file's sound to the container, if it has any. Call this before the first frame."""
        return Sound(source, self._container, container) if has_sound(source) else None

    def finish(self) -> None:
        self.encode(None)
        self._container.close()

    def abort(self) -> None:
        with suppress(av.FFmpegError, OSError):  # a full disk refuses the trailer too; the file is removed anyway
            self._container.close()


class _Yuv420:
    """H.264 and VP9 encoder. Both need even sides: the last column or row of an odd frame is cut off."""

    def __init__(self, path: Path, container: str, codec: str, settings: Settings, options: dict[str, str],
                 threads: int, container_options: dict[str, str]) -> None:  # fmt: skip
        self._even = settings.height // 2 * 2, settings.width // 2 * 2
        self._format = "yuva420p" if settings.alpha else "yuv420p"
        height, width = self._even
        self._stream = _Stream(path, container, codec, settings.fps, width, height, self._format, options,
                               threads, container_options)  # fmt: skip
        self._sound = self._stream.add_sound(settings.sound, container) if settings.sound else None
        self.add_tag = self._stream.add_tag
        self._fps = settings.fps
        self._count = 0

    def write(self, frame: Frame) -> None:
        if self._sound:
            self._sound.advance(self._count / self._fps)
        frame = frame[: self._even[0], : self._even[1]]
        picture = av.VideoFrame(frame.shape[1], frame.shape[0], self._format)
        planes = [_pixels(plane) for plane in picture.planes]
        if frame.shape[2] == 4:
            planes[3][:] = frame[..., 3]
            frame = np.ascontiguousarray(frame[..., :3])
        rgb_to_yuv420(frame, *planes[:3])
        picture.colorspace, picture.color_range = _BT709, _LIMITED
        self._stream.encode(picture, self._count)
        self._count += 1

    def finish(self) -> None:
        if self._sound:
            self._sound.finish()
        self._stream.finish()

    def abort(self) -> None:
        if self._sound:
            self._sound.close()
        self._stream.abort()


def _pixels(plane: Any) -> Frame:
    """View a plane of an encoder's frame as an array (H, W) with padded rows."""
    rows: Frame = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def mp4(path: Path, settings: Settings) -> Encoder:
    """Open an encoder for H.264 in MP4 that plays while it loads. Quality 0..100 is crf 40..15, 80 is crf 20."""
    if settings.gpu and has_nvenc():
        with suppress(av.FFmpegError):  # too large a frame, for instance, or as many encoders as it has are in use
            return _Yuv420(path, "mp4", _NVENC, settings, nvenc_options(settings.quality), 1, _AT_ONCE)
    options = {"preset": "veryfast", "crf": f"{40 - settings.quality / 4:g}"}
    own = ["chromaloc=1"]
    if cv2.checkHardwareSupport(_AVX512F):
        own.append("asm=AVX2")  # its AVX-512 code reads memory that nobody wrote: files differ from run to run
    threads = _threads()
    if settings.width * settings.height >= _LARGE:  # from 1.7 GB down to 0.7 GB at 24 megapixels
        options |= {"rc-lookahead": "2", "bf": "0"}
        own.append("sync-lookahead=0")
        threads = min(threads, 2)
    options["x264-params"] = ":".join(own)
    return _Yuv420(path, "mp4", "libx264", settings, options, threads, _AT_ONCE)


def nvenc_options(quality: int) -> dict[str, str]:
    """Return the options of NVENC's H.264: its constant quality is on the scale of crf."""
    return {"preset": "p5", "tune": "hq", "rc": "vbr", "cq": f"{40 - quality / 4:g}", "b": "0", "spatial-aq": "1",
            "chroma_sample_location": "center"}  # fmt: skip


@cache
def has_nvenc() -> bool:
    """Return whether a GPU of this machine encodes H.264: data-centre GPUs such as the H200 have no encoder."""
    try:
        context = cast(av.VideoCodecContext, av.CodecContext.create(_NVENC, "w"))
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.options = nvenc_options(80)
        frame = av.VideoFrame(256, 256, "yuv420p")
        frame.pts = 0
        return bool([*context.encode(frame), *context.encode(None)])
    except (av.FFmpegError, ValueError):  # no driver, no such GPU; or no such codec in this PyAV
        return False


def webm(path: Path, settings: Settings) -> Encoder:
    """Open an encoder for VP9 in WebM, with straight alpha if asked. Quality 0..100 is crf 55..25, 80 is crf 31."""
    # With this deadline a look-ahead does not change the output, but costs 350 MB at 4K.
    options = {"crf": f"{round(55 - 0.3 * settings.quality)}", "b": "0", "row-mt": "1",
               "deadline": "realtime", "cpu-used": "5", "lag-in-frames": "0"}  # fmt: skip
    if settings.alpha:
        options["auto-alt-ref"] = "0"  # the encoder does not allow both
    encoder = _Yuv420(path, "webm", "libvpx-vp9", settings, options, _threads(), _NOT_RANDOM)
    if settings.source_type:
        encoder.add_tag(origin.WEBM_TAG, origin.VOCABULARY + settings.source_type)
    return encoder


class Gif:
    """GIF encoder: loops for ever, with one palette; ``quality`` has no effect.

    Each frame's time is rounded to hundredths of a second; the rounding errors do not add up. Browsers replace
    delays below 0.02 s by 0.1 s, so at most 50 frames a second are kept, evenly spaced.
    """

    FASTEST = 50

    def __init__(self, path: Path, settings: Settings) -> None:
        self._settings = settings
        size = settings.width, settings.height
        self._stream = _Stream(path, "gif", "gif", Fraction(100), *size, "pal8", {}, threads=1)
        self._quantize: Quantizer | None = None
        self._count = self._kept = 0
        self._rate = min(settings.fps, Fraction(self.FASTEST))
        self.finish, self.abort = self._stream.finish, self._stream.abort

    def write(self, frame: Frame) -> None:
        """Quantise and write a frame. Without palette samples, the palette is made from the first frame."""
        if self._quantize is None:
            samples = self._settings.palette or [frame]
            self._quantize = Quantizer(self._settings.width, self._settings.height, samples)
        due = self._count * self._rate / self._settings.fps
        self._count += 1
        if due < self._kept:
            return
        now, following = (round(count * 100 / self._rate) for count in (self._kept, self._kept + 1))
        self._kept += 1
        # Copied, because the quantiser compares the frame with the next one.
        picture = av.VideoFrame.from_ndarray(frame, self._quantize.format)
        picture.pts = now
        self._stream.encode(self._quantize(picture), now, following - now)


class Apng:
    """Animated PNG encoder: loops for ever, lossless, with alpha if asked; ``quality`` has no effect."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._format = "rgba" if settings.alpha else "rgb24"
        size = settings.width, settings.height
        options = {"pred": "up", "compression_level": "4"}
        self._stream = _Stream(path, "apng", "apng", settings.fps, *size, self._format, options,
                               _threads(), {"plays": "0"})  # fmt: skip
        self._count = 0
        self.finish, self.abort = self._stream.finish, self._stream.abort

    def write(self, frame: Frame) -> None:
        """Write a frame."""
        # Copied, because the encoder's threads and its frame differencing read the frame after this call.
        self._stream.encode(av.VideoFrame.from_ndarray(frame, self._format), self._count)
        self._count += 1


class PngFolder:
    """Encoder to a folder of frame_00000.png, frame_00001.png, ...: lossless, with alpha if asked."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._folder = path
        self._order = cv2.COLOR_RGBA2BGRA if settings.alpha else cv2.COLOR_RGB2BGR
        self._source_type = settings.source_type
        self._count = 0
        path.mkdir()

    def write(self, frame: Frame) -> None:
        """Write a frame as a file of its own."""
        _, encoded = cv2.imencode(".png", cv2.cvtColor(frame, self._order))
        data = encoded.tobytes()
        if self._source_type:
            data = origin.marked(data, self._source_type)
        (self._folder / f"frame_{self._count:05d}.png").write_bytes(data)
        self._count += 1

    def finish(self) -> None:
        """Do nothing: every frame is already written."""

    def abort(self) -> None:
        """Do nothing: no file is open."""


@dataclass(frozen=True)
class Format:
    """A video format.

    Attributes:
        encoder: opens an encoder at a path.
        alpha: whether transparency can be kept.
        marked: whether the finished file is marked, see `photoflow.io.origin`; if not, its encoder does that.
    """

    encoder: Callable[[Path, Settings], Encoder]
    alpha: bool
    marked: bool = True


FORMATS = {
    ".mp4": Format(mp4, alpha=False),
    ".webm": Format(webm, alpha=True, marked=False),
    ".gif": Format(Gif, alpha=True),
    ".apng": Format(Apng, alpha=True),
    "": Format(PngFolder, alpha=True, marked=False),  # no suffix: a folder
}


def _threads() -> int:
    """Return the number of encoder threads: at most 8, as more hold more frames in memory and gain little."""
    return min(os.cpu_count() or 1, 8)
