"""Wind from a subject's shape: how it is held, how it moves, and what every kind has in common."""

from functools import cache

import cv2
import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.motion.wind.subject_shape import subject_shape
from photoflow.motion.wind.turbulence import Turbulence
from photoflow.motion.wind.volume import PRESETS, STEEPEST, wind_volume

SECONDS = 5.0


def shape(scale=1, height=90, width=120):
    """A stem with a round head and a leaf on one side, float32 (scale * height, scale * width)."""
    drawn = np.zeros((8 * height, 8 * width), np.uint8)
    cv2.line(drawn, (480, 700), (490, 380), 255, 28)
    cv2.ellipse(drawn, (500, 240), (150, 140), 0, 0, 360, 255, -1)
    cv2.ellipse(drawn, (370, 480), (110, 36), 25, 0, 360, 255, -1)
    return cv2.resize(drawn, (scale * width, scale * height), interpolation=cv2.INTER_AREA) / np.float32(255)


def block(height=60, width=90):
    mask = np.zeros((height + 20, width + 20), np.float32)
    mask[10:-10, 10:-10] = 1
    return mask


@cache
def in_wind(kind, scale=1, seed=0, count=8, **how):
    """The motion of the plant's shape."""
    return wind_volume(shape(scale), kind, seconds=SECONDS, seed=seed, count=count, **how)


def frames(volume, count=48):
    """(T, 2, h, w): one period, without the mean."""
    moved = volume.trajectories(np.arange(count) * volume.seconds / count)
    return moved - moved.mean(axis=0)


def rms(moved):
    """(h, w): how far every pixel moves."""
    return np.sqrt((moved**2).sum(axis=1).mean(axis=0))


@pytest.mark.parametrize("kind", PRESETS)
def test_every_kind_closes_its_loop_and_does_not_fold(kind):
    volume = in_wind(kind, wind=1.0, strength=3.0)
    assert volume.count == 8 and volume.size == (90, 120) and volume.seconds == SECONDS
    np.testing.assert_allclose(volume.displacement(SECONDS), volume.displacement(0), atol=1e-4)
    assert not volume.coefficients[0].imag.any()
    moved = volume.trajectories(np.arange(48) * SECONDS / 48)
    steepest = max(np.abs(np.diff(moved, axis=2)).max(), np.abs(np.diff(moved, axis=3)).max())
    assert 0.02 < steepest <= 0.35 and STEEPEST < 0.35
    assert rms(frames(volume))[shape() > 0.5].max() > 1


@pytest.mark.parametrize("kind", sorted(PRESETS.keys() - {"foliage"}))  # which nothing holds
def test_what_is_held_rests_and_free_ends_move(kind):
    mask, preset = shape(), PRESETS[kind]
    moved = rms(frames(in_wind(kind)))
    build = subject_shape(mask, preset.hold)
    height, held = build.onto(np.stack([build.height, build.held]).astype(complex), mask.shape).real
    free = moved[(mask > 0.5) & (height > 0.8)]
    assert moved[(mask > 0.5) & (held > 0.5)].mean() < 0.25 * free.mean()
    assert 0.4 * preset.reach < np.sqrt((free**2).mean()) / build.lengths[0] / build.cell[0] < 2.5 * preset.reach


def test_amplitudes_of_a_plant_are_natural():
    peaks = []
    for seed in range(5):
        moved = frames(in_wind("plant", seed=seed), 96)
        peaks.append(np.hypot(moved[:, 0], moved[:, 1])[:, 12:20, 55:70].mean(axis=(1, 2)).max())
    assert 0.03 < np.mean(peaks) / 75 < 0.06  # the tip moves some percent of the height


def test_a_seed_is_a_motion():
    first, other = in_wind("plant", seed=0).coefficients, in_wind("plant", seed=1).coefficients
    again = wind_volume(shape(), "plant", seconds=SECONDS, count=8).coefficients
    np.testing.assert_array_equal(first, again)
    likeness = np.abs(np.vdot(first[1:], other[1:])) / np.linalg.norm(first[1:]) / np.linalg.norm(other[1:])
    assert likeness < 0.8


@pytest.mark.parametrize("kind", ["plant", "flag", "candle"])
def test_the_mask_s_resolution_does_not_matter(kind):
    coarse, fine = (frames(in_wind(kind, scale)) for scale in (1, 3))
    inside = shape() > 0.5
    taken = fine[:, :, 1::3, 1::3] / 3
    assert np.abs(coarse - taken)[:, :, inside].max() < 0.15 * np.abs(coarse[:, :, inside]).max()
    assert np.corrcoef(coarse[:, :, inside].ravel(), taken[:, :, inside].ravel())[0, 1] > 0.99


def test_the_mask_s_place_does_not_matter():
    mask = shape()
    moved = frames(in_wind("plant"))
    aside = frames(wind_volume(np.pad(mask, ((7, 2), (30, 11))), "plant", seconds=SECONDS, count=8))[:, :, 7:-2, 30:-11]
    np.testing.assert_allclose(aside, moved, atol=1e-3)


@pytest.mark.parametrize("kind", PRESETS)
def test_power_falls_with_frequency(kind):
    powers = [wind_volume(block(), kind, seconds=SECONDS, seed=s, count=16).power[1:] for s in range(2)]
    power = np.mean([p / p.sum() for p in powers], axis=0)
    decades = np.polyfit(np.arange(1, 16) / SECONDS, np.log10(power), 1)[0]
    assert -2 < decades < -0.3  # a hertz; real clips of swaying things: -1.1 to -0.4
    assert power[:5].sum() > 3 * power[10:].sum()


def test_the_wind_s_power_falls_as_one_over_f():
    for wind, gustiness in ((0.2, 0.0), (1.0, 1.0)):
        power = Turbulence(SECONDS, wind, (1.0, 0.0), gustiness, 16, 0).power(np.array([0.01, 2.0, 4.0, 8.0]))
        assert power[0] > 3 * power[1]
        np.testing.assert_allclose(power[2:] / power[1:-1], 0.5, atol=0.03)


@pytest.mark.parametrize("kind", ["tree", "cloth"])
def test_neighbours_move_together_and_opposite_ends_less(kind):
    near, far = [], []
    for seed in range(3):
        moved = frames(wind_volume(block(), kind, seconds=SECONDS, seed=seed, count=8))[:, 0, 10:-10, 10:-10]
        line = moved[:, -3] if PRESETS[kind].hold == "top" else moved[:, 3]
        near.append(np.corrcoef(line[:, 10], line[:, 14])[0, 1])
        far.append(np.corrcoef(line[:, 2], line[:, -3])[0, 1])
    assert np.mean(near) > 0.95 and np.mean(far) < np.mean(near) - 0.05


def test_free_ends_follow_later():
    stem = np.zeros((100, 40), np.float32)
    stem[5:95, 17:23] = 1
    lags = []
    for seed in range(3):
        one = wind_volume(stem, "hair", seconds=SECONDS, count=8, seed=seed).coefficients[1:, 0, :, 20]
        lags.append(np.angle(np.vdot(one[:, 35], one[:, 85])))
    assert np.mean(lags) < -0.1


def test_still_air_moves_nothing_and_wind_moves_more():
    mask = shape()
    assert not wind_volume(mask, "plant", seconds=SECONDS, wind=0).coefficients.any()
    assert not wind_volume(mask, "plant", seconds=SECONDS, strength=0).coefficients.any()
    breeze, wind, twice = (
        rms(frames(in_wind("plant", **how)))[mask > 0.5].mean() for how in ({"wind": 0.3}, {}, {"strength": 2.0})
    )
    assert 1.5 * breeze < wind and twice == pytest.approx(2 * wind, rel=0.1)


@pytest.mark.parametrize("kind", ["tree", "flag", "cloth"])
def test_a_mirrored_wind_mirrors_the_motion(kind):
    right = wind_volume(shape(), kind, seconds=SECONDS, direction=20, count=6).trajectories(np.arange(20) / 4)
    left = wind_volume(shape()[:, ::-1], kind, seconds=SECONDS, direction=160, count=6).trajectories(np.arange(20) / 4)
    mirrored = left[..., ::-1] * np.array([-1, 1], np.float32)[:, None, None]
    inside = shape() > 0.5
    assert np.abs(mirrored - right)[:, :, inside].max() < 0.05 * np.abs(right[:, :, inside]).max()


def test_wind_leans_to_where_it_blows():
    for direction, sign in ((0, 1), (180, -1)):
        mean = in_wind("plant", direction=direction).coefficients[0, 0].real
        assert sign * mean[15, 60] > 0.1
        assert abs(mean[15, 60]) < 3


def test_gusts_swell_and_calm():
    def unevenness(gustiness):
        swells = []
        for seed in range(20):
            air = Turbulence(40.0, 0.5, (1.0, 0.0), gustiness, 120, seed)
            push = air.pressure(air.waves(np.zeros((1, 2), np.float32), 1.0, 5), 6, 1)[0, 0] * (air.frequencies > 0.8)
            loudness = np.abs(np.fft.ifft(np.pad(push, (1, 400)))) ** 2
            swells.append(loudness.reshape(26, 20).mean(axis=1).std() / loudness.mean())
        return np.mean(swells)

    assert unevenness(1.0) > 1.3 * unevenness(0.0)


def test_the_motion_begins_and_ends_calmly():
    shares = []
    for seed in range(5):
        moved = in_wind("plant", seed=seed).trajectories(np.arange(60) * SECONDS / 60)
        steps = np.abs(np.roll(moved, -1, axis=0) - moved)[..., shape() > 0.5].mean(axis=(1, 2))
        assert steps[-1] < steps[:-1].max()
        shares.append(steps[-1] / np.median(steps))
    assert np.mean(shares) < 0.7


def test_a_lantern_swings_as_a_rigid_body_about_its_hook():
    mask = np.zeros((80, 80), np.float32)
    cv2.circle(mask, (40, 40), 22, 1, -1)
    moved = wind_volume(mask, "lantern", seconds=SECONDS, count=6).trajectories(np.arange(20) / 4)
    y, x = np.nonzero(cv2.erode(mask, np.ones((5, 5))))
    for one in moved:
        place = np.stack([x, y, np.ones_like(x)], axis=1).astype(np.float64)
        affine, *_ = np.linalg.lstsq(place, one[:, y, x].T.astype(np.float64), rcond=None)
        assert np.abs(place @ affine - one[:, y, x].T).max() < 0.12
        linear = np.eye(2) + affine[:2].T
        np.testing.assert_allclose(linear @ linear.T, np.eye(2), atol=0.03)
    assert rms(moved)[17, 40] < 0.3 * rms(moved)[62, 40]


def test_flag_waves_run_from_the_pole_and_grow():
    volume = wind_volume(block(), "flag", seconds=SECONDS, count=16)
    moved = rms(frames(volume)[:, 1:])[40]
    assert moved[12] < 0.25 * moved[90] and moved[40] < moved[90]
    line = volume.coefficients[1:, 1, 40]
    assert np.angle(np.vdot(line[:, 66], line[:, 78])) < -0.2  # later towards the free end
    pole = block()
    pole[:, 97:100] = 1  # a pole on the right holds it there, even against the wind
    held = rms(frames(wind_volume(pole, "flag", seconds=SECONDS, count=8)))[40]
    assert held[95] < 0.2 * held[15]


def test_separate_flames_flicker_by_themselves():
    mask = np.zeros((60, 140), np.float32)
    for x in (20, 70, 120):
        cv2.ellipse(mask, (x, 30), (7, 18), 0, 0, 360, 1, -1)
    moved = frames(wind_volume(mask, "candle", seconds=SECONDS))
    tips, feet = moved[:, 0, 15][:, [20, 70, 120]], rms(moved)[46, [20, 70, 120]]
    assert (feet < 0.3 * tips.std(axis=0)).all()
    assert np.corrcoef(tips.T)[0, 2] < 0.8
    assert moved[:, 1, 15, 70].std() > 0.2  # it stretches, too


def test_motion_goes_on_beyond_the_mask():
    mask, moved = shape(), frames(in_wind("plant"))
    edge = cv2.dilate(mask, np.ones((7, 7))) - cv2.dilate(mask, np.ones((3, 3))) > 0.5
    inside = rms(moved)[mask > 0.5].max()
    assert np.isfinite(moved).all() and rms(moved)[edge & (np.arange(90)[:, None] < 30)].min() > 0.4 * inside


def test_tiny_and_full_masks_do():
    assert np.isfinite(wind_volume(np.ones((2, 2), np.float32), "plant", seconds=1, count=4).coefficients).all()
    assert np.isfinite(
        wind_volume(np.ones((40, 60), np.float32), "flag", seconds=1, direction=45, count=4).coefficients
    ).all()
    thin = np.zeros((50, 50), np.float32)
    thin[5:45, 25] = 0.4
    assert np.abs(wind_volume(thin, "hair", seconds=0.5, count=4).coefficients).max() < 5
    assert wind_volume(thin, "candle", seconds=20, count=60).count == 60
    slanting = cv2.line(np.zeros((400, 400), np.float32), (10, 390), (390, 10), 1, 1)
    assert rms(frames(wind_volume(slanting, "plant", seconds=1, count=4)))[15:30, 370:385].max() > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": np.zeros((20, 20), np.float32)}, "mask with an area"),
        ({"mask": np.ones((3, 20, 20), np.float32)}, "expected a mask"),
        ({"mask": np.full((20, 20), np.nan, np.float32)}, "expected a mask"),
        ({"mask": 255 * np.ones((20, 20), np.float32)}, "expected a mask"),
        ({"kind": "rock"}, "expected a kind of subject of plant, tree"),
        ({"seconds": 0}, "seconds expects"),
        ({"seconds": float("nan")}, "seconds expects"),
        ({"strength": -1}, "strength expects a number from 0 to 4, got -1"),
        ({"wind": 1.1}, "wind expects"),
        ({"wind": "much"}, "wind expects"),
        ({"direction": float("inf")}, "direction expects"),
        ({"gustiness": 2}, "gustiness expects"),
        ({"seed": 0.5}, "seed expects a whole number"),
        ({"seed": -1}, "seed expects"),
        ({"count": 1}, "count expects"),
    ],
)
def test_bad_input_gets_one_line(change, message):
    how = {"mask": block(), "kind": "plant", "seconds": SECONDS} | change
    with pytest.raises(InputError, match=message) as error:
        wind_volume(how.pop("mask"), how.pop("kind"), **how)
    assert "\n" not in str(error.value)
