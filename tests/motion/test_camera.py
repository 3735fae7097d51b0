"""The path of a camera: closed, begun at rest, without a border, and what is near passes by faster."""

import numpy as np
import pytest

from photoflow import InputError, motion
from photoflow.motion import Camera
from photoflow.motion.camera import CameraPath, seen, shake, unseen
from photoflow.motion.scene import Scene, moments

SIZE = (320, 200)
DEPTHS = (0.35, 1.6)
AMOUNTS = {"push": 0.1, "pull": 0.1, "pan": -0.1, "tilt": 0.08, "orbit": 0.1, "dolly": 0.3, "handheld": 0.02}
EACH = [Camera(**{name: value}) for name, value in AMOUNTS.items()] + [Camera(dolly=-0.3), Camera(orbit=-0.1)]
BOTH = pytest.mark.parametrize("loop", [True, False])
ALL = pytest.mark.parametrize("camera", [*EACH, Camera(**AMOUNTS)], ids=str)


def path(camera, loop=True, depths=DEPTHS, size=SIZE):
    return CameraPath([(1.0, camera)], size, 4.0, loop, depths)


@ALL
@BOTH
def test_it_begins_at_the_photo_but_for_pull(camera, loop):
    rest = {True: 2.0, False: 4.0}[loop] if camera == Camera(pull=0.1) else 0.0
    matrix = path(camera, loop).matrix(rest)
    assert np.allclose(matrix, np.eye(3, 4), atol=1e-9) == (camera.pull == 0 or camera == Camera(pull=0.1))


@ALL
def test_a_loop_closes_in_place_and_velocity(camera):
    view = path(camera)
    moment = 1e-4
    assert np.allclose(view.matrix(0), view.matrix(4.0), atol=1e-9)
    before, after = view.matrix(4.0) - view.matrix(4.0 - moment), view.matrix(moment) - view.matrix(0)
    assert np.abs(before - after).max() / moment < 0.5  # pixels a second


@ALL
@BOTH
def test_no_border_is_ever_seen(camera, loop):
    x, y = np.meshgrid(np.linspace(0, 319, 33), np.linspace(0, 199, 21))
    frame = np.stack([x, y], axis=-1)
    view = path(camera, loop)
    for t in moments(4.0, 8, 32):
        for depth in np.linspace(*DEPTHS, 5):
            # What is seen on the frame's border is inside the photo, whatever its depth.
            source = unseen(view.matrix(float(t)), frame, depth)
            assert source.min() > -1e-6 and (source <= (319 + 1e-6, 199 + 1e-6)).all()


def test_what_is_unseen_is_seen_again():
    matrix = path(Camera(**AMOUNTS)).matrix(1.3)
    draw = np.random.default_rng(0)
    points, depth = draw.uniform(0, 200, (50, 2)), draw.uniform(*DEPTHS, 50)
    assert np.allclose(seen(matrix, unseen(matrix, points, depth), depth), points, atol=1e-9)


@ALL
def test_lines_stay_straight_in_any_plane(camera):
    along = np.linspace(0, 1, 50)[:, None]
    line = (10, 20) + along * (290, 150)
    for depth in (np.ones(50), 0.5 + line @ (0.002, 0.001)):
        moved = seen(path(camera).matrix(1.7), line, depth)
        chord = moved[-1] - moved[0]
        apart = (moved - moved[0]) @ (-chord[1], chord[0]) / np.hypot(*chord)
        assert np.abs(apart).max() < 1e-6


def test_what_is_said_is_what_happens():
    centre, right = np.array([159.5, 99.5]), np.array([259.5, 99.5])
    pushed = path(Camera(push=0.1), loop=False).matrix(4.0)
    assert np.allclose(seen(pushed, right, 1.0), (159.5 + 110, 99.5))
    assert seen(pushed, right, 1.5)[0] > 270 > seen(pushed, right, 0.5)[0] > 260  # the near grows more
    # A turn goes by that share of the picture, times the zoom that hides the border.
    for camera, way in ((Camera(pan=0.1), (-32, 0)), (Camera(tilt=0.1), (0, 20))):
        matrix = path(camera, loop=False).matrix(4.0)
        apart = seen(matrix, centre, 1.0) - centre
        zoom = np.linalg.norm(apart) / np.linalg.norm(way)
        assert 1.15 < zoom < 1.35 and np.allclose(apart / zoom, way)
    orbited = path(Camera(orbit=0.1), loop=False).matrix(4.0)
    assert np.allclose(seen(orbited, centre, 1.0), centre)
    assert seen(orbited, centre, 1.5)[0] < centre[0] < seen(orbited, centre, 0.5)[0]
    # Without anything near or far the size in focus is kept to the bit; the border needs no zoom.
    dollied = path(Camera(dolly=0.3), loop=False, depths=(1.0, 1.0)).matrix(4.0)
    assert np.allclose(seen(dollied, right, 1.0), right) and seen(dollied, right, 0.5)[0] < right[0] - 5


def test_a_hand_shakes_gently_and_rests_at_first():
    amounts = np.array([shake(t, 4.0, False) for t in np.linspace(0, 4, 121)])
    assert np.abs(amounts[0, :3]).max() < 1e-12
    assert 0.4 < np.abs(amounts[:, :3]).max() <= 1 and np.abs(np.diff(amounts, axis=0)).max() < 0.2


def test_without_an_amount_it_pushes_and_factors_scale_it():
    assert Camera() == Camera(push=0.06) and motion.parse("camera push=0.06") == Camera()
    half = CameraPath([(0.5, Camera(push=0.2))], SIZE, 4.0, False)
    assert np.allclose(half.matrix(4.0), path(Camera(push=0.1), False, (1.0, 1.0)).matrix(4.0))
    two = CameraPath([(1.0, Camera(push=0.1)), (1.0, Camera(pan=0.1))], SIZE, 4.0, False, DEPTHS)
    assert np.allclose(two.matrix(4.0), path(Camera(push=0.1, pan=0.1), loop=False).matrix(4.0))


def test_its_field_is_what_is_seen_in_focus():
    scene = Scene(np.ones((40, 60), np.float32), origin=(20, 10), loop=False, picture=SIZE)
    flow = Camera(push=0.1).field(scene).flow(4.0).numpy()
    there = seen(path(Camera(push=0.1), False, (1.0, 1.0)).matrix(4.0), np.array([20.0 + 50, 10 + 30]), 1.0)
    assert np.allclose(flow[:, 30, 50], there - (70, 40), atol=1e-4)
    assert np.allclose(Camera(push=0.1).field(scene).scaled(0.5).flow(4.0).numpy(), flow / 2)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"push": 0.6}, "push expects a number from 0 to 0.5"), ({"push": -0.1}, "push expects"),
        ({"pan": float("nan")}, "pan expects a number from -0.25 to 0.25, got nan"), ({"handheld": 1}, "from 0 to 0.1"),
    ],
)  # fmt: skip
def test_amounts_have_ranges(values, named):
    with pytest.raises(InputError, match=named):
        Camera(**values)


def test_too_wide_a_way_is_refused_in_a_line():
    with pytest.raises(InputError, match="so wide a way would show a small part"):
        CameraPath([(2.0, Camera(pan=0.25, orbit=0.25))], SIZE, 4.0, True, DEPTHS)
    with pytest.raises(InputError, match="leads through what is near"):
        CameraPath([(9.0, Camera(push=0.5))], SIZE, 4.0, True, DEPTHS)
