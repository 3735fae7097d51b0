"""At rest what is drawn adds up to the photo; what the fill does not explain is the subject's."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from discs import disc

from photoflow import Animator, motion
from photoflow.metrics import rest_error
from photoflow.stage import Layer, Stage
from photoflow.stage.composition import compose, fill_behind, hole_behind, least_opacity, reached

MOVES = [motion.Sway(), motion.Breathe(), motion.Float(), motion.Translate()]
DATA = Path(os.environ.get("PHOTOFLOW_DATA", "."))
PHOTOS = [
    *sorted(DATA.glob("photos/*.jpg")),
    *sorted(DATA.glob("photos/*.png")),
    *sorted(DATA.glob("davis/*/00000.jpg")),
]


def planes(picture):
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None] / 255


def shown(composition, count):
    """The background with so many of the cut-outs over it, float (H, W, 3)."""
    canvas = composition.background.astype(np.float64)
    for cutout in composition.cutouts[::-1][:count]:
        left, top, right, bottom = cutout.box
        place = canvas[top:bottom, left:right]
        place[:] = np.floor(place * (1 - cutout.rgba[..., 3:]) + cutout.rgba[..., :3] * 255 + 0.5)
    return canvas


def composed(photo, *masks):
    layers = [Layer(f"layer-{number}", photo, mask, "hand") for number, mask in enumerate(masks)]
    return compose(photo, fill_behind(photo, layers, []), layers), layers


@pytest.mark.parametrize("count", [1, 2, 3])
def test_background_and_cutouts_add_up_to_the_photo(photo, count):
    """Also where they overlap, and where a mask is soft or leaves something out."""
    masks = [disc(50), disc(70, 25), cv2.GaussianBlur(disc(140), (0, 0), 4)][:count]
    composition, _ = composed(photo, *masks)
    np.testing.assert_allclose(shown(composition, count), photo, atol=1)
    for cutout in composition.cutouts:
        assert cutout.rgba.min() >= 0 and cutout.rgba.max() <= 1
        assert (cutout.rgba[..., :3] <= cutout.rgba[..., 3:] + 1e-6).all()  # a colour within its gamut


def test_a_subject_that_covers_all_but_a_margin_adds_up_too(photo):
    mask = np.zeros((100, 200), np.uint8)
    mask[2:-2, 2:-2] = 255
    composition, layers = composed(photo, mask)
    assert hole_behind([layers[0].alpha]).mean() < 1
    np.testing.assert_allclose(shown(composition, 1), photo, atol=1)


def test_the_residue_belongs_to_the_subject_in_front(photo):
    """The thin line that starts at the left disc is in no mask: its part within the hole goes with that disc."""
    composition, (layer,) = composed(photo, disc(50))
    hole = reached(layer.alpha, 1) & (layer.alpha < 0.05)
    line = cv2.line(np.zeros((100, 200), np.uint8), (50, 50), (85, 20), 255, 1) > 0
    left, top, right, bottom = composition.cutouts[0].box
    opacity = np.zeros((100, 200))
    opacity[top:bottom, left:right] = composition.cutouts[0].rgba[..., 3]
    assert (hole & line).any() and opacity[hole & line].max() > 0.3
    outside = ~hole_behind([layer.alpha])
    assert opacity[outside].max() == 0 and (composition.background[outside] == photo[outside]).all()


def test_the_least_opacity_reaches_the_colour():
    draw = np.random.default_rng(0)
    picture, behind = (draw.integers(0, 256, (40, 50, 3)).astype(np.float32) for _ in range(2))
    behind[0], behind[1] = 0, 255
    least = least_opacity(picture, behind)[..., None]
    colour = (picture - (1 - least) * behind) / np.maximum(least, 1e-9)
    assert colour.min() > -0.01 and colour.max() < 255.01 and (np.abs(colour - 255).min(2) + colour.min(2) < 256).all()


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
@pytest.mark.parametrize("name", ["camera.png", "chelsea.png", "motorcycle_left.png", "astronaut.png"])
def test_the_first_frame_of_a_photo_is_the_photo(name, move):
    import skimage.data

    animator = Animator(device="cpu", offline=True, segmenter="grabcut")
    path = Path(skimage.data.__file__).parent / name
    if not path.exists():
        pytest.skip(f"this scikit-image has no {name}")
    height, width = cv2.imread(str(path)).shape[:2]
    stage = animator.prepare(path, size=400, layers={"it": {"box": (width // 5, height // 5, width // 2, height // 2)}})
    clip = animator.animate(stage, move, seconds=2, fps=10)
    assert rest_error(planes(clip[0]), planes(stage.photo)) <= 1


@pytest.mark.skipif(not PHOTOS, reason="PHOTOFLOW_DATA names no data folder")
@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_first_frame_of_real_photos_is_the_photo(path):
    """With the subject that is found, or the given mask; where none is, with an oval in the middle."""
    animator, mask = Animator(device="cpu", offline=True), path.with_name(f"{path.stem}_mask.png")
    stage = animator.prepare(path, mask=mask if mask.exists() else None)
    if not stage.layers:
        width, height = stage.photo_size
        oval = np.zeros((height, width), np.uint8)
        stage.add(
            "it", mask=cv2.ellipse(oval, (width // 2, height // 2), (width // 4, height // 4), 0, 0, 360, 255, -1)
        )
    for move in MOVES:
        clip = animator.animate(stage, move, seconds=2, fps=10)
        assert rest_error(planes(clip[0]), planes(stage.photo)) <= 1, move.name


@dataclass(frozen=True)
class RightHalf(motion.Motion):
    """Shakes the right half of the subject alone."""

    def field(self, scene):
        left, _, right, _ = scene.box
        x, _ = scene.grid
        shape = np.broadcast_to(np.clip(2 * (x - (left + right) / 2) / (right - left), 0, 1), scene.mask.shape)
        return motion.ModalField(8 * np.stack([shape, 0 * shape])[None], lambda t: [np.sin(2 * np.pi * t)])


def test_parts_that_rest_in_a_moving_clip_are_the_photo(photo):
    stage = Stage.of(photo).add("disc", mask=disc(50))
    clip = Animator(device="cpu", offline=True).animate(stage, RightHalf(), seconds=1, fps=10)
    resting = np.broadcast_to(np.arange(200) < 46, (100, 200))  # the kernel reads two pixels to each side
    where = torch.from_numpy(resting.copy())[None, None].float()
    for frame in clip:
        assert rest_error(planes(frame), planes(photo), where) <= 1
    assert np.abs(clip[2].astype(int) - photo)[30:70, 55:80].max() > 40


def test_a_motion_of_nothing_is_the_photo(photo):
    stage = Stage.of(photo).add("plant", mask=disc(50))
    clip = Animator(device="cpu", offline=True).animate(stage, 0.0 * motion.Float(), seconds=1, fps=5)
    for frame in clip:
        np.testing.assert_array_equal(frame, photo)
