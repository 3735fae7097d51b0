"""Matting: known alpha and colours come back, certain regions are exact, errors are plain."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pictures import disc_photo

from photoflow.errors import InputError
from photoflow.segment import matting
from photoflow.segment.foreground import foreground_colours


def soft_disc(shape: tuple[int, int] = (200, 260), softness: float = 2.5) -> tuple[np.ndarray, ...]:
    """A red disc with a soft edge over a smooth green ground: picture, alpha, foreground."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    distance = 60 - np.hypot(x - 130, y - 100)
    alpha = np.clip(0.5 + distance / (2 * softness), 0, 1).astype(np.float32)
    front = np.broadcast_to(np.array([200, 50, 40], np.float32), (*shape, 3))
    back = np.dstack([40 + 0 * x, 140 + 0.2 * x, 60 + 0.2 * y])
    picture = alpha[..., None] * front + (1 - alpha[..., None]) * back
    return np.round(picture).astype(np.uint8), alpha, front


def test_alpha_and_colours_of_a_soft_edge_come_back() -> None:
    rgb, alpha, front = soft_disc()
    found, colours = matting.matte(rgb, (alpha > 0.5).astype(np.float32))
    assert found.dtype == np.float32 and colours.dtype == np.uint8
    band = (alpha > 0) & (alpha < 1)
    hard = np.abs((alpha > 0.5) - alpha)[band].mean()
    assert np.abs(found - alpha)[band].mean() < 0.35 * hard
    seen = found > 0.1
    assert np.abs(colours.astype(float) - front)[seen].mean() < 4.0


def test_no_rim_of_the_old_background_over_a_new_one() -> None:
    rgb, alpha, front = soft_disc()
    found, colours = matting.matte(rgb, (alpha > 0.5).astype(np.float32))
    ground = np.array([230.0, 0.0, 230.0])
    truth = alpha[..., None] * front + (1 - alpha[..., None]) * ground
    ours = found[..., None] * colours + (1 - found[..., None]) * ground
    naive = (alpha[..., None] > 0.5) * rgb.astype(float) + (alpha[..., None] <= 0.5) * ground
    band = (alpha > 0) & (alpha < 1)
    assert np.abs(ours - truth)[band].mean() < 0.35 * np.abs(naive - truth)[band].mean()


def test_alpha_is_exact_away_from_the_outline() -> None:
    rgb, disc = disc_photo((300, 400), (200, 150), 80)
    alpha, colours = matting.matte(rgb, disc.astype(np.float32))
    far = cv2.distanceTransform((~disc).astype(np.uint8), cv2.DIST_L2, 5) > 15
    deep = cv2.distanceTransform(disc.astype(np.uint8), cv2.DIST_L2, 5) > 10
    assert np.all(alpha[far] == 0.0) and np.all(alpha[deep] == 1.0)
    assert np.array_equal(colours[deep], rgb[deep])
    assert np.abs(alpha - disc).mean() < 0.01


def test_a_subject_cut_by_the_border_stays_whole_there() -> None:
    rgb, disc = disc_photo((200, 260), (130, 190), 70)
    alpha, _ = matting.matte(rgb, disc.astype(np.float32))
    assert np.all(alpha[-1, 100:160] == 1.0)


def test_a_large_photo_is_matted_at_its_own_size() -> None:
    rgb, disc = disc_photo((1200, 1600), (800, 600), 450)
    alpha, colours = matting.matte(rgb, disc.astype(np.float32))
    assert alpha.shape == (1200, 1600) and colours.shape == rgb.shape
    assert np.abs(alpha - disc).mean() < 0.005


def test_laplacian_is_symmetric_positive_and_blind_to_affine_maps() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.random((24, 30, 3)).astype(np.float32)
    laplacian = matting._laplacian(rgb, 2, 1e-4)
    a, b = rng.random((2, 24, 30)).astype(np.float32)
    inner = np.s_[6:-6, 6:-6]
    a[:6] = a[-6:] = b[:6] = b[-6:] = 0.0
    a[:, :6] = a[:, -6:] = b[:, :6] = b[:, -6:] = 0.0
    assert np.isclose((a * laplacian(b)).sum(), (b * laplacian(a)).sum(), rtol=1e-3)
    assert (a * laplacian(a)).sum() > 0
    affine = 0.3 * rgb[..., 0] + 0.5 * rgb[..., 2] + 0.1
    assert np.abs(laplacian(affine)[inner]).max() < 5e-3


def test_the_band_is_narrow_for_a_small_subject_and_surrounds_the_outline() -> None:
    mask = np.zeros((200, 200), np.float32)
    mask[90:110, 90:110] = 1
    band = matting.unknown_band(mask)
    assert band[90, 100] and band[86, 100] and not band[100, 100] and not band[80, 100]


def test_foreground_is_the_photo_where_alpha_is_one() -> None:
    rgb, alpha, _ = soft_disc()
    colours = foreground_colours(rgb, alpha)
    assert np.array_equal(colours[alpha == 1], rgb[alpha == 1])


def test_errors() -> None:
    rgb, disc = disc_photo()
    with pytest.raises(InputError, match="as the photo"):
        matting.matte(rgb, np.ones((3, 3), np.float32))
    with pytest.raises(InputError, match="got an empty mask"):
        matting.matte(rgb, np.zeros(disc.shape, np.float32))


def test_tiny_pictures() -> None:
    rgb, disc = disc_photo((9, 11), (5, 4), 2)
    alpha, _ = matting.matte(rgb, disc.astype(np.float32))
    assert alpha.shape == (9, 11) and np.isfinite(alpha).all()
