"""Pictures with masks, from a folder and from annotations in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoflow.data import open_source
from photoflow.errors import InputError
from photoflow.io import write_image

PICTURE = np.full((30, 40, 3), 200, np.uint8)
SQUARE = {"image_id": 7, "category_id": 5, "segmentation": [[10, 5, 20, 5, 20, 15, 10, 15]]}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    write_image(tmp_path / "images" / "one.png", PICTURE)
    return tmp_path


def coco(folder: Path, *annotations: Any, **changed: Any) -> str:
    document = {
        "images": [{"id": 7, "file_name": "one.png"}, {"id": 8, "file_name": "gone.png"}],
        "categories": [{"id": 9, "name": "cup"}, {"id": 5, "name": "kite"}],
        "annotations": list(annotations) or [SQUARE],
    } | changed
    (folder / "coco.json").write_text(json.dumps(document))
    return f"coco:{folder / 'coco.json'}:{folder / 'images'}"


def things(text: str, size: tuple[int, int] = (30, 40)) -> tuple[torch.Tensor, torch.Tensor]:
    """The masks, not mirrored, and the classes of the first picture."""
    batch = open_source(text, size=size, seed=3).batch(0, 1)
    assert batch["image"].shape == (1, 3, *size)
    return batch["things"][0], batch["classes"][0]


def of_runs(mask: np.ndarray) -> list[int]:
    edges = np.flatnonzero(np.diff(mask.T.ravel(), prepend=0))
    return np.diff([0, *edges, mask.size]).tolist()


def packed(counts: list[int]) -> str:
    """COCO's compressed runs."""
    text = ""
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        while True:
            bits, rest = rest & 31, rest >> 5
            more = not ((rest == 0 and not bits & 16) or (rest == -1 and bits & 16))
            text += chr(48 + (bits | (32 if more else 0)))
            if not more:
                break
    return text


def test_polygons_and_runs_give_the_same_masks(pictures: Path) -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:15, 10:20] = 1
    counts = of_runs(mask)
    runs, text = ({**SQUARE, "segmentation": {"size": [30, 40], "counts": c}} for c in (counts, packed(counts)))
    masks, kinds = things(coco(pictures, SQUARE, runs, text))
    assert kinds.tolist() == [1, 1, 1]  # kite: the categories are counted by their ids
    for one in masks.numpy():
        assert any(np.array_equal(one, turned) for turned in (mask, mask[:, ::-1]))
    assert open_source(coco(pictures), size=(30, 40)).classes == ("kite", "cup")


def test_pictures_are_scaled_to_fit_and_crowds_left_out(pictures: Path) -> None:
    crowd = {**SQUARE, "iscrowd": 1, "segmentation": {"size": [1, 1], "counts": [1]}}
    text = coco(pictures, SQUARE, crowd, {**SQUARE, "category_id": 9, "segmentation": [[0, 0, 40, 0, 40, 30, 0, 30]]})
    batch = open_source(text, size=(60, 100)).batch(0, 2)
    assert batch["image"].shape == (2, 3, 60, 100) and batch["classes"].tolist() == [[2, 1], [2, 1]]
    whole, square = batch["things"][0]
    assert whole.sum() == 60 * 80 and abs(int(square.sum()) - 400) < 50
    seen = batch["image"][0, 0] > 0.5
    assert torch.equal(seen, whole.bool())


def test_a_folder_of_masks(pictures: Path) -> None:
    (pictures / "masks").mkdir()
    labels = np.zeros((30, 40, 3), np.uint8)
    labels[:10, :10], labels[20:, 30:] = (255, 0, 0), (0, 0, 255)
    write_image(pictures / "masks" / "one.png", labels)
    masks, kinds = things(f"masks:{pictures}")
    assert masks.sum((1, 2)).tolist() == [100, 100] and kinds.tolist() == [1, 1]
    assert open_source(f"masks:{pictures}", size=(30, 40)).classes == ("subject",)
    (pictures / "masks" / "cat").mkdir()
    (pictures / "masks" / "bird").mkdir()
    (pictures / "masks" / "one.png").rename(pictures / "masks" / "cat" / "one.png")
    assert things(f"masks:{pictures}")[1].tolist() == [2, 2]
    mask = np.zeros((30, 40), np.uint8)
    mask[:5] = 255
    write_image(pictures / "masks" / "bird" / "one.png", mask)
    masks, kinds = things(f"masks:{pictures}")
    assert sorted(zip(kinds.tolist(), masks.sum((1, 2)).tolist())) == [(1, 200), (2, 100), (2, 100)]


@pytest.mark.parametrize(
    ("annotations", "changed", "message"),
    [
        ([{**SQUARE, "segmentation": [[1, 2, 3]]}], {}, "expected a segmentation of polygons or of runs"),
        ([{**SQUARE, "segmentation": None}], {}, "expected a segmentation of polygons or of runs"),
        ([{**SQUARE, "segmentation": {"size": [30, 40], "counts": [7]}}], {}, "expected a segmentation of polygons"),
        (
            [{**SQUARE, "segmentation": {"size": [9, 9], "counts": [81]}}],
            {},
            "expected a mask of 40x30 pixels .* got 9x9",
        ),
        ([{**SQUARE, "image_id": 99}], {}, "an annotation is of image 99, which is not among"),
        ([{**SQUARE, "category_id": 1}], {}, "an annotation is of category 1, which is not among"),
        ([{**SQUARE, "image_id": "seven"}], {}, "expected a whole number as image_id, got 'seven'"),
        ([{**SQUARE, "image_id": 8}], {}, r"gone.png: no such picture, which .* names; coco:FILE:FOLDER says"),
        ([], {"annotations": [{**SQUARE, "iscrowd": 1}]}, "expected at least one annotation"),
        ([], {"categories": {}}, "expected lists of images, annotations, categories"),
        ([], {"images": [1]}, "expected objects in the lists"),
    ],
)
def test_bad_annotations_give_one_line(pictures: Path, annotations: list, changed: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        things(coco(pictures, *annotations, **changed))
    assert "\n" not in str(caught.value)


def test_other_files_give_one_line(pictures: Path) -> None:
    (pictures / "coco.json").write_text('{"images": [')
    with pytest.raises(InputError, match=r"coco\.json: expected JSON in COCO's format"):
        things(f"coco:{pictures / 'coco.json'}")
    with pytest.raises(InputError, match=r"none\.json"):
        things(f"coco:{pictures / 'none.json'}")
    with pytest.raises(InputError, match=r"expected a folder with images/NAME\.jpg and masks/NAME\.png, found no"):
        things(f"masks:{pictures}")
    (pictures / "masks").mkdir()
    with pytest.raises(InputError, match="holds no masks"):
        things(f"masks:{pictures}")
    write_image(pictures / "masks" / "two.png", PICTURE)
    with pytest.raises(InputError, match=r"two.png: expected a picture two.jpg \(or another format\) in"):
        things(f"masks:{pictures}")
    (pictures / "masks" / "two.png").rename(pictures / "masks" / "one.png")
    write_image(pictures / "masks" / "one.png", PICTURE[:9])
    with pytest.raises(InputError, match=r"one\.png: expected a mask of 40x30 pixels as its picture has, got 40x9"):
        things(f"masks:{pictures}")
