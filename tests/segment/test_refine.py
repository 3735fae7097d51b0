"""Corrections by hand: what strokes add and remove, and what stays as it was."""

import cv2
import numpy as np
import pytest

from photoflow.segment import NoSubjectError, Segmenter
from photoflow.segment.prompts import Prompts
from photoflow.segment.refine import corrected, painted


@pytest.fixture(scope="module")
def scene():
    """Two yellow discs and a blue one on a grey wall, and their masks."""
    picture = np.full((200, 400, 3), 120, np.uint8)
    picture += np.random.default_rng(0).integers(0, 20, picture.shape, dtype=np.uint8)
    masks = []
    for x, colour in ((70, (230, 200, 40)), (200, (40, 60, 240)), (330, (230, 200, 40))):
        cv2.circle(picture, (x, 100), 35, colour, -1)
        masks.append(cv2.circle(np.zeros((200, 400), np.uint8), (x, 100), 35, 1, -1) > 0)
    return picture, masks


def agreement(one, other):
    return (one & other).sum() / (one | other).sum()


def test_a_point_adds_what_it_lies_on(scene):
    picture, (left, middle, right) = scene
    bits = corrected(picture, left, [((200.0, 100.0),)], [])
    assert agreement(bits, left | middle) > 0.97 and not (bits & right).any()


def test_a_stroke_removes_what_it_crosses(scene):
    picture, (left, middle, right) = scene
    bits = corrected(picture, left | middle | right, [], [((190.0, 90.0), (210.0, 110.0))])
    assert agreement(bits, left | right) > 0.97
    assert (bits[:, 300:] == right[:, 300:]).all()  # far from the stroke


def test_strokes_themselves_are_certain(scene):
    picture, (left, *_) = scene
    wall, inside = ((270.0, 20.0), (290.0, 30.0)), ((60.0, 100.0),)
    bits = corrected(picture, left, [wall], [inside])
    assert bits[painted([wall], bits.shape)].all() and not bits[painted([inside], bits.shape)].any()


def test_a_large_mask_keeps_its_fine_outline_away_from_strokes(scene):
    picture, (left, middle, _) = scene
    large = cv2.resize(picture, (2000, 1000), interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize((left | middle).astype(np.float32), (2000, 1000))
    mask[:, 350] = 0.25  # as no network would say
    refined = Segmenter(offline=True).refine(large, mask, [], [((1000.0, 500.0),)])
    assert refined[500, 1000] < 0.5
    np.testing.assert_array_equal(refined[:, :600], mask[:, :600])


def test_select_takes_a_mask_a_box_or_points_with_corrections(scene):
    picture, (left, middle, right) = scene
    segmenter = Segmenter(offline=True, method="grabcut")
    beside = ((200.0, 100.0),)
    for prompts, wanted in (
        (Prompts(mask=(left | middle).astype(np.float32), remove=(beside,)), left),
        (Prompts(box=(30, 60, 80, 80), add=(beside,)), left | middle),
        (Prompts(box=(30, 60, 80, 80)), left),
        (Prompts(add=(((330.0, 100.0),),)), right),
        (Prompts(add=(((325.0, 95.0), (335.0, 105.0)),), remove=(beside,)), right),
    ):
        found = segmenter.select(picture, prompts)
        assert len(found.subjects) == 1 and agreement(found.subjects[0].mask > 0.5, wanted) > 0.9, prompts
    with pytest.raises(NoSubjectError, match="nothing is left of it"):
        tiny = np.zeros((200, 400), np.float32)
        tiny[99:101, 69:71] = 1
        segmenter.refine(picture, tiny, [], [((70.0, 100.0),)])
