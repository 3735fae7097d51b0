"""Frames from a generator: what it sees, where it may draw and where it may not."""

import numpy as np
import pytest
import torch

from photoflow import motion
from photoflow.models.splat_generator import SIZES, SplatGenerator
from photoflow.render.generated import GeneratedRenderer, draw
from photoflow.render.layered import LayeredRenderer, SubjectLayer

TIMING = {"scale": 1.0, "seconds": 2.0, "loop": False, "device": "cpu"}


def exact(move, photo, alpha):
    return LayeredRenderer(photo, [SubjectLayer(photo, alpha, move, **TIMING)])


@pytest.fixture
def photo():
    return np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.fixture
def alpha():
    alpha = np.zeros((48, 64), np.float32)
    alpha[16:28, 20:32] = 1
    return alpha


def test_the_generator_sees_the_photo_moved_along_the_flow(photo, alpha):
    seen = {}

    def network(image, mask, flow, warped, occlusion):
        seen.update(image=image, mask=mask, flow=flow, warped=warped, occlusion=occlusion)
        return warped

    drawn = GeneratedRenderer(exact(motion.Translate(dx=20), photo, alpha), photo, alpha, network).frame(2.0)
    planes = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    torch.testing.assert_close(seen["image"], planes)
    torch.testing.assert_close(seen["mask"][0, 0].numpy(), alpha)
    assert (seen["flow"][0, 0][alpha > 0] == 20).all() and (seen["flow"][0][:, alpha == 0] == 0).all()
    # The subject lies in front of the wall at its new place; where it was, nothing is known.
    torch.testing.assert_close(seen["warped"][..., 17:27, 42:50], planes[..., 17:27, 22:30], atol=0.05, rtol=0)
    assert (seen["occlusion"][0, 0, 16:28, 20:32] == 1).all() and seen["occlusion"].sum() == 144
    np.testing.assert_allclose(drawn[17:27, 42:50], photo[17:27, 22:30], atol=12)


def test_what_does_not_move_is_the_photo_to_the_bit(photo, alpha):
    def white(image, mask, flow, warped, occlusion):
        return torch.ones_like(image)

    renderer = GeneratedRenderer(exact(motion.Translate(dx=20), photo, alpha), photo, alpha, white)
    np.testing.assert_array_equal(renderer.frame(0.0), photo)
    drawn = renderer.frame(2.0)
    assert (drawn[16:28, 20:32] == 255).all() and (drawn[16:28, 40:52] == 255).all()
    far = np.ones((48, 64), bool)
    far[10:34, 14:58] = False
    np.testing.assert_array_equal(drawn[far], photo[far])
    assert (drawn != photo).any(axis=2).sum() > 2 * 144


def test_a_cutout_has_the_opacity_of_the_layers(photo, alpha):
    planned = exact(motion.Translate(dx=20), photo, alpha)
    renderer = GeneratedRenderer(planned, photo, alpha, lambda *inputs: torch.ones_like(inputs[0]))
    drawn = renderer.cutout(2.0)
    np.testing.assert_array_equal(drawn[..., 3], planned.cutout(2.0)[..., 3])
    assert (drawn[16:28, 40:52, :3] == 255).all()
    np.testing.assert_array_equal(renderer.flow(2.0), planned.flow(2.0))


def test_a_rim_of_the_subjects_colour_does_not_stay_behind(alpha):
    """Masks are not exact: pixels around the subject show some of it."""
    photo = np.full((48, 64, 3), 90, np.uint8)
    photo[14:30, 18:34] = (255, 40, 40)  # two pixels more than the mask on each side
    torch.manual_seed(0)
    network = SplatGenerator(4, 1).eval()
    drawn = GeneratedRenderer(exact(motion.Translate(dx=20), photo, alpha), photo, alpha, network).frame(2.0)
    assert np.abs(drawn[14:30, 18:36].astype(int) - 90).max() < 30
    np.testing.assert_array_equal(drawn[:, :12], photo[:, :12])


def test_each_generator_is_called_with_what_it_sees():
    planes = [torch.rand(1, channels, 32, 32) for channels in (3, 1, 2, 3, 1)]
    seen = []

    def network(*inputs):
        seen.append(inputs)
        return inputs[3].double()

    made = draw(network, *planes)
    assert made.dtype == torch.float32 and torch.equal(made, planes[3])
    splatting = SplatGenerator(**SIZES["small"]).eval()
    splatting.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    with torch.inference_mode():
        assert draw(splatting, *planes).shape == (1, 3, 32, 32)
    for inputs, count in zip(seen, (5, 3)):
        assert len(inputs) == count and all(map(torch.equal, inputs, planes))
