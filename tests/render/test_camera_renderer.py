"""Frames of a moving camera: whole, sharp, the photo at rest, the near before the far."""

import cv2
import numpy as np
import pytest

from photoflow import Animator, InputError
from photoflow.motion import Camera, Drift, Sway, Translate
from photoflow.motion.camera import CameraPath
from photoflow.render.camera import CameraRenderer, without_tears

SIZE = (160, 240)
DRAW = np.random.default_rng(3)
PHOTO = cv2.resize(DRAW.integers(40, 200, (20, 30, 3), dtype=np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
MASK = cv2.circle(np.zeros(SIZE, np.uint8), (120, 90), 30, 255, -1, cv2.LINE_AA)
cv2.circle(PHOTO, (120, 90), 30, (250, 30, 30), -1, cv2.LINE_AA)
ROWS, COLUMNS = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
GROUND = np.float32(0.6) + ROWS / 200
WALL = np.where(COLUMNS > 150, np.float32(1.5), np.float32(0.6))
WATER = Drift(arrows=((20, 140, 60, 140),)).on("water")
EVERY = [
    Camera(push=0.1), Camera(pan=0.1), Camera(tilt=-0.1), Camera(orbit=0.1), Camera(dolly=-0.3), Camera(handheld=0.03),
]  # fmt: skip


@pytest.fixture(scope="module")
def stage():
    return Animator(offline=True).prepare(PHOTO, mask=MASK)


def renderer(camera, depth, edged=False, picture=PHOTO):
    path = CameraPath([(1.0, camera)], SIZE[::-1], 4.0, False, (float(depth.min()), float(depth.max())))
    return CameraRenderer(picture, [], [], path, depth, edged, 4.0), path


def animated(stage, motion, **options):
    return Animator(offline=True).animate(stage, motion, seconds=2, fps=10, **options)


@pytest.mark.parametrize("camera", EVERY, ids=str)
@pytest.mark.parametrize(("depth", "edged"), [(GROUND, False), (WALL, True), (GROUND * 0 + 1, False)])
def test_every_pixel_comes_from_inside_the_photo(camera, depth, edged):
    drawn, path = renderer(camera, depth, edged)
    for t in (0.7, 2.0, 4.0):
        source = (drawn._source(path.matrix(t)) + drawn._nodes)[:-1, :-1]
        assert source.min() > -0.1 and (source < (SIZE[1] - 0.9, SIZE[0] - 0.9)).all()
    bright = np.full((*SIZE, 3), 200, np.uint8)
    assert (renderer(camera, depth, edged, bright)[0].frame(4.0) == 200).all()


@pytest.mark.parametrize("camera", EVERY, ids=str)
def test_a_frame_is_the_photo_moved_by_the_flow(camera):
    """A smooth picture of places: its value where a pixel went is the pixel's own."""
    places = np.dstack([COLUMNS, ROWS, ROWS]).astype(np.uint8)
    for depth, edged in ((GROUND, False), (WALL, True)):
        drawn, _ = renderer(camera, depth, edged, places)
        frame, flow = drawn.frame(4.0).astype(np.float32), drawn.flow(4.0)
        x, y = COLUMNS + flow[0], ROWS + flow[1]
        inside = (x > 1) & (y > 1) & (x < SIZE[1] - 2) & (y < SIZE[0] - 2)
        read = cv2.remap(frame, x, y, cv2.INTER_LINEAR)
        apart = np.abs(read[..., :2] - np.dstack([COLUMNS, ROWS]))[inside]
        assert inside.mean() > 0.5 and np.median(apart) < 0.6 and apart.max() < 3


@pytest.mark.parametrize("camera", [*EVERY, Camera(pull=0.1)], ids=str)
@pytest.mark.parametrize("own", [None, Sway(), WATER], ids=["still", "sway", "water"])
def test_the_photo_is_seen_at_rest(stage, camera, own):
    stage = stage.copy().add("water", mask=np.uint8(ROWS > 130) * 255, region=True)
    clip = animated(stage, camera if own is None else own + camera)
    # The middle of the looping pull is its rest; what moves by itself is not at rest then.
    at = 10 if camera.pull else 0
    if not (camera.pull and own):
        assert np.abs(clip[at].astype(int) - stage.photo).max() <= 1
    assert np.abs(clip[5].astype(int) - stage.photo).max() > 20


def test_a_loop_closes_and_an_open_clip_goes_on(stage):
    closed = Animator(offline=True).animate(stage, Camera(push=0.1), seconds=2, fps=10)
    assert np.array_equal(closed.renderer.frame(0.0), closed.renderer.frame(2.0))
    opened = Animator(offline=True).animate(stage, Camera(push=0.1), seconds=2, fps=10, loop=False)
    assert np.abs(opened[19].astype(int) - opened[0]).mean() > 5


def disc_in(renderer, t):
    """The place and the area of the disc."""
    alpha = renderer.cutout(t)[..., 3] / 255
    return (alpha * COLUMNS).sum() / alpha.sum(), (alpha * ROWS).sum() / alpha.sum(), alpha.sum()


def test_the_thing_in_focus_keeps_its_place_and_grows_as_said(stage):
    pushed = animated(stage, Camera(push=0.2), loop=False).renderer
    before, after = disc_in(pushed, 0.0), disc_in(pushed, 2.0)
    assert after[2] / before[2] == pytest.approx(1.44, rel=0.01)
    assert after[1] - 79.5 == pytest.approx(1.2 * (before[1] - 79.5), abs=0.8)  # it leans a little
    orbit = disc_in(animated(stage, Camera(orbit=0.03), loop=False).renderer, 2.0)
    zoom = (orbit[2] / before[2]) ** 0.5
    assert orbit[0] - 119.5 == pytest.approx((before[0] - 119.5) * zoom, abs=0.05)


def test_what_is_in_front_goes_farther_and_hides_what_is_behind(stage):
    both = stage.copy().add("far", mask=cv2.circle(np.zeros(SIZE, np.uint8), (60, 30), 12, 255, -1))
    flow = animated(both, Camera(push=0.2), loop=False).renderer.flow(2.0)
    grown = [flow[0, 90, 120 + 20] - flow[0, 90, 120 - 20], flow[0, 30, 60 + 8] - flow[0, 30, 60 - 8]]
    assert grown[0] / 40 == pytest.approx(0.2, abs=0.01) and 0.01 < grown[1] / 16 < 0.19


def test_its_own_motion_comes_first(stage):
    both = animated(stage, Translate(dx=24, dy=0) + Camera(push=0.2), loop=False).renderer
    before, after = disc_in(both, 0.0), disc_in(both, 2.0)
    assert after[0] - 119.5 == pytest.approx(1.2 * (before[0] + 24 - 119.5), abs=0.05)
    assert after[2] / before[2] == pytest.approx(1.44, rel=0.01)
    assert both.flow(2.0)[0, 90, 120] == pytest.approx(1.2 * (120 + 24 - 119.5) + 119.5 - 120, abs=0.1)


def test_the_cutout_is_seen_by_the_camera_too(stage):
    still = animated(stage, Camera(push=0.2), loop=False).renderer
    alpha = still.cutout(2.0)[..., 3] / 255
    assert alpha.sum() / (still.cutout(0.0)[..., 3] / 255).sum() == pytest.approx(1.44, rel=0.02)
    assert (alpha[:, :60] == 0).all() and alpha[90, 120] == 1
    water = stage.copy().add("water", mask=np.uint8(ROWS > 130) * 255, region=True)
    flowing = animated(water, WATER + Camera(push=0.2)).renderer.cutout(1.0)
    assert flowing[155, 120, 3] == 255 and flowing[90, 120, 3] == 0
    empty = Animator(offline=True).prepare(np.full((*SIZE, 3), 90, np.uint8))
    with pytest.raises(InputError, match="nothing stands out"):
        animated(empty, Camera()).renderer.cutout(1.0)


def test_the_far_rises_to_the_near_but_so_steeply():
    limited = without_tears(WALL[::4, ::4], 0.05)
    assert np.abs(np.diff(limited, axis=1)).max() < 0.0501 and (limited >= WALL[::4, ::4]).all()
    assert (limited[:, 38:] == 1.5).all() and (limited[:, :10] == np.float32(0.6)).all()


def test_a_card_that_the_border_cuts_off_is_whole_at_rest():
    """For any number of rows and columns from one node of the flow to the next."""
    for top in range(88, 106):
        mask = np.zeros(SIZE, np.uint8)
        mask[top:, 40 + top :] = 255
        stage = Animator(offline=True).prepare(PHOTO, mask=mask)
        for motion in (Camera(orbit=0.05), Camera(orbit=0.05) + Sway()):
            np.testing.assert_array_equal(animated(stage, motion)[0], PHOTO)
