from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from photoflow.data import FlyingChairs
from photoflow.errors import InputError
from photoflow.io import write_flow, write_image

HEIGHT, WIDTH = 24, 40


def _write(folder: Path, count: int, suffix: str = ".ppm") -> None:
    """Pairs whose red is the column, whose green is the row and whose blue and flow tell the pair's number."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    for number in range(1, count + 1):
        rgb = np.stack([x, y, np.full_like(x, number)], axis=2).astype(np.uint8)
        for which in (1, 2):
            path = str(folder / f"{number:05}_img{which}{suffix}")
            if suffix == ".ppm":
                cv2.imwrite(path, np.ascontiguousarray(rgb[..., ::-1]))
            else:
                write_image(path, rgb)
        write_flow(folder / f"{number:05}_flow.flo", np.stack([x, y + 100 * number]).astype(np.float32))


def _numbers(batch: dict[str, torch.Tensor]) -> list[int]:
    return [round(float(image[2].mean()) * 255) for image in batch["image1"]]


@pytest.mark.parametrize("suffix", [".ppm", ".png"])
def test_reads_the_layout(tmp_path: Path, suffix: str) -> None:
    _write(tmp_path, 3, suffix)
    chairs = FlyingChairs(tmp_path, "all")
    assert len(chairs) == 3
    pair = chairs[1]
    assert {name: tuple(value.shape) for name, value in pair.items()} == {
        "image1": (1, 3, HEIGHT, WIDTH), "image2": (1, 3, HEIGHT, WIDTH), "flow": (1, 2, HEIGHT, WIDTH),
    }  # fmt: skip
    column = torch.arange(WIDTH).float()
    assert torch.equal(pair["image1"][0, 0], (column / 255).expand(HEIGHT, WIDTH))  # red: channels are in order
    assert torch.equal(pair["image2"][0, 2], torch.full((HEIGHT, WIDTH), 2 / 255))
    assert torch.equal(pair["flow"][0, 0], column.expand(HEIGHT, WIDTH))
    assert float(pair["flow"][0, 1, 5, 7]) == 205


def test_the_split_file_counts_in_the_folder_or_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    _write(folder, 5)
    (tmp_path / "FlyingChairs_train_val.txt").write_text("1\n2\n1\n1\n2\n")
    assert [_numbers(pair)[0] for pair in FlyingChairs(folder, "train")] == [1, 3, 4]
    (folder / "FlyingChairs_train_val.txt").write_text("2\n2\n1\n1\n2\n")
    assert [_numbers(pair)[0] for pair in FlyingChairs(folder, "test")] == [1, 2, 5]
    (folder / "FlyingChairs_train_val.txt").write_text("2\n1\n")
    with pytest.raises(InputError, match="expected 5 lines of 1 or 2"):
        FlyingChairs(folder)


def test_without_a_split_file_four_of_five_train(tmp_path: Path) -> None:
    _write(tmp_path, 10)
    parts = {part: [_numbers(pair)[0] for pair in FlyingChairs(tmp_path, part, seed=7)] for part in ("train", "test")}
    assert len(parts["train"]) == 8
    assert sorted(parts["train"] + parts["test"]) == list(range(1, 11))
    assert parts["test"] == [_numbers(pair)[0] for pair in FlyingChairs(tmp_path, "test", seed=8)]


def test_a_flip_turns_the_sign_of_x(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    kept = FlyingChairs(tmp_path, "all", flip=0).batch(0, 1)
    turned = FlyingChairs(tmp_path, "all", flip=1).batch(0, 1)
    assert torch.equal(turned["image1"], kept["image1"].flip(3))
    assert torch.equal(turned["image2"], kept["image2"].flip(3))
    assert torch.equal(turned["flow"][:, 0], -kept["flow"][:, 0].flip(2))
    assert torch.equal(turned["flow"][:, 1], kept["flow"][:, 1].flip(2))
    coins = FlyingChairs(tmp_path, "all", flip=0.5).batch(0, 64)["flow"][:, 0].mean(dim=(1, 2)) < 0
    assert 16 < int(coins.sum()) < 48


def test_crops_keep_pictures_and_flow_together(tmp_path: Path) -> None:
    _write(tmp_path, 2)
    batch = FlyingChairs(tmp_path, "all", (16, 20), flip=0).batch(3, 8)
    assert batch["image1"].shape == (8, 3, 16, 20)
    assert torch.equal((batch["image1"][:, 0] * 255).round(), batch["flow"][:, 0])
    assert torch.equal((batch["image2"][:, 1] * 255).round(), batch["flow"][:, 1] % 100)
    assert len({float(flow[0, 0, 0]) for flow in batch["flow"]}) > 2  # not always the same place
    with pytest.raises(InputError, match="expected at least 48x48 pixels"):
        FlyingChairs(tmp_path, "all", (48, 48)).batch(0, 1)


def test_batches_depend_on_seed_and_number_alone_and_each_pair_comes_once(tmp_path: Path) -> None:
    _write(tmp_path, 6)
    source = FlyingChairs(tmp_path, "all", (16, 16), seed=3)
    batches = [source.batch(number, 2) for number in range(6)]
    again = FlyingChairs(tmp_path, "all", (16, 16), seed=3).batch(4, 2)
    assert all(torch.equal(batches[4][name], again[name]) for name in again)
    numbers = [number for batch in batches for number in _numbers(batch)]
    assert sorted(numbers[:6]) == sorted(numbers[6:]) == [1, 2, 3, 4, 5, 6]
    assert numbers[:6] != numbers[6:]


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no NNNNN_flow"):
        FlyingChairs(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        FlyingChairs(tmp_path / "none")
    _write(tmp_path, 1)
    with pytest.raises(InputError, match="expected train, test, all, got 'val'"):
        FlyingChairs(tmp_path, "val")
    with pytest.raises(InputError, match="none of its 1 pairs"):
        FlyingChairs(tmp_path, "test")
    (tmp_path / "00001_img2.ppm").write_bytes(b"P6 40")
    with pytest.raises(InputError, match="no PPM picture"):
        FlyingChairs(tmp_path, "all")[0]
    (tmp_path / "00001_img2.ppm").unlink()
    with pytest.raises(InputError, match=r"expected 00001_img2\.ppm or 00001_img2\.png beside it"):
        FlyingChairs(tmp_path)
