"""From a photo to a clip."""

import cv2
import numpy as np
import pytest

from photoflow import Animator, InputError, motion
from photoflow.animator import assign, frame_count, resize_photo


@pytest.fixture(scope="module")
def animator():
    return Animator(device="cpu", offline=True)


@pytest.fixture(scope="module")
def scene():
    """A textured wall with a bright disc before it, and the disc's mask."""
    draw = np.random.default_rng(1)
    wall = cv2.resize(draw.integers(60, 140, (30, 40, 3), dtype=np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    mask = cv2.circle(np.zeros((120, 160), np.uint8), (80, 60), 26, 255, -1, cv2.LINE_AA)
    disc = np.full_like(wall, (230, 200, 40))
    share = mask[..., None].astype(np.float32) / 255
    return (disc * share + wall * (1 - share)).astype(np.uint8), mask


def test_the_subject_moves_and_nothing_else_does(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, motion.Translate(dx=20), mask=mask, seconds=1, fps=10)
    assert (len(clip), clip.width, clip.height, clip.seconds) == (10, 160, 120, 1.0)
    middle = clip[5]
    assert np.abs(middle[60, 125].astype(int) - (230, 200, 40)).max() < 12  # the disc has come here
    assert np.abs(middle[60, 56].astype(int) - (230, 200, 40)).max() > 40  # and has left its old place
    far = np.ones((120, 160), bool)
    far[25:95, 45:135] = False
    np.testing.assert_array_equal(middle[far], photo[far])


def test_the_first_frame_is_nearly_the_photo(animator, scene):
    photo, mask = scene
    first = animator.animate(photo, motion.Sway(), mask=mask, seconds=1, fps=10)[0]
    assert np.abs(first.astype(int) - photo).mean() < 0.7
    inside = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 254
    np.testing.assert_allclose(first[inside], photo[inside], atol=1)


def test_no_ghost_is_left_behind(animator, scene):
    """Where the disc was, there is wall: nothing as bright and yellow as the disc."""
    photo, mask = scene
    away = animator.animate(photo, motion.Translate(dx=70), mask=mask, seconds=1, fps=10, loop=False)
    frame = away.renderer.frame(1.0)[30:90, 54:90].astype(int)
    assert (frame[..., 0] - frame[..., 2]).max() < 110


def test_slicing_and_iteration_agree(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, mask=mask, seconds=0.5, fps=8)
    frames = list(clip)
    assert len(frames) == 4
    np.testing.assert_array_equal(frames[3], clip[-1])
    np.testing.assert_array_equal(frames[1], clip[1:3][0])
    with pytest.raises(IndexError, match="has 4 frames"):
        clip[4]


def test_sizes_and_coordinates_are_the_photos(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, motion.Translate(dx=40), mask=mask, seconds=1, fps=4, size=80)
    assert clip[0].shape == (60, 80, 3)
    assert np.abs(clip[2][30, 58].astype(int) - (230, 200, 40)).max() < 12  # 40 px of the photo are 20 here


def test_transparency_of_the_photo_is_its_mask(animator, scene):
    photo, mask = scene
    clip = animator.animate(np.dstack([photo, mask]), motion.Translate(dx=20), seconds=1, fps=4)
    assert 0.8 * (mask > 127).sum() < (clip.mask > 0.5).sum() < 1.2 * (mask > 127).sum()


def test_drift_without_a_selection_flows_everywhere(animator, scene):
    clip = animator.animate(scene[0], motion.Drift(arrows=((20, 60, 40, 60),)), seconds=1, fps=4)
    assert clip.mask.min() == 1 and np.abs(clip[1].astype(int) - scene[0]).mean() > 3


def test_saved_clip_plays_and_explains_itself(animator, scene, tmp_path):
    av = pytest.importorskip("av")
    photo, mask = scene
    clip = animator.animate(photo, mask=mask, seconds=1, fps=10)
    clip.save(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) == 10 and np.abs(frames[4].astype(int) - clip[4]).mean() < 6
    clip.explain(tmp_path / "why")
    names = {"mask.png", "flow.png", "trajectories.png", "strip.png", "xt.png"}
    assert {p.name for p in (tmp_path / "why").iterdir()} == names
    assert all(cv2.imread(str(p)) is not None for p in (tmp_path / "why").iterdir())
    assert clip._repr_html_().startswith("<video")


def test_cutouts_are_transparent_around_the_subject(animator, scene):
    photo, mask = scene
    first = next(animator.animate(photo, mask=mask, seconds=1, fps=4).cutouts())
    assert first.shape == (120, 160, 4) and first[5, 5, 3] == 0 and first[60, 80, 3] == 255


def test_who_moves_how():
    a, b, c = (np.full((2, 2), v, np.float32) for v in (1, 2, 3))
    sway, swing = motion.Sway(), motion.Swing()
    assert assign([(None, sway)], [a, b, c], 2) == [(b, sway)]
    assert [m for _, m in assign([(None, sway)], [a, b], "all")] == [sway, sway]
    assert [m for _, m in assign([(None, sway), (2, swing)], [a, b], 1)] == [sway, swing]
    assert assign([(None, sway), (1, swing)], [a], 1)[0][1] == sway + swing
    with pytest.raises(InputError, match="number from 1 to 2"):
        assign([(None, sway)], [a, b], 3)
    with pytest.raises(InputError, match="subject 4 was not found"):
        assign([(4, sway)], [a, b], 1)
    with pytest.raises(InputError, match="cannot be added"):
        assign([(None, sway), (1, motion.Drift(arrows=((0, 0, 1, 1),)))], [a], 1)


def test_sizes():
    photo = np.zeros((1000, 3000, 3), np.uint8)
    assert resize_photo(photo, None)[0].shape[:2] == (640, 1920)
    assert resize_photo(photo, "original")[0] is photo
    assert resize_photo(photo, 600)[0].shape[:2] == (200, 600)
    assert resize_photo(photo, (6000, 500))[0].shape[:2] == (500, 1500)
    for size in (0, "huge", (5, 5), (1, 2, 3), 10**6):
        with pytest.raises(InputError, match="size: expected"):
            resize_photo(photo, size)


@pytest.mark.parametrize(
    ("seconds", "fps"), [(0, 30), (-1, 30), (4000, 30), (float("nan"), 30), (1, 0), (1, 500), (0.01, 10)]
)
def test_lengths_out_of_range(seconds, fps):
    with pytest.raises(InputError, match="expected"):
        frame_count(seconds, fps)


@pytest.mark.parametrize(
    ("selection", "named"),
    [
        ({"box": (100, 10, 100, 20)}, "box: expected X,Y,W,H inside the 160x120"),
        ({"box": (1, 2, 3)}, "box: expected"),
        ({"points": [(200, 5)]}, "point: expected X,Y inside"),
        ({"points": []}, "point: expected"),
        ({"mask": np.zeros((120, 160), np.uint8)}, "mask"),
        ({"mask": np.full((120, 160), 255, np.uint8)}, "mask"),
        ({"mask": np.ones((10, 10), np.uint8)}, "mask: expected 160x120"),
        ({"box": (1, 2, 30, 40), "points": [(3, 4)]}, "only one of"),
        ({"subject": 3}, "subject: expected a number from 1"),
        ({"size": "big"}, "size: expected"),
    ],
)
def test_bad_selections_are_named(animator, scene, selection, named):
    photo, mask = scene
    if "subject" in selection or "size" in selection:
        selection = {**selection, "mask": mask}
    with pytest.raises(InputError, match=named) as caught:
        animator.animate(photo, **selection)
    assert "\n" not in str(caught.value)


def test_a_subject_that_vanishes_is_named(animator, scene):
    mask = np.zeros((120, 160), np.uint8)
    mask[50, 50] = 255
    with pytest.raises(InputError, match="too small to be cut out"):
        animator.animate(scene[0], mask=mask, size=16)


def test_a_motion_is_expected(animator, scene):
    with pytest.raises(InputError, match="motion: expected one of"):
        animator.animate(scene[0], "sway", mask=scene[1])


def test_unknown_device(scene):
    with pytest.raises(InputError, match="device"):
        Animator(device="abacus", offline=True).animate(scene[0], mask=scene[1])
