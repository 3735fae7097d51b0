"""Regions found by themselves: known scenes are found, everything else is left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import scenes
import skimage.data

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.segment.kinds import Region, find_regions


def found(rgb: Array, subjects: Array | None = None) -> dict[str, Region]:
    regions = find_regions(rgb, subjects)
    assert len({region.kind for region in regions}) == len(regions)
    for region in regions:
        assert region.mask.shape == rgb.shape[:2] and region.mask.dtype == np.float32
        assert region.mask.min() >= 0 and region.mask.max() <= 1 and 0 < region.sure <= 1
        assert region.direction is None or np.isclose(np.hypot(*region.direction), 1)
    return {region.kind: region for region in regions}


def test_a_cloudy_sky_ends_at_the_mountains() -> None:
    rgb, true = scenes.mountains()
    regions = found(rgb)
    assert set(regions) == {"sky"}
    sky = regions["sky"]
    assert scenes.iou(sky.mask, true) > 0.95
    assert not sky.still and sky.texture > 1 and sky.direction is not None
    assert sky.direction[0] > 0.85  # its clouds are longer across than high


def test_a_blank_sky_is_still() -> None:
    rgb, true = scenes.mountains()
    rgb = np.where(true[..., None], np.array([110, 150, 215], np.uint8), rgb)
    sky = found(rgb)["sky"]
    assert sky.still and sky.direction is None and sky.texture < 1


def test_stars_keep_a_night_sky_still() -> None:
    draw = np.random.default_rng(7)
    _, true = scenes.mountains()
    rgb = scenes.finished(
        np.where(true[..., None], 0.18 * scenes.cloudy_sky() + np.array([0, 4, 22]), 0.1 * scenes.rocks())
    )
    for y, x in zip(draw.integers(4, 90, 60), draw.integers(4, 356, 60), strict=True):
        rgb[y, x] = 220
    assert found(rgb)["sky"].still


def test_a_sea_begins_at_the_horizon_and_leaves_the_rock() -> None:
    rgb, true = scenes.coast()
    regions = found(rgb)
    assert set(regions) == {"sky", "water"}
    assert scenes.iou(regions["water"].mask, true) > 0.9
    overlap = regions["water"].mask * regions["sky"].mask
    assert overlap[: scenes.HORIZON - 4].max() == 0 and overlap[scenes.HORIZON + 4 :].max() == 0


def test_a_road_below_a_sky_is_no_water() -> None:
    rgb, water = scenes.coast()
    road = np.full_like(rgb, (70, 74, 80))
    road[150:156] = road[190:200] = 235
    regions = found(np.where(scenes.below(np.full(scenes.WIDTH, scenes.HORIZON))[..., None], road, rgb))
    assert "water" not in regions and water.any()


def test_leaves_are_foliage_and_a_lawn_is_not() -> None:
    rgb = scenes.finished(scenes.leaves())
    foliage = found(rgb)["plant"]
    assert (foliage.mask > 0.5).mean() > 0.8 and foliage.direction is None
    lawn = scenes.painted((90, 135, 60), (scenes.noise(0.7, 8), (9, 10, 6)))
    assert not found(scenes.finished(lawn))


def test_smoke_rises_before_something_dark() -> None:
    rgb, dense = scenes.plume()
    smoke = found(rgb)["smoke"]
    assert smoke.mask[dense].mean() > 0.6 and smoke.mask[:, :80].max() == 0
    assert smoke.direction is not None and smoke.direction[1] < -0.9
    assert "smoke" not in found(np.ascontiguousarray(rgb[::-1]))  # it widens downwards


def test_a_flame_is_found_by_its_light() -> None:
    rgb, flame, _ = scenes.candle()
    region = found(rgb)["flame"]
    assert scenes.iou(region.mask, flame) > 0.5
    assert "flame" not in found(np.ascontiguousarray(rgb[::-1]))  # it tapers downwards
    assert "flame" not in found(np.ascontiguousarray(rgb[..., ::-1]))  # it is blue


def test_found_things_are_taken_out() -> None:
    rgb, true = scenes.mountains()
    thing = np.zeros(rgb.shape[:2], np.float32)
    cv2.circle(thing, (180, 60), 30, 1.0, -1)
    sky = found(rgb, thing)["sky"]
    assert sky.mask[thing > 0].max() == 0 and sky.mask[true & (thing == 0)].mean() > 0.9


def test_the_mask_is_as_fine_as_a_large_photo() -> None:
    rgb, _ = scenes.mountains()
    large = cv2.resize(rgb, (1440, 960), interpolation=cv2.INTER_CUBIC)
    true = ~(np.arange(960)[:, None] > 4 * np.interp(np.arange(1440) / 4, np.arange(360), scenes.skyline()))
    assert scenes.iou(found(large)["sky"].mask, true) > 0.96


@pytest.mark.parametrize("name", ["brick", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "page"])
def test_pictures_without_regions(name: str) -> None:
    picture = getattr(skimage.data, name)()
    assert not found(picture if picture.ndim == 3 else np.dstack([picture] * 3))


def test_a_studio_is_no_sky_and_dusk_behind_a_rocket_is() -> None:
    assert not found(skimage.data.astronaut())
    assert set(found(skimage.data.rocket())) == {"sky"}


@pytest.mark.parametrize("colour", [0, 40, 128, 255, (90, 140, 210), (70, 130, 40)])
def test_blank_pictures_have_no_regions(colour: int | tuple[int, int, int]) -> None:
    assert not found(np.full((200, 300, 3), colour, np.uint8))


def test_noise_and_gradients_have_no_regions() -> None:
    assert not found(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    assert not found(np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (200, 300, 3))))
    assert not found(np.ascontiguousarray(np.broadcast_to(ramp[:200, None, None], (200, 300, 3))))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (2, 3), (47, 47), (49, 600)])
def test_tiny_and_narrow_pictures(shape: tuple[int, int]) -> None:
    draw = np.random.default_rng(1)
    for rgb in (np.full((*shape, 3), 200, np.uint8), draw.integers(0, 256, (*shape, 3), dtype=np.uint8)):
        found(rgb)
        found(rgb, np.ones(shape, np.float32))


def test_bad_input() -> None:
    rgb = np.zeros((8, 9, 3), np.uint8)
    with pytest.raises(InputError, match="photo: expected uint8"):
        find_regions(rgb.astype(np.float32))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"subjects: expected shape \(8, 9\)"):
        find_regions(rgb, np.zeros((9, 8), np.float32))
