"""The steps of the portrait pipeline over a tree of pictures, with stand-ins for the networks."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from portrait_stand_ins import (
    MODELS,
    SETTINGS,
    Captioner,
    embedder,
    interrupted,
    models,
    picture,
    tree,
    write_pictures,
)

from photoflow.data.portraits import PortraitFolder
from photoflow.data.portraits.collecting import begin, collect, status
from photoflow.data.portraits.layout import STEPS, Record, records_of
from photoflow.data.portraits.models import FoundFace, Models
from photoflow.data.portraits.table import Settings
from photoflow.data.texts import texts_of
from photoflow.errors import InputError
from photoflow.io import read_photo
from photoflow.weights import WeightsError

ADA, BEN, EVE = (200, 40), (60, 180), (120, 120)  # red and green
PICTURES = {
    "Ada/1.png": picture([(30, 10, 20, ADA)]),
    "Ada/2.png": picture([(70, 10, 20, EVE), (10, 20, 24, ADA)]),
    "Ada/more/3.png": picture([(40, 10, 30, ADA)]),
    "Ada/small.png": picture([(10, 10, 20, ADA)], size=(63, 128)),
    "Ada/nobody.png": picture([]),
    "Ada/far.png": picture([(40, 10, 15, ADA)]),
    "Bén 本/1.png": picture([(40, 10, 30, BEN)]),
    "Bén 本/1.bmp": picture([(10, 10, 30, BEN)]),
}


def run(pictures: Path, out: Path, called: Models = MODELS, settings: Settings = SETTINGS, **named: Any) -> list[str]:
    """Take all steps, and return what was reported."""
    said: list[str] = []
    begin(pictures, out)
    for step in STEPS:
        collect(step, out, called, settings, said.append, **named)
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    write_pictures(made, PICTURES)
    (made / "Ada" / "broken.png").write_bytes((made / "Ada" / "1.png").read_bytes()[:90])
    (made / "Ada" / "notes.txt").write_text("no picture")
    (made / ".hidden").mkdir()
    return made


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portraits of an undisturbed run."""
    out = tmp_path_factory.mktemp("portraits") / "out"
    run(folder, out)
    return out


def by_name(out: Path, identity: str) -> dict[str, Record]:
    return {record.name: record for record in records_of(out / identity)}


def test_pictures_are_dropped_for_their_reasons_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    said = run(folder, tmp_path / "out")
    assert sorted(line.partition(" is ")[0] for line in said) == [
        "Ada/broken: dropped by detect: cannot be read: Ada/broken.png",
        "Ada/far: dropped by detect: no face of at least 16x16 pixels",
        "Ada/nobody: dropped by detect: no face of at least 16x16 pixels",
        "Ada/small: dropped by detect: short side below 64 pixels",
    ]
    counted = status(tmp_path / "out")
    assert counted["detect"].dropped["cannot be read"] == 1 and counted["detect"].passed == 5
    assert all(counted[step].passed == 5 and not counted[step].dropped.total() for step in STEPS[1:])


def test_a_portrait_is_cut_masked_described_and_marked(whole: Path) -> None:
    ada = by_name(whole, "Ada")
    second = ada["2"].outcomes
    assert second["detect"]["faces"][second["verify"]["face"]]["box"] == [10, 20, 24, 24]  # hers, not Eve's
    left, top, side = second["crop"]["square"]
    assert (left, top, side) == (0, 0, 75) and second["crop"]["face"] == [10, 20, 24, 24]
    expected = PICTURES["Ada/2.png"][top : top + side, left : left + side]
    np.testing.assert_array_equal(read_photo(ada["2"].image).rgb, expected)
    mask = read_photo(ada["2"].mask).rgb[..., 0]
    np.testing.assert_array_equal(mask, np.where((expected[..., 2] >= 150) & (expected[..., 0] == ADA[0]), 255, 0))
    assert second["mask"]["overlap"] == 1
    assert second["caption"]["text"] == "two man" and second["caption"]["tries"] > 1
    assert second["tag"] == {"class_word": "man", "index": 1, "by": second["tag"]["by"]}


def test_scores_are_of_the_chosen_faces_alone(whole: Path) -> None:
    assert [by_name(whole, "Ada")[name].outcomes["verify"]["score"] for name in "123"] == [0, 0, 0]


def test_pictures_of_one_name_in_an_identity_and_in_two_are_kept_apart(whole: Path) -> None:
    ben = by_name(whole, "Bén 本")
    assert sorted(ben) == ["1", "1.png"]
    for name, source in (("1", "Bén 本/1.bmp"), ("1.png", "Bén 本/1.png")):
        assert ben[name].source == source and ben[name].image.is_file()
    assert by_name(whole, "Ada")["1"].image.read_bytes() != ben["1"].image.read_bytes()


def test_a_training_reads_what_was_made(whole: Path) -> None:
    source = PortraitFolder(whole, (32, 32))
    assert source.name == "5 portraits of 2 identities"
    assert set(texts_of(source.batch(0, 5)["caption"])) == {"two man"}


@pytest.mark.parametrize("after", [0, 3, 9, 11, 15, 17, 22, 26, 30])
def test_what_was_interrupted_goes_on_to_the_same_bytes(folder: Path, whole: Path, tmp_path: Path, after: int) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(folder, out, interrupted(MODELS, after))
    assert tree(out) != tree(whole)
    run(folder, out, interrupted(MODELS, 1000))
    assert tree(out) == tree(whole)


def test_a_second_run_calls_nothing_and_changes_nothing(folder: Path, whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert run(folder, whole, interrupted(MODELS, 0)) == []
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_what_comes_later_is_taken_in_without_new_captions(folder: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    write_pictures(pictures, PICTURES)
    run(pictures, out)
    write_pictures(pictures, {"Ada/later.png": picture([(31, 12, 22, (190, 60))])})
    asked = Captioner("a woman")
    run(pictures, out, models(captioner=asked))
    ada = by_name(out, "Ada")
    assert [ada[name].outcomes["caption"]["text"] for name in ("1", "later")] == ["two man", "a woman"]
    scores = {name: ada[name].outcomes["verify"]["score"] for name in ("1", "2", "3", "later")}
    assert scores["1"] == scores["2"] < 0 and scores["later"] == pytest.approx(3 * scores["1"], abs=1e-5)


def test_another_setting_or_model_works_on_all_again_and_on_what_depends_on_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(folder, out)
    assert collect("detect", out, MODELS, replace(SETTINGS, least_face=22)) == 9
    counted = status(out)
    assert counted["detect"].passed == 4 and counted["embed"].waiting == 1  # only Ada/2 has lost a face of two
    assert counted["tag"].passed == 3
    run(folder, out, models(captioner=Captioner("A lady", name="others")), replace(SETTINGS, least_face=22))
    assert {record.outcomes["tag"]["class_word"] for record in records_of(out / "Bén 本")} == {"lady"}
    run(folder, out)
    assert status(out)["tag"].passed == 5


def test_a_stranger_among_a_hundred_is_dropped(tmp_path: Path) -> None:
    people = {f"Ada/{n:03}.png": picture([(2, 2, 16, (200, 40 if n != 57 else 200))], (64, 64)) for n in range(100)}
    write_pictures(tmp_path / "in", people)
    begin(tmp_path / "in", tmp_path / "out")
    said: list[str] = []
    for step in ("detect", "embed", "verify"):
        collect(step, tmp_path / "out", MODELS, SETTINGS, said.append)
    assert said == ["Ada/057: dropped by verify: more than 8 standard deviations from the identity"]
    assert status(tmp_path / "out")["crop"].waiting == 99


def test_masks_that_miss_the_face_and_captions_without_a_class_word_drop_a_picture(
    folder: Path, tmp_path: Path
) -> None:
    def nobody(rgb: np.ndarray) -> np.ndarray:
        return np.zeros((0, *rgb.shape[:2]), bool)

    def elsewhere(rgb: np.ndarray) -> np.ndarray:
        return (rgb[..., 2] == 90)[None]

    said = run(folder, tmp_path / "a", models(person_masks=nobody))
    assert "Ada/1: dropped by mask: no mask of a person" in said
    said = run(folder, tmp_path / "b", models(person_masks=elsewhere))
    assert "Ada/1: dropped by mask: no mask of a person overlaps the face" in said
    said = run(folder, tmp_path / "c", models(captioner=Captioner("a man-made dog")), replace(SETTINGS, tries=3))
    assert "Ada/1: dropped by caption: no class word in 3 captions: the last is 'a man-made dog'" in said
    assert status(tmp_path / "c")["caption"].dropped == {"no class word in 3 captions": 5}
    run(folder, tmp_path / "b")  # the crops are still there for other masks
    assert status(tmp_path / "b")["tag"].passed == 5


def tags(folder: Path, out: Path, captions: list[str], **others: Any) -> list[tuple[str, int]]:
    """The class words of the three portraits of Ada, with these captions."""
    given = dict(zip(("1", "2", "3"), captions))
    sides = {read_photo(r.image).rgb.tobytes(): r.name for r in records_of(out / "Ada") if r.image.is_file()}

    def captioner(rgb: np.ndarray, seed: int | None) -> str:
        return given.get(sides.get(rgb.tobytes(), ""), "a man")

    captioner.name = "; ".join(captions)  # type: ignore[attr-defined]
    called = models(captioner=captioner, **others)
    collect("caption", out, called)
    collect("tag", out, called)
    found = by_name(out, "Ada")
    return [(found[name].outcomes["tag"]["class_word"], found[name].outcomes["tag"]["index"]) for name in given]


@pytest.fixture
def cropped(folder: Path, tmp_path: Path) -> Path:
    begin(folder, tmp_path / "out")
    for step in STEPS[:5]:
        collect(step, tmp_path / "out", MODELS, SETTINGS)
    return tmp_path / "out"


def test_a_single_class_word_is_marked_and_of_several_the_identitys(folder: Path, cropped: Path) -> None:
    captions = ["a man with a woman", "a dog and a woman", "women beside a boy and women"]
    assert tags(folder, cropped, captions) == [("woman", 4), ("woman", 4), ("woman", 0)]
    captions = ["a girl and a man", "a man", "a man"]
    assert tags(folder, cropped, captions) == [("man", 4), ("man", 1), ("man", 1)]


def test_without_the_identitys_word_the_best_product_of_both_measures_is_marked(folder: Path, cropped: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    def score(rgb: np.ndarray, text: str) -> float:
        seen.append((text, *sorted({tuple(c) for c in rgb.reshape(-1, 3).tolist()})))
        return {"boy": 0.2, "lady": 0.3}[text]

    def near(first: str, second: str) -> float:
        assert second == "woman"
        return {"boy": 0.5, "lady": 0.4}[first]

    captions = ["a woman", "a boy, a lady", "two women"]
    found = tags(folder, cropped, captions, text_image_score=score, label_similarity=near)
    assert found == [("woman", 1), ("lady", 3), ("woman", 1)]  # 0.2 * 0.5 < 0.3 * 0.4
    hers = [(*ADA, 150), (*ADA, 200)]  # neither Eve, whom the crop shows too, nor what is behind
    assert seen == [("boy", *hers), ("lady", *hers)]


def test_missing_weights_end_the_run_in_a_line_and_another_model_goes_on(folder: Path, tmp_path: Path) -> None:
    def missing(rgb: np.ndarray) -> np.ndarray:
        raise WeightsError("weights 'mask_rcnn' are not here")

    with pytest.raises(WeightsError, match="are not here"):
        run(folder, tmp_path / "out", models(person_masks=missing))
    counted = status(tmp_path / "out")
    assert counted["crop"].passed == 5 and counted["mask"].waiting == 5 and not counted["mask"].dropped
    run(folder, tmp_path / "out")
    assert status(tmp_path / "out")["tag"].passed == 5


def test_a_model_that_refuses_a_picture_drops_it_alone(folder: Path, tmp_path: Path) -> None:
    def choosy(rgb: np.ndarray, seed: int | None) -> str:
        if rgb[20, 30, 0] == BEN[0]:
            raise InputError("not this one")
        return "a man"

    said = run(folder, tmp_path / "out", models(captioner=choosy))
    assert [line for line in said if "caption" in line] == [
        "Bén 本/1: dropped by caption: cannot be used: not this one"
    ]


def test_a_picture_that_is_gone_waits(folder: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    write_pictures(pictures, {"Ada/1.png": PICTURES["Ada/1.png"], "Ada/2.png": PICTURES["Ada/2.png"]})
    begin(pictures, out)
    collect("detect", out, MODELS, SETTINGS)
    (pictures / "Ada" / "2.png").rename(tmp_path / "away.png")
    said: list[str] = []
    assert collect("embed", out, MODELS, SETTINGS, said.append) == 1
    assert len(said) == 1 and said[0].startswith("Ada/2: no file ") and status(out)["embed"].waiting == 1
    (tmp_path / "away.png").rename(pictures / "Ada" / "2.png")
    assert collect("embed", out, MODELS, SETTINGS) == 1


def test_nothing_is_written_outside_of_the_folder(folder: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    out.mkdir()
    (out / "Ada").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(InputError, match="Ada: expected a folder of portraits, got a link"):
        run(folder, out)
    assert list(elsewhere.iterdir()) == []


def test_linked_pictures_and_long_names_are_taken(folder: Path, tmp_path: Path) -> None:
    pictures, long = tmp_path / "in", "ä" * 120
    write_pictures(pictures, {f"Ada/{long}.png": PICTURES["Ada/1.png"], f"Ada/{long}b.png": PICTURES["Ada/1.png"]})
    (pictures / "Ada" / "link.png").symlink_to(folder / "Ada" / "2.png")
    os.mkfifo(pictures / "Ada" / "pipe.png")  # reading it would wait for ever
    (pictures / "Linked").symlink_to(folder / "Bén 本", target_is_directory=True)
    run(pictures, tmp_path / "out")
    assert sorted(by_name(tmp_path / "out", "Ada")) == ["link", "ä" * 100, "ä" * 100 + "-2"]
    assert status(tmp_path / "out")["tag"].passed == 5


def test_names_that_are_no_text_are_taken(tmp_path: Path) -> None:
    identity = tmp_path / "in" / os.fsdecode(b"\xff")
    write_pictures(tmp_path / "in", {"1.png": PICTURES["Ada/1.png"], "2.png": picture([])})
    identity.mkdir()
    for number, name in ((1, b"\xff.png"), (1, b"\xff.a.png"), (2, b"b\xff.png")):
        (identity / os.fsdecode(name)).write_bytes((tmp_path / "in" / f"{number}.png").read_bytes())
    said = run(tmp_path / "in", tmp_path / "out")
    assert len(said) == 1 and said[0].endswith("/b: dropped by detect: no face of at least 16x16 pixels")
    assert sorted(by_name(tmp_path / "out", identity.name)) == ["a", "b", "picture"]
    assert run(tmp_path / "in", tmp_path / "out", interrupted(MODELS, 0)) == []
    assert PortraitFolder(tmp_path / "out", (16, 16)).batch(0, 2)["id_count"].tolist() == [1, 1]


def test_embeddings_that_are_no_numbers_drop_a_picture_and_not_its_identity(folder: Path, tmp_path: Path) -> None:
    def lost(rgb: np.ndarray, face: FoundFace) -> np.ndarray:
        return embedder(rgb, face) * (np.nan if face.box[3] == 20 else 1)

    said = run(folder, tmp_path / "out", models(embedder=lost))
    assert [line for line in said if "embed" in line] == [
        f"Ada/{name}: dropped by embed: cannot be used: face: expected an embedding of finite numbers, not all 0"
        for name in "12"
    ]
    assert status(tmp_path / "out")["tag"].passed == 3


@pytest.mark.parametrize("place", ["", "out", ".."])
def test_portraits_and_pictures_are_kept_apart(tmp_path: Path, place: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="expected a folder beside that of the pictures"):
        begin(tmp_path / "in", tmp_path / "in" / place)


def test_folders_that_are_none_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such folder; expected one with a folder of pictures for each"):
        begin(tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match="expected a folder for each person, with their pictures below, found none"):
        begin(next(path for path in folder.iterdir() if path.is_dir()), tmp_path / "out")
    with pytest.raises(InputError, match="expected a folder that photoflow portrait-data detect has begun"):
        collect("embed", tmp_path, MODELS)
    (tmp_path / ".portraits.json").write_text("[]")
    with pytest.raises(InputError, match="expected a note of photoflow portrait-data"):
        collect("embed", tmp_path, MODELS)
    begin(folder, tmp_path / "out")
    (tmp_path / "others" / "Ada").mkdir(parents=True)
    with pytest.raises(InputError, match=r"holds portraits from .* expected another folder"):
        begin(tmp_path / "others", tmp_path / "out")
    (tmp_path / "out" / ".portraits.json").write_text(json.dumps({"pictures": str(tmp_path / "moved away")}))
    begin(folder, tmp_path / "out")  # the pictures have moved
    with pytest.raises(InputError, match="least-face: expected a number from 1 to"):
        Settings(least_face=0)
    with pytest.raises(InputError, match="cut: expected a number"):
        Settings(cut=float("nan"))
