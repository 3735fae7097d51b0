"""Clips of videos: five frames in a row, and three from elsewhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from photoflow.data import ClipFolder, clip_folder, open_source
from photoflow.errors import InputError
from photoflow.io import VideoWriter, write_image

SIZE = (32, 48)


def write(path: Path, count: int) -> None:
    """Write frames that are as bright as their number says, each a smooth picture."""
    with VideoWriter(path, 96, 72, 25, quality=100) as writer:
        for number in range(count):
            writer.write(np.full((72, 96, 3), 20 + 4 * number, np.uint8))


def numbers(clips: torch.Tensor) -> torch.Tensor:
    """The numbers of the frames of clips (B, 8, 3, H, W)."""
    return ((255 * clips.mean((2, 3, 4)) - 20) / 4).round().long()


def test_five_follow_each_other_and_three_are_from_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 50)
    batch = ClipFolder(tmp_path, SIZE).batch(0, 32)
    assert batch.keys() == {"frames"} and batch["frames"].shape == (32, 8, 3, *SIZE)
    found = numbers(batch["frames"])
    steps = found[:, :5].diff(dim=1)
    assert ((steps == 1).all(1) | (steps == -1).all(1)).all() and 0 < (steps[:, 0] == 1).float().mean() < 1
    apart = (found[:, 5:] - found[:, 2:3]).abs()
    assert apart.float().mean() > 8 and found.min() >= 0 and found.max() < 50


def test_batches_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.webm"):
        write(tmp_path / name, 24)
    source = ClipFolder(tmp_path, SIZE, seed=2)
    wanted = source.batch(80, 2)["frames"]  # not in the first block
    source.batch(0, 4)
    assert torch.equal(ClipFolder(tmp_path, SIZE, seed=2).batch(80, 2)["frames"], wanted)
    assert torch.equal(source.batch(160, 1)["frames"], wanted[:1])
    assert not torch.equal(ClipFolder(tmp_path, SIZE, seed=3).batch(80, 2)["frames"], wanted)


def test_the_crop_pans(tmp_path: Path) -> None:
    y, x = np.mgrid[:144, :192]
    for index in range(12):  # at rest: red says where a pixel is across, green where it is down
        write_image(tmp_path / f"{index}.png", np.stack([x, y, 0 * x], 2).astype(np.uint8))
    frames = 255 * ClipFolder(tmp_path, SIZE).batch(0, 16)["frames"]
    assert (frames[:, :5, :2, 16, 24].diff(dim=1).abs().amax((1, 2)) > 0.2).float().mean() > 0.7
    # From frame to frame the whole crop moves by one step, of at most 3 per cent of its sides (and what rounds).
    moved = frames[:, :5, :2].diff(dim=1)
    assert (moved - moved.mean((3, 4), keepdim=True)).abs().max() < 2.5


def test_pieces_are_kept_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.mp4", 20)
    monkeypatch.setattr(clip_folder, "SAMPLES", 4)
    monkeypatch.setattr(clip_folder, "PIECES", 2)
    source = ClipFolder(tmp_path, SIZE)
    for sample in range(16):
        source.batch(sample, 1)
        assert 1 <= len(source._pieces) <= 4


def test_a_folder_of_videos_may_be_asked_for_clips(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 12)
    text = f"video:{tmp_path}"
    assert "frames" in open_source(text, size=SIZE, clips=True).batch(0, 1)
    assert "middle" in open_source(text, size=SIZE).batch(0, 1)


def test_too_short_videos_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", 4)
    with pytest.raises(
        InputError, match=r"holds no video of at least 5 frames .* and no folder of at least 5 pictures"
    ):
        ClipFolder(tmp_path, SIZE)
    with pytest.raises(InputError, match="no such folder"):
        ClipFolder(tmp_path / "nowhere", SIZE)


def test_pictures_of_another_size_are_no_references(tmp_path: Path) -> None:
    for number in range(40):
        write_image(tmp_path / f"{number}.png", np.full((72, 96, 3) if number < 30 else (90, 60, 3), number, np.uint8))
    source = ClipFolder(tmp_path, SIZE)
    read = []
    for index in range(12):
        with suppress(InputError):  # where the five in a row are of two sizes
            row, others = source._piece(0, index)
            assert others.shape[1:] == row.shape[1:]
            assert torch.equal(others.amax((1, 2, 3)) < 30, torch.full((len(others),), bool(row.max() < 30)))
            read.append(index)
    assert len(read) > 4
