"""What a build says about its C++ compiler, for which shell scripts stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cxx_compiler", reason="needs building/ of the source tree")
from cuda_toolkit import probe
from cxx_compiler import PROBE, compiler_problem, first_error, host_flags, wanted_compiler

ROOT = Path(__file__).parents[1]
HINT = "to get one: apt install g++ python3-dev (Debian, Ubuntu), dnf install gcc-c++ python3-devel (Fedora)"


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine that names no compiler."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("CC", "CXX"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_is_taken_at_its_word_else_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert wanted_compiler() == "c++"
    program(tmp_path / "clang++", "")
    assert wanted_compiler() == "clang++"
    program(tmp_path / "g++", "")
    assert wanted_compiler() == "g++"
    monkeypatch.setenv("CXX", "ccache g++-14")
    assert wanted_compiler() == "ccache g++-14"


def test_without_a_compiler_one_line_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = f"no C++ compiler was found (none of c++, g++, clang++ is on PATH); {HINT}"
    assert compiler_problem(wanted_compiler()) == said
    monkeypatch.setenv("CXX", "nosuchc++")
    assert compiler_problem(wanted_compiler()) == f"no C++ compiler was found (CXX=nosuchc++ names none); {HINT}"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert str(compiler_problem(wanted_compiler())).endswith("to get one: xcode-select --install (macOS)")
    monkeypatch.setattr(sys, "platform", "win32")
    assert "do not compile on Windows yet" in str(compiler_problem("c++"))


def test_a_compiler_that_cannot_is_told_of_with_its_words(tmp_path: Path) -> None:
    old = program(tmp_path / "g++", 'echo "In function:" >&2; echo "probe.cpp:4: error: no shuffle" >&2; exit 1')
    assert compiler_problem(str(old)) == (
        f"expected GCC 12 or newer or clang, got {old}, which cannot compile the operators "
        f"(probe.cpp:4: error: no shuffle); {HINT}"
    )
    bare = program(tmp_path / "c++", 'echo "fatal error: Python.h: No such file or directory" >&2; exit 1')
    said = compiler_problem(str(bare))
    assert said and said.startswith("Python's headers are missing (there is no Python.h in ")
    assert "to get them: apt install g++ python3-dev" in said
    (tmp_path / "broken").write_text("no program")
    (tmp_path / "broken").chmod(0o755)
    assert "does not run" in str(compiler_problem(str(tmp_path / "broken")))


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_the_compiler_that_built_the_operators_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiler_problem("c++") is None
    monkeypatch.setattr("cxx_compiler.PROBE", PROBE.replace("__builtin_shufflevector", "__builtin_unknown"))
    assert "__builtin_unknown" in str(compiler_problem("c++"))


def test_nvccs_host_compiler_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = str(program(tmp_path / "g++-14", ""))
    assert host_flags(host) == ["-ccbin", host]
    assert host_flags(f"ccache {host}") == []
    monkeypatch.setenv("CC", str(program(tmp_path / "gcc-12", "")))
    assert host_flags(host) == ["-ccbin", str(tmp_path / "gcc-12")]


def test_a_host_compiler_that_nvcc_refuses_is_told_of(tmp_path: Path) -> None:
    said = "host_config.h:139:2: error: #error -- unsupported GNU version! gcc versions later than 15 are not"
    answers = f'*"-ccbin old") touch "$3";; *) echo "In file"; echo "{said}";;'
    program(tmp_path / "bin" / "nvcc", f'case "$*" in {answers} esac')
    assert probe(tmp_path, ["-ccbin", "old"]) is None
    assert probe(tmp_path, ["-ccbin", "new"]) == said == first_error(f"In file\n{said}\n1 error detected")


def test_a_build_without_a_compiler_ends_with_that_line_and_needs_none_for_its_name(tmp_path: Path) -> None:
    for name in ("setup.py", "building", "photoflow/ops/_sources.py", "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    environment = {**os.environ, "CXX": "nosuchc++"}
    for words, code in ((["--name"], 0), (["build_ext", "--inplace"], 1)):
        command = [sys.executable, "setup.py", *words]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert ran.returncode == code
    said = f"photoflow: no C++ compiler was found (CXX=nosuchc++ names none); {HINT}"
    assert ran.stderr.strip().splitlines()[-1] == said
