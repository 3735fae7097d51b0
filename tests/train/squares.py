"""A tiny source of data: smooth pictures in which a textured square moves, with the exact flow."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from rich.console import Console
from torch.nn import functional

from photoflow.models import generator, ifnet, pyramid
from photoflow.models.amt import amt
from photoflow.models.e2fgvi import e2fgvi
from photoflow.models.raft import raft
from photoflow.train.feed import Mixture
from photoflow.train.loop import Outcome, train
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan

TINY = {
    "gan": {"size": "56x64", "batch": "1", "critic_updates": "1", "rate": "1e-3"},
    "raft": {"size": "128x128", "batch": "1", "updates": "3", "warmup": "0", "rate": "1e-3"},
    "dis": {"size": "96x96", "batch": "1", "warmup": "0", "pixels": "256"},
    "refined": {"size": "96x96", "batch": "1", "warmup": "0", "pixels": "256"},
    "interpolation": {"size": "32x32", "batch": "1", "warmup": "0", "rate": "1e-3"},
    "pyramid": {"size": "32x32", "batch": "1", "warmup": "0", "rate": "1e-3"},
    "amt": {"size": "32x32", "batch": "1", "rate": "1e-3"},
    "completion": {"size": "60x108", "batch": "1", "warmup": "0", "rate": "1e-3", "local": "3", "references": "1",
                   "adversarial_from": "0", "critic_width": "4"},
}  # fmt: skip
"""Settings of each recipe that are quick."""


class Squares:
    """Batches of squares.

    Args:
        size: height and width.
        spoiled: the number of a batch whose second images are not numbers.
        interrupted: the number of a batch while which the process gets SIGTERM.
        alike: whether all batches are the first one.
    """

    name = "squares"

    def __init__(
        self, size: tuple[int, int], spoiled: int | None = None, interrupted: int | None = None, alike: bool = False
    ) -> None:
        self.size, self.spoiled, self.interrupted, self.alike = size, spoiled, interrupted, alike

    def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
        if number == self.interrupted:
            self.interrupted = None  # once
            os.kill(os.getpid(), signal.SIGTERM)
        samples = [
            self.sample(torch.Generator().manual_seed(index if self.alike else 1000 * number + index))
            for index in range(count)
        ]
        batch = {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
        if number == self.spoiled:
            batch["image2"] = batch["image2"] * torch.nan
        return batch

    def sample(self, chance: torch.Generator) -> dict[str, torch.Tensor]:
        height, width = self.size
        side = min(height, width) // 2
        behind, front = smooth(height, width, chance), smooth(side, side, chance)
        # Even, so that the middle frame is exact.
        dx, dy = (2 * int(torch.randint(-2, 3, (), generator=chance)) for _ in range(2))
        top = int(torch.randint(4, height - side - 3, (), generator=chance))
        left = int(torch.randint(4, width - side - 3, (), generator=chance))
        frames, masks = [], []
        for share in (0, 0.5, 1):
            y, x = top + int(share * dy), left + int(share * dx)
            mask = torch.zeros(1, height, width)
            mask[:, y : y + side, x : x + side] = 1
            frame = behind.clone()
            frame[:, y : y + side, x : x + side] = front
            frames.append(frame)
            masks.append(mask)
        flow = torch.tensor([dx, dy]).float()[:, None, None]
        panned = torch.stack([frames[0].roll((t, 2 * t), (1, 2)) for t in range(8)])
        return {
            "image1": frames[0], "middle": frames[1], "image2": frames[2], "t": torch.tensor(0.5), "mask": masks[0],
            "flow": flow * masks[0], "visible": 1 - masks[2] * (1 - masks[0]),
            "frames": panned,
        }  # fmt: skip


def mixed(size: tuple[int, int]) -> Mixture:
    """Two sources: squares, and one batch of them for ever."""
    return Mixture([Squares(size), Squares(size, alike=True)], 0)


def smooth(height: int, width: int, chance: torch.Generator) -> torch.Tensor:
    coarse = torch.rand(1, 3, height // 4 + 1, width // 4 + 1, generator=chance)
    return functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)[0]


@contextmanager
def narrow() -> Iterator[None]:
    """The paper's generator, RAFT, IFNet, AMT, E2FGVI and the pyramid with a few channels, for networks made within."""
    small = ifnet.IFNetConfig((16, 16), encoded=4, carried=8, spare=0, mask_adds_up=False)
    few = (8, 8, 8, 12, 16)
    flow = replace(raft.PRESETS["small"], features=few, context=(8, 8, 8, 12, 24), correlation=(16,), flow=(8, 8),
                   motion=18, hidden=12, head=16)  # fmt: skip
    tiny = replace(amt.SIZES["S"], stem=8, stages=(8, 8, 12), correlated=12, pyramid=(4, 8, 8, 12), fields=2, hidden=12,
                   correlation=(12,), flow=4, mixed=12)  # fmt: skip
    completion = e2fgvi.E2FGVIConfig(
        channels=16, groups=4, flow=(8, 8), levels=3, tokens=24, hidden=98, heads=2, blocks=1, window=(5, 9)
    )
    with (
        mock.patch.object(generator, "_WIDTH", 8),
        mock.patch.dict(raft.PRESETS, small=flow),
        mock.patch.dict(ifnet.VERSIONS, small=small),
        mock.patch.dict(amt.SIZES, S=tiny),
        mock.patch.dict(e2fgvi.SIZES, small=completion),
        mock.patch.dict(pyramid.SIZES, small=pyramid.PyramidConfig((4, 6, 8, 8, 8), (4, 6, 8, 8, 8))),
    ):
        yield


def run(
    name: str,
    folder: Path,
    steps: int = 2,
    console: Console | None = None,
    source: Squares | Mixture | None = None,
    total: int | None = None,
    whole: bool = False,
    **settings: object,
) -> Outcome:
    """Train the tiny recipe `name` for some steps; networks with all of their channels if `whole`."""
    entry = entry_of(name)
    config = entry.configured(TINY[name] | {key: str(value) for key, value in settings.items()})
    with nullcontext() if whole else narrow():
        recipe = entry.made(config, "cpu")
    source = source or Squares(config.data_size)
    return train(recipe, source, folder, Plan(steps=steps, total=total), console or Console(quiet=True))
