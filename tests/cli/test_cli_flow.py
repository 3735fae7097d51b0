"""`photoflow flow`: writes what RAFT measures, and says in one line what it lacks."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from photoflow import cli
from photoflow.io import read_flow, read_photo
from photoflow.models.networks import load_network
from photoflow.models.raft import RAFT
from photoflow.viz import flow_to_rgb, with_legend


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, one of another size, RAFT's weights (random ones), and those of another network."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size in (("a", (50, 70)), ("b", (50, 70)), ("larger", (60, 70))):
        picture = np.random.default_rng(len(name)).integers(0, 256, (*size, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{name}.png"), np.roll(picture, 4 * (name == "b"), 1))
    torch.manual_seed(0)
    torch.save(RAFT.small().state_dict(), folder / "small.pth")
    torch.save({"weight": torch.zeros(3)}, folder / "other.pth")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and what was said."""
    monkeypatch.setattr(sys, "argv", ["photoflow", "flow", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out + captured.err


def test_writes_the_flow_and_its_picture(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output, png = tmp_path / "f.flo", tmp_path / "f.png"
    options = ("-o", output, "--png", png, "--weights", files / "small.pth", "--updates", 2, "--device", "cpu")
    code, said = run(monkeypatch, capsys, files / "a.png", files / "b.png", *options)
    assert code == 0 and "f.flo: 70x50, " in said and "pixels on average" in said
    flow = read_flow(output)
    images = [
        torch.from_numpy(read_photo(files / name).rgb).permute(2, 0, 1)[None] / 255 for name in ("a.png", "b.png")
    ]
    with torch.no_grad():
        expected = RAFT.small(weights=files / "small.pth").eval()(*images, updates=2)[0].numpy()
    np.testing.assert_allclose(flow, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(read_photo(png).rgb, with_legend(flow_to_rgb(flow)))


def test_without_weights_refined_dis_measures_the_flow(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run(monkeypatch, capsys, files / "a.png", files / "b.png", "-o", tmp_path / "f.flo", "--offline")
    assert code == 0 and said.rstrip().endswith("by refined DIS")
    images = [
        torch.from_numpy(read_photo(files / name).rgb).permute(2, 0, 1)[None] / 255 for name in ("a.png", "b.png")
    ]
    np.testing.assert_array_equal(read_flow(tmp_path / "f.flo"), load_network("flow", None)(*images)[0].numpy())


BAD = [
    (["a.png", "b.png", "--weights", "raft_large", "--offline"], "weights 'raft_large': expected the file"),
    (["a.png", "b.png", "--weights", "raft_huge"], "not found"),
    (["a.png", "b.png", "--weights", "other.pth"], "other.pth: expected the weights of RAFT"),
    (["a.png", "larger.png", "--weights", "small.pth"], "expected 70x50 pixels"),
    (["a.png", "none.png", "--weights", "small.pth"], "none.png"),
    (["a.png", "b.png", "--weights", "small.pth", "-o", "OUT/f.txt"], "expected a suffix .flo or .png"),
    (["a.png", "b.png", "--weights", "small.pth", "--png", "OUT/f.gif"], "expected a suffix .png or .jpg"),
    (["a.png", "b.png", "--weights", "small.pth", "-o", "OUT/no/f.flo"], "does not exist"),
    (["a.png", "b.png", "--weights", "small.pth", "--png", "b.png"], "would replace a picture"),
    (["a.png", "b.png", "--weights", "small.pth", "-o", "OUT/f.png", "--png", "OUT/f.png"], "two outputs"),
    (["a.png", "b.png", "--weights", "small.pth", "--device", "abacus"], "device: expected auto, cpu"),
]


@pytest.mark.parametrize(
    ("arguments", "named"), BAD, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_bad_input_gets_one_line_exit_code_2_and_no_file(
    arguments: list[str],
    named: str,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    known = {path.name for path in files.iterdir()} | {"none.png"}
    arguments = [str(files / a) if a in known else a.replace("OUT", str(tmp_path)) for a in arguments]
    before = {path: path.read_bytes() for path in files.iterdir()}
    if "-o" not in arguments:
        arguments += ["-o", str(tmp_path / "f.flo")]
    code, said = run(monkeypatch, capsys, *arguments)
    lines = said.splitlines()
    assert code == 2 and len(lines) == 1 and lines[0].startswith("photoflow: ") and named in lines[0], said
    assert list(tmp_path.iterdir()) == []
    assert {path: path.read_bytes() for path in files.iterdir()} == before
