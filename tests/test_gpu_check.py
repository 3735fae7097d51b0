"""scripts/gpu_check on a machine without a GPU: it says so, and no stage of it stops the others."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "gpu_check"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A check that has not begun any stage."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(SCRIPT))
    spec = importlib.util.spec_from_loader("gpu_check", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setattr(module, "LEAST", 0.1)
    (tmp_path / "out").mkdir()
    return module.Check(tmp_path / "out", tmp_path, True)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_without_a_gpu_it_says_so_and_exits_with_2(tmp_path: Path) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "gpu_check: no CUDA device" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_stage_has_a_line_and_a_log_and_its_failure_is_remembered(check: Any) -> None:
    assert check.run("good", python("print('all is well')"), 60, "a.log") == 0
    assert not check.failed
    assert check.run("bad", python("print('oh'); raise SystemExit(3)"), 60, "a.log") == 3
    assert check.run("absent", ["/no/such/program"], 60, "b.log") == 127
    assert check.failed
    good, bad, absent = (check.folder / "summary.txt").read_text().splitlines()
    assert good.split()[:2] == ["good", "0"] and good.endswith("all is well")
    assert bad.split()[:2] == ["bad", "3"] and bad.endswith("oh")
    assert absent.split()[:2] == ["absent", "127"]
    assert "all is well\n== bad: " in (check.folder / "a.log").read_text()


def test_a_stage_that_hangs_is_ended_with_what_it_started(check: Any, tmp_path: Path) -> None:
    child = f"import time; time.sleep(1.5); open({str(tmp_path / 'alive')!r}, 'w')"
    code = f"import subprocess; subprocess.run({[sys.executable, '-S', '-c', child]!r})"
    assert check.run("hang", python(code), 0.5, "a.log") == 124
    assert "ended after its limit" in check.lines[0] and check.failed
    time.sleep(1.5)
    assert not (tmp_path / "alive").exists()


def test_no_stage_begins_when_the_time_is_up(check: Any) -> None:
    check.begun -= 10_000
    assert check.run("late", python("print(1)"), 60, "a.log") is None
    assert check.failed and "not run: no time is left" in check.lines[0]


def test_a_sanitizer_that_the_driver_refuses_is_no_failure(check: Any) -> None:
    assert check.run("memcheck", python("print('Device not supported'); raise SystemExit(1)"), 60, "a.log") == 1
    assert not check.failed and "does not work with the driver" in check.lines[0]
