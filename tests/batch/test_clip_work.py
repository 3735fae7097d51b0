"""A photo's clip as work: made once, and again when what it was made from changed."""

import json
import os
import time

import cv2
import fsspec
import numpy as np
import pytest

from photoflow.batch import ClipWork, Item
from photoflow.io import VideoReader

QUICK = {"motion": ["drift direction=0 speed=0.02"], "seconds": 0.3, "fps": 10}


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    assert cv2.imwrite(str(path), rng.integers(0, 255, (48, 64, 3), np.uint8))
    return path


def test_a_clip_is_made_and_described(photo, tmp_path):
    record = ClipWork(str(tmp_path / "out"), QUICK)(Item(str(photo), "sub/a.mp4"))
    clip = tmp_path / "out" / "sub" / "a.mp4"
    assert record.error is None and not record.kept and record.seconds > 0
    assert record.made == {
        "motion": ["drift direction=0 speed=0.02"], "frames": 3, "width": 64, "height": 48,
        "bytes": clip.stat().st_size,
    }  # fmt: skip
    assert len(list(VideoReader(clip))) == 3


def test_what_is_made_is_passed_over_until_something_changes(photo, tmp_path):
    work, item = ClipWork(str(tmp_path / "out"), QUICK), Item(str(photo), "a.mp4")
    first = work(item)
    again = work(item)
    assert again.kept and again.line() == first.line()
    other = {**QUICK, "offline": True, "device": "cpu"}  # by what, not what
    assert ClipWork(str(tmp_path / "out"), other)(item).kept
    assert not ClipWork(str(tmp_path / "out"), {**QUICK, "fps": 20})(item).kept
    assert not work(Item(str(photo), "a.mp4", {"seconds": "0.2"})).kept
    assert not work(item).kept  # of other options by now
    os.utime(photo, (time.time(), time.time() + 5))
    assert not work(item).kept
    (tmp_path / "out" / "a.mp4").write_bytes(b"")
    assert not work(item).kept
    (record,) = (tmp_path / "out" / ".photoflow").rglob("*.json")
    record.write_text("[]")
    assert not work(item).kept and work(item).kept


def test_a_mask_that_changed_makes_the_clip_again(photo, tmp_path):
    mask = tmp_path / "mask.png"
    picture = np.zeros((48, 64), np.uint8)
    picture[10:40, 20:40] = 255
    cv2.imwrite(str(mask), picture)
    options = {"motion": ["sway@cat"], "mask": [f"cat={mask}"], "seconds": 0.2, "fps": 10}
    work, item = ClipWork(str(tmp_path / "out"), options), Item(str(photo), "a.mp4")
    assert work(item).error is None and work(item).kept
    cv2.imwrite(str(mask), picture[:, ::-1])
    os.utime(mask, (time.time(), time.time() + 5))
    assert not work(item).kept


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"motion": ["swing around"]}, "swing"),
        ({"seconds": "long"}, "seconds: expected a number"),
        ({"mask": "no.png"}, "no.png: no such file"),
        ({"depth": "no.png"}, "no.png: no such file"),
        ({"motion": "wind.json"}, "wind.json: no such file"),
        ({"alpha": True}, "mp4 keeps no transparency"),
    ],
)
def test_what_is_wrong_is_in_the_record(photo, tmp_path, options, said):
    record = ClipWork(str(tmp_path / "out"), QUICK)(Item(str(photo), "a.mp4", options))
    assert said in str(record.error) and "\n" not in str(record.error)
    assert not list((tmp_path / "out").glob("*.mp4"))


@pytest.mark.parametrize("name", ["a\0.jpg", "a\ud800.jpg"])
def test_a_name_that_no_file_can_have_is_in_the_record(tmp_path, name):
    record = ClipWork(str(tmp_path), {})(Item(name, "a.mp4"))
    assert record.error is not None and "the name has a character that no file name can have" in record.error


def test_a_photo_that_is_none_is_in_the_record(tmp_path):
    (tmp_path / "a.jpg").write_text("no photo")
    work = ClipWork(str(tmp_path / "out"), QUICK)
    assert "is not a JPEG" in str(work(Item(str(tmp_path / "a.jpg"), "a.mp4")).error)
    assert "no such file" in str(work(Item(str(tmp_path / "b.jpg"), "b.mp4")).error)


def test_a_fault_of_the_program_does_not_stop_the_rest(photo, tmp_path, monkeypatch):
    def fails(*_, **__):
        raise KeyError("layer")

    monkeypatch.setattr("photoflow.animator.Animator.animate", fails)
    assert ClipWork(str(tmp_path / "out"), QUICK)(Item(str(photo), "a.mp4")).error == "KeyError: 'layer'"


def test_a_clip_never_replaces_its_photo(photo, tmp_path):
    gif = tmp_path / "in" / "a.gif"
    assert ClipWork(str(tmp_path / "in"), QUICK)(Item(str(photo), "a.gif")).error is None
    before = gif.read_bytes()
    record = ClipWork(str(tmp_path / "in"), QUICK)(Item(str(gif), "a.gif"))
    assert "the output would replace the photo" in str(record.error) and gif.read_bytes() == before


def test_photos_and_clips_of_an_object_store(photo):
    files = fsspec.filesystem("memory")
    files.store.clear()
    mask = np.zeros((48, 64), np.uint8)
    mask[10:40, 20:40] = 255
    files.pipe({"/in/a.png": photo.read_bytes(), "/in/m.png": cv2.imencode(".png", mask)[1].tobytes()})
    options = {**QUICK, "motion": ["sway@cat"], "mask": ["cat=memory://in/m.png"]}
    work, item = ClipWork("memory://out", options), Item("memory://in/a.png", "sub/a.mp4")
    record = work(item)
    assert record.error is None and files.size("/out/sub/a.mp4") == record.made["bytes"]
    assert work(item).kept
    files.pipe("/in/a.png", photo.read_bytes() + b" ")
    assert not work(item).kept
    assert "memory://in/no.png: no such file" in str(work(Item("memory://in/no.png", "no.mp4")).error)
    names = {name.rpartition("/")[2] for name in files.store}
    assert not any(name.endswith(".part") for name in names)
    assert json.loads(record.line())["photo"] == "memory://in/a.png"
    files.store.clear()


def test_a_clip_replaces_no_file_of_somebody_else(photo, tmp_path):
    """Be it the photo of another row, or a film that was in the folder; what a killed batch left is its own."""
    gif, film = photo.with_name("b.gif"), photo.with_name("a.mp4")
    gif.write_bytes(b"a photo")
    film.symlink_to("a film on a disk that is not there")
    work = ClipWork(str(photo.parent), QUICK)
    for output in ("b.gif", "a.mp4"):
        error = str(work(Item(str(photo), output)).error)
        assert error.startswith(f"cannot write {photo.parent / output}: the file there is not from a batch")
    assert gif.read_bytes() == b"a photo" and film.is_symlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("photoflow.batch.record.Record.keep", lambda *_: None)  # killed after the rename
        assert work(Item(str(photo), "c.gif")).error is None
    record = work(Item(str(photo), "c.gif"))
    assert record.error is None and not record.kept and work(Item(str(photo), "c.gif")).kept
    (tmp_path / "bad.png").write_text("no photo")
    assert work(Item(str(tmp_path / "bad.png"), "d.gif")).error
    photo.with_name("d.gif").write_bytes(b"made by hand instead")
    assert "not from a batch" in str(work(Item(str(photo), "d.gif")).error)
    photo.with_name("c.gif").write_bytes(b"edited by hand")
    assert "was changed since a batch made it" in str(work(Item(str(photo), "c.gif")).error)
    assert photo.with_name("c.gif").read_bytes() == b"edited by hand"
