"""scripts/gpu_check without a GPU: its stages go on where the last slice ended, and none of them stops the others."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "gpu_check"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs scripts/ of the source tree")
ABOUT = {"python": "3", "torch": "2", "gpu": "G", "architecture": "9.0"}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(SCRIPT))
    spec = importlib.util.spec_from_loader("gpu_check", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_check", module)
    loader.exec_module(module)
    return module


@pytest.fixture
def slice_of(script: ModuleType, tmp_path: Path) -> Any:
    """Begin a slice in the folder, with some seconds left of it."""
    folder = tmp_path / "out"
    folder.mkdir()

    def begin(left: float = 500.0, about: dict[str, str] = ABOUT) -> Any:
        return script.Check(folder, tmp_path, about, time.monotonic() - script.BUDGET + left)

    return begin


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


@pytest.fixture
def stage(script: ModuleType, tmp_path: Path) -> Any:
    """A stage that notes in a file that it ran, and then runs some code."""

    def make(name: str, code: str = "", limit: float = 60, **more: Any) -> Any:
        noted = f"open({str(tmp_path / 'ran')!r}, 'a').write({name + ' '!r}); {code}"
        return script.Stage(name, python(noted), limit, "a.log", **more)

    return make


def ran(tmp_path: Path) -> list[str]:
    return (tmp_path / "ran").read_text().split() if (tmp_path / "ran").exists() else []


def summary(tmp_path: Path) -> list[str]:
    return (tmp_path / "out" / "summary.txt").read_text().splitlines()


def test_without_a_gpu_it_says_so_and_exits_with_2(tmp_path: Path) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "gpu_check: no CUDA device" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_stage_has_a_line_and_a_log_and_stops_no_other(
    slice_of: Any, stage: Any, tmp_path: Path, script: Any
) -> None:
    absent = script.Stage("absent", ["/no/such/program"], 60, "b.log")
    stages = [stage("bad", "print('oh'); raise SystemExit(3)"), absent, stage("good", "print('all is well')")]
    assert slice_of().walk(stages) == 1
    about, bad, gone, good, told = summary(tmp_path)
    assert about == "python=3 torch=2 gpu=G architecture=9.0"
    assert good.split()[:2] == ["good", "0"] and good.endswith("all is well")
    assert bad.split()[:2] == ["bad", "3"] and bad.endswith("oh")
    assert gone.split()[:2] == ["absent", "127"]
    assert told == "1 of 3 stages passed, 2 failed, none is to be run"
    log = (tmp_path / "out" / "a.log").read_text()
    assert log.index("== bad: ") < log.index("oh") < log.index("== good: ") < log.index("all is well")


def test_a_slice_goes_on_where_the_last_one_ended(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    stages = [stage("one"), stage("long", limit=100), stage("short", limit=10), stage("last", limit=100)]
    assert slice_of(left=80).walk(stages) == 3
    assert ran(tmp_path) == ["one", "short"]  # a stage that may not fit is not begun, a shorter one is
    assert summary(tmp_path)[-1] == "2 of 4 stages passed, 0 failed, 2 to be run: the same command goes on"
    assert "long" in summary(tmp_path)[2] and summary(tmp_path)[2].endswith("not run: its turn comes")
    assert slice_of().walk(stages) == 0
    assert ran(tmp_path) == ["one", "short", "long", "last"]
    assert slice_of().walk(stages) == 0 and len(ran(tmp_path)) == 4  # nothing is left to be done


def test_what_resumes_takes_what_is_left_and_is_cut_off_there(
    slice_of: Any, stage: Any, tmp_path: Path, script: Any
) -> None:
    script.LEAST = 0.1
    part = tmp_path / "part"
    code = f"import os, time; os.path.exists({str(part)!r}) or (open({str(part)!r}, 'w'), time.sleep(60))"
    stages = [stage("resumes", code, resumes=True)]
    assert slice_of(left=1).walk(stages) == 3  # no failure, and nothing that was run
    assert slice_of().walk(stages) == 0 and ran(tmp_path) == ["resumes", "resumes"]
    hangs = [stage("hangs", "import time; time.sleep(60)", limit=0.3, resumes=True)]
    assert slice_of().walk(hangs) == 1  # at its own limit it has failed


def test_what_a_slice_did_is_kept_when_it_is_killed(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    stages = [stage("one"), stage("two")]
    check = slice_of()
    check.sum_up = die
    with pytest.raises(Killed):
        check.walk(stages)
    assert slice_of().walk(stages) == 0 and ran(tmp_path) == ["one", "two"]


def test_what_failed_is_run_again_once_all_were_run(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    bad = stage("bad", f"import os; raise SystemExit(not os.path.exists({str(mended)!r}))")
    stages = [bad, stage("long", limit=100)]
    assert slice_of(left=80).walk(stages) == 3
    assert slice_of().walk(stages) == 1 and ran(tmp_path) == ["bad", "long"]
    mended.touch()
    assert slice_of().walk(stages) == 0 and ran(tmp_path) == ["bad", "long", "bad"]


def test_a_stage_that_hangs_is_ended_with_what_it_started(slice_of: Any, script: Any, tmp_path: Path) -> None:
    child = f"import time; time.sleep(1.5); open({str(tmp_path / 'alive')!r}, 'w')"
    code = f"import subprocess; subprocess.run({python(child)!r})"
    assert slice_of().walk([script.Stage("hang", python(code), 0.5, "a.log")]) == 1
    assert "124" in summary(tmp_path)[1] and "ended after its limit" in summary(tmp_path)[1]
    time.sleep(1.5)
    assert not (tmp_path / "alive").exists()


def test_what_cannot_be_run_here_is_left_out_with_a_word(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    elsewhere = stage("watched", left_out="there is no GPU to watch")
    assert slice_of().walk([stage("one"), elsewhere]) == 0
    assert summary(tmp_path)[2].endswith("not run: there is no GPU to watch")
    assert summary(tmp_path)[3] == "1 of 1 stages passed, 0 failed, none is to be run"
    lacking = stage("two", needs=("sys", "no_such_module"))
    assert slice_of().walk([stage("one"), lacking]) == 1
    assert summary(tmp_path)[2].endswith("not run: no_such_module is not installed")
    assert ran(tmp_path) == ["one"]


def test_tests_that_all_skip_have_not_passed(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    said = {name: stage(name, f"print({text!r})", needs=("pytest",)) for name, text in
            (("skips", "12 skipped in 1 s"), ("passes", "1 passed, 11 skipped in 1 s"))}  # fmt: skip
    assert slice_of().walk([said["skips"]]) == 1 and summary(tmp_path)[1].split()[1] == "5"
    assert slice_of().walk([said["passes"]]) == 0


def test_a_sanitizer_that_the_driver_refuses_is_no_failure(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    assert slice_of().walk([stage("memcheck", "print('Device not supported'); raise SystemExit(1)")]) == 0
    assert "does not work with the driver" in summary(tmp_path)[1]


def test_a_folder_is_of_one_machine(slice_of: Any, stage: Any, capsys: pytest.CaptureFixture[str]) -> None:
    slice_of().walk([stage("one")])
    with pytest.raises(SystemExit) as stopped:
        slice_of(about={**ABOUT, "torch": "3"})
    assert stopped.value.code == 2 and "expected another folder" in capsys.readouterr().out


def test_what_was_compiled_is_kept_and_the_rest_of_the_package_is_as_it_is_now(
    slice_of: Any, script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def making(place: Path, _: object) -> Any:
        code = f"""
import zipfile
with zipfile.ZipFile({str(place / "photoflow-1.whl")!r}, "w") as wheel:
    wheel.writestr("photoflow/_C.abi3.so", "compiled")
    wheel.writestr("photoflow/errors.py", "older")
"""
        return script.Stage("build", python(code), 60, "build.log")

    monkeypatch.setattr(script, "build_stage", making)
    target = script.built_file(tmp_path / "out", ABOUT)
    for _ in range(2):
        check = slice_of()
        check.site = check.scratch / f"site{time.monotonic_ns()}"
        assert script.build(check, target)
        assert (check.site / "photoflow" / "_C.abi3.so").read_text() == "compiled"
        assert (check.site / "photoflow" / "errors.py").read_text() == (ROOT / "photoflow" / "errors.py").read_text()
    assert (tmp_path / "out" / "build.log").read_text().count("== build: ") == 1
    assert script.built_file(tmp_path / "out", {**ABOUT, "torch": "3"}) != target


def test_without_a_build_there_is_nothing_to_run(slice_of: Any, script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = script.Stage("build", python("raise SystemExit(1)"), 60, "build.log")
    monkeypatch.setattr(script, "build_stage", lambda *_: failing)
    check = slice_of()
    assert not script.build(check, check.folder / "built-1.zip") and not (check.folder / "built-1.zip").exists()


@pytest.mark.parametrize("cpu", [False, True])
def test_every_stage_fits_a_slice_and_has_a_name_of_its_own(script: Any, tmp_path: Path, cpu: bool) -> None:
    stages = [script.build_stage(tmp_path, ABOUT), *script.stages_of(tmp_path, cpu)]
    assert len({stage.name for stage in stages}) == len(stages)
    # Looking for the device, and unpacking the wheel, come before them.
    assert all(stage.limit <= script.BUDGET - 100 for stage in stages)
    assert script.BUDGET < 9 * 60
    watched = [stage for stage in stages if "check" in stage.name]
    assert len(watched) == 12 and all(bool(stage.left_out) or not cpu for stage in watched)


def test_every_test_that_needs_a_gpu_is_in_a_stage(script: Any, tmp_path: Path) -> None:
    asks = re.compile(r"def test_\w+\([^)]*\b(gpu|device)\b|mark\.cuda\b|\(OperatorContract\)")
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if asks.search(path.read_text())]
    assert len(files) > 12
    commands = [stage.command for stage in script.stages_of(tmp_path, False) if "cuda" in stage.command]
    run = {Path(argument) for command in commands for argument in command}
    assert [path for path in files if not run & {path, *path.parents}] == []


def test_stages_are_kept_as_json(slice_of: Any, stage: Any, tmp_path: Path) -> None:
    slice_of().walk([stage("one", "print('said')")])
    kept = json.loads((tmp_path / "out" / "stages.json").read_text())
    assert kept["about"] == ABOUT and kept["stages"]["one"]["note"] == "said"
