"""Masks painted by hand, and what else is said of a layer."""

import cv2
import numpy as np
import pytest

from photoflow import InputError, Stage
from photoflow.segment import NoSubjectError
from photoflow.stage import file


def test_paint_is_a_brush_of_that_size_at_that_place(stage):
    before = stage.layer(1).mask.copy()
    assert stage.paint(1, [[[90, 10], [110, 10]]], 8) is stage
    added = stage.layer(1).mask.astype(int) - before
    assert added[10, 100] == 255 and added[10, 88] > 0 and added[10, 84] == 0 and added[16, 100] == 0
    assert (added > 127).sum() == pytest.approx(20 * 8 + np.pi * 16, rel=0.2)
    assert "painted by hand" in stage.layer(1).source and stage.layer(1).given


def test_erase(stage):
    stage.paint(1, [[50, 50]], 20, erase=True)
    mask = stage.layer(1).mask
    assert mask[50, 50] == 0 and mask[50, 62] == 255
    with pytest.raises(NoSubjectError, match="nothing is left of it"):
        stage.paint(1, [[50, 50]], 100, erase=True)
    assert stage.layer(1).mask is mask


def test_a_brush_is_of_the_photos_pixels(photo):
    large = Stage.of(cv2.resize(photo, None, fx=2, fy=2), 200)
    large.add("disc", mask=np.pad(np.full((10, 10), 255, np.uint8), ((5, 185), (5, 385))))
    large.paint("disc", [[200, 100]], 20)
    mask = large.layer("disc").mask
    assert mask[50, 100] == 255 and mask[50, 104] > 127 and mask[50, 107] == 0


@pytest.mark.parametrize(
    ("strokes", "size", "line"),
    [
        ([], 8, "stroke: expected at least one X,Y, got none"),
        ([[500, 10]], 8, "inside the 200x100 picture"),
        ([[5, 10]], 0.5, "size: expected the diameter of a brush from 1 to 4096 pixels, got 0.5"),
        ([[5, 10]], float("nan"), "size: expected the diameter of a brush"),
        ([[5, 10]], None, "size: expected the diameter of a brush from 1 to 4096 pixels, got None"),
    ],
)
def test_what_is_no_brush(stage, strokes, size, line):
    with pytest.raises(InputError, match=line):
        stage.paint(1, strokes, size)


def test_rename_keeps_what_was_computed(stage):
    stage.fill()
    levels, fills = stage.layer(1).levels, len(stage.fills())
    stage.rename("subject-1", "sun")
    assert stage.layer("sun").levels is levels and [one.name for one in stage.layers] == ["sun", "subject-2"]
    assert len(stage.fills()) == fills + 1
    assert {layer.name for layer in (*stage.fills()[-1][0], *stage.fills()[-1][1])} == {"sun", "subject-2"}
    assert stage.rename("sun", "sun").layer("sun").levels is levels
    for name in ("subject-2", "a b", 3, None):
        with pytest.raises(InputError, match="layer "):
            stage.rename("sun", name)


def test_a_kind_is_said(stage):
    stage.say_kind(2, "flame")
    kind = stage.layer(2).kind
    assert (kind.name, kind.sure, kind.why) == ("flame", 1.0, "as it was said")
    with pytest.raises(InputError, match="kind: expected one of person, "):
        stage.say_kind(2, "cat")


def test_a_stage_from_bytes_is_the_one_of_the_file(stage, tmp_path):
    stage.save(tmp_path / "a.stage")
    assert stage.packed() == (tmp_path / "a.stage").read_bytes()
    contents = file.unpacked(stage.packed(), "a stage")
    assert contents.document == file.read(tmp_path / "a.stage").document
    with pytest.raises(InputError, match="a stage: a stage with too much in it"):
        file.unpacked(stage.packed(), "a stage", most_pixels=200 * 100 * 3)
