"""`photoflow onnx` and `photoflow prune`: networks for other runtimes, and with fewer channels."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import run

from photoflow.models.networks import load_network


def test_prune_writes_weights_that_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "half.safetensors"
    code, said = run(monkeypatch, capsys, "prune", "-o", target, "--keep", 0.5)
    assert code == 0 and "303711 of 1199287 parameters" in said
    assert sum(one.numel() for one in load_network("gan", target).parameters()) == 303711
    assert target.stat().st_size < 0.7e6


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["prune", "-o", "half.pt"], "expected a suffix .safetensors"),
        (["prune", "-o", "half.safetensors", "--keep", 2], "keep: expected a share above 0 and at most 1, got 2"),
        (["prune", "-o", "net.safetensors", "--weights", "net.safetensors"], "the output would replace the weights"),
        (["onnx", "raft", "-o", "net.onnx"], "network: expected gan or rife or flow or refined, got 'raft'"),
        (["onnx", "gan", "-o", "net.onnx", "--precision", "half"], "precision: expected float32 or"),
        (["onnx", "gan", "-o", "net.onnx", "--photos", "."], "photos: expected with --precision int8 alone"),
        (["onnx", "gan", "-o", "net.pt"], "expected a suffix .onnx"),
        (["onnx", "rife", "-o", "net.onnx"], "rife: expected weights for it"),
    ],
)
def test_bad_input_ends_in_a_line(
    arguments: list[object],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.safetensors").touch()
    code, said = run(monkeypatch, capsys, *arguments)
    assert code == 2 and line in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]
