"""Photos for training, and whole pictures instead of parts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from photoflow.data import FlyingChairs, open_source
from photoflow.errors import InputError
from photoflow.io import write_flow, write_image


def test_every_photo_comes_once_whole_before_one_comes_again(tmp_path: Path) -> None:
    for number in range(3):
        photo = np.full((60 + number, 80, 3), 40 * number, np.uint8)
        photo[:, 40:] += 100
        write_image(tmp_path / f"{number}.png", photo)
    source = open_source(f"photos:{tmp_path}", size=(32, 48), whole=True)
    batch = source.batch(0, 3)["image1"]
    assert batch.shape == (3, 3, 32, 48) and torch.equal(batch, source.batch(0, 3)["image1"])
    assert sorted((batch[:, 0, 0, 0] * 255).round().tolist()) == [0, 40, 80]
    assert torch.allclose(batch[:, :, :, 30:] - batch[:, :, :, :1], torch.tensor(100 / 255))
    with pytest.raises(InputError, match="holds no photos"):
        open_source(f"photos:{tmp_path.parent / tmp_path.name / '..'}", size=(32, 48))


def test_whole_pairs_are_resized_with_their_flow(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(80, dtype=np.uint8)[None, :, None], (60, 80, 3))
    for name in ("img1", "img2"):
        write_image(tmp_path / f"00001_{name}.png", np.ascontiguousarray(ramp))
    write_flow(
        tmp_path / "00001_flow.flo", np.stack([np.full((60, 80), 8, np.float32), np.full((60, 80), 6, np.float32)])
    )
    (tmp_path / "FlyingChairs_train_val.txt").write_text("1\n")
    sample = FlyingChairs(tmp_path, size=(30, 40), whole=True, flip=0.0).batch(0, 1)
    assert sample["image1"].shape == (1, 3, 30, 40)
    assert sample["flow"][0, :, 9, 9].tolist() == pytest.approx([4, 3])
    assert float(sample["image1"][0, 0, 5, 20] * 255) == pytest.approx(40.5, abs=0.2)
    open_source(f"chairs:{tmp_path}", size=(90, 99), whole=True).batch(0, 1)  # larger, too


def test_clips_have_no_whole_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected whole pictures, procedural, chairs:FOLDER or photos:FOLDER, got"):
        open_source(f"video:{tmp_path}", size=(32, 48), whole=True)
