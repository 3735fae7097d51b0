"""The page that plays a moving picture: one file that asks nobody for anything."""

from __future__ import annotations

import base64
import html
import json
import math
import os
import tempfile
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.io import VideoWriter
from photoflow.io.atomic import replacing
from photoflow.player.images import Image
from photoflow.player.picture import MovingPicture

SMALL, SLOW, LONG = 480, 15.0, 12.0  # of the video in it: longest side, frames a second, and seconds, at most


def data_url(image: Image) -> str:
    """Return an image as an address that holds it."""
    return f"data:{image.mime};base64,{base64.b64encode(image.data).decode()}"


def modules() -> dict[str, str]:
    """Return the source of the player's modules by the names under which they import each other."""
    folder = resources.files("photoflow.player") / "web"
    return {f"photoflow/{file.name}": file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".js")}


def page(picture: MovingPicture, video: bytes, title: str = "A photo that moves") -> str:
    """Return the page as text.

    Args:
        picture: what it plays.
        video: an mp4, which is shown where the picture cannot be played.
        title: of the page.
    """
    template = (resources.files("photoflow.player") / "web" / "page.html").read_text("utf-8")
    sources = {
        name: "data:text/javascript;base64," + base64.b64encode(text.encode()).decode()
        for name, text in modules().items()
    }
    parts = {
        "<!-- title -->": html.escape(title),
        "<!-- import map -->": _script("importmap", {"imports": sources}),
        "<!-- picture -->": _script("application/json", picture.document(data_url), "picture"),
        "<!-- clip -->": f"data:video/mp4;base64,{base64.b64encode(video).decode()}",
    }
    for place, text in parts.items():
        template = template.replace(place, text)
    return template


def write_page(path: str | os.PathLike[str], picture: MovingPicture, video: bytes) -> None:
    """Write the page to a file, beside its target first and then renamed over it.

    Raises:
        InputError: it cannot be written.
    """
    text = page(picture, video, Path(path).stem)
    with replacing(Path(path)) as place:
        Path(place).write_text(text, "utf-8")


def video_frames(count: int, fps: float) -> range:
    """Return the numbers of the frames of a clip that are in the page's video: fewer, and the first seconds alone."""
    return range(0, min(count, math.ceil(LONG * fps)), max(1, round(fps / SLOW)))


def small_video(
    frames: Iterable[Array], fps: float, size: tuple[int, int], longest: int = SMALL, quality: int = 60
) -> bytes:
    """Return frames, uint8 (H, W, 3), as a small mp4.

    Args:
        frames: some of a clip.
        fps: a second, of these.
        size: (width, height) of the frames, pixels; the video may be smaller.
        longest: its longest side, pixels, at most.
        quality: 0 to 100.
    """
    scale = min(1.0, longest / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "clip.mp4")
        with VideoWriter(file, width, height, fps, quality=quality) as out:
            for frame in frames:
                small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
                out.write(np.asarray(small, np.uint8))
        return file.read_bytes()


def _script(kind: str, content: object, name: str = "") -> str:
    """Return a script element of JSON, in which nothing can end the element."""
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    label = f' id="{name}"' if name else ""
    return f'<script type="{kind}"{label}>{text}</script>'
