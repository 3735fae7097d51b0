"""Depth of a stage: from where its layers stand, or measured, and what cameras are for."""

import numpy as np
import pytest

from photoflow import Animator, InputError
from photoflow.motion import Camera, Sway
from photoflow.stage import Layer
from photoflow.stage.layout import FARTHEST, MOST_GAP, NEAREST, depths_of, layout
from photoflow.stage.plan import STILL, cameras_of, parts_of, with_cards

SIZE = (100, 200)


@pytest.fixture
def animator():
    return Animator(device="cpu", offline=True)


def card(top, bottom, kind=None, region=False):
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom, 20:80] = 255
    return Layer(f"card-{top}", np.full((*SIZE, 3), 90, np.uint8), mask, "known", kind, region)


def at(plane, row):
    return plane[0] * row + plane[1]


def test_cards_stand_at_their_feet_and_the_ground_rises():
    near, far = card(40, 90), card(36, 50)
    ground, own = layout(SIZE, [near, far], [])
    assert [at(own[0], 89), at(own[1], 49)] == pytest.approx([0.895, 0.495]) and (np.diff(ground, axis=0) > 0).all()
    # What is low stands upright; what is tall leans back, and its head is not far before the ground.
    assert own[1][0] == 0 and at(own[0], 40) - ground[40, 50] == pytest.approx(MOST_GAP, abs=0.01)
    # The order of the layers wins over their feet.
    assert at(layout(SIZE, [far, near], [])[1][0], 49) == pytest.approx(0.895)


def test_the_sky_is_farthest_and_has_no_edge():
    ground, _ = layout(SIZE, [], [card(0, 60, "sky")])
    assert ground[30, 50] < 0.02 < ground[30, 180] and np.abs(np.diff(ground, axis=1)).max() < 0.05


def test_the_first_card_is_in_focus_and_planes_stay_planes():
    depths = depths_of(SIZE, [card(40, 90), card(10, 50)], [], None)
    assert at(depths.cards[0], 64.5) == pytest.approx(1) and not depths.measured
    assert FARTHEST < at(depths.cards[1], 49) < 1
    assert np.allclose(np.diff(depths.background, n=2, axis=0), 0, atol=1e-6)
    least, largest = depths.span
    assert FARTHEST <= least < largest <= NEAREST
    alone = depths_of(SIZE, [], [], None)
    assert np.median(alone.background) == pytest.approx(1)


def test_measured_depth_is_spread_behind_the_cards():
    measured = np.full(SIZE, 10000, np.uint16)
    measured[40:90, 20:80], measured[:, 150:] = 60000, 0
    depths = depths_of(SIZE, [card(40, 90)], [], measured)
    assert depths.measured and depths.cards == ((0, 1),)
    assert depths.background[60, 50] == pytest.approx(depths.background[60, 120], abs=0.02)
    assert depths.background.min() == pytest.approx(FARTHEST)
    assert np.isfinite(depths_of(SIZE, [], [], np.zeros(SIZE, np.uint16)).background).all()


def test_cameras_are_for_no_layer():
    cameras, others = cameras_of(parts_of(0.5 * (Sway() + 0.5 * Camera(push=0.2)) + Camera(pan=0.1)))
    assert cameras == [(0.25, Camera(push=0.2)), (1.0, Camera(pan=0.1))]
    assert [name for name, _ in others] == [None] and others[0][1] == 0.5 * Sway()
    for wrong in (Camera().on(2), {"cat": Camera()}, 2 * Camera().on("cat")):
        with pytest.raises(InputError, match="camera: it moves the whole picture; expected no layer"):
            cameras_of(parts_of(wrong))


def test_what_stays_is_a_card_where_it_can_be_cut_out(stage):
    stage.add("sky", mask=np.uint8(np.mgrid[:100, :200][0] < 20) * 255, kind="sky")
    stage._append(Layer("all", stage.photo, np.full(SIZE, 255, np.uint8), "known"))
    first, second = stage.layers[:2]
    for camera in (Camera(push=0.2), Camera(orbit=0.02), Camera(dolly=-0.1)):
        assert with_cards([(second, Sway())], stage, [(1.0, camera)]) == [(first, STILL), (second, Sway())]


def test_a_gentle_camera_leaves_what_stays_in_the_picture(stage):
    first, second = stage.layers
    gentle = [(0.5, Camera(push=0.1)), (1.0, Camera(pan=0.1, handheld=0.01))]
    assert with_cards([(second, Sway())], stage, gentle) == [(second, Sway())]
    stage.know_depth(np.tile(np.arange(200, dtype=np.uint16), (100, 1)))
    assert with_cards([(second, Sway())], stage, gentle) == [(first, STILL), (second, Sway())]


def test_what_is_not_cut_out_stands_in_one_depth(photo):
    thing = card(20, 80)
    depths = depths_of(SIZE, [], [], None, [thing])
    inside = depths.background[thing.mask > 0]
    assert np.ptp(inside) < 1e-6 and inside[0] == pytest.approx(1)  # in focus
    assert np.abs(np.diff(depths.background, axis=1)).max() < 0.02  # no edge around it
    assert np.abs(np.diff(depths.background, axis=0)).max() < 0.03


def test_a_rigid_thing_stays_rigid_before_the_camera_that_is_chosen(animator, photo):
    """Its displacement is a similarity."""
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[20:90, 30:160] = 255
    layers = {"car": {"mask": mask, "kind": "rigid"}}
    clip = animator.animate(photo, layers=layers, seconds=2, fps=8)
    y, x = np.nonzero(mask)
    dx, dy = clip.renderer.flow(1.0)[:, y, x]
    zero, one = np.zeros(len(x)), np.ones(len(x))
    rows = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    moved = np.concatenate([dx, dy])
    fitted, *_ = np.linalg.lstsq(rows, moved, rcond=None)
    assert np.abs(moved).max() > 2 and np.abs(rows @ fitted - moved).max() < 0.1


def test_options_that_do_not_go_with_it_are_named(photo):
    animator = Animator(offline=True)
    with pytest.raises(InputError, match="depth: expected it with a motion of the camera"):
        animator.animate(photo, Sway(), depth=np.zeros(SIZE, np.uint8))
    with pytest.raises(InputError, match="depth-far-bright: expected a depth with it"):
        animator.animate(photo, Camera(), depth_far_bright=True)
    with pytest.raises(InputError, match="camera: expected renderer splat with it, got gan"):
        Animator(offline=True, renderer="gan").animate(photo, Camera())


def test_a_photo_without_a_subject_needs_none(photo, tmp_path):
    plain = np.full((60, 90, 3), 90, np.uint8)
    animator = Animator(offline=True)
    for depth in (None, np.tile(np.arange(90, dtype=np.uint16), (60, 1))):
        clip = animator.animate(plain, Camera(push=0.1, handheld=0.01), seconds=1, fps=5, depth=depth)
        assert len([frame for frame in clip if (frame == 90).all()]) == 5
    clip.explain(tmp_path)
    assert (tmp_path / "flow.png").is_file()
    animator = Animator(offline=True, interpolate="dis")
    assert len(list(animator.animate(photo, Camera(), seconds=1, fps=8))) == 8
