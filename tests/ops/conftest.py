"""Runs the tests of `OperatorContract` once for each mode of the operator that a class describes."""

from __future__ import annotations

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mode" in metafunc.fixturenames and metafunc.cls is not None:
        modes = metafunc.cls.modes
        names = ["-".join(str(value) for value in mode.values()) or "default" for mode in modes]
        metafunc.parametrize("mode", modes, ids=names)
