"""Faults that are planted in the kernels: each is found, or the emulation is worth little."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .build import ROOT, SANITIZED, build, package_with, run_pytest


@dataclass(frozen=True)
class Fault:
    """A change to a file of `csrc/cuda`, and the tests that fail with it.

    Args:
        name: what is wrong.
        file: in `csrc/cuda`.
        old, new: the text that is there once, and what takes its place.
        only: which files have to be compiled, as a pattern.
        tests: a file of `tests/ops` and the selection of its tests.
        mode: "plain", or "thread" where only ThreadSanitizer sees it.
        sign: what the failed run says, where it has to be that.
    """

    name: str
    file: str
    old: str
    new: str
    only: str
    tests: tuple[str, str]
    mode: str = "plain"
    sign: str = ""


ATTENTION = ("test_flow_attention.py", "gradients_agree or (agrees_with_the_reference and contiguous)")
CORRELATION = ("test_correlation_lookup.py", "TestDirectContract and gradients_agree")
SPLAT = ("test_forward_splat.py", "agrees_with_the_reference and contiguous and (sum or softmax)")
REPEATABLE = ("test_forward_splat.py", "repeatable_sums_are_as_exact")

FAULTS = (
    Fault(
        "a barrier is missing between writing and reading shared memory",
        "attention_kernels.cuh",
        "gates[p][lane] = sigmoid(raw.get(at) + bias[channel + lane]);\n    }\n    __syncthreads();",
        "gates[p][lane] = sigmoid(raw.get(at) + bias[channel + lane]);\n    }",
        "flow_attention*",
        ATTENTION,
    ),
    Fault(
        "a tile is one column short",
        "attention_kernels.cuh",
        "A values[3][kWarp + 2][2];",
        "A values[3][kWarp + 1][2];",
        "flow_attention*",
        ATTENTION,
    ),
    Fault(
        "a warp does not wait for its own writes",
        "correlation_gradients.cu",
        "correlate(job, image, pixel, level, window, lane, buffer);\n    __syncwarp();",
        "correlate(job, image, pixel, level, window, lane, buffer);",
        "correlation*",
        CORRELATION,
    ),
    Fault(
        "shared memory is written again before all have read it",
        "correlation_gradients.cu",
        "__syncthreads();  // before the next pixels are written over these",
        "",
        "correlation*",
        CORRELATION,
    ),
    Fault(
        "threads beyond the last pixel skip the exchange",
        "backward_warp_gradient.cu",
        "for (int distance = group / 2; distance > 0; distance /= 2) {",
        "if (index >= pixels) continue;\n    for (int distance = group / 2; distance > 0; distance /= 2) {",
        "backward_warp*",
        ("test_backward_warp.py", "gradients_agree and channels-last"),
        sign="EMULATOR",
    ),
    Fault(
        "an exchange leaves lanes out",
        "splat_source.cuh",
        "for (int distance = 16; distance > 0; distance /= 2) {",
        "for (int distance = 8; distance > 0; distance /= 2) {",
        "forward_splat",
        ("test_forward_splat.py", "one_large_metric"),
    ),
    Fault(
        "a maximum is written without an atomic",
        "sums.cuh",
        "atomicMax(at + index, bits);",
        "at[index] = bits;",
        "forward_splat",
        REPEATABLE,
        mode="thread",
        sign="data race",
    ),
    Fault(
        "sums are added without an atomic",
        "splat_sums.cuh",
        "  atomicAdd(to + 3, d);\n#endif",
        "  to[3] += d;\n#endif",
        "forward_splat",
        SPLAT,
        mode="thread",
        sign="data race",
    ),
)


def found(fault: Fault) -> bool:
    """Build the kernels with a fault and run its tests; return whether they fail as they should."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        csrc = folder / "csrc"
        shutil.copytree(ROOT / "csrc", csrc)
        path = csrc / "cuda" / fault.file
        text = path.read_text()
        if text.count(fault.old) != 1:
            raise ValueError(f"{fault.file}: expected once, found {text.count(fault.old)} times: {fault.old!r}")
        path.write_text(text.replace(fault.old, fault.new))
        build(folder / "faulty.so", csrc=csrc, mode=fault.mode, only=fault.only)
        package_with(folder / "faulty.so", folder / "package")
        file, selection = fault.tests
        # Two blocks, so that loops go round; the older side, whose atomics are single ones.
        environment = {"EMULATED_GRID": "2", "EMULATED_ARCHITECTURE": "750"}
        tests = [str(ROOT / "tests" / "ops" / file), "-m", "not cuda", "-k", selection]
        done = run_pytest(folder / "package", *tests, mode=fault.mode, **environment)
        # A test that failed, a crash, or ThreadSanitizer's own code: not that no test could be run.
        failed = done.returncode in (1, SANITIZED) or done.returncode < 0
        return failed and fault.sign in done.stdout + done.stderr
