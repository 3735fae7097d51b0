"""The filled background continues textures, leaves the photo alone and takes any hole."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.render.background import fill_background
from photoflow.render.patch_match import PatchSearch, describe_patches, improve


def ellipse(shape: tuple[int, int], centre: tuple[int, int], axes: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    cv2.ellipse(canvas, centre, axes, 0, 0, 360, 1, -1)
    return canvas > 0


def texture(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 60, (*shape, 3)).astype(np.float32)
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 1.2) * 2 + 120, 0, 255).astype(np.uint8)


def stripes(shape: tuple[int, int]) -> np.ndarray:
    wave = 128 + 90 * np.sign(np.sin(2 * np.pi * np.arange(shape[1]) / 12.0))
    return np.repeat(np.broadcast_to(wave, shape)[..., None], 3, -1).astype(np.uint8)


def checker(shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.repeat(((y // 8 + x // 8) % 2 * 150 + 50).astype(np.uint8)[..., None], 3, -1)


def gradient(shape: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    planes = [40 + 0.6 * x, 60 + 0.7 * y, 200 - 0.4 * x]
    return np.clip(np.rint(np.stack(planes, -1)), 0, 255).astype(np.uint8)


def error(filled: np.ndarray, truth: np.ndarray, hole: np.ndarray) -> float:
    return float(np.abs(filled[hole].astype(float) - truth[hole]).mean())


def energy(rgb: np.ndarray, where: np.ndarray) -> float:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float((cv2.Sobel(grey, -1, 1, 0) ** 2 + cv2.Sobel(grey, -1, 0, 1) ** 2)[where].mean())


@pytest.mark.parametrize("size", [(60, 90), (300, 700)])
def test_nothing_changes_outside_and_the_hole_is_forgotten(size: tuple[int, int]) -> None:
    rgb = texture(size)
    hole = ellipse(size, (size[1] // 2, size[0] // 2), (size[1] // 6, size[0] // 5))
    before = rgb.copy()
    filled = fill_background(rgb, hole)
    assert filled.dtype == np.uint8
    assert np.array_equal(filled[~hole], rgb[~hole])
    assert np.array_equal(rgb, before)
    rgb[hole] = (255, 0, 255)
    assert np.array_equal(filled, fill_background(rgb, hole))


@pytest.mark.parametrize("pattern", [stripes, checker])
def test_periodic_texture_continues_where_diffusion_fails(pattern) -> None:  # type: ignore[no-untyped-def]
    truth = pattern((160, 220))
    hole = ellipse((160, 220), (110, 80), (45, 35))
    damaged = np.where(hole[..., None], np.uint8(255), truth)
    telea = cv2.inpaint(damaged, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    ours = error(fill_background(damaged, hole), truth, hole)
    assert ours < 8
    assert ours < 0.25 * error(telea, truth, hole)


def test_stripes_continue_at_reduced_search_size() -> None:
    wave = 128 + 90 * np.sin(2 * np.pi * np.arange(1300) / 48.0)
    truth = np.repeat(np.broadcast_to(wave, (900, 1300))[..., None], 3, -1).astype(np.uint8)
    hole = ellipse((900, 1300), (650, 450), (200, 160))
    assert error(fill_background(np.where(hole[..., None], np.uint8(0), truth), hole), truth, hole) < 8


def test_smooth_gradient_has_no_step() -> None:
    truth = gradient((200, 260))
    hole = ellipse((200, 260), (120, 100), (50, 45))
    filled = fill_background(np.where(hole[..., None], np.uint8(0), truth), hole)
    assert error(filled, truth, hole) < 4
    steps = (
        np.abs(np.diff(filled.astype(int), axis=1)).max(),
        np.abs(np.diff(filled.astype(int), axis=0)).max(),
    )
    assert max(steps) <= 8


def test_horizon_continues() -> None:
    truth = texture((180, 260)) // 4
    truth[:90] += np.array([60, 90, 180], np.uint8)
    truth[90:] += np.array([40, 110, 30], np.uint8)
    hole = ellipse((180, 260), (130, 90), (35, 50))
    filled = fill_background(np.where(hole[..., None], np.uint8(255), truth), hole).astype(int)
    sky = hole & (np.arange(180)[:, None] < 84)
    ground = hole & (np.arange(180)[:, None] > 96)
    assert ((filled[..., 2] > filled[..., 1]) & sky).sum() > 0.97 * sky.sum()
    assert ((filled[..., 2] < filled[..., 1]) & ground).sum() > 0.97 * ground.sum()


def test_texture_stays_sharp() -> None:
    truth = texture((240, 320))
    hole = ellipse((240, 320), (160, 120), (70, 55))
    inside = cv2.erode(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    filled = fill_background(np.where(hole[..., None], np.uint8(0), truth), hole)
    telea = cv2.inpaint(truth, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    assert 0.6 < energy(filled, inside) / energy(truth, inside) < 1.5
    assert energy(telea, inside) / energy(truth, inside) < 0.3


def test_rim_of_the_subject_is_not_copied() -> None:
    rgb = texture((200, 260)) // 4 + np.uint8(40)
    subject = ellipse((200, 260), (130, 100), (40, 40))
    hole = ellipse((200, 260), (130, 100), (39, 39))
    rgb[subject] = (255, 0, 0)
    filled = fill_background(rgb, hole).astype(int)
    deep = ellipse((200, 260), (130, 100), (30, 30))
    assert (filled[deep][:, 0] - filled[deep][:, 1] > 100).mean() < 0.02


def test_an_object_beside_the_hole_is_not_copied() -> None:
    rgb = np.random.default_rng(8).normal(150, 8, (240, 320, 3)).clip(0, 255).astype(np.uint8)
    hole = ellipse((240, 320), (120, 125), (62, 95))
    rocket = ellipse((240, 320), (240, 120), (18, 80))
    rgb[rocket] = (150, 60, 20)
    rgb[ellipse((240, 320), (215, 150), (8, 50))] = (250, 250, 250)
    filled = fill_background(rgb, hole).astype(int)
    assert np.abs(filled[hole] - 150).max() < 50


def test_same_input_same_bytes() -> None:
    rgb, hole = texture((120, 200), 3), ellipse((120, 200), (90, 60), (40, 30))
    first = fill_background(rgb, hole)
    np.random.default_rng().random(7)
    assert np.array_equal(first, fill_background(rgb, hole))


@pytest.mark.parametrize(
    "centre, axes",
    [((0, 60), (50, 40)), ((100, 119), (60, 50)), ((199, 0), (80, 60)), ((100, 0), (30, 200))],
    ids=["left", "bottom", "corner", "through"],
)
def test_hole_at_the_border(centre: tuple[int, int], axes: tuple[int, int]) -> None:
    rgb, hole = texture((120, 200), 5), ellipse((120, 200), centre, axes)
    rgb[hole] = (255, 0, 255)
    filled = fill_background(rgb, hole)
    assert np.array_equal(filled[~hole], rgb[~hole])
    assert abs(float(filled[hole].mean()) - float(rgb[~hole].mean())) < 15
    assert energy(filled, hole) > 0.4 * energy(rgb, ~hole)


@pytest.mark.parametrize("rim", [1, 2, 4, 8, 20])
def test_little_is_left_to_copy(rim: int) -> None:
    rgb = texture((110, 150), 6)
    hole = np.zeros((110, 150), bool)
    hole[rim:-rim, rim:-rim] = True
    rgb[hole] = 0
    filled = fill_background(rgb, hole)
    assert np.array_equal(filled[~hole], rgb[~hole])
    assert abs(float(filled[hole].mean()) - float(rgb[~hole].mean())) < 25


def test_several_holes_and_single_pixels() -> None:
    truth = texture((200, 300), 7)
    hole = ellipse((200, 300), (60, 60), (25, 20)) | ellipse((200, 300), (230, 140), (30, 25))
    hole[5, 290] = hole[199, 0] = hole[100, 150] = True
    damaged = np.where(hole[..., None], np.uint8(255), truth)
    filled = fill_background(damaged, hole)
    assert np.array_equal(filled[~hole], truth[~hole])
    assert (filled[hole].min(-1) < 250).all()


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (1, 40), (3, 3), (5, 9), (7, 7), (40, 8)])
def test_tiny_photos(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), (200, 100, 50), np.uint8)
    hole = np.zeros(shape, bool)
    hole[shape[0] // 2, shape[1] // 2] = True
    rgb[hole] = 0
    filled = fill_background(rgb, hole)
    assert np.abs(filled.astype(int) - (200, 100, 50)).max() <= 1


def test_no_hole_copies_the_photo() -> None:
    rgb = texture((20, 30))
    filled = fill_background(rgb, np.zeros((20, 30), bool))
    assert np.array_equal(filled, rgb) and filled is not rgb
    assert fill_background(rgb[:1, :1], np.zeros((1, 1), bool)).shape == (1, 1, 3)


def test_grey_stays_grey() -> None:
    grey = np.repeat(texture((100, 140))[..., :1], 3, -1)
    filled = fill_background(grey, ellipse((100, 140), (70, 50), (30, 25)))
    assert np.ptp(filled.astype(int), axis=-1).max() == 0


@pytest.mark.parametrize(
    "rgb, hole, message",
    [
        (np.zeros((4, 5, 3), np.uint8), np.ones((4, 5), bool), "a mask of the whole photo"),
        (np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), bool), "a mask of the whole photo"),
        (np.zeros((4, 5), np.uint8), np.ones((4, 5), bool), "expected a uint8"),
        (np.zeros((4, 5, 3), np.float32), np.ones((4, 5), bool), "expected a uint8"),
        (np.zeros((4, 5, 3), np.uint8), np.ones((5, 4), bool), "expected a bool"),
        (np.zeros((4, 5, 3), np.uint8), np.ones((4, 5), np.uint8), "expected a bool"),
    ],
)
def test_bad_input(rgb: np.ndarray, hole: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fill_background(rgb, hole)


def test_patch_match_comes_close_to_exact_search() -> None:
    image = np.concatenate([texture((60, 80), 9), np.zeros((60, 80, 2), np.uint8)], -1).astype(np.float32)
    hole = ellipse((60, 80), (40, 30), (12, 10))
    search = PatchSearch.around(hole, hole, 2)
    descriptors = describe_patches(image, 2)
    free = np.zeros(hole.size, np.float32)
    best = search.exact(descriptors, descriptors, free)
    rng = np.random.default_rng(1)
    start = np.arange(hole.size)
    start[search.targets] = rng.choice(search.sources, len(search.targets))
    found = improve(search, descriptors, descriptors, start, free, rng, rounds=6, reach=40)
    assert search.allowed[found[search.targets]].all() and search.allowed[best[search.targets]].all()
    first, last, ideal = (search.distance(descriptors, descriptors, f).mean() for f in (start, found, best))
    assert ideal <= last < ideal + 0.4 * (first - ideal)


def test_other_subjects_are_not_copied() -> None:
    """A wall with two red boxes: where the one was is wall, though the other lies next to it."""
    rgb = np.random.default_rng(0).integers(90, 130, (120, 160, 1), np.uint8).repeat(3, axis=2)
    rgb[40:80, 30:70] = rgb[40:80, 72:112] = (250, 20, 20)
    hole, other = np.zeros((2, 120, 160), bool)
    hole[36:84, 26:71], other[40:80, 72:112] = True, True
    filled = fill_background(rgb, hole, other)

    def red(picture: np.ndarray) -> float:
        return float(((picture.astype(int)[..., 0] - picture[..., 2]) > 60)[hole].mean())

    # What remains is the rim towards the other box, whose colour runs out over a few pixels.
    assert red(filled) < 0.07 and red(fill_background(rgb, hole)) > 0.25
    np.testing.assert_array_equal(filled[~hole], rgb[~hole])
