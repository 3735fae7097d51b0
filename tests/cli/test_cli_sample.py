"""`photoflow sample`: what the prior draws for a photo, as `photoflow animate` takes it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from command import run
from priors import tiny
from safetensors.torch import save_file

from photoflow.io import read_photo
from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import SpectralPrior
from photoflow.motion import SpectralVolume
from photoflow.motion.learned import sample_volume


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, a mask of its subject, weights of a tiny prior (random ones), and those of another network."""
    folder = tmp_path_factory.mktemp("photo")
    noise = np.random.default_rng(0).normal(size=(64, 96, 3)).astype(np.float32)
    cv2.imwrite(str(folder / "photo.png"), np.clip(128 + 300 * cv2.GaussianBlur(noise, (0, 0), 4), 0, 255))
    mask = np.zeros((64, 96), np.uint8)
    mask[16:48, 24:72] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    torch.manual_seed(0)
    with tiny():
        prior = SpectralPrior("small")
    for parameter in prior.parameters():
        if parameter.dim() > 1 and parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.1)
    save_file(prior.state_dict(), folder / "prior.safetensors")
    save_file({"weight": torch.zeros(3)}, folder / "other.safetensors")
    return folder


def test_writes_what_the_prior_draws(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "volume.safetensors"
    options = ("--weights", files / "prior.safetensors", "--steps", 3, "--device", "cpu")
    given = ("--seed", 7, "--seconds", 4)
    with tiny():
        code, said = run(monkeypatch, capsys, "sample", files / "photo.png", "-o", output, *options, *given)
    assert code == 0 and "volume.safetensors: 96x64, 4 frequencies to 0.75 Hz, displaced by " in said
    image = torch.from_numpy(read_photo(files / "photo.png").rgb).permute(2, 0, 1)[None].float() / 255
    with tiny():
        network = load_network("spectral", files / "prior.safetensors")
    expected = sample_volume(network, image, seconds=4.0, seed=7, steps=3)
    drawn = SpectralVolume.load(output)
    assert drawn.seconds == 4.0 and float(drawn.power[1:].sum()) > 0
    np.testing.assert_allclose(drawn.coefficients, expected.coefficients, rtol=1e-4, atol=1e-4)


def test_guidance_and_loops_steer_what_is_drawn(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--weights", files / "prior.safetensors", "--steps", 4, "--device", "cpu")
    said: dict[str, str] = {}
    for name, given in {"plain": (), "guided": ("--guidance", 1.75), "closed": ("--loop", 4)}.items():
        output = tmp_path / f"{name}.safetensors"
        with tiny():
            code, said[name] = run(monkeypatch, capsys, "sample", files / "photo.png", "-o", output, *options, *given)
        assert code == 0
    volumes = {name: SpectralVolume.load(tmp_path / f"{name}.safetensors") for name in said}
    assert not np.allclose(volumes["guided"].coefficients, volumes["plain"].coefficients, atol=1e-3)
    ends = {name: volume.trajectories([0.0, 4.0]) for name, volume in volumes.items()}
    apart = {name: float(np.hypot(*(last - first)).mean()) for name, (first, last) in ends.items()}
    assert apart["closed"] < 0.3 * apart["plain"]
    assert "after 4 s it is " in said["closed"] and "where it began" not in said["plain"]


def test_what_ships_draws_a_motion_that_animate_takes(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(monkeypatch, capsys, "sample", files / "photo.png", "--steps", 2, "--offline")
    assert code == 0 and "volume.safetensors: 96x64, 16 frequencies to 3 Hz" in said
    motion = ("--motion", "spectral:volume.safetensors", "--mask", files / "mask.png")
    short = ("--seconds", 0.5, "--fps", 8)
    code, said = run(monkeypatch, capsys, "animate", files / "photo.png", *motion, "-o", "a.mp4", *short)
    assert code == 0 and "a.mp4: 4 frames" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.png",), "missing.png"),
        (("photo.png", "-o", "volume.png"), "expected a suffix .safetensors"),
        (("photo.png", "--steps", "2000"), "expected 1 to 1000 steps, got 2000"),
        (("photo.png", "--seconds", "0"), "expected above 0 to 120 seconds, got 0"),
        (("photo.png", "--guidance", "-1"), "expected a guidance from 0 to 100, got -1"),
        (("photo.png", "--loop", "5"), "expected a loop of less than the record's 5 seconds, got 5"),
        (("photo.png", "--weights", "other.safetensors"), "other.safetensors"),
        (("prior.safetensors", "-o", "prior.safetensors"), "the output would replace the photo"),
        (("photo.png", "-o", "prior.safetensors"), "the output would replace the weights"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(files)
    before = {path: path.stat().st_mtime_ns for path in files.iterdir()}
    weights = () if "--weights" in arguments else ("--weights", "prior.safetensors")
    with tiny():
        code, said = run(monkeypatch, capsys, "sample", *arguments, *weights)
    assert code == 2 and message in said and len(said.strip().splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in files.iterdir()} == before
