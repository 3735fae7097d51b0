"""Weights that follow from names, to compare a network with what its published implementation gave with the same.

Every tensor is drawn from a generator seeded by its own name, so neither the order of the modules matters nor does a
file of weights have to be stored. `parity/` holds, for each network, the names and shapes of its published state dict
and outputs of the published implementation, thinned out. Where the environment variable PHOTOFLOW_PARITY names a
folder with the whole outputs, those are compared too.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent / "parity"
WHOLE = "PHOTOFLOW_PARITY"
TOLERANCE = 1e-4  # mean difference in standard deviations of what is compared


def fill(network: torch.nn.Module, gain: float = 1.0, but: tuple[str, ...] = ()) -> torch.nn.Module:
    """The network with weights that follow from the names in its state dict, but for these endings, for inference."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.endswith(but):
                tensor.copy_(torch.from_numpy(_values(name, tuple(tensor.shape), gain)))
    return network.eval()


def _values(name: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    """Kernels whose outputs deviate by `gain`, scales around 1, biases around 0."""
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    noise = generator.standard_normal(shape).astype(np.float32)
    if len(shape) > 1:
        return noise * np.float32(gain / math.sqrt(math.prod(shape[1:])))
    is_scale = name.rpartition(".")[2] in ("weight", "beta", "gamma")
    return 1 + 0.1 * noise if is_scale else 0.01 * noise


def waves(height: int, width: int, seed: int = 7) -> torch.Tensor:
    """A picture of smooth waves, (1, 3, height, width)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    y, x = np.indices((height, width), dtype=np.float32)
    picture = np.zeros((3, height, width), np.float32)
    for plane in picture:
        for _ in range(6):
            along_y, along_x, phase = (
                generator.uniform(low, high) for low, high in ((-0.15, 0.15),) * 2 + ((0, 6.28),)
            )
            plane += np.sin(along_y * y + along_x * x + phase).astype(np.float32)
    return torch.from_numpy(np.clip(0.5 + picture / 12, 0, 1))[None]


def pair(height: int, width: int, seed: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture and the same, 3 pixels further down and 5 further right."""
    picture = waves(height, width, seed)
    return picture, picture.roll((3, 5), (2, 3))


def layout(network: torch.nn.Module) -> dict[str, list[int]]:
    """Names and shapes of the state dict."""
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def published_layout(name: str) -> dict[str, list[int]]:
    return json.loads((HERE / f"{name}.json").read_text())


def check_parity(name: str, outputs: dict[str, torch.Tensor]) -> None:
    """Compare outputs, all but the batch's axis kept, with the thinned ones and with the whole ones where they are.

    Frames are kept at every fourth pixel, flows at every eighth.
    """
    folders = [HERE, *(Path(folder) for folder in [os.environ.get(WHOLE)] if folder)]
    for folder in folders:
        with np.load(folder / f"{name}.npz") as published:
            for key, output in outputs.items():
                step = 1 if folder != HERE else 8 if key.startswith("flow") else 4
                got = output[..., ::step, ::step].float().cpu().numpy().squeeze()
                wanted = published[key].squeeze()
                assert got.shape == wanted.shape
                difference = np.abs(got - wanted).mean() / wanted.std()
                assert difference < TOLERANCE, f"{key}: {difference:.2e} standard deviations"


def largest(difference: torch.Tensor) -> float:
    return float(difference.detach().abs().max())
