"""What networks and a clip give at small sizes, in a file: once with the CPU's operators, once with the emulated ones.

python networks.py FILE
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow import Animator, motion
from photoflow.models.amt import AMT
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.raft import RAFT
from photoflow.models.splat_generator import SplatGenerator


def pictures(height: int, width: int) -> tuple[Tensor, Tensor]:
    """A smooth picture, and the same moved a little."""
    coarse = torch.rand(1, 3, height // 8, width // 8)
    first = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return first, first.roll((2, 3), (2, 3))


def network_outputs() -> dict[str, Tensor]:
    first, second = pictures(64, 64)
    flow = torch.randn(1, 2, 16, 16).repeat_interleave(4, 2).repeat_interleave(4, 3) * 3
    mask = (torch.rand(1, 1, 64, 64) > 0.5).float()
    made = {
        "raft": RAFT.small().eval()(first, second, updates=3),
        "ifnet": IFNet().eval()(first, second),
        "amt": AMT("S").eval()(first, second),
        "splat generator": SplatGenerator(8, 1).eval()(first, mask, flow),
    }
    generator = FlowGuidedGenerator().eval()
    made["generator"] = generator(first[..., :32, :32], mask[..., :32, :32], flow[..., :32, :32], first[..., :32, :32],
                                  mask[..., :32, :32])  # fmt: skip
    return made


def clip_frames() -> Tensor:
    draw = np.random.default_rng(0)
    photo = cv2.resize(draw.integers(0, 255, (12, 16, 3), dtype=np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
    mask = cv2.circle(np.zeros((48, 64), np.uint8), (32, 24), 12, 255, -1)
    animator = Animator(device="cpu", offline=True)
    clips = [
        animator.animate(photo, how, mask=mask, seconds=1, fps=3)
        for how in (motion.Translate(dx=7), motion.Sway(), motion.Drift(arrows=((20, 24, 28, 26),)))
    ]
    return torch.from_numpy(np.stack([frame for clip in clips for frame in clip]))


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    torch.save({**network_outputs(), "clip": clip_frames()}, sys.argv[1])


if __name__ == "__main__":
    main()
