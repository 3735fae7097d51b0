"""Clips drawn on the GPU: what the CPU draws; those without a network the same again to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import drawn_face
import numpy as np
import pytest
from safetensors.torch import save_file

pytest.importorskip("av")
from photoflow import Animator, motion
from photoflow.models.amt import AMT
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.raft import RAFT
from photoflow.motion.optimised import Handles, optimise

MOTIONS = {
    "translate": motion.Translate(dx=20),
    "path": motion.Path(points=((80, 60), (100, 50), (90, 80))),
    "bounce": motion.Bounce(),
    "swing-and-breathe": motion.Swing() + 0.5 * motion.Breathe(),
    "sway": motion.Sway(strength=1),
    "wind": motion.Spectral("plant"),
    "poke": motion.Poke(x=80, y=50, dx=15, dy=-5, at=0.2, hold=0.3),
    "drift": motion.Drift(arrows=((20, 60, 40, 60),)),
    "water": motion.Water(),
    "optimised": motion.Optimised.of(np.stack([np.outer(np.hanning(12), np.hanning(16)) * 0.1] * 2)[None], whole=False),
    "face": motion.Face(turn=2, landmarks=(np.array(drawn_face.landmarks()) - drawn_face.CENTRE) * 0.4 + (80, 60)),
    "camera": motion.Camera(push=0.1, orbit=0.05),
    "sway-before-camera": motion.Sway() + motion.Camera(pan=0.05),
}


# The network that is chosen, and what makes one; None: the one whose weights come with photoflow.
CHOICES: dict[str, tuple[dict[str, str], Callable[[], Any] | None]] = {
    "splat-generator": ({"renderer": "gan"}, None),
    "generator": ({"renderer": "gan"}, FlowGuidedGenerator),
    "pyramid": ({"renderer": "pyramid"}, PyramidGenerator),
    "dis": ({"interpolate": "dis"}, None),
    "refined": ({"interpolate": "refined"}, None),
    "rife": ({"interpolate": "rife"}, IFNet),
    "amt": ({"interpolate": "amt"}, lambda: AMT("S")),
    "raft": ({"blueprint": "raft"}, RAFT.small),
}


@pytest.fixture(scope="module")
def scene() -> dict[str, np.ndarray]:
    """A textured wall with a bright disc before it, the disc's mask, and how near all is."""
    draw = np.random.default_rng(1)
    photo = cv2.resize(draw.integers(60, 140, (30, 40, 3), dtype=np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    mask = cv2.circle(np.zeros((120, 160), np.uint8), (80, 60), 26, 255, -1, cv2.LINE_AA)
    photo[mask > 127] = cv2.resize(photo, (320, 240))[60:180, 80:240][mask > 127] + np.uint8(90)
    depth = np.linspace(40, 120, 120, dtype=np.float32).repeat(160).reshape(120, 160).astype(np.uint8)
    return {"photo": photo, "mask": mask, "depth": np.where(mask > 127, np.uint8(200), depth)}


def frames(animator: Animator, scene: dict[str, np.ndarray], moves: motion.Motion) -> np.ndarray:
    depth = {"depth": scene["depth"]} if "camera" in str(moves).lower() else {}
    options = {**depth, "mask": scene["mask"]}
    return np.stack(list(animator.animate(scene["photo"], moves, seconds=1, fps=4, **options))).astype(int)


@pytest.mark.parametrize("name", MOTIONS)
def test_cuda_draws_what_the_cpu_draws_and_the_same_again(name: str, gpu: str, scene: dict[str, np.ndarray]) -> None:
    moves = MOTIONS[name]
    wanted = frames(Animator("cpu", offline=True), scene, moves)
    got = frames(Animator(gpu, offline=True), scene, moves)
    assert np.abs(wanted - scene["photo"]).mean() > 0.05
    off = np.abs(got - wanted)
    assert off.mean() < 0.05 and (off > 2).mean() < 2e-3  # a level for rounding; a hole's border may fall otherwise
    assert np.array_equal(frames(Animator(gpu, offline=True), scene, moves), got)


@pytest.mark.parametrize("name", CHOICES)
def test_networks_draw_on_cuda(name: str, gpu: str, scene: dict[str, np.ndarray], tmp_path: Path) -> None:
    """In half precision there; what the CPU draws but for that."""
    options, network = CHOICES[name]
    (kind,) = options.values()
    weights = {}
    if network is not None:
        save_file(network().state_dict(), tmp_path / "weights.safetensors")
        weights = {"weights": {kind: tmp_path / "weights.safetensors"}}
    wanted, got = (
        frames(Animator(device, offline=True, **options, **weights), scene, motion.Translate(dx=12))
        for device in ("cpu", gpu)
    )
    assert np.abs(got - wanted).mean() < 1.5


def test_a_flow_is_optimised_on_cuda_as_on_the_cpu(gpu: str, scene: dict[str, np.ndarray]) -> None:
    wanted, got = (
        optimise(scene["photo"], Handles([(80, 60, 12, 0)]), steps=4, device=device).motion.grids
        for device in ("cpu", gpu)
    )
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(got, wanted, atol=0.05 * np.abs(wanted).max())
