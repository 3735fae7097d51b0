"""Networks and a clip give the same on the emulated CUDA kernels as on the CPU's operators."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.testing import assert_close

from .build import HERE, environment_for


def outputs(path: Path, environment: dict[str, str]) -> dict[str, Tensor]:
    command = [sys.executable, str(HERE / "networks.py"), str(path)]
    subprocess.run(command, env=environment, check=True, timeout=300)
    made: dict[str, Tensor] = torch.load(path, weights_only=True)
    return made


def test_networks_and_a_clip_are_the_cpus(emulated: Path, tmp_path: Path) -> None:
    ours = outputs(tmp_path / "cpu.pt", {**os.environ, "OMP_NUM_THREADS": "1"})
    theirs = outputs(tmp_path / "emulated.pt", environment_for(emulated))
    assert ours.keys() == theirs.keys()
    for name, want in ours.items():
        if want.is_floating_point():
            assert want.std() > 1e-3, name
            assert_close(theirs[name], want, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
        else:  # uint8 frames: rounded
            assert (theirs[name].int() - want.int()).abs().max() <= 1, name
