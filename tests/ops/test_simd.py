"""The clones of the CPU operators that this machine would not choose: the contract's comparisons, run by each.

The choice is made once, while the library loads, by the CPUID instruction. Linux can make that instruction fault
(arch_prctl's ARCH_SET_CPUID, where processor and hypervisor allow it): a handler answers in its place, with the wider
instructions struck out.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import photoflow

# Bits of EBX in leaf 7 of CPUID: AVX-512 F, DQ, IFMA, CD, BW and VL; AVX2.
AVX512, AVX2 = 1 << 16 | 1 << 17 | 1 << 21 | 1 << 28 | 1 << 30 | 1 << 31, 1 << 5
HIDDEN = {"avx2": AVX512, "baseline": AVX512 | AVX2}
WIDTHS = ("baseline", "avx2", "avx512")

HIDE = r"""
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static uint32_t hidden;
static long allow(long on) { return syscall(SYS_arch_prctl, 0x1012 /* ARCH_SET_CPUID */, on); }

static void answer(int number, siginfo_t* info, void* context) {
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  const uint8_t* at = (const uint8_t*)registers[REG_RIP];
  if (info->si_code <= 0 || at[0] != 0x0f || at[1] != 0xa2) { /* not CPUID: a fault like any other */
    signal(number, SIG_DFL);
    return;
  }
  uint32_t leaf = registers[REG_RAX], a, b, c, d;
  allow(1);
  __cpuid_count(leaf, registers[REG_RCX], a, b, c, d);
  allow(0);
  registers[REG_RAX] = a;
  registers[REG_RBX] = leaf == 7 ? b & ~hidden : b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

int hide(uint32_t bits) {
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
  hidden = bits;
  return sigaction(SIGSEGV, &action, 0) || allow(0);
}

int show(void) { return allow(1); }
"""

# Only the library of photoflow loads while the instructions are hidden: torch is loaded before.
RUN = """
import ctypes, sys
import pytest, torch

library, level, bits, *arguments = sys.argv[1:]
instructions = ctypes.CDLL(library)
if instructions.hide(ctypes.c_uint32(int(bits))):
    sys.exit(77)
import photoflow.ops
instructions.show()
assert photoflow.build_info()["simd"] == level, photoflow.build_info()
sys.exit(pytest.main(arguments))
"""


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that hides instructions."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or platform.machine() != "x86_64" or compiler is None:
        pytest.skip("needs Linux on x86-64 and a C compiler")
    folder = tmp_path_factory.mktemp("instructions")
    source, library = folder / "hide.c", folder / "hide.so"
    source.write_text(HIDE)
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


@pytest.mark.parametrize("level", HIDDEN)
def test_narrower_clones_agree_with_the_reference(level: str, instructions: Path) -> None:
    if WIDTHS.index(photoflow.build_info()["simd"]) <= WIDTHS.index(level):
        pytest.skip(f"the other tests run by {level} or less")
    files = [str(path) for path in sorted(Path(__file__).parent.glob("test_*.py")) if path != Path(__file__)]
    chosen = "cpu and contiguous and (test_agrees_with_the_reference or test_gradients_agree_with_the_reference)"
    options = ["-v", "-k", chosen, "-p", "no:cacheprovider"]
    command = [sys.executable, "-c", RUN, str(instructions), level, str(HIDDEN[level]), *options, *files]
    # Not in the source folder, which Python would import from, whose operators may not be built.
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    if run.returncode == 77:
        pytest.skip("this machine does not let CPUID fault")
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    for operator in photoflow.build_info()["operators"]:
        assert re.search(rf"test_{operator}\.py::.* PASSED", run.stdout), f"{operator} did not run"
