"""A living face: what moves, by how much and when; on a face that is drawn, whose landmarks are known."""

from __future__ import annotations

from itertools import pairwise

import drawn_face as drawn
import numpy as np
import pytest
import torch

from photoflow import Animator, motion, ops
from photoflow.errors import InputError
from photoflow.motion import Face, Scene
from photoflow.motion.face import are_eyes_clear
from photoflow.motion.face.landmarks import Features
from photoflow.motion.face.lids import LOOK, RISE, WING, Lids
from photoflow.motion.face.rhythm import BREATHS, CLOSES, SMILES, STAYS, blinks, bumps, looks, turns

REST = {"blink": 0, "turn": 0, "breath": 0, "smile": 0, "gaze": 0}  # strengths of a face that does nothing
FULL = {"blink": 2, "turn": 2, "breath": 2, "smile": 2, "gaze": 2}


def scene(**changes):
    return Scene(np.ones(drawn.SIZE, np.float32), **changes)


def field(landmarks=None, loop=True, **strengths):
    return Face(landmarks=landmarks or drawn.landmarks(), **strengths).field(scene(loop=loop))


def lids(number=0, openness=1.0):
    face = Features(np.array(drawn.landmarks(openness)))
    return Lids.of(face, face.eyes[number])


def closed_at(seconds=4.0, loop=True, seed=0):
    """A moment at which the eyes are closed."""
    closed = blinks(1.0, seconds, loop, seed)
    return next(float(t) for t in np.arange(0, seconds, 0.01) if closed(float(t)) == 1)


def determinant(flow):
    """The determinant of the map p -> p + flow(p), between pixels."""
    x, y = flow.numpy()
    across, down = (1 + np.diff(x, axis=1)[:-1], np.diff(x, axis=0)[:, :-1]), (
        np.diff(y, axis=1)[:-1], 1 + np.diff(y, axis=0)[:, :-1],
    )  # fmt: skip
    return across[0] * down[1] - across[1] * down[0]


@pytest.mark.parametrize("loop", [True, False])
def test_the_photo_is_the_first_moment_to_the_bit(loop):
    photo = drawn.picture()
    mask = (np.abs(photo.astype(int) - drawn.BACKGROUND).sum(axis=2) > 60).astype(np.float32)
    face = Face(landmarks=drawn.landmarks(), **FULL)
    for moves, subject in ((face, None), (face, mask), (face + motion.Breathe(), mask)):
        clip = Animator("cpu").animate(photo, moves, loop=loop, mask=subject)
        assert np.array_equal(clip[0], photo)
    assert (field(loop=loop, **FULL).flow(0.0) == 0).all()


def test_the_end_of_a_loop_leads_into_its_beginning():
    moving = field(**FULL)
    flows = [moving.flow(t) for t in np.arange(0, 4, 1 / 30).tolist()]
    steps = [float((b - a).abs().max()) for a, b in pairwise(flows)]
    assert float((moving.flow(4.0) - flows[0]).abs().max()) < 1e-5
    assert float((flows[-1] - flows[0]).abs().max()) <= max(steps)
    for t in (-3.7, 0.9, 1e6):
        assert torch.allclose(moving.flow(t), moving.flow(t % 4.0), atol=1e-2) and torch.isfinite(moving.flow(t)).all()


def test_a_closed_eye_shows_skin_and_lashes_and_is_open_again_afterwards():
    photo, t = drawn.picture(), closed_at()
    planes = torch.from_numpy(photo.transpose(2, 0, 1).astype(np.float32) / 255)[None]
    moving = field(**REST | {"blink": 1})
    frames = {at: moving.draw(planes, at)[0].permute(1, 2, 0).numpy() * 255 for at in (t, t + 1)}
    for number in (0, 1):
        assert (drawn.eye_of(photo, number).min(axis=1) > 230).mean() > 0.2  # the white of the eye
        assert (drawn.eye_of(frames[t], number).min(axis=1) > 180).mean() == 0
        assert (np.abs(drawn.eye_of(frames[t], number) - drawn.SKIN).max(axis=1) < 20).mean() > 0.6
        apart = np.abs(drawn.eye_of(frames[t], number) - drawn.IRIS).max(axis=1)
        assert (apart < 15).sum() == 0  # nothing of the iris shows through
        np.testing.assert_allclose(drawn.eye_of(frames[t + 1], number), drawn.eye_of(photo, number), atol=0.01)


def test_half_closed_lids_cover_the_eye_and_the_rest_of_it_stays():
    photo, eye = drawn.picture(), lids()
    u = torch.zeros(33)
    v = torch.linspace(-drawn.EYE[1], drawn.EYE[1], 33)
    _, there, lid, cover = eye.seen(u, v, 0.5, 0.0)
    assert cover[0] == 1 and cover[-1] == 0 and (lid[cover > 0.5] < v[cover > 0.5] - 0.3 * eye.most).all()
    np.testing.assert_allclose(there[cover == 0], v[cover == 0], atol=0.5 * RISE * eye.most + 1e-4)
    assert photo.shape[:2] == drawn.SIZE


def test_lashes_beyond_the_outer_corner_come_down_with_the_lid():
    for eye in (lids(), lids(1)):
        corner, beyond = float(eye.upper[0]), torch.full((1,), 1.05 * eye.half)
        v = torch.full((1,), corner + 0.2 * eye.most)
        _, _, lid, cover = eye.seen(eye.outer * beyond, v, 1.0, 0.0)
        assert cover == 1 and abs(float(v - lid) - WING * eye.most) < 0.05 * eye.most
        for still in (-eye.outer * beyond, eye.outer * 2 * beyond):
            assert eye.seen(still, v, 1.0, 0.0)[3] == 0
    assert lids().outer == -lids(1).outer


def test_what_is_seen_of_open_eyes_is_the_photo_and_of_a_look_the_moved_iris():
    eye = lids()
    u, v = (torch.from_numpy(part.ravel()) for part in np.mgrid[-18:18:73j, -12:12:49j].astype(np.float32))
    at_u, at_v, _, cover = eye.seen(u, v, 0.0, 0.0)
    assert torch.equal(at_u, u) and (at_v - v).abs().max() < 1e-5 and cover.max() == 0
    moved = u + torch.from_numpy(eye.looking(u.numpy(), v.numpy())).float()
    back, _, _, _ = eye.seen(moved, v, 0.0, 1.0)
    middle = (v.abs() < 3) & (u.abs() < 8)  # towards the lids it fades, and is as good as that
    assert (back - u).abs()[middle].max() < 1e-3 and (back - u).abs().max() < 0.5
    assert float((moved - u).abs().max()) == pytest.approx(2 * LOOK * drawn.EYE[0], rel=1e-3)
    edge = drawn.contour(drawn.EYES[0], True) - drawn.EYES[0]
    assert np.abs(eye.looking(edge[:, 0], edge[:, 1])).max() < 0.1  # the lids do not look


def test_nothing_folds_but_what_the_lids_press_together():
    rows, columns = np.mgrid[0 : drawn.SIZE[0] - 1, 0 : drawn.SIZE[1] - 1] + 0.5
    eyes = np.zeros(rows.shape, bool)
    for centre in drawn.EYES:
        eyes |= ((columns - centre[0]) / (drawn.EYE[0] + 2)) ** 2 + ((rows - centre[1]) / (drawn.EYE[1] + 2)) ** 2 < 1
    moving = field(**FULL)
    for t in [*np.linspace(0, 4, 17).tolist(), closed_at(), closed_at() + 0.05]:
        found = determinant(moving.flow(t))
        assert found[~eyes].min() > 0.3 and found.min() > -0.2


def test_the_nose_goes_farther_than_the_cheeks_and_the_outline_stays():
    moving = field(**REST | {"turn": 1})
    flow = torch.stack([moving.flow(t) for t in np.linspace(0, 4, 33).tolist()]).norm(dim=1).amax(dim=0).numpy()
    nose, cheek = flow[112, 100], flow[112, 68]
    assert nose > 1.5 * cheek > 0
    assert 0.04 * 88 / 2 < nose < 0.16 * 88 / 2
    wide = Face(landmarks=drawn.landmarks(), **FULL).field(Scene(np.ones((500, 500), np.float32), (-150, -150)))
    far = torch.stack([wide.flow(t) for t in (0.7, 1.9, 2.4)]).abs().amax(dim=(0, 1)).numpy()
    assert (far[:80] == 0).all() and (far[80:, 450:] == 0).all() and far[250, 250] > 0


def test_each_strength_moves_its_own_part():
    t = 2.0

    def moved(**strength):
        return field(**REST | strength).flow(t).numpy()

    breath, smile = moved(breath=1), moved(smile=1)
    assert breath[1, 225, 100] < -0.4 and abs(breath[:, 90, 100]).max() < abs(breath[1, 225, 100]) / 4
    right, left = (smile[:, 132, int(x)] for x in drawn.MOUTH[:, 0])
    assert right[0] < -0.5 and left[0] > 0.5 and right[1] < -0.5 and left[1] < -0.5
    assert np.abs(smile[:, 60:75]).max() < 0.05 and np.abs(moved()).max() == 0
    irises = [float(moved(gaze=1)[0, 90, int(x)]) for x in drawn.EYES[:, 0]]
    assert abs(irises[0]) > 0.4 * LOOK * 2 * drawn.EYE[0] and irises[0] == pytest.approx(irises[1], rel=0.05)


@pytest.mark.parametrize(
    ("points", "why"),
    [(drawn.landmarks(openness=0.1), "closed"), (drawn.landmarks(nose=30), "aside"), (drawn.five(), "unknown")],
    ids=["closed", "aside", "five landmarks"],
)
def test_eyes_that_are_not_sure_neither_blink_nor_look(points, why):
    moving = field(points, **REST | {"blink": 1, "gaze": 1})
    assert all((moving.flow(t) == 0).all() for t in [closed_at(), 3.3]), why
    if why == "unknown":
        assert field(points, **REST | {"smile": 1}).flow(2.0).abs().max() == 0
        assert field(points, **REST | {"turn": 1}).flow(1.0).abs().max() > 1


def test_blinks_come_irregularly_and_the_same_ones_with_the_same_seed():
    def times(seed, seconds=60.0, rate=1.0):
        closed = blinks(rate, seconds, False, seed)
        shut = np.array([closed(float(t)) > 0.99 for t in np.arange(0, seconds, 0.02)])
        return np.flatnonzero(shut[1:] & ~shut[:-1]) * 0.02

    first = times(1)
    assert 15 <= len(first) <= 19 and np.diff(first).std() > 0.3 and np.array_equal(first, times(1))
    assert not np.array_equal(first[:10], times(2)[:10])
    assert len(times(1, rate=2.0)) > 1.7 * len(first) and len(times(1, rate=0.0)) == 0


def test_a_blink_is_quick_to_close_and_slower_to_open():
    closed = blinks(1.0, 4.0, True, 0)
    amounts = np.array([closed(float(t)) for t in np.arange(0, 4, 0.01)])
    shut = np.flatnonzero(amounts > 0)
    whole = np.flatnonzero(amounts == 1)
    assert amounts[0] == 0 and 0.3 < 0.01 * len(shut) < 0.45
    assert whole[0] - shut[0] <= 100 * CLOSES + 1 and shut[-1] - whole[-1] > 1.5 * (whole[0] - shut[0])
    assert 0.01 * len(whole) >= STAYS - 0.01
    assert blinks(1.0, 0.5, True, 0)(0.3) == 0  # no time for one in so short a loop
    assert max(blinks(2.0, 1.2, True, 0)(float(t)) for t in np.arange(0, 1.2, 0.01)) == 1


def test_looks_jump_and_stay_and_turns_are_slow():
    looking, (aside, down, lean) = looks(6.0, True, 3), turns(6.0, True, 3)
    places = np.array([looking(float(t)) for t in np.arange(0, 6, 0.01)])
    assert places[0] == 0 and np.abs(places).max() > 0.2 and (np.diff(places) == 0).mean() > 0.85
    for turned in (aside, down, lean):
        way = np.array([turned(float(t)) for t in np.arange(0, 6, 0.01)])
        assert way[0] == 0 and 0.5 < np.abs(way).max() <= 1 and np.abs(np.diff(way)).max() < 0.03


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.0, 4.0, 20.0])
def test_a_short_loop_is_no_hurry(seconds):
    at = np.arange(0, seconds, 0.005).tolist()
    quickest = {
        "turns": max(float(np.abs(np.diff([one(t) for t in at])).max()) / 0.005 for one in turns(seconds, True, 0)),
        "breaths": float(np.abs(np.diff([bumps(BREATHS, seconds, True)(t) for t in at])).max()) / 0.005,
        "smiles": float(np.abs(np.diff([bumps(SMILES, seconds, True)(t) for t in at])).max()) / 0.005,
    }
    assert 0.3 < quickest["turns"] < 4.5 and 0.4 < quickest["breaths"] < 2 and 0.2 < quickest["smiles"] < 1.1, quickest


def test_a_scaled_face_moves_less_and_never_so_much_that_it_folds():
    whole, half = field(**REST | {"turn": 1}), (0.5 * Face(landmarks=drawn.landmarks(), **REST | {"turn": 1}))
    assert torch.allclose(half.field(scene()).flow(1.0), 0.5 * whole.flow(1.0), atol=1e-6)
    huge = (100 * Face(landmarks=drawn.landmarks(), **REST | {"turn": 1, "smile": 1})).field(scene())
    assert min(determinant(huge.flow(t)).min() for t in (0.7, 1.3, 2.0, 3.1)) > 0


def test_the_face_is_found_on_another_scale_and_in_a_part_of_the_picture():
    whole = field(**FULL).flow(closed_at())
    part = Face(landmarks=drawn.landmarks(), **FULL).field(Scene(np.ones((150, 120), np.float32), (40, 30)))
    np.testing.assert_allclose(part.flow(closed_at()), whole[:, 30:180, 40:160], atol=0.05)
    coarse = Face(landmarks=drawn.landmarks(), **FULL).field(Scene(np.ones((120, 100), np.float32), (0, 0), 0.5))
    np.testing.assert_allclose(coarse.flow(1.0) * 2, field(**FULL).flow(1.0)[:, ::2, ::2], atol=0.3)


@pytest.mark.parametrize("points", [drawn.landmarks(), drawn.five()], ids=len)
def test_landmarks_that_take_the_right_for_the_left_move_the_same_face(points):
    swapped = [(2 * drawn.CENTRE[0] - x, y) for x, y in points]  # the drawn face is symmetric
    for t in (0.7, 2.0, closed_at()):
        taken, right = field(tuple(swapped), **FULL).flow(t), field(points, **FULL).flow(t)
        assert float((taken - right).abs().max()) < 0.02 < float(right.abs().max())


def test_a_small_face_in_a_large_picture_is_drawn_where_it_moves_and_nowhere_else(monkeypatch):
    warped: list[int] = []
    warp = ops.backward_warp
    monkeypatch.setattr(
        ops, "backward_warp", lambda *args, **more: (warped.append(args[1][0, 0].numel()), warp(*args, **more))[1]
    )
    size, shift, t = (1200, 1600), np.array([700, 200]), closed_at()
    points = tuple(map(tuple, (np.array(drawn.landmarks()) + shift).tolist()))
    planes = torch.rand(1, 3, *size)
    moving = Face(landmarks=points, **FULL).field(Scene(np.ones(size, np.float32)))
    shown, flow, source = moving.draw(planes, t), moving.flow(t), moving.sources(t)[0][0]
    assert shown.shape == planes.shape and flow.shape == source.shape == (2, *size)
    assert max(warped) < 0.2 * size[0] * size[1]
    changed = (shown != planes).any(dim=1)[0]
    assert changed[200:440, 700:900].float().mean() > 0.5 and not changed[(source == 0).all(dim=0)].any()
    # What is drawn is the photo where the sources say, also along the window's edge, where the kernel reaches farther.
    whole = warp(planes, source[None], mode="bicubic", padding="reflection")
    apart = (shown - whole).abs().amax(dim=(0, 1))
    for x, y in drawn.EYES + shift:  # the edge of a lid is soft in what is drawn, and hard in the sources
        apart[int(y) - 30 : int(y) + 30, int(x) - 30 : int(x) + 30] = 0
    assert float(apart.max()) < 2e-3


def test_bad_values_are_one_line():
    for values, message in (
        ({"blink": 3}, "face: blink expects a number from 0 to 2, got 3"),
        ({"gaze": float("nan")}, "face: gaze expects a number from 0 to 2"),
        ({"seed": 0.5}, "face: seed expects a whole number"),
        ({"landmarks": ((1, 2), (3, 4))}, "face: landmarks expects 5 or 43 points, got 2"),
        ({"landmarks": ((1, 1),) * 5}, "face: landmarks expects points that are apart"),
        ({"landmarks": "abc"}, "face: landmarks expects"),
    ):
        with pytest.raises(InputError, match=message):
            Face(**values)
    with pytest.raises(InputError, match="face: expected landmarks, or a photo in which they are looked for"):
        Face().field(scene())


def test_landmarks_of_any_kind_give_displacements():
    rng = np.random.default_rng(0)
    for number in range(60):
        points = rng.uniform(-1, 1, ((5, 43)[number % 2], 2)) * 10.0 ** rng.uniform(0.5, 5)
        if number % 3 == 0:
            points[:, number % 2] = points[0, 0]
        small = Scene(np.ones((30, 40), np.float32), loop=number % 5 > 0)
        moving = Face(landmarks=points.tolist(), **FULL).field(small)
        for t in (0.0, -1.3, 1.8):
            shown = moving.draw(torch.ones(1, 4, 30, 40), t)
            assert torch.isfinite(moving.flow(t)).all() and torch.isfinite(shown).all()


def test_eyes_are_clear_where_skin_is_above_them_and_something_dark_in_them():
    photo = drawn.picture()
    assert are_eyes_clear(photo, drawn.landmarks())
    hair, hand = photo.copy(), photo.copy()
    hair[62:84, 60:140] = (40, 30, 20)
    hand[75:105, 60:140] = drawn.SKIN
    assert not are_eyes_clear(hair, drawn.landmarks()) and not are_eyes_clear(hand, drawn.landmarks())
    assert not are_eyes_clear(photo, drawn.five())


@pytest.mark.parametrize(("width", "clear"), [(150, True), (134, False), (125, False), (110, False), (106, True)])
def test_an_eye_that_the_border_cuts_does_not_blink_and_one_beyond_it_does_not_matter(width, clear):
    photo, turned = drawn.picture()[:, :width], np.rot90(drawn.picture()[:, :width])
    assert are_eyes_clear(photo, drawn.landmarks()) is clear
    assert are_eyes_clear(np.ascontiguousarray(turned), [(y, width - 1 - x) for x, y in drawn.landmarks()]) is clear


@pytest.mark.parametrize("more", [(), (motion.Camera(push=0.1),), (motion.Breathe(strength=0.5),)], ids=len)
def test_it_blinks_whatever_else_moves(more):
    photo, number = drawn.picture(), round(closed_at() * 30)
    mask = np.zeros(drawn.SIZE, np.float32)
    mask[30:, 5:195] = 1
    shown = []
    for rate in (1, 0):
        moves = sum(more, Face(landmarks=drawn.landmarks(), **REST | {"blink": rate}))
        shown.append(Animator("cpu").animate(photo, moves, mask=mask if more else None)[number].astype(int))
    apart = np.abs(shown[0] - shown[1]).max(axis=2)
    assert (apart[75:105, 60:140] > 60).sum() > 80 and apart[120:].max() <= 4
