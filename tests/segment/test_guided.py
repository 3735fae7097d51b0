"""The guided filter: exact on affine maps, edges kept, strips that join."""

from __future__ import annotations

import cv2
import numpy as np
from pictures import disc_photo

from photoflow.segment import guided


def test_inverse_covariance_is_the_inverse() -> None:
    rng = np.random.default_rng(0)
    guide = rng.random((3, 9, 9))
    mean = guided.box_mean(guide, 4)
    entries = guided.inverse_covariance(guide, mean, 4, 1e-3)[:, 4, 4]
    rr, rg, rb, gg, gb, bb = entries
    expected = np.cov(guide.reshape(3, -1), bias=True) + 1e-3 * np.eye(3)
    assert np.allclose(np.array([[rr, rg, rb], [rg, gg, gb], [rb, gb, bb]]) @ expected, np.eye(3), atol=1e-8)


def test_a_map_that_is_affine_in_the_colours_comes_back() -> None:
    rng = np.random.default_rng(1)
    guide = rng.random((3, 30, 40)).astype(np.float32)
    values = 0.2 * guide[0] + 0.5 * guide[1] - 0.1 * guide[2] + 0.3
    slope, offset = guided.guided_coefficients(guide, values, 3, 1e-6)
    assert np.allclose(guided.inner_product(slope, guide) + offset, values, atol=2e-3)


def test_resized_rows_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(2)
    values = rng.random((13, 17)).astype(np.float32)
    whole = cv2.resize(values, (51, 40), interpolation=cv2.INTER_LINEAR)
    strips = [guided.resize_rows(values, (40, 51), first, first + 10) for first in range(0, 40, 10)]
    assert np.abs(np.concatenate(strips) - whole).max() < 0.03  # warpAffine places to 1/32 pixel


def test_upsampling_follows_the_photo() -> None:
    rgb, disc = disc_photo((640, 880), (480, 300), 160)
    small = guided.shrunk(rgb, (160, 220))
    mask = guided.shrunk(disc.astype(np.float32), (160, 220))
    up = guided.guided_upsample(mask, small, rgb, 2, 1e-3)
    assert up.shape == disc.shape and up.dtype == np.float32
    plain = cv2.resize(mask, (880, 640), interpolation=cv2.INTER_LINEAR)
    assert np.abs(up - disc).mean() < 0.7 * np.abs(plain - disc).mean()
