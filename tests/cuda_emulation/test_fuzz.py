"""Calls drawn at random: the emulated CUDA kernels and the CPU's operators give the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .build import HERE


def test_drawn_calls_give_the_same(emulated_library: Path) -> None:
    command = [sys.executable, str(HERE / "fuzz.py"), str(emulated_library), "60", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert int(done.stdout.split()[-4]) > 50  # draws
