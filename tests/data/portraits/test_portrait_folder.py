"""A folder of portraits as a source of training batches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from photoflow.data import open_source
from photoflow.data.portraits import PortraitFolder, with_trigger
from photoflow.data.portraits.layout import records_of
from photoflow.data.texts import texts_as_tensor, texts_of
from photoflow.errors import InputError
from photoflow.io import write_image
from photoflow.models.photomaker.pixels import MEAN
from photoflow.models.photomaker.prompt import marked

SEEN = {"Ada": 7, "Åsa": 2, "Solo": 1}  # pictures of each identity
CAPTION = "a {} woman in the rain"


def write_portrait(folder: Path, name: str, level: int, caption: str, index: int = 2, passed: bool = True) -> None:
    """A grey picture whose left half is the person."""
    for part in ("images", "masks", "records"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_image(folder / "images" / f"{name}.png", np.full((40, 40, 3), level, np.uint8))
    mask = np.zeros((40, 40), np.uint8)
    mask[:, :20] = 255
    write_image(folder / "masks" / f"{name}.png", mask)
    tag = {"class_word": "woman", "index": index} if passed else {"dropped": "for a test"}
    record = {"source": f"{folder.name}/{name}.jpg", "caption": {"text": caption}, "tag": tag}
    (folder / "records" / f"{name}.json").write_text(json.dumps(record))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("portraits")
    for group, (identity, count) in enumerate(SEEN.items()):
        for number in range(count):
            write_portrait(made / identity, str(number), 100 * group + 10 * number, CAPTION.format(number))
    write_portrait(made / "Ada", "dropped", 255, CAPTION.format("no"), passed=False)
    return made


def test_samples_have_others_of_the_identity_without_background(folder: Path) -> None:
    source = open_source(f"portraits:{folder}", size=(32, 32))
    assert source.name == "10 portraits of 3 identities"
    batch = source.batch(0, 10)
    assert batch["image"].shape == (10, 3, 32, 32) and batch["mask"].shape == (10, 1, 32, 32)
    assert batch["id_images"].shape == (10, 4, 3, 224, 224) and batch["id_count"].dtype == torch.int64
    targets = (batch["image"][:, 0, 5, 5] * 255).round().int().tolist()
    assert sorted(targets) == [*range(0, 70, 10), 100, 110, 200]  # every picture once
    for row, target in enumerate(targets):
        count = int(batch["id_count"][row])
        shown = [round(float(photo[0, 9, 9]) * 255) for photo in batch["id_images"][row, :count]]
        assert len(set(shown)) == count and all(level // 100 == target // 100 for level in shown)
        assert target not in shown or target == 200  # a single picture stands for itself
        assert torch.allclose(
            batch["id_images"][row, :count, :, 100, 200], torch.tensor(MEAN).expand(count, 3), atol=1e-6
        )
        assert not batch["id_images"][row, count:].any()
        caption = texts_of(batch["caption"])[row]
        assert caption == CAPTION.format(target % 100 // 10)
        prompt = with_trigger(caption, int(batch["class_word"][row]))
        assert prompt == caption.replace("woman", "woman img") and marked(prompt).before.endswith(" woman")
    assert batch["mask"][0, 0, 9].tolist() == pytest.approx([1.0] * 16 + [0.0] * 16, abs=0.01)


def test_one_to_four_others_are_drawn_and_a_number_means_the_same_batch(folder: Path) -> None:
    source = PortraitFolder(folder, (16, 16), seed=3)
    counts = {number: 0 for number in range(1, 5)}
    for number in range(12):
        batch = source.batch(number, 10)
        of_ada = (batch["image"][:, 0, 0, 0] * 255).round() < 100
        for count in batch["id_count"][of_ada].tolist():
            counts[count] += 1
    assert sum(counts.values()) == 84 and min(counts.values()) > 8  # 21 are expected
    again = PortraitFolder(folder, (16, 16), seed=3).batch(11, 10)
    assert all(torch.equal(batch[key], again[key]) for key in batch)
    other = PortraitFolder(folder, (16, 16), seed=4).batch(11, 10)
    assert any(not torch.equal(batch[key], other[key]) for key in batch)


def test_texts_come_back_from_a_tensor() -> None:
    texts = ["a man", "", "Ein Mädchen 👧"]
    assert texts_of(texts_as_tensor(texts)) == texts


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("{", "expected a record of photoflow portrait-data"),
        ("[" * 100_000, "expected a record of photoflow portrait-data"),
        (json.dumps({"source": "../../etc/passwd"}), "its source is '../../etc/passwd'"),
        (json.dumps({"source": "/etc/passwd"}), "its source is '/etc/passwd'"),
        (json.dumps({"source": "a.jpg", "tag": 3}), "or an outcome is none"),
        (json.dumps({"source": "a.jpg", "tag": {"index": 0}}), "expected a caption and which of its words"),
        (json.dumps({"source": "a.jpg", "caption": {"text": "a man"}, "tag": {"index": 0}}), "is the class word"),
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, record: str, said: str) -> None:
    (tmp_path / "Ada" / "records").mkdir(parents=True)
    (tmp_path / "Ada" / "records" / "a.json").write_text(record)
    with pytest.raises(InputError, match=r"a\.json: expected a ") as error:
        PortraitFolder(tmp_path, (16, 16))
    assert said in str(error.value)


def test_folders_without_portraits_and_sizes_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        PortraitFolder(tmp_path / "none", (16, 16))
    (tmp_path / "Ada").mkdir()
    with pytest.raises(InputError, match="holds no portraits; expected a folder that photoflow portrait-data"):
        PortraitFolder(tmp_path, (16, 16))
    with pytest.raises(InputError, match="expected a square"):
        PortraitFolder(folder, (16, 32))
    write_portrait(tmp_path / "Ada", "0", 9, "a big woman")
    write_image(tmp_path / "Ada" / "masks" / "0.png", np.zeros((40, 41), np.uint8))
    with pytest.raises(InputError, match="expected a mask of 40x40 pixels as its picture has, got 41x40"):
        PortraitFolder(tmp_path, (16, 16)).batch(0, 1)


def test_an_identity_that_is_a_link_is_left_out(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "Ada", target_is_directory=True)
    with pytest.raises(InputError, match="holds no portraits"):
        PortraitFolder(tmp_path, (16, 16))
    assert len(records_of(folder / "Ada")) == 8
