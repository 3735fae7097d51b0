"""A clip taken apart for other programs: flow, motion vectors, masks, frames and warped noise in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.io import VideoWriter, check_output, write_flow, write_image
from photoflow.io.atomic import naming_errors, replacing, write_bytes
from photoflow.io.exr import check_exr, write_exr

if TYPE_CHECKING:
    from torch import Tensor

    from photoflow.clip import Clip
    from photoflow.render.parts import Part

FORMATS = ("flo", "exr")
FRAME = "frame_{:05d}"
CELL, CHANNELS = 8, 16  # of the latents of CogVideoX, which Go-with-the-Flow's networks are tuned from
DESCRIPTION = "export.json"


def check_export(folder: str | os.PathLike[str], format: str) -> Path:
    """Check before any work that a clip can be exported to a folder.

    Returns:
        The folder's absolute path.

    Raises:
        InputError: no such format, its package is not installed, or the folder holds something or cannot be made.
    """
    if format not in FORMATS:
        raise InputError(f"format: expected {' or '.join(FORMATS)}, got {format!r}")
    if format == "exr":
        check_exr()
    if Path(folder).suffix:
        raise InputError(f"cannot write {os.fspath(folder)}: expected the name of a folder, without a suffix")
    return check_output(folder)


def export(
    clip: Clip,
    folder: str | os.PathLike[str],
    *,
    format: str = "flo",
    frames: bool = False,
    noise: bool = False,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> None:
    """Write the flow, motion vectors and masks of every frame of a clip; see `photoflow.clip.Clip.export`."""
    from photoflow.render.noise import WarpedNoise
    from photoflow.render.parts import parts_of

    target = check_export(folder, format)
    parts, size = parts_of(clip.renderer), (clip.height, clip.width)
    warped = WarpedNoise(parts, size, cell=CELL, channels=CHANNELS, seed=seed) if noise else None
    with naming_errors(target), replacing(target) as hidden, ExitStack() as open_files:
        _make_folders(hidden, parts, frames, warped is not None)
        for part in parts:
            if part.name is not None:
                write_image(hidden / "masks" / f"{part.name}.png", _levels(part.at_rest()))
        if warped is not None:
            shape = (len(clip), warped.rows, warped.columns, CHANNELS)
            keep = open_files.enter_context(_array_file(hidden / "noise" / "noises.npy", shape))
            video = open_files.enter_context(
                VideoWriter(
                    hidden / "noise" / "input.mp4", clip.width, clip.height, clip.fps, source_type=clip.source_type
                )
            )
        for number in range(len(clip)):
            owner = _write_frame(clip, parts, hidden, number, format)
            drawn = clip[number] if frames or noise else None
            if frames and drawn is not None:
                write_image(hidden / "frames" / f"{FRAME.format(number)}.png", drawn, source_type=clip.source_type)
            if warped is not None and drawn is not None:
                keep(warped.frame(clip.time(number), owner).transpose(1, 2, 0))
                video.write(drawn)
            progress()
        described = json.dumps(description(clip, parts, format, frames, noise), indent=2)
        write_bytes(hidden / DESCRIPTION, (described + "\n").encode())


def _make_folders(folder: Path, parts: list[Part], frames: bool, noise: bool) -> None:
    folder.mkdir()
    for name in ("flow", "vectors", *(["frames"] if frames else []), *(["noise"] if noise else [])):
        (folder / name).mkdir()
    for part in parts:
        if part.name is not None:
            (folder / "masks" / part.name).mkdir(parents=True)


def _write_frame(clip: Clip, parts: list[Part], folder: Path, number: int, format: str) -> Tensor:
    """Write the flow, vectors and masks of a frame; return which part is seen where."""
    from photoflow.render.parts import owners

    t, name = clip.time(number), FRAME.format(number)
    owner = owners(parts, t, (clip.height, clip.width))
    for part in parts:
        if part.name is not None and (opacity := part.opacity(t, alone=True)) is not None:
            write_image(folder / "masks" / part.name / f"{name}.png", _levels(opacity))

    flow, forward = clip.renderer.flow(t), vectors(clip, parts, number, owner)
    if format == "flo":
        write_flow(folder / "flow" / f"{name}.flo", flow)
        write_flow(folder / "vectors" / f"{name}.flo", forward)
    else:
        write_exr(folder / "flow" / f"{name}.exr", {"flow.u": flow[0], "flow.v": -flow[1]})
        write_exr(folder / "vectors" / f"{name}.exr", vector_channels(forward, vectors(clip, parts, number, owner, -1)))
    return owner


def vectors(clip: Clip, parts: list[Part], number: int, owner: Tensor, step: int = 1) -> Array:
    """Measure where each pixel of a frame is some frames later.

    Args:
        clip: which loops, or ends.
        parts: of its picture, see `photoflow.render.parts.parts_of`.
        number: of the frame.
        owner: which part is seen where in it, see `photoflow.render.parts.owners`.
        step: how many frames later; -1: the frame before.

    Returns:
        float32 (2, H, W), pixels, x right and y down; 0 where there is no such frame.
    """
    from photoflow.render.parts import motion_vectors

    other = (number + step) % len(clip) if clip.loop else number + step
    if not 0 <= other < len(clip):
        return np.zeros((2, clip.height, clip.width), np.float32)
    return np.asarray(motion_vectors(parts, clip.time(number), clip.time(other), owner).numpy())


def vector_channels(forward: Array, backward: Array) -> dict[str, Array]:
    """Return motion vectors as the channels that compositing programs look for, y up.

    Args:
        forward: (2, H, W), pixels, from this frame to the next, x right and y down.
        backward: the same, to the frame before.

    Source: Foundry, Nuke's layers "forward" and "backward"; RE:Vision Effects, "What is the motion vector format for
        RE:Vision Effects' products?" (y up, pixels a frame); Cycles' motion pass, which Blender's Vector Blur reads: to
        the frame before, and from the next frame back to this one.
    """
    return {
        "forward.u": forward[0], "forward.v": -forward[1],
        "backward.u": backward[0], "backward.v": -backward[1],
        "Vector.X": backward[0], "Vector.Y": -backward[1], "Vector.Z": -forward[0], "Vector.W": forward[1],
    }  # fmt: skip


def description(clip: Clip, parts: list[Part], format: str, frames: bool, noise: bool) -> dict[str, Any]:
    """Return what `export.json` says: what there is, in which units and which direction."""
    from photoflow import __version__

    files = FRAME.replace("{:05d}", "%05d")
    common = {"units": "pixels", "x": "right", "y": "down" if format == "flo" else "up"}
    flow: dict[str, Any] = {"files": f"flow/{files}.{format}", "from": "photo", "to": "this frame", **common}
    vectors: dict[str, Any] = {"files": f"vectors/{files}.{format}", "from": "this frame", "to": "next frame", **common}
    if format == "exr":
        flow["channels"] = {"flow.u": "x", "flow.v": "y"}
        vectors["channels"] = {
            "forward.u, forward.v": "to the next frame",
            "backward.u, backward.v": "to the frame before",
            "Vector.X, Vector.Y": "to the frame before, for Blender",
            "Vector.Z, Vector.W": "to the next frame, both with the other sign, for Blender",
        }
    names = [part.name for part in parts if part.name is not None]
    told: dict[str, Any] = {
        "photoflow": __version__,
        "width": clip.width, "height": clip.height, "frames": len(clip), "fps": float(clip.fps), "loop": clip.loop,
        "flow": flow,
        "vectors": {**vectors, "without such a frame": 0},
        "masks": [{"layer": name, "at rest": f"masks/{name}.png", "files": f"masks/{name}/{files}.png"}
                  for name in names],
    }  # fmt: skip
    if frames:
        told["pictures"] = {"files": f"frames/{files}.png"}
    if noise:
        told["noise"] = {
            "file": "noise/noises.npy", "shape": "frames, rows, columns, channels", "cell": CELL,
            "distribution": "independent N(0, 1) in each frame", "video": "noise/input.mp4",
        }  # fmt: skip
    return told


@contextmanager
def _array_file(path: Path, shape: tuple[int, ...]) -> Iterator[Callable[[Array], None]]:
    """Yield what appends arrays (shape[1:]) to a new .npy file of float16 numbers, of which no two are kept."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(np.dtype("<f2")), "fortran_order": False, "shape": shape}
        )

        def append(array: Array) -> None:
            file.write(np.ascontiguousarray(array, "<f2").tobytes())

        yield append


def _levels(opacity: Tensor) -> Array:
    """Return an opacity in [0, 1] as uint8."""
    return np.asarray(np.rint(opacity.numpy() * 255).astype(np.uint8))
