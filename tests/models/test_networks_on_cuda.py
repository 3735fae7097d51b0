"""Every network on the GPU: what it gives on the CPU, in float32 and in the half precision that it is run in."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from filling import fill, pair
from torch import Tensor, nn

from photoflow.device import fast_inference
from photoflow.models.amt import AMT
from photoflow.models.dis import DISInterpolation
from photoflow.models.discriminator import PatchDiscriminator
from photoflow.models.e2fgvi import E2FGVI, ClipDiscriminator
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.networks import load_network
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.raft import RAFT
from photoflow.models.spectral.prior import Guidance
from photoflow.models.vgg import VGG19Features
from photoflow.ops import backward_warp

Made = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


def of_a_pair(network: nn.Module, height: int, width: int, **options: Any) -> Made:
    return network, pair(height, width), options


def of_a_motion(network: nn.Module, *names: str) -> Made:
    """A network that draws a picture, the middle of which moves, given these planes."""
    image, later = pair(61, 70)
    mask = torch.zeros(1, 1, 61, 70)
    mask[..., 15:45, 15:55] = 1
    flow = mask * torch.tensor([6.3, -2.7]).view(1, 2, 1, 1)
    planes = {"image": image, "mask": mask, "flow": flow, "warped": backward_warp(image, -flow),
              "occlusion": (1 - mask) * image[:, :1], "candidate": later}  # fmt: skip
    return network, tuple(planes[name] for name in names), {}


def as_trained() -> PyramidGenerator:
    """A pyramid generator whose last layer, which begins at 0, is no longer there."""
    network = PyramidGenerator()
    nn.init.normal_(network.synthesis.last.weight, std=0.05)
    return network


class Seeded(nn.Module):
    """The prior of natural motion, which draws by chance, with the same noise every time."""

    def __init__(self) -> None:
        super().__init__()
        self.prior = load_network("spectral", None)

    def forward(self, image: Tensor) -> Tensor:
        guidance = Guidance(picture=0.5, loop=0.5, recurrences=1, corrections=1)
        return self.prior(image, 2, guidance, torch.Generator().manual_seed(0))


def clip() -> Tensor:
    """Four frames that pan, in [-1, 1], with a hole in all."""
    frames = torch.stack([2 * pair(61, 70)[0].roll((t, 2 * t), (2, 3)) - 1 for t in range(4)], 1)
    frames[..., 20:30, 25:45] = 0
    return frames


class Completed(nn.Module):
    """The frames alone that E2FGVI makes, of three in a row and one other."""

    def __init__(self) -> None:
        super().__init__()
        not_filled = (".mean", ".std", "valid_ind_rolled")
        self.network = fill(E2FGVI(hq=True, size="small", published_order=False), 0.9, not_filled)

    def forward(self, frames: Tensor) -> Tensor:
        completed: Tensor = self.network(frames, 3)[0]
        return completed


THROWN = ("image", "mask", "flow", "warped", "occlusion")
NETWORKS: dict[str, Callable[[], Made]] = {
    "raft-large": lambda: of_a_pair(RAFT.large(), 141, 130),
    "raft-small": lambda: of_a_pair(RAFT.small(), 141, 130),
    "refined-flow": lambda: of_a_pair(load_network("flow", None), 96, 120),
    "ifnet": lambda: of_a_pair(fill(IFNet()), 64, 96, t=0.3),
    "ifnet-4.6": lambda: of_a_pair(fill(IFNet("4.6")), 64, 96, t=0.3),
    "amt": lambda: of_a_pair(fill(AMT("S")), 64, 96, t=0.3),
    "dis-interpolation": lambda: of_a_pair(DISInterpolation(), 96, 120, t=0.3),
    "refined-interpolation": lambda: of_a_pair(load_network("refined", None), 96, 120, t=0.3),
    "generator": lambda: of_a_motion(FlowGuidedGenerator(), *THROWN),
    "discriminator": lambda: of_a_motion(PatchDiscriminator(), *THROWN[:1], *THROWN[2:], "candidate"),
    "splat-generator": lambda: of_a_motion(load_network("gan", None), *THROWN[:3]),
    "pyramid": lambda: of_a_motion(as_trained(), "image", "flow"),
    "spectral-prior": lambda: (Seeded(), pair(16, 24)[:1], {}),
    "completion": lambda: (Completed(), (clip(),), {}),
    "clip-discriminator": lambda: (ClipDiscriminator(8), (clip(),), {}),
    "vgg19": lambda: (fill(VGG19Features()), pair(40, 56)[:1], {}),
}


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_cuda_gives_what_the_cpu_gives(name: str, gpu: str) -> None:
    network, planes, options = NETWORKS[name]()
    network = network.eval()
    wanted = network(*planes, **options)
    there, moved = copy.deepcopy(network).to(gpu), [plane.to(gpu) for plane in planes]
    got = there(*moved, **options)
    assert got.device.type == gpu and got.shape == wanted.shape and got.dtype == wanted.dtype
    off = (got.cpu() - wanted).abs() / wanted.abs().max()
    assert wanted.std() > 1e-4 and (off > 1e-3).float().mean() < 0.02  # where two candidates are as good, either is
    with fast_inference(gpu):
        half = there(*moved, **options)
    assert (half.cpu().float() - wanted).abs().mean() < 0.1 * wanted.abs().mean()
