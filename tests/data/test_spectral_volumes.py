"""Volumes measured in clips and made by the wind: what they hold, how they are cut, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from photoflow.data import ClipVolumes, WindVolumes, open_source, spectral_volumes
from photoflow.data.silhouettes import SILHOUETTES, silhouette
from photoflow.data.spectral_volumes import Record, held_out
from photoflow.errors import InputError
from photoflow.io import VideoWriter

SIZE = (32, 48)


def texture(height: int, width: int, seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).uniform(0, 255, (height // 3, width // 3, 3)).astype(np.float32)
    return np.clip(cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255)


def swaying_clip(path: Path, seconds: float = 5.0, fps: int = 8, cycles: int = 3, reach: float = 3.0) -> None:
    """A textured box that sways `cycles` times in 5 seconds before a textured wall."""
    wall, box = texture(64, 96, 0), texture(40, 40, 1)
    with VideoWriter(path, 96, 64, fps, quality=95) as writer:
        for index in range(round(seconds * fps)):
            x = 28 + reach * np.sin(2 * np.pi * cycles * index / (5 * fps))
            moved = cv2.warpAffine(box, np.array([[1, 0, x], [0, 1, 12.0]]), (96, 64))
            there = cv2.warpAffine(np.ones((40, 40), np.float32), np.array([[1, 0, x], [0, 1, 12.0]]), (96, 64))
            frame = wall * (1 - there[..., None]) + moved
            writer.write(frame.round().astype(np.uint8))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "deeper").mkdir()
    swaying_clip(folder / "deeper" / "box.mp4")
    swaying_clip(folder / "short.mp4", seconds=2)
    return folder


def test_clips_give_pictures_and_their_motion(clips: Path) -> None:
    source = ClipVolumes(clips, SIZE)
    assert source.name == f"motion of 1 clips of {clips.name}"  # the one that is short is left out
    batch = source.batch(0, 6)
    assert batch["image"].shape == (6, 3, *SIZE) and batch["volume"].shape == (6, 16, 4, *SIZE)
    assert batch["volume"].dtype == torch.float32 and 0 <= batch["image"].min() < batch["image"].max() <= 1
    amplitude = batch["volume"].unflatten(2, (2, 2)).norm(dim=3)  # (B, K, 2, H, W)
    assert (amplitude[:, 1:].mean((2, 3, 4)).argmax(1) == 2).all()  # three times in the record: frequency 3
    box = amplitude[:, 3, 0].flatten(1).quantile(0.6, 1)
    scale = SIZE[1] / 96  # of the whole frame; crops are larger pictures of less
    assert (box > 0.5 * 0.7 * scale * 1.5).all() and (box < 1.5 * 1.4 * 1.1).all()
    assert amplitude[:, 3, 1].mean() < 0.2 * amplitude[:, 3, 0].mean()  # along x alone


def test_a_batch_depends_on_its_number_alone(clips: Path) -> None:
    first, later = ClipVolumes(clips, SIZE), ClipVolumes(clips, SIZE)
    later.batch(3, 2)
    for name, planes in first.batch(5, 2).items():
        assert torch.equal(planes, later.batch(5, 2)[name])
    assert not torch.equal(first.batch(5, 2)["volume"], first.batch(6, 2)["volume"])
    other = ClipVolumes(clips, SIZE, seed=1)
    assert not torch.equal(first.batch(5, 2)["volume"], other.batch(5, 2)["volume"])


def test_the_motion_begins_with_the_picture(clips: Path) -> None:
    # A record that begins anywhere in the loop: displacements are relative to its own first frame.
    source = ClipVolumes(clips, SIZE)
    for start in range(4):
        _, volume = source._measured(source._clips[0], start)
        at_rest = volume[0, 0::2] + 2 * volume[1:, 0::2].sum(0)
        assert at_rest.abs().mean() < 0.1 * volume[3].abs().amax()


def test_cutting_scales_flips_and_magnifies_displacements() -> None:
    image = torch.arange(40 * 60).reshape(1, 40, 60).expand(3, -1, -1) % 256
    volume = torch.ones(16, 4, 40, 60) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
    photo, size = Record(image.byte(), volume), (20, 30)
    plain = spectral_volumes._cut(photo, size, [0.0, 0.5, 0.5, 0.5, 0.9])
    assert plain.image.shape == (3, *size) and plain.volume.shape == (16, 4, *size)
    amount = (0.7 * 1.4) ** 0.5
    assert torch.allclose(plain.volume[0, :, 0, 0], torch.tensor([1.0, 2.0, 3.0, 4.0]) * amount)
    flipped = spectral_volumes._cut(photo, size, [0.0, 0.5, 0.5, 0.5, 0.1])
    assert torch.equal(flipped.image, plain.image.flip(2))
    assert torch.allclose(flipped.volume[0, :, 0, 0], torch.tensor([-1.0, -2.0, 3.0, 4.0]) * amount)
    smaller = spectral_volumes._cut(photo, size, [1.0, 0.0, 0.0, 0.0, 0.9])
    assert torch.allclose(smaller.volume[0, 0], torch.tensor(0.7 * 30 / 48))  # a crop of 48 pixels made 30
    magnified = spectral_volumes._cut(photo, size, [0.0, 0.0, 0.0, 1.0, 0.9])
    assert torch.allclose(magnified.volume[0, 0], torch.tensor(1.4))


@pytest.mark.parametrize("kind", SILHOUETTES)
def test_silhouettes_have_area_and_room(kind: str) -> None:
    masks = [silhouette(kind, (64, 96), seed) for seed in range(4)]
    for mask in masks:
        assert mask.shape == (64, 96) and mask.dtype == np.float32
        assert 0.01 < mask.mean() < 0.8 and mask.max() == 1 and mask.min() == 0
    assert np.array_equal(masks[0], silhouette(kind, (64, 96), 0)) and not np.array_equal(masks[0], masks[1])


def test_every_tenth_clip_is_held_out(clips: Path, tmp_path: Path) -> None:
    for number in range(20):
        shutil.copy(clips / "deeper" / "box.mp4", tmp_path / f"clip{number}.mp4")
    assert [file.name for file in held_out(tmp_path)] == ["clip9.mp4", "clip19.mp4"] and not held_out(clips)
    source = ClipVolumes(tmp_path, SIZE)
    assert source.name == f"motion of 18 clips of {tmp_path.name} without clip9.mp4, clip19.mp4"
    assert not {"clip9.mp4", "clip19.mp4"} & {Path(clip.path).name for clip in source._clips}


def test_every_record_is_gone_through(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral_volumes, "RECORDS", 2)
    source = ClipVolumes(clips, SIZE)
    found = list(source.volumes())
    assert len(found) == spectral_volumes.STARTS and len(source._kept) == spectral_volumes.STARTS
    for volume in found:
        assert volume.shape == (spectral_volumes.CUTS, 16, 4, *SIZE)
        assert (volume.abs().mean((2, 3, 4))[:, 1:].argmax(1) == 2).all()  # the box sways three times
    assert all(torch.equal(one, other) for one, other in zip(found, source.volumes()))
    silhouettes = list(WindVolumes(None, (16, 24)).volumes())
    assert len(silhouettes) == spectral_volumes.RECORDS and silhouettes[0].shape == (4, 16, 4, 16, 24)


def test_wind_moves_what_is_in_front_alone() -> None:
    source = WindVolumes(None, SIZE)
    batch = source.batch(0, 2)
    assert batch["image"].shape == (2, 3, *SIZE) and batch["volume"].shape == (2, 16, 4, *SIZE)
    amplitude = batch["volume"].abs().amax((1, 2))
    assert (amplitude.amax((1, 2)) > 0.05).all() and (amplitude.amin((1, 2)) == 0).all()
    again = WindVolumes(None, SIZE).batch(1, 1)
    assert all(torch.equal(planes[1:], again[name]) for name, planes in batch.items())


def test_sources_by_name(clips: Path, tmp_path: Path) -> None:
    assert isinstance(open_source(f"spectral:{clips}", size=SIZE), ClipVolumes)
    assert isinstance(open_source("spectral:procedural", size=SIZE), WindVolumes)
    with pytest.raises(InputError, match="no such folder"):
        open_source(f"spectral:procedural:{tmp_path / 'none'}", size=SIZE)
    with pytest.raises(InputError, match="no such folder"):
        open_source(f"spectral:{tmp_path / 'none'}", size=SIZE)
    swaying_clip(tmp_path / "short.mp4", seconds=1)
    with pytest.raises(InputError, match="holds no video of at least 5 seconds"):
        open_source(f"spectral:{tmp_path}", size=SIZE)
    for text in ("spectral", "spectral:"):
        with pytest.raises(InputError, match="data: expected procedural"):
            open_source(text, size=SIZE)
