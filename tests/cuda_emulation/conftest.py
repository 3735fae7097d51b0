"""Emulated CUDA operators, built once for all tests of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .build import ROOT, build, package_with


@pytest.fixture(autouse=True, scope="session")
def _sources() -> None:
    """Skip what is tested on sources where there are none, and nothing to compile them."""
    if not (ROOT / "csrc").is_dir():
        pytest.skip("needs csrc/ of the source tree")
    if shutil.which("g++") is None:
        pytest.skip("needs g++")


@pytest.fixture(scope="session")
def emulated_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of the operators."""
    import fcntl

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers
    library = shared / "emulated.so"
    with (shared / "emulated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            build(library)
    return library


@pytest.fixture(scope="session")
def emulated(emulated_library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a photoflow that has them."""
    folder = tmp_path_factory.mktemp("emulated")
    package_with(emulated_library, folder)
    return folder
