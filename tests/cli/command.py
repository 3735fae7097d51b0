"""The command line as a person calls it."""

from __future__ import annotations

import sys

import pytest

from photoflow import cli


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and what was said."""
    monkeypatch.setattr(sys, "argv", ["photoflow", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out + captured.err
