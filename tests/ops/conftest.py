"""Runs the tests of `OperatorContract` once for each mode of the operator that a class describes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def deterministic() -> Iterator[None]:
    """Asks torch, and so the operators, for results that repeat to the bit."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mode" in metafunc.fixturenames and metafunc.cls is not None:
        modes = metafunc.cls.modes
        names = ["-".join(str(value) for value in mode.values()) or "default" for mode in modes]
        metafunc.parametrize("mode", modes, ids=names)
