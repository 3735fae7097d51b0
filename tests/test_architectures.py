"""Which GPU architectures a build compiles for, on machines for which a script and made-up GPUs stand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("architectures", reason="needs building/ of the source tree")
from architectures import wanted_architectures

CUDA_12, CUDA_13 = (52, 70, 75, 80, 86, 89, 90, 120), (75, 80, 86, 89, 90, 120)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a machine: what its nvcc knows, and the compute capability of each of its GPUs."""
    for variable in ("PHOTOFLOW_CUDA_ARCHS", "TORCH_CUDA_ARCH_LIST"):
        monkeypatch.delenv(variable, raising=False)

    def make(known: tuple[int, ...], gpus: tuple[tuple[int, int], ...] = ()) -> Path:
        nvcc = tmp_path / "bin" / "nvcc"
        nvcc.parent.mkdir(exist_ok=True)
        nvcc.write_text("#!/bin/sh\n" + "".join(f"echo compute_{number}\n" for number in known))
        nvcc.chmod(0o755)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: gpus[index])
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        (CUDA_13, ["7.5", "8.0", "9.0+PTX"]),
        (CUDA_12, ["7.5", "8.0", "9.0+PTX"]),
        ((80, 90), ["8.0", "9.0+PTX"]),
        ((100,), []),
    ],
)
def test_without_a_gpu_every_one_since_turing_is_built_for(machine, known, wanted) -> None:
    assert wanted_architectures(machine(known)) == wanted


@pytest.mark.parametrize(
    ("known", "gpus", "wanted"),
    [
        (CUDA_13, [(7, 5)], ["7.5"]),
        (CUDA_12, [(7, 0)], ["7.0"]),
        (CUDA_13, [(9, 0), (7, 5), (9, 0)], ["7.5", "9.0"]),
        (CUDA_13, [(7, 0)], ["7.5", "8.0", "9.0+PTX"]),  # its nvcc no longer knows it
        (CUDA_12, [(6, 1), (8, 6)], ["7.5", "8.0", "9.0+PTX"]),
        (CUDA_12, [(13, 0)], ["7.5", "8.0", "9.0+PTX"]),  # its nvcc does not know it yet
    ],
)
def test_with_gpus_it_is_those_that_can_be_built_for(machine, known, gpus, wanted) -> None:
    assert wanted_architectures(machine(known, tuple(gpus))) == wanted


def test_what_is_asked_for_is_taken_at_its_word(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(CUDA_13, ((9, 0),))
    monkeypatch.setenv("TORCH_CUDA_ARCH_LIST", "8.6;9.0")
    assert wanted_architectures(root) == ["8.6", "9.0"]
    monkeypatch.setenv("PHOTOFLOW_CUDA_ARCHS", "7.5, 12.0+PTX")
    assert wanted_architectures(root) == ["7.5", "12.0+PTX"]
