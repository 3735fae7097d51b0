"""Longer checks of the emulated CUDA kernels: python -m tests.cuda_emulation address|thread|faults|fuzz.

address   operators' tests under AddressSanitizer and UBSan
thread    operators' tests under ThreadSanitizer: no two threads touch one place without an order
faults    faults planted in the kernels, each of which has to be found
fuzz      calls drawn at random, --seconds of them (60), beginning with --seed
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .build import HERE, ROOT, build, package_with, run_pytest
from .faults import FAULTS, found

# Every kernel, in both memory formats and all modes; few sizes, since sanitized code is slow: the correlations that are
# computed where they are read take a minute at a larger one.
SELECTION = (
    "gradients_agree or (agrees_with_the_reference and not strided and not direct) or repeatable_sums or "
    "begins_anywhere or a_large_gradient or one_pixel or empty"
)


def sanitized(mode: str) -> bool:
    """Run the operators' tests on sanitized kernels; return whether all is well."""
    with tempfile.TemporaryDirectory() as scratch:
        library, folder = Path(scratch) / "emulated.so", Path(scratch) / "package"
        build(library, mode=mode)
        package_with(library, folder)
        print(f"built, {time.monotonic() - BEGUN:.0f} s", flush=True)
        tests = [str(ROOT / "tests" / "ops"), "-m", "not cuda", "-k", SELECTION]
        done = run_pytest(folder, *tests, mode=mode, timeout=1200, EMULATED_GRID="3")
    words = ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer")
    clean = done.returncode == 0 and not any(word in done.stdout + done.stderr for word in words)
    print(done.stdout.strip().splitlines()[-1] if clean else done.stdout[-8000:] + done.stderr[-8000:])
    return clean


def planted() -> bool:
    """Plant every fault; return whether all were found."""
    missed = []
    for fault in FAULTS:
        ok = found(fault)
        print(f"{'found' if ok else 'MISSED'}: {fault.name} ({time.monotonic() - BEGUN:.0f} s)", flush=True)
        missed += [] if ok else [fault.name]
    return not missed


def fuzzed(seconds: float, seed: int) -> bool:
    """Draw calls for some seconds; return whether none differs from this installation's CPU operators."""
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "emulated.so"
        build(library)
        command = [sys.executable, str(HERE / "fuzz.py"), str(library), str(seconds), str(seed)]
        return subprocess.run(command).returncode == 0


BEGUN = time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("check", choices=["address", "thread", "faults", "fuzz"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.check == "faults":
        well = planted()
    elif options.check == "fuzz":
        well = fuzzed(options.seconds, options.seed)
    else:
        well = sanitized(options.check)
    print(f"{options.check}: {'well' if well else 'failed'}, {time.monotonic() - BEGUN:.0f} s")
    sys.exit(not well)


if __name__ == "__main__":
    main()
