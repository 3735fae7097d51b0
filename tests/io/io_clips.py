"""Video files of every kind that a person may have, made by the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch import Tensor

from photoflow.models.frame_pair import Interpolated

Setup = Callable[[Any, Any], None]


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    rate: Fraction | int = 25,
    options: dict[str, str] | None = None,
    setup: Setup = lambda container, stream: None,
) -> None:
    """Encode frames, uint8 (H, W, 3 or 4), shown at `times`, in units of 1 / rate seconds."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = stream.time_base = 1 / Fraction(rate)
        setup(container, stream)
        for index, pixels_of in enumerate(frames):
            own = "rgba" if pixels_of.shape[2] == 4 else "rgb24"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels_of), own).reformat(
                format=pixels, interpolation="AREA"
            )
            frame.pts, frame.time_base = index if times is None else times[index], 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def numbered(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Make plain grey frames that can be told apart after lossy coding, for up to 70 of them."""
    return [np.full((height, width, 3), 20 + 3 * index, np.uint8) for index in range(count)]


def number_of(frame: np.ndarray) -> int:
    """Return which of the `numbered` frames this is."""
    return round((float(frame[..., :3].mean()) - 20) / 3)


def quarters(height: int = 48, width: int = 64) -> np.ndarray:
    """Make a picture whose quarters are red, green, blue and white: every turn and mirror image looks different."""
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[: height // 2, : width // 2] = (230, 20, 20)
    picture[: height // 2, width // 2 :] = (20, 200, 20)
    picture[height // 2 :, : width // 2] = (20, 20, 230)
    return picture


def corner_names(frame: np.ndarray) -> str:
    """Return the colours of the four quarters, row by row: "RGBW" if upright."""
    height, width = frame.shape[:2]
    names = ""
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            pixel = frame[y, x, :3].astype(int)
            names += "W" if pixel.min() > 150 else "RGB"[int(pixel.argmax())]
    return names


def discs(count: int) -> list[np.ndarray]:
    """Make frames, uint8 (H, W, 4), of a square that moves over nothing."""
    frames = []
    for index in range(count):
        frame = np.zeros((48, 64, 4), np.uint8)
        frame[..., :3] = (200, 60, 30)
        frame[12:36, 8 + 4 * index : 32 + 4 * index, 3] = 255
        frames.append(frame)
    return frames


class Fade(torch.nn.Module):
    """The quickest interpolator: one picture is faded into the other."""

    def forward(self, first: Tensor, second: Tensor, t: float, details: bool = False) -> Tensor | Interpolated:
        frame = torch.lerp(first, second, t)
        still = first.new_zeros((1, 2, *first.shape[2:]))
        return Interpolated(frame, still, still, torch.full_like(first[:, :1], 1 - t)) if details else frame
