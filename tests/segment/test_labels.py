"""Maps of labels: what is one, and which thing has which label."""

import cv2
import numpy as np
import pytest

from photoflow import InputError
from photoflow.io import read_labels
from photoflow.segment.labels import split_labels


@pytest.fixture
def labels():
    values = np.zeros((12, 20), np.uint8)
    values[2:6, 2:9], values[4:10, 11:18] = 1, 5
    return values


def palette(path, labels, colours):
    from PIL import Image

    image = Image.fromarray(labels, "P")
    image.putpalette([value for colour in colours for value in colour])
    image.save(path)
    return path


COLOURS = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]


def test_whole_numbers_of_an_array_are_labels(labels):
    for dtype in (np.uint8, np.int16, np.int64, np.uint16):
        found = split_labels(labels.astype(dtype))
        assert list(found) == [1, 5]
        np.testing.assert_array_equal(found[5], labels == 5)


@pytest.mark.parametrize(
    "mask",
    [
        None, np.ones((3, 3), bool), np.full((3, 3), 0.5), np.array([[0, 255], [1, 2]], np.uint8),
        np.array([[0, 1], [1, 1]]), np.zeros((3, 3), np.int64),
    ],
)  # fmt: skip
def test_masks_of_one_thing_have_none(mask):
    assert split_labels(mask) == {}


def test_files_of_labels(labels, tmp_path):
    indexed = palette(tmp_path / "palette.png", labels, COLOURS)
    cv2.imwrite(str(tmp_path / "grey.png"), labels)
    cv2.imwrite(str(tmp_path / "deep.png"), labels.astype(np.uint16) * 300)
    for path, numbers in ((indexed, [1, 5]), (tmp_path / "grey.png", [1, 5]), (tmp_path / "deep.png", [300, 1500])):
        found = split_labels(path)
        assert list(found) == numbers
        np.testing.assert_array_equal(found[numbers[1]], labels == 5)
    coloured = np.array(COLOURS, np.uint8)[labels]
    cv2.imwrite(str(tmp_path / "colours.png"), coloured[..., ::-1])
    found = split_labels(tmp_path / "colours.png")  # in the order of red, green, blue: (128, 0, 0), (128, 0, 128)
    np.testing.assert_array_equal(found[1], labels == 1)
    np.testing.assert_array_equal(found[2], labels == 5)


def test_files_that_hold_no_labels(labels, tmp_path):
    grey = np.where(labels > 0, 255, 0).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "mask.png"), grey)
    cv2.imwrite(str(tmp_path / "ones.png"), grey // 255)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([grey, grey, grey, grey]))
    palette(tmp_path / "shades.png", labels, [(value, value, value) for value in range(0, 256, 51)])
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), noise)
    for name in ("mask.png", "ones.png", "alpha.png", "shades.png", "photo.png"):
        assert read_labels(tmp_path / name) is None, name


def test_too_many_labels_are_no_mask():
    with pytest.raises(InputError, match="at most 64 labels, got 99"):
        split_labels(np.arange(100).reshape(10, 10))


def test_a_file_is_read_once_for_its_mask_and_its_labels(labels, tmp_path):
    import os
    import threading

    import photoflow.segment.selection as selection
    from photoflow.io import read_mask_file
    from photoflow.segment.prompts import checked_mask

    _, encoded = cv2.imencode(".png", labels)
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(encoded.tobytes(),))
    thread.start()
    read = selection.Selection(mask=tmp_path / "pipe").read()
    thread.join()
    assert list(split_labels(read.mask)) == [1, 5]
    cv2.imwrite(str(tmp_path / "mask.png"), labels.clip(0, 1) * np.uint8(255))
    one = read_mask_file(tmp_path / "mask.png")
    assert split_labels(one) == {}
    np.testing.assert_array_equal(checked_mask(one, labels.shape), labels > 0)
