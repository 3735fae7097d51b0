"""Kinds of things: by their classes, by their looks, and unknown in doubt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import scenes
import skimage.data
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_V2_Weights

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.segment.kinds import KINDS, kind_of
from photoflow.segment.kinds.coco import KIND_OF_CLASS


def ellipse(shape: tuple[int, ...], centre: tuple[int, int], axes: tuple[int, int]) -> Array:
    mask = np.zeros(shape[:2], np.float32)
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    return mask


def test_every_class_of_mask_rcnn_has_a_kind() -> None:
    classes = set(MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1.meta["categories"]) - {"__background__", "N/A"}
    assert classes <= set(KIND_OF_CLASS)
    assert set(KIND_OF_CLASS.values()) <= set(KINDS)


@pytest.mark.parametrize(("label", "kind"), [("person", "person"), ("zebra", "animal"), ("potted plant", "plant"),
                                             ("bus", "rigid"), ("kite", "cloth")])  # fmt: skip
def test_a_class_decides(label: str, kind: str) -> None:
    said = kind_of(np.zeros((40, 40, 3), np.uint8), np.ones((40, 40), np.float32), label)
    assert said.name == kind and said.sure > 0.5 and label in said.why


def test_a_label_that_is_no_class_says_nothing() -> None:
    rgb, mask = np.full((60, 60, 3), 90, np.uint8), ellipse((60, 60), (30, 30), (20, 15))
    assert kind_of(rgb, mask, "subject") == kind_of(rgb, mask)
    assert kind_of(rgb, mask).name == "unknown" and kind_of(rgb, mask).sure == 0


def test_astronaut_is_a_person() -> None:
    rgb = skimage.data.astronaut()
    mask = ellipse(rgb.shape, (222, 110), (62, 95))
    mask = np.maximum(mask, ellipse(rgb.shape, (215, 420), (190, 220)))
    assert kind_of(rgb, mask).name == "person"


def test_rocket_is_rigid() -> None:
    rgb = skimage.data.rocket()
    mask = np.zeros(rgb.shape[:2], np.float32)
    mask[128:410, 312:334] = 1
    assert kind_of(rgb, mask).name == "rigid"


def test_neither_cat_nor_cup_is_a_plant_or_a_person() -> None:
    assert kind_of(skimage.data.chelsea(), ellipse((300, 451), (200, 150), (190, 140))).name in ("animal", "unknown")
    assert kind_of(skimage.data.coffee(), ellipse((400, 600), (290, 190), (210, 180))).name in ("rigid", "unknown")


def test_green_leaves_are_a_plant_and_smooth_green_is_not() -> None:
    mask = ellipse((scenes.HEIGHT, scenes.WIDTH), (180, 120), (90, 70))
    rgb = np.where(mask[..., None] > 0, scenes.leaves(), scenes.rocks())
    assert kind_of(scenes.finished(rgb), mask).name == "plant"
    smooth = np.where(mask[..., None] > 0, np.array([70, 120, 40], np.float32), scenes.rocks())
    assert kind_of(scenes.finished(smooth), mask).name == "unknown"


def test_a_box_of_straight_edges_is_rigid() -> None:
    rgb = np.full((240, 360, 3), 60, np.uint8)
    for x in range(80, 280, 25):
        rgb[60:200, x : x + 12] = (150, 160, 170)
    mask = np.zeros((240, 360), np.float32)
    mask[55:205, 75:275] = 1
    assert kind_of(rgb, mask).name == "rigid"


def test_a_lantern_on_a_cord_hangs_and_one_on_a_post_does_not() -> None:
    rgb = np.full((480, 720, 3), 40, np.uint8)
    mask = ellipse(rgb.shape, (360, 240), (60, 70))
    rgb[mask > 0] = (200, 60, 50)
    cord, post = rgb.copy(), rgb.copy()
    cord[:170, 360:362] = post[310:, 360:362] = 170
    assert kind_of(cord, mask).name == "hanging"
    assert kind_of(post, mask).name != "hanging" and kind_of(rgb, mask).name != "hanging"


def test_a_candle_with_its_flame_is_a_flame() -> None:
    rgb, flame, whole = scenes.candle()
    assert kind_of(rgb, whole.astype(np.float32)).name == "flame"
    assert kind_of(rgb, (whole & ~flame).astype(np.float32)).name != "flame"


def test_noise_and_greys_are_unknown() -> None:
    mask = ellipse((200, 300), (150, 100), (80, 60))
    assert kind_of(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8), mask).name == "unknown"
    assert kind_of(np.full((200, 300, 3), 128, np.uint8), mask).name == "unknown"


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (30, 40)])
def test_tiny_pictures_and_empty_masks(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), 120, np.uint8)
    for mask in (np.zeros(shape, np.float32), np.ones(shape, np.float32)):
        assert kind_of(rgb, mask).name == "unknown"


def test_a_mask_of_another_shape() -> None:
    with pytest.raises(InputError, match=r"mask: expected shape \(8, 9\)"):
        kind_of(np.zeros((8, 9, 3), np.uint8), np.zeros((9, 8), np.float32))
