"""The tests of the operators, on the emulated CUDA kernels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .build import ROOT, run_pytest

OPERATORS = ("backward_warp", "correlation_lookup", "flow_attention", "forward_splat", "occlusion")
LEFT_OUT = (
    # Python's side of an operator alone.
    "double_backward", "forward_mode", "torch_func", "tangent", "opcheck", "compiles", "inductor", "exports",
    "autocast", "errors", "meta",
    # The CPU's threads; what takes a minute and shows nothing that smaller ones do not.
    "threads", "2_to_the_31", "raft",
)  # fmt: skip


def check(folder: Path, operator: str, selection: str, least: int, **environment: str) -> None:
    """Run an operator's tests, of which at least so many pass."""
    path = ROOT / "tests" / "ops" / f"test_{operator}.py"
    done = run_pytest(folder, str(path), "-m", "not cuda", "-k", selection, **environment)
    assert done.returncode == 0, done.stdout[-6000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= least, done.stdout[-2000:]


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operators_tests_pass(emulated: Path, operator: str) -> None:
    check(emulated, operator, f"not ({' or '.join(LEFT_OUT)})", least=20)


def test_loops_over_the_grid_go_round(emulated: Path) -> None:
    """Two blocks have to do what as many as there is work for do otherwise.

    Of all other kernels the gate's sanitizers see that, with three blocks (`SELECTION` in __main__.py).
    """
    selection = "direct and (agrees_with_the_reference or gradients_agree)"
    check(emulated, "correlation_lookup", selection, least=4, EMULATED_GRID="2")


def test_older_devices_take_the_other_side(emulated: Path) -> None:
    selection = "agrees_with_the_reference or any_number_of_channels"
    check(emulated, "forward_splat", selection, least=20, EMULATED_ARCHITECTURE="750")
