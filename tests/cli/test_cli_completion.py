"""Completion in a shell: commands and options are offered."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A `photoflow` as a shell finds it."""
    file = tmp_path / "photoflow"
    file.write_text(f'#!/bin/sh\nexec {sys.executable} -m photoflow "$@"\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def offered(program: Path, *words: str) -> list[str]:
    """What bash offers for the last word, by the script that photoflow gives it."""
    script = subprocess.run(
        [program], env=os.environ | {"_PHOTOFLOW_COMPLETE": "source_bash"}, capture_output=True, text=True, check=True
    ).stdout
    assert "complete -o default -F _photoflow_completion photoflow" in script
    typed = f"COMP_WORDS=({' '.join(words)}''); COMP_CWORD={len(words) - 1}; _photoflow_completion {program}"
    listed = f'{script}\n{typed}; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", listed], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [(["photoflow", "p"], ["poke", "portrait", "prepare", "prune", "portrait-data"]),
     (["photoflow", "animate", "--mot"], ["--motion"])],
)  # fmt: skip
def test_bash_offers_commands_and_options(program: Path, words: list[str], expected: list[str]):
    assert sorted(offered(program, *words)) == sorted(expected)
