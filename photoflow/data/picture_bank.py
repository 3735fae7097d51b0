"""Pictures that backgrounds and textures are cut from: photographs and procedural textures."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow.errors import InputError
from photoflow.io import PICTURES, read_photo

MOST_PHOTOS = 256  # of a larger folder every n-th: about 300 MB
TEXTURES = 16
_LONG_SIDE = 768
# scikit-image's photographs of scenes that come with the package itself; nothing is downloaded.
_SCIKIT = (
    "astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png", "hubble_deep_field.jpg",
    "ihc.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip


class PictureBank:
    """Photographs, made smaller, and procedural textures, as uint8 on the device.

    Args:
        photos: a folder with photographs; None: those that come with scikit-image where it is installed.
        least: (height, width) that crops may have.
        device: where crops are wanted.
        generator: of the textures.

    Attributes:
        photographs: how many of the pictures are photographs; they come first.

    Raises:
        InputError: no such folder, no picture in it, or one that cannot be read.
    """

    def __init__(
        self,
        photos: str | os.PathLike[str] | None,
        least: tuple[int, int],
        device: str,
        generator: torch.Generator,
    ) -> None:
        files = _scikit_photos() if photos is None else photos_in(Path(photos))
        files = files[:: max(1, -(-len(files) // MOST_PHOTOS))]
        pictures = [_fitted(read_photo(file).rgb, least) for file in files]
        size = round(1.5 * least[0]), round(1.5 * least[1])
        pictures += [_texture(index, size, generator) for index in range(TEXTURES)]
        self._pictures = [picture.to(device) for picture in pictures]
        self.photographs = len(files)

    def crops(self, draws: Tensor, height: int, width: int, textures: float) -> Tensor:
        """Cut from pictures at random.

        Args:
            draws: (N, 5) in [0, 1), on the CPU: photograph or texture, which, down, across, flips.
            height: of the crops, pixels.
            width: of the crops.
            textures: the share of procedural textures.

        Returns:
            (N, 3, height, width) in [0, 1], on the device.
        """
        return torch.stack([self._crop(draw, height, width, textures) for draw in draws.tolist()]).float().div_(255)

    def _crop(self, draw: list[float], height: int, width: int, textures: float) -> Tensor:
        first, count = 0, self.photographs
        if draw[0] < textures or count == 0:
            first, count = self.photographs, TEXTURES
        picture = self._pictures[first + int(draw[1] * count)]
        top = int(draw[2] * (picture.shape[1] - height + 1))
        left = int(draw[3] * (picture.shape[2] - width + 1))
        crop = picture[:, top : top + height, left : left + width]
        return crop.flip(2) if draw[4] < 0.5 else crop


def photos_in(folder: Path) -> list[Path]:
    """List the photos in a folder, by name.

    Raises:
        InputError: no such folder, or no photo in it.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES and file.name[0] != ".")
    if not files:
        raise InputError(f"{folder} holds no photos ({', '.join(PICTURES)})")
    return files


def _scikit_photos() -> list[Path]:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent / "data"
    return [folder / name for name in _SCIKIT if (folder / name).exists()]


def _fitted(rgb: np.ndarray[Any, Any], least: tuple[int, int]) -> Tensor:
    """Resize a photo (3, H, W) to at most 768 pixels of length, but large enough to cut from."""
    height, width = rgb.shape[:2]
    scale = max(least[0] / height, least[1] / width, min(1.0, _LONG_SIDE / max(height, width)))
    size = (max(least[1], round(width * scale)), max(least[0], round(height * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return torch.from_numpy(cv2.resize(rgb, size, interpolation=way)).permute(2, 0, 1).contiguous()


def _texture(index: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Make a procedural texture (3, H, W), uint8: one of six patterns in its own colours, warped a little by noise."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) / 256, torch.arange(width) / 256, indexing="ij")
    bend, grain = noise(size, 3, 4, generator), noise(size, 8, 5, generator)
    angle, pitch, twist = (torch.rand(3, generator=generator) * torch.tensor([3.14, 30.0, 0.3])).tolist()
    turn = torch.tensor(angle)
    u, v = x * turn.cos() + y * turn.sin() + twist * bend, y * turn.cos() - x * turn.sin()
    frequency = 15 + 2 * pitch
    value = (
        lambda: grain,
        lambda: 0.5 + 0.5 * (frequency * u).sin(),  # stripes
        lambda: 0.5 + 0.5 * ((frequency * u).sin() * (frequency * v).sin() * 6).tanh(),  # checks
        lambda: 0.5 + 0.5 * (12 * u + 9 * grain).sin(),  # marble
        lambda: (((u - 0.7).square() + (0.3 * v).square()).sqrt() * frequency + 2 * bend).sin().abs(),  # wood
        lambda: ((frequency * u).cos() + (frequency * v).cos() - 0.8).mul(4).sigmoid(),  # dots
    )[index % 6]()
    colours = torch.rand((3, 3, 1, 1), generator=generator)
    mixed = torch.lerp(torch.lerp(colours[0], colours[1], value), colours[2], bend.square())
    mixed = mixed * (0.7 + 0.6 * noise(size, 40, 3, generator))
    return mixed.mul(255).round_().clamp_(0, 255).byte()


def noise(size: tuple[int, int], coarse: int, octaves: int, generator: torch.Generator) -> Tensor:
    """Make smooth noise (H, W) from 0 to 1: octaves of random grids, `coarse` cells at first, each half as strong."""
    total = torch.zeros(size)
    for octave in range(octaves):
        cells = coarse << octave
        rows, columns = (_cubic(cells, side) for side in size)
        total += rows @ torch.rand((cells, cells), generator=generator) @ columns.T / 2**octave
    return ((total - total.min()) / (total.max() - total.min())).clamp_(0, 1)


def _cubic(cells: int, side: int) -> Tensor:
    """Return the weights (side, cells) of bicubic interpolation from so many cells along a side."""
    return F.interpolate(torch.eye(cells)[None, None], (side, cells), mode="bicubic", align_corners=True)[0, 0]
