"""Measures of pictures, against closed forms, numpy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from photoflow.metrics import interpolation_error, l1, psnr, rest_error, ssim


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Two photos and two damaged copies of them, (2, 3, 60, 80)."""
    photos = [data.astronaut()[:60, 100:180], data.coffee()[200:260, 300:380]]
    target = torch.stack([torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255 for photo in photos])
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(1))
    noise[1] *= 4
    return (target + 0.02 * noise).clamp(0, 1), target


def test_psnr_is_scikit_images_for_each_picture(pair, device):
    image, target = (planes.to(device) for planes in pair)
    expected = [
        peak_signal_noise_ratio(b.numpy().astype(float), a.numpy().astype(float), data_range=1) for a, b in zip(*pair)
    ]
    np.testing.assert_allclose(psnr(image, target).cpu(), expected, rtol=1e-6)
    assert expected[0] > expected[1] + 8


def test_psnr_of_a_known_error_and_of_none(device):
    target = torch.full((1, 3, 4, 5), 0.5, device=device)
    assert float(psnr(target + 0.1, target)) == pytest.approx(20, abs=1e-5)
    assert float(psnr(target, target)) == float("inf")


def test_psnr_of_a_part(device):
    target = torch.zeros(2, 3, 4, 6, device=device)
    image, where = target.clone(), torch.zeros(2, 1, 4, 6, device=device)
    image[:, :, :, :3], image[:, :, :, 3:] = 0.1, 1.0
    where[0, :, :, :3] = 1
    inside, nowhere = psnr(image, target, where).tolist()
    assert inside == pytest.approx(20, abs=1e-5) and np.isnan(nowhere)


def test_ssim_is_scikit_images(pair, device):
    image, target = (planes.to(device) for planes in pair)
    expected = [
        structural_similarity(
            a.numpy().astype(float), b.numpy().astype(float), data_range=1, channel_axis=0, gaussian_weights=True,
            sigma=1.5, use_sample_covariance=False,
        )
        for a, b in zip(*pair)
    ]  # fmt: skip
    np.testing.assert_allclose(ssim(image, target).cpu(), expected, atol=2e-5)
    assert expected[0] > expected[1] + 0.1
    assert ssim(target, target).tolist() == pytest.approx([1, 1])


def test_ssim_of_flat_pictures_is_the_luminance_term(device):
    one, other = (torch.full((1, 3, 16, 16), value, device=device) for value in (0.2, 0.6))
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert float(ssim(one, other)) == pytest.approx(expected, abs=1e-4)


def test_l1_and_its_scales(pair, device):
    image, target = (planes.to(device) for planes in pair)
    expected = np.abs(pair[0].numpy() - pair[1].numpy()).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(l1(image, target).cpu(), expected, rtol=1e-5)
    np.testing.assert_allclose(l1(image, target, span=2).cpu(), 2 * expected, rtol=1e-5)
    np.testing.assert_allclose(interpolation_error(image, target).cpu(), 255 * expected, rtol=1e-5)


@pytest.mark.parametrize("measure", [psnr, ssim, l1, interpolation_error])
def test_pictures_of_different_shapes_are_refused(measure):
    with pytest.raises(ValueError, match="one shape"):
        measure(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))


def test_ssim_refuses_what_is_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11 by 11"):
        ssim(torch.zeros(1, 3, 10, 40), torch.zeros(1, 3, 10, 40))


def test_rest_error_is_the_largest_difference_in_grey_levels(pair, device):
    _, photo = (planes.to(device) for planes in pair)
    image = photo.clone()
    image[0, 1, 5, 7] += 12 / 255
    image[1, 2, 50, 60] -= 3 / 255
    assert rest_error(image, photo).tolist() == pytest.approx([12, 3], abs=1e-4)
    where = torch.ones_like(photo[:, :1])
    where[0, 0, 5, 7] = 0
    assert rest_error(image, photo, where).tolist() == pytest.approx([0, 3], abs=1e-4)
    assert rest_error(image, photo, 0 * where).tolist() == [0, 0]
    with pytest.raises(ValueError, match="rest_error: expected two tensors of one shape"):
        rest_error(image, photo[:1])
