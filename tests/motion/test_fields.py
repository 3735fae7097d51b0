"""Every motion as a displacement field: where it starts, how it closes, what it leaves alone."""

import math

import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.errors import InputError
from photoflow.motion.drift import dense_velocity
from photoflow.motion.field import affine
from photoflow.motion.scene import Scene, moments
from photoflow.motion.water import REACH

EVERY = [
    motion.Sway(), motion.Sway(strength=1.5, period=0.7, base="left"), motion.Float(), motion.Breathe(),
    motion.Swing(), motion.Swing(pivot=(10, 5)), motion.Bounce(), motion.Translate(dx=12, dy=-7),
    motion.Path(points=((0, 0), (10, 4), (20, -6))), motion.Path(points=((3, 3), (10, 4), (8, 12)), closed=True),
    motion.Sway() + 0.5 * motion.Float(), 2 * motion.Breathe(),
]  # fmt: skip


def scene(seconds=4.0, loop=True, scale=1.0, origin=(0, 0)):
    mask = np.zeros((60, 80), np.float32)
    mask[10:50, 20:60] = 1
    return motion.Scene(mask, origin, scale, seconds, loop)


@pytest.mark.parametrize("kind", EVERY, ids=repr)
def test_starts_as_the_photo_moves_and_closes(kind):
    field = kind.field(scene())
    assert field.flow(0.0).shape == (2, 60, 80) and field.flow(0.0).dtype == torch.float32
    assert field.flow(0.0).abs().max() < 1e-4
    assert max(float(field.flow(t).abs().max()) for t in (0.3, 0.9, 1.4)) > 0.05
    torch.testing.assert_close(field.flow(4.0), field.flow(0.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize("kind", EVERY, ids=repr)
def test_last_step_is_no_larger_than_the_largest_other(kind):
    field, count = kind.field(scene()), 60
    flows = [field.flow(4.0 * i / count) for i in range(count)]
    steps = [float((b - a).norm(dim=0).mean()) for a, b in zip(flows, flows[1:] + flows[:1], strict=True)]
    assert steps[-1] <= max(steps[:-1]) * 1.001


@pytest.mark.parametrize("kind", EVERY, ids=repr)
def test_scaling_scales_the_displacements(kind):
    flow, tripled = kind.field(scene()).flow(0.6), (3 * kind).field(scene()).flow(0.6)
    torch.testing.assert_close(tripled, 3 * flow, atol=1e-3, rtol=1e-4)


def test_sum_adds_displacements():
    a, b = motion.Sway(), motion.Float()
    total = (a + b).field(scene()).flow(0.7)
    torch.testing.assert_close(total, a.field(scene()).flow(0.7) + b.field(scene()).flow(0.7))


@pytest.mark.parametrize("base", ["bottom", "top", "left", "right"])
def test_sway_holds_its_base_and_grows_to_the_tip(base):
    flow = motion.Sway(strength=0.5, base=base).field(scene()).flow(0.5).norm(dim=0)[10:50, 20:60]
    ends = {"top": flow[0], "bottom": flow[-1], "left": flow[:, 0], "right": flow[:, -1]}
    opposite = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
    assert ends[base].max() < 0.01
    assert ends[opposite[base]].mean() > 1.0


def test_translate_goes_there_and_stays_when_it_does_not_loop():
    field = motion.Translate(dx=10, dy=-4).field(scene(loop=False, scale=0.5))
    torch.testing.assert_close(field.flow(4.0)[:, 0, 0], torch.tensor([5.0, -2.0]))


def test_swing_keeps_the_pivot_and_the_distances():
    field = motion.Swing(angle=30, pivot=(40, 10), period=4).field(scene())
    flow = field.flow(1.0)  # the largest deflection
    assert flow[:, 10, 40].abs().max() < 1e-4
    x, y = 40 + flow[0, 40, 40], 40 + flow[1, 40, 40]
    assert math.isclose(math.hypot(x - 40, y - 10), 30, rel_tol=1e-4)
    assert x < 40  # clockwise as seen: what hangs below goes to the left


def test_path_passes_through_its_points_in_the_photos_pixels():
    field = motion.Path(points=((5, 5), (25, 5), (25, 15)), closed=False).field(scene(loop=False, scale=2))
    track = torch.stack([field.flow(t)[:, 0, 0] for t in np.linspace(0, 4, 401)])
    assert (track - torch.tensor([40.0, 0.0])).norm(dim=1).min() < 0.6
    torch.testing.assert_close(track[-1], torch.tensor([40.0, 20.0]), atol=1e-3, rtol=0)


def test_bounce_never_sinks_below_the_ground():
    field = motion.Bounce(height=0.5).field(scene())
    lowest = [float(field.flow(t)[1, 49, 40]) for t in np.linspace(0, 4, 200)]
    assert max(lowest) < 1e-3 and min(lowest) < -15


def test_affine_matches_its_definition():
    point = np.array([7.0, 3.0, 1.0])
    moved = point[:2] + affine((2, 1), angle=0.3, scale=(2, 0.5), shift=(1, -1)) @ point
    local = np.array([2, 0.5]) * (point[:2] - (2, 1))
    turn = np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    np.testing.assert_allclose(moved, turn @ local + (2, 1) + (1, -1))


def test_origin_shifts_points_of_the_photo():
    assert scene(origin=(-4, 6), scale=2).locate(10, 10) == (24, 14)


def test_drift_follows_arrows_and_stops_at_anchors_and_outside_the_mask():
    mask = np.zeros((60, 80), np.float32)
    mask[5:55, 5:75] = 1
    velocity = dense_velocity(np.array([[20.0, 30, 30, 30]]), np.array([[60.0, 30]]), mask)
    assert abs(velocity[0, 30, 25] - 10) < 0.2 and abs(velocity[1, 30, 25]) < 0.1
    assert abs(velocity[0, 30, 60]) < 0.2
    assert np.all(velocity[:, mask == 0] == 0)


def test_drift_shows_the_photo_at_the_start_and_at_the_end():
    field = motion.Drift(arrows=((20, 30, 30, 30),), period=2).field(scene())
    for t in (0.0, 4.0):
        (flow, weight), *others = field.sources(t)
        assert weight > 0.999 and flow.abs().max() < 1e-3 and not others
    assert abs(sum(w for _, w in field.sources(0.37)) - 1) < 1e-6


def test_drift_sources_undo_its_flow():
    field = motion.Drift(arrows=((20, 30, 26, 30),), period=4).field(scene())
    ahead, behind = field.flow(0.5), field.flow(-0.5)
    x = 30 + round(float(ahead[0, 30, 30]))
    assert abs(float(behind[0, 30, x]) + float(ahead[0, 30, 30])) < 0.1


def region(top, bottom, height=60, width=80):
    mask = np.zeros((height, width), np.float32)
    mask[top:bottom] = 1
    return Scene(mask)


def test_drift_in_one_direction_moves_a_share_of_the_picture_a_second():
    field = motion.Drift(direction=90, speed=0.05, period=1).field(region(0, 60))
    np.testing.assert_allclose(field.flow(0.5)[:, 30, 40], (0, 0.05 * 80 / 2), atol=1e-3)


def test_drift_is_slower_towards_the_horizon():
    sky = motion.Drift(direction=0).field(region(0, 40)).velocity[0, :, 40]
    water = motion.Drift(direction=0).field(region(20, 60)).velocity[0, :, 40]
    band = motion.Drift(direction=0).field(region(20, 40)).velocity[0, :, 40]
    assert sky[1] > 1.5 * sky[20] > 1.9 * sky[36] > 0
    assert water[58] > 1.5 * water[40] > 1.9 * water[23] > 0
    assert abs(band[27] / band[33] - 1) < 1e-5


def test_water_begins_with_the_photo_closes_its_loop_and_keeps_to_its_reach():
    scene = region(20, 160, 160, 320)
    for strength in (0.5, 2.0):
        field = motion.Water(strength=strength).field(scene)
        assert field.flow(0.0).abs().max() == 0 and field.flow(scene.seconds).abs().max() < 1e-4 * 320
        largest = max(float(field.flow(t).abs().max()) for t in np.linspace(0, scene.seconds, 41))
        assert 0.5 < largest / (strength * REACH * 320) <= 1
        assert all(len(field.sources(t)) == 1 for t in (0.3, 1.7))


def test_water_moves_more_towards_the_viewer_and_mostly_to_the_sides():
    field = motion.Water(strength=1).field(region(20, 160, 160, 320))
    moved = np.stack([field.flow(t).abs().numpy() for t in np.linspace(0.1, 3.9, 20)]).mean(axis=(0, 3))
    assert moved[0, 150] > 2 * moved[0, 70] > 2 * moved[0, 35] > 0
    assert moved[0, 150] > 2 * moved[1, 150] > 0
    assert (moved[:, :18] == 0).all() and moved[:, :20].max() < 0.01


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: motion.Sway(strength=math.nan), "strength expects"),
        (lambda: motion.Sway(period=0), "period expects"),
        (lambda: motion.Sway(base="middle"), "base expects"),
        (lambda: motion.Swing(pivot="tip"), "pivot expects"),
        (lambda: motion.Path(points=((0, 0),)), "points expects"),
        (lambda: motion.Path(points=((0, 0), (1, math.inf))), "points expects"),
        (lambda: motion.Drift(), "expected arrows or a direction, got neither"),
        (lambda: motion.Drift(arrows=3), "arrows expects"),
        (lambda: motion.Drift(arrows=((0, 0, 5, 5),), direction=0), "expected arrows or a direction, got both"),
        (lambda: motion.Drift(arrows=((0, 0, 5, 5),), speed=0.1), "speed goes with a direction"),
        (lambda: motion.Drift(direction=0, anchors=((1, 1),)), "anchors go with arrows"),
        (lambda: motion.Drift(direction="left"), "direction expects a number"),
        (lambda: motion.Drift(direction=0, speed=2), "speed expects a number from 0 to 1"),
        (lambda: motion.Water(strength=3), "strength expects a number from 0 to 2"),
        (lambda: motion.Water(period=0), "period expects"),
        (lambda: motion.Drift(arrows=((1, 1, 1, 1),)), "no length"),
        (lambda: motion.Sway().on(0), "subject's number"),
        (lambda: math.nan * motion.Sway(), "factor expects"),
    ],
)
def test_values_out_of_range_are_named(make, named):
    with pytest.raises(InputError, match=named):
        make()


@pytest.mark.parametrize("seconds", [2.0, 47.0, 94.0, 120.0])
def test_moments_meet_every_phase_of_any_period(seconds):
    times = moments(seconds, 16, 64)
    assert times[0] == 0 and times[-1] == seconds and (np.diff(times) > 0).all()
    assert len(times) == max(64, 16 * seconds) and np.diff(times).max() < 2 * seconds / len(times)
    for cycles in range(1, int(4 * seconds) + 1):  # up to 4 a second
        phases = np.sort(times[:-1] * cycles / seconds % 1)
        assert np.diff(phases, append=1 + phases[0]).max() < 0.125


def test_a_path_is_paced_by_how_far_it_is_after_half_of_the_time():
    offsets = []
    for half in (0.5, 0.2):
        scene = Scene(np.ones((8, 8), np.float32), seconds=2.0, loop=False)
        field = motion.Path(((0, 0), (50, 0), (100, 0)), half=half).field(scene)
        offsets.append([float(field.flow(t)[0, 0, 0]) for t in (0.0, 1.0, 2.0)])
    assert np.allclose(offsets, [[0, 50, 100], [0, 20, 100]], atol=0.2)


@pytest.mark.parametrize("half", [0, 1, float("nan"), "0.5"])
def test_a_path_is_half_way_within_the_way(half):
    with pytest.raises(InputError, match=r"path: half expects a number from 0\.05 to 0\.95"):
        motion.Path(((0, 0), (9, 0)), half=half)
