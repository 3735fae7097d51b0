"""How a build finds a CUDA toolkit, for which shell scripts stand; and its sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cuda_toolkit", reason="needs building/ of the source tree")
import cuda_toolkit
from cuda_toolkit import Toolkit, find_toolkit, installed_roots, pip_roots
from sanitizers import compile_flags, link_flags, wanted_sanitizers
from torch.utils import cpp_extension

NVCC = """#!/bin/sh
case "$1" in
  --version) echo "Cuda compilation tools, release {version}, V{version}.86" ;;
  --dryrun) echo "#$ TOP={top}" >&2 ;;
  -c) {compile} ;;
esac
"""


def make_toolkit(root: Path, version: str, compile: str = 'touch "$3"', header: bool = True) -> Path:
    """A folder that looks like a toolkit."""
    (root / "bin").mkdir(parents=True)
    (root / "include").mkdir()
    if header:
        (root / "include" / "cuda_runtime.h").touch()
    nvcc = root / "bin" / "nvcc"
    nvcc.write_text(NVCC.format(version=version, top=root, compile=compile))
    nvcc.chmod(0o755)
    return root


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The toolkits of a machine, which has none at first, not even pip's."""
    roots: list[Path] = []
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setattr(cuda_toolkit, "installed_roots", lambda: cuda_toolkit.named_roots() or roots)
    monkeypatch.setattr(cuda_toolkit, "pip_roots", lambda major: [])
    return roots


def test_the_first_toolkit_of_torchs_major_version_is_taken(tmp_path: Path, installed: list[Path]) -> None:
    installed += [
        make_toolkit(tmp_path / "old", "12.8"), make_toolkit(tmp_path / "bare", "13.0", header=False),
        make_toolkit(tmp_path / "good", "13.0"), make_toolkit(tmp_path / "later", "13.2"),
    ]  # fmt: skip
    assert find_toolkit("13.2") == Toolkit(tmp_path / "good", "13.0")


def test_without_one_the_reason_names_what_is_there_and_what_pip_brings(tmp_path: Path, installed: list[Path]) -> None:
    installed += [make_toolkit(tmp_path / "old", "12.8"), tmp_path / "absent"]
    assert find_toolkit("13.2") == (
        f"no CUDA 13 toolkit was found ({tmp_path}/old has CUDA 12.8); "
        'pip brings one: pip install "cuda-toolkit[nvcc,nvvm,crt,cudart,cccl]==13.2.*", '
        "then build with --no-build-isolation"
    )
    installed[:] = []
    assert find_toolkit("12.8") == "no CUDA 12 toolkit was found"


def test_the_environment_is_taken_at_its_word(
    tmp_path: Path, installed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.append(make_toolkit(tmp_path / "installed", "13.0"))
    monkeypatch.setattr(cuda_toolkit, "pip_roots", lambda major: [make_toolkit(tmp_path / "pip", "13.2")])
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "absent"))
    assert find_toolkit("13.2") == (
        f"no CUDA 13 toolkit was found ({tmp_path}/absent has no cuda_runtime.h or no nvcc)"
    )
    monkeypatch.setenv("CUDA_HOME", str(make_toolkit(tmp_path / "named", "13.1")))
    assert find_toolkit("13.2") == Toolkit(tmp_path / "named", "13.1")


def test_pips_toolkit_is_found_where_none_is_installed(
    tmp_path: Path, installed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_toolkit(tmp_path / "site" / "nvidia" / "cu13", "13.2")
    monkeypatch.setattr(cuda_toolkit, "pip_roots", pip_roots)
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert find_toolkit("13.2") == Toolkit(root, "13.2", from_pip=True)
    assert pip_roots("14") == []
    installed.append(make_toolkit(tmp_path / "installed", "13.0"))
    assert find_toolkit("13.2") == Toolkit(tmp_path / "installed", "13.0")


def test_a_pip_toolkit_that_cannot_compile_is_told_of(
    tmp_path: Path, installed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_toolkit(tmp_path / "pip", "13.0", compile='echo "ptxas: unsupported version 9.3"')
    monkeypatch.setattr(cuda_toolkit, "pip_roots", lambda major: [root])
    reason = find_toolkit("13.0")
    assert isinstance(reason, str)
    assert f"({root} cannot compile: ptxas: unsupported version 9.3); pip brings one" in reason


def test_a_script_on_the_path_leads_to_the_toolkit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    root = make_toolkit(tmp_path / "real", "13.0")
    (tmp_path / "path").mkdir()
    script = tmp_path / "path" / "nvcc"
    script.write_text(f'#!/bin/sh\nexec {root}/bin/nvcc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent))
    assert installed_roots()[:2] == [tmp_path, root]


def test_without_a_compiler_on_the_path_torch_knows_the_usual_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_HOME", raising=False)
    monkeypatch.delenv("CUDA_PATH", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", "usual")
    assert installed_roots() == [Path("usual")]
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    assert installed_roots() == []


def test_the_runtime_library_of_pip_has_a_version_in_its_name(tmp_path: Path) -> None:
    toolkit = Toolkit(tmp_path, "13.2", from_pip=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libcudart.so.13").touch()
    assert toolkit.runtime_library == ":libcudart.so.13"
    (tmp_path / "lib" / "libcudart.so").touch()
    assert toolkit.runtime_library == "cudart"


def test_sanitizers_become_flags_and_none_is_none() -> None:
    assert wanted_sanitizers("") == wanted_sanitizers(" ") == []
    assert compile_flags([]) == link_flags([]) == []
    both = wanted_sanitizers("undefined, address")
    assert both == ["address", "undefined"]
    flags = compile_flags(both)
    assert {"-fsanitize=address", "-fsanitize=undefined", "-fno-omit-frame-pointer"} <= set(flags)
    assert any(flag.startswith("-fno-sanitize-recover=undefined") for flag in flags)
    assert link_flags(both) == ["-fsanitize=address,undefined"]
    assert not any("undefined" in flag for flag in compile_flags(["address"]))


def test_an_unknown_sanitizer_is_refused_in_one_line() -> None:
    environment = {**os.environ, "PHOTOFLOW_CUDA": "0", "PHOTOFLOW_SANITIZE": "address,threads"}
    setup = Path(__file__).parents[1] / "setup.py"
    command = [sys.executable, str(setup), "--name"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=setup.parent)
    said = "photoflow: PHOTOFLOW_SANITIZE: expected address or undefined, separated by commas, got 'threads'"
    assert ran.returncode == 1 and ran.stderr.strip().splitlines()[-1] == said
