"""Stage files: exact, checked, and refused in one line."""

import io
import json
import os
import random
import warnings
import zipfile

import cv2
import numpy as np
import pytest
from discs import disc

from photoflow import InputError
from photoflow.stage import Stage, file


@pytest.fixture(scope="module")
def saved(tmp_path_factory, photo):
    """The bytes of a stage with two layers, one of them a region, and a fill."""
    large = np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)
    stage = Stage.of(large, 200)
    stage.add("disc", mask=np.repeat(np.repeat(disc(50), 2, 0), 2, 1)).add("water", mask=np.arange(400) > 300 * np.ones((200, 1)), region=True)  # fmt: skip  # noqa: E501
    stage.fill()
    path = tmp_path_factory.mktemp("stage") / "a.stage"
    stage.save(path)
    return path.read_bytes()


def load(tmp_path, data):
    path = tmp_path / "b.stage"
    path.write_bytes(data)
    return Stage.load(path)


def rezipped(data, change, compression=zipfile.ZIP_STORED):
    """The stage with each member as `change(name, bytes)` has it; None leaves it out."""
    old, new = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(new, "w", compression) as archive:
        for name in old.namelist():
            changed = change(name, old.read(name))
            if changed is not None:
                archive.writestr(name, changed)
    return new.getvalue()


def with_document(data, **values):
    def change(name, content):
        return json.dumps({**json.loads(content), **values}) if name == "stage.json" else content

    return rezipped(data, change)


def test_what_was_saved_is_read_to_the_bit(saved, tmp_path):
    stage = load(tmp_path, saved)
    assert [(one.name, one.region, one.given) for one in stage.layers] == [("disc", False, True), ("water", True, True)]
    assert stage.photo_size == (400, 200) and stage.scale == 0.5 and stage.look.shape == (200, 400, 3)
    assert stage.layer("disc").is_cut_out and not stage.layer("water").is_cut_out
    stage.save(tmp_path / "c.stage")
    assert (tmp_path / "c.stage").read_bytes() == saved


def png(picture):
    return cv2.imencode(".png", picture)[1].tobytes()


def test_depth_is_kept_to_the_bit_and_checked(saved, tmp_path):
    stage = load(tmp_path, saved)
    assert stage.depth is None
    depth = np.arange(100 * 200, dtype=np.uint16).reshape(100, 200) * 3
    stage.know_depth(depth)
    stage.save(tmp_path / "c.stage")
    whole = (tmp_path / "c.stage").read_bytes()
    again = load(tmp_path, whole).depth
    assert again.dtype == np.uint16 and np.array_equal(again, depth)
    assert load(tmp_path, rezipped(whole, lambda n, c: None if n == "depth.png" else c)).depth is None
    for wrong in (png(depth[:-1]), png(depth.astype(np.uint8)), png(np.dstack([depth] * 3)), b"PNG", png(depth)[:200]):
        with pytest.raises(InputError, match=r"a damaged stage: depth\.png"):
            load(tmp_path, rezipped(whole, lambda n, c: wrong if n == "depth.png" else c))  # noqa: B023


def test_a_loaded_stage_fills_nothing_anew(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("photoflow.stage.composition.fill_behind", lambda *_: 1 / 0)
    monkeypatch.setattr("photoflow.stage.layer.soft_alpha", lambda *_: 1 / 0)
    stage = load(tmp_path, saved)
    assert len(stage.compose([stage.layer("disc")]).cutouts) == 1


def test_a_stage_is_written_beside_and_renamed(saved, tmp_path, monkeypatch):
    stage = load(tmp_path, saved)
    (tmp_path / "c.stage").write_bytes(b"precious")
    monkeypatch.setattr("os.replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stage.save(tmp_path / "c.stage")
    assert (tmp_path / "c.stage").read_bytes() == b"precious"
    with pytest.raises(InputError, match="does not exist"):
        stage.save(tmp_path / "no" / "c.stage")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: b"", "not a stage"),
        (lambda data: b"\x89PNG" + data[4:], "stage"),
        (lambda data: rezipped(data, lambda n, c: None if n == "stage.json" else c), "expected stage.json in it"),
        (lambda data: rezipped(data, lambda n, c: None if n == "photo.png" else c), "photo.png is missing"),
        (lambda data: rezipped(data, lambda n, c: None if n == "mask-2.png" else c), "mask-2.png is missing"),
        (lambda data: rezipped(data, lambda n, c: b"{" if n == "stage.json" else c), "stage.json is not JSON"),
        (lambda data: rezipped(data, lambda n, c: b"[" * 9999 if n == "stage.json" else c), "stage.json is not JSON"),
        (lambda data: rezipped(data, lambda n, c: b"{}" if n == "stage.json" else c), 'expected "photoflow": "stage"'),
        (lambda data: rezipped(data, lambda n, c: c[:99] if n == "photo.png" else c), "photo.png cannot be read"),
        (lambda data: with_document(data, version=2), "version 2; this photoflow reads version 1"),
        (lambda data: with_document(data, size=[100, 200]), "photo.png is not a PNG of 100x200"),
        (lambda data: with_document(data, size=[10**6, 10**6]), "'size'"),
        (lambda data: with_document(data, scale=float("nan")), "'scale'"),
        (lambda data: with_document(data, layers=[{"name": "x"}]), "'layers'"),
        (lambda data: with_document(data, layers=7), "'layers'"),
        (lambda data: with_document(data, fills=[{"moving": [9], "others": []}]), "'fills'"),
        (lambda data: with_document(data, note=None), "'note'"),
        (lambda data: with_document(data, version=True), "version True"),
        (lambda data: with_document(data, version=[[["x" * 5000]]] * 99), "a stage of version [[["),
        (lambda data: with_document(data, scale=True), "'scale'"),
        (lambda data: rezipped(data, lambda n, c: b'{"a":1,"a":2}' if n == "stage.json" else c), "is not JSON"),
        (lambda data: rezipped(data, lambda n, c: b"9" * 5000 if n == "stage.json" else c), "is not JSON"),
        (lambda data: rezipped(data, lambda n, c: b"\xff" if n == "stage.json" else c), "is not JSON"),
        (lambda data: rezipped(data, lambda n, c: c, zipfile.ZIP_LZMA), "packed by another method"),
        (lambda data: rezipped(data, lambda n, c: c, zipfile.ZIP_BZIP2), "packed by another method"),
    ],
)
def test_what_is_no_stage_is_refused_in_a_line(saved, tmp_path, change, named):
    with pytest.raises(InputError) as caught:
        load(tmp_path, change(saved))
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'b.stage'}: ") and named in said and "\n" not in said and len(said) < 300


def test_sizes_are_looked_at_before_anything_is_unpacked(saved, tmp_path, monkeypatch):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stage.json", " " * (file.MAX_DOCUMENT + 1))
    with pytest.raises(InputError, match="too much in it"):
        load(tmp_path, packed.getvalue())
    monkeypatch.setattr(file, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="more than 1000 bytes, expected a stage"):
        load(tmp_path, saved)


def test_damaged_bytes_are_refused_in_a_line_or_are_of_no_account(saved, tmp_path):
    """A thousand of them. What loads differs in nothing that counts: the date of an entry, say."""
    draw, refused = random.Random(5), 0
    for _ in range(1000):
        data = bytearray(saved)
        at = draw.randrange(len(data))
        match draw.randrange(4):
            case 0:
                for _ in range(draw.choice((1, 3, 30))):
                    data[draw.randrange(len(data))] = draw.randrange(256)
            case 1:
                del data[at:]
            case 2:
                del data[at : at + draw.randrange(1, 2000)]
            case 3:
                data[at:at] = draw.randbytes(draw.randrange(1, 300))
        try:
            stage = load(tmp_path, bytes(data))
        except InputError as error:
            assert (
                str(error).startswith(f"{tmp_path / 'b.stage'}: ") and "\n" not in str(error) and len(str(error)) < 300
            )
            refused += 1
        else:
            stage.save(tmp_path / "c.stage")
            assert (tmp_path / "c.stage").read_bytes() == saved
    assert refused > 800


def test_pixels_are_counted_before_any_is_unpacked(saved, tmp_path, monkeypatch):
    """Black pictures are a thousandth of their size in a file."""
    stage = load(tmp_path, saved)
    monkeypatch.setattr(file, "MAX_PICTURES", 10**5)
    monkeypatch.setattr(file, "_decoded", lambda *_: 1 / 0)
    with pytest.raises(InputError, match="too much in it"):
        load(tmp_path, saved)
    with pytest.raises(InputError, match="of pixels in a stage"):
        stage.save(tmp_path / "c.stage")


def test_files_without_an_end_a_writer_or_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(file, "MAX_BYTES", 1 << 24)
    monkeypatch.setattr("photoflow.io.reading._PATIENCE", 0.1)
    (tmp_path / "zero.stage").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.stage")
    for name, said in (
        ("zero", "more than 16 MiB"), ("pipe", "no one writes"), ("no", "no such file"), ("a\0b", "cannot be read"),
        ("\ud800", "cannot be read"), ("a" * 5000, "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said) as caught:
            Stage.load(tmp_path / f"{name}.stage")
        assert str(caught.value).isprintable() and len(str(caught.value)) <= 600


def test_a_large_picture_is_read_without_a_warning():
    packed = file._encoded(np.zeros((9000, 10_000), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert file._decoded(packed, "photo", (9000, 10_000)).shape == (9000, 10_000)
