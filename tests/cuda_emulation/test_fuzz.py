"""Calls drawn at random: the emulated CUDA kernels and the CPU's operators give the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .build import HERE

DRAWS = 1000  # always the same, however busy the machine is


def test_drawn_calls_give_the_same(emulated_library: Path) -> None:
    command = [sys.executable, str(HERE / "fuzz.py"), str(emulated_library), "500", "0", str(DRAWS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert done.stdout.endswith(f"{DRAWS} draws, 0 bad\n"), done.stdout[-4000:]
