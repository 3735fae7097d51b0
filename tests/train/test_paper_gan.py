"""The recipe of the flow-guided generator makes its blueprints as the paper does."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from squares import TINY, Squares, narrow, smooth
from torch import Tensor

from photoflow.models.mask_rcnn import Instances
from photoflow.train import paper_gan
from photoflow.train.paper_gan import WITHOUT_MASK_RCNN, WITHOUT_RAFT, moved
from photoflow.train.recipes import entry_of

SIZE = (96, 128)


def made(**settings: object) -> Any:
    texts = TINY["gan"] | {"size": "96x128", "shift": "12"}
    config = entry_of("gan").configured(texts | {key: str(value) for key, value in settings.items()})
    with narrow():
        return entry_of("gan").made(config, "cpu")


@pytest.fixture(scope="module")
def photos() -> Tensor:
    chance = torch.Generator().manual_seed(0)
    detail = 0.2 * torch.rand(4, 3, *SIZE, generator=chance)
    return (torch.stack([smooth(*SIZE, chance) for _ in range(4)]) + detail).clamp(0, 1)


@pytest.fixture(scope="module")
def recipe() -> Any:
    return made()


@pytest.fixture(scope="module")
def prepared(recipe: Any, photos: Tensor) -> Any:
    return recipe.prepared({"image1": photos}, torch.Generator().manual_seed(1))


def test_a_known_shift_moves_the_photo_to_the_right_and_down() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., 2, 3] = 1
    flow = torch.tensor([2.0, 1.0])[None, :, None, None].expand(1, 2, 8, 8)
    assert moved(image, flow).nonzero().tolist() == [[0, 0, 3, 5]]


def test_the_flow_is_measured_and_moves_the_photo_onto_its_target(prepared: Any, photos: Tensor) -> None:
    seen, real = prepared
    shift = seen.flow.flatten(2).median(2).values
    assert (shift - shift.round()).abs().max() < 0.1 and 3 < shift.abs().max() <= 12.1
    assert shift[:, 0].min() < 0 < shift[:, 0].max()
    inside = (slice(None), slice(None), slice(20, -20), slice(20, -20))
    assert (seen.warped - real)[inside].abs().mean() < 0.01 < 0.05 < (seen.image - real)[inside].abs().mean()


def test_the_target_is_the_shifted_photo_with_zeros_beyond(prepared: Any) -> None:
    seen, real = prepared
    for image, target, shift, hidden in zip(seen.image, real, seen.flow.flatten(2).median(2).values, seen.occlusion):
        dx, dy = (round(float(d)) for d in shift)
        expected = image.roll((dy, dx), (1, 2))
        ys, xs = (slice(max(0, d), side + min(0, d)) for d, side in ((dy, SIZE[0]), (dx, SIZE[1])))
        assert torch.equal(target[:, ys, xs], expected[:, ys, xs])
        empty = torch.ones(SIZE, dtype=torch.bool)
        empty[ys, xs] = False
        assert target[:, empty].abs().sum() == 0
        assert not empty.any() or hidden[0, empty].mean() > 0.8  # nothing of the photo is seen there
        assert hidden[0, ~empty].mean() < 0.25


def test_half_of_the_samples_are_mirrored(prepared: Any, photos: Tensor) -> None:
    seen, _ = prepared
    kept = [torch.equal(image, photo) for image, photo in zip(seen.image, photos)]
    turned = [torch.equal(image, photo.flip(-1)) for image, photo in zip(seen.image, photos)]
    assert all(one != other for one, other in zip(kept, turned)) and 0 < sum(kept) < 4


def test_without_weights_it_says_so_and_takes_the_masks_of_the_data(
    photos: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_gan, "locate", lambda name: None)
    recipe = made()
    assert recipe.facts["flow"] == WITHOUT_RAFT and recipe.facts["mask"] == WITHOUT_MASK_RCNN
    batch = Squares((48, 64)).batch(0, 1)
    seen, _ = recipe.prepared(batch, torch.Generator().manual_seed(0))
    assert any(torch.equal(seen.mask, mask) for mask in (batch["mask"], batch["mask"].flip(-1)))
    seen, _ = recipe.prepared({"image1": photos[:1]}, torch.Generator().manual_seed(0))
    assert seen.mask.min() == 1


def test_the_mask_is_that_of_the_most_prominent_object(photos: Tensor, tmp_path: Path) -> None:
    masks = np.zeros((2, *SIZE), np.float32)
    masks[0, :3, :3] = masks[1, 30:70, 40:90] = 1

    def network(rgb: np.ndarray) -> Instances:
        assert rgb.shape == (*SIZE, 3) and rgb.dtype == np.uint8
        return Instances(masks, np.zeros((2, 4), np.float32), ("cat", "dog"), np.float32([0.9, 0.8]))

    with mock.patch("photoflow.models.mask_rcnn.MaskRCNN", lambda weights, device: network):
        recipe = made(mask_rcnn=tmp_path / "own.safetensors")
    assert "mask" not in recipe.facts
    seen, _ = recipe.prepared({"image1": photos[:2]}, torch.Generator().manual_seed(0))
    for mask in seen.mask:
        assert any(np.array_equal(mask[0], one) for one in (masks[1], masks[1][:, ::-1]))


def test_a_given_flow_network_is_taken(tmp_path: Path) -> None:
    from photoflow.models.raft import RAFT
    from photoflow.train.checkpoint import write_weights

    with narrow():
        write_weights(tmp_path / "raft.safetensors", RAFT.small(), {})
    recipe = made(flow=tmp_path / "raft.safetensors")
    assert isinstance(recipe._measure, RAFT) and "flow" not in recipe.facts
