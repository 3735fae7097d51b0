"""scripts/check_wheel refuses what a wheel should not be."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "check_wheel"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs scripts/ of the source tree")
GOOD = "photoflow-1.0-cp311-abi3-manylinux_2_28_x86_64.whl"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("check_wheel", str(SCRIPT))
    spec = importlib.util.spec_from_loader("check_wheel", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("photoflow-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", [], "tags: cp311-cp311-manylinux_2_28_x86_64"),
        ("photoflow-1.0-cp311-abi3-linux_x86_64.whl", [], "platform: linux_x86_64, expected manylinux"),
        (GOOD, ["tests/test_a.py"], "files: 3, of which ['tests/test_a.py'] do not belong there"),
        (GOOD, ["photoflow/a.cpp"], "files: 3, of which ['photoflow/a.cpp'] do not belong there"),
        (GOOD, [], "modules: "),
        (GOOD, ["photoflow.libs/libgomp.so.1"], "files: 3, of which"),
        (GOOD.replace("1.0", "1.0+cu130"), ["photoflow/_C.abi3.so"], "modules: photoflow/_C.abi3.so"),
    ],
)
def test_a_wheel_that_is_wrong_is_refused(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, files: list[str], said: str
) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for file in ["photoflow/__init__.py", "photoflow-1.0.dist-info/METADATA", *files]:
            archive.writestr(file, "")
    with pytest.raises(SystemExit):
        script.check_contents(tmp_path / name)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"WRONG {said}")


def test_libraries_are_torchs_or_the_systems(script: ModuleType) -> None:
    for library in ("libtorch_cpu.so", "libc10_cuda.so", "libcudart.so.13", "libstdc++.so.6", "ld-linux-x86-64.so.2"):
        assert script.ALLOWED.fullmatch(library)
    for library in ("libgomp.so.1", "libtorch_python.so", "libcublas.so.13", "libpython3.11.so.1.0"):
        assert not script.ALLOWED.fullmatch(library)


def test_a_bare_environment_has_no_compiler(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CC", "CXX", "CUDA_HOME", "PYTHONPATH"):
        monkeypatch.setenv(name, "here")
    made = dict(script.bare_environment(tmp_path))
    assert made["PATH"] == str(tmp_path) and not {"CC", "CXX", "CUDA_HOME", "PYTHONPATH"} & set(made)
