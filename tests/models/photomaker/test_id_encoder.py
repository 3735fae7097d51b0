"""PhotoMaker's ID encoder: the published layout and numbers, stacking, mixing, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from filling import HERE, _values, fill, largest, layout, published_layout, waves
from torch import Tensor

from photoflow.errors import InputError
from photoflow.models.photomaker import (
    SIZES,
    IDEncoder,
    IDEncoderConfig,
    PhotoMakerWeights,
    read_photomaker,
    write_photomaker,
)
from photoflow.weights.loading import WeightsError

TINY = IDEncoderConfig(width=32, hidden=64, layers=2, heads=2, patch=16, side=32, projections=(24, 40))
WIDTH = TINY.text_width


@pytest.fixture(scope="module")
def encoder() -> IDEncoder:
    torch.manual_seed(0)
    return IDEncoder(TINY).eval()


def places(*rows: list[int], length: int = 12) -> Tensor:
    """Where the class words stand, (B, length) bool."""
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for row, at in enumerate(rows):
        mask[row, at] = True
    return mask


def test_layout_and_numbers_are_the_published_ones() -> None:
    with torch.device("meta"):  # three hundred million first weights are not drawn in vain
        network = IDEncoder()
    network.to_empty(device="cpu").vision_model.embeddings.position_ids.copy_(torch.arange(257))
    assert layout(network) == published_layout("photomaker_v1")
    assert sum(one.numel() for one in network.parameters()) == 326_273_024
    fill(network, but=("position_ids",))
    photos = torch.cat([2 * waves(224, 224, seed) - 1 for seed in (7, 8)])[None]
    shape = (1, 77, SIZES["v1"].text_width)
    prompts = torch.from_numpy(_values("prompt_embeds", shape, float(np.sqrt(np.prod(shape)))))
    with np.load(HERE / "photomaker_v1.npz") as published, torch.no_grad():
        mask = torch.from_numpy(published["class_tokens_mask"])
        updated = network(photos, prompts, mask)
        wanted, untouched = published["updated_rows"], published["untouched_row"]
    difference = np.abs(updated[mask].numpy() - wanted).mean() / wanted.std()
    assert difference < 1e-4, f"{difference:.2e} standard deviations"
    assert np.abs(prompts[0].numpy() - untouched).max(axis=1).min() < 1e-6  # it is one of the prompt's own
    assert largest(updated[~mask] - prompts[~mask]) == 0


def test_each_photo_has_its_place_and_the_prompt_stays_as_it_was(encoder: IDEncoder) -> None:
    photos, prompts, mask = torch.randn(2, 3, 3, 32, 32), torch.randn(2, 12, WIDTH), places([4, 5, 6], [2])
    before = prompts.clone()
    with torch.no_grad():
        both = encoder(photos, prompts, mask)
        first = encoder(photos[:1], prompts[:1], mask[:1])
        second = encoder(photos[1:, :1], prompts[1:], mask[1:])  # the other photos are padding
        swapped = encoder(photos[:1, [1, 0, 2]], prompts[:1, [0, 1, 2, 3, 5, 4, *range(6, 12)]], mask[:1])
    assert torch.equal(prompts, before)
    assert largest(both - torch.cat([first, second])) < 1e-5
    assert largest(swapped[0, [5, 4]] - first[0, [4, 5]]) < 1e-5
    assert largest(both[~mask] - before[~mask]) == 0 and largest(both[mask] - before[mask]) > 0.1


def test_a_fused_embedding_heeds_both_the_photo_and_the_word(encoder: IDEncoder) -> None:
    photos, prompts, mask = torch.randn(1, 1, 3, 32, 32), torch.randn(1, 12, WIDTH), places([4])
    with torch.no_grad():
        one = encoder(photos, prompts, mask)[mask]
        assert largest(encoder(-photos, prompts, mask)[mask] - one) > 1e-3
        assert largest(encoder(photos, -prompts, mask)[mask] - one) > 0.1


def test_coefficients_scale_what_is_fused(encoder: IDEncoder) -> None:
    photos, prompts, mask = torch.randn(1, 2, 3, 32, 32), torch.randn(1, 12, WIDTH), places([4, 5])
    with torch.no_grad():
        whole = encoder(photos, prompts, mask)
        mixed = encoder(photos, prompts, mask, torch.tensor([[1.0, 0.25]]))
    assert largest(mixed[0, 4] - whole[0, 4]) == 0
    assert largest(mixed[0, 5] - 0.25 * whole[0, 5]) < 1e-6


def test_gradients_reach_every_part(encoder: IDEncoder) -> None:
    encoder(torch.randn(1, 2, 3, 32, 32), torch.randn(1, 12, WIDTH), places([4, 5])).square().sum().backward()
    silent = [name for name, one in encoder.named_parameters() if one.grad is None or not one.grad.abs().sum() > 0]
    encoder.zero_grad()
    # Keys of attention have no gradient by their bias: it adds the same to every score.
    assert all(name.endswith("k_proj.bias") for name in silent)


@pytest.mark.parametrize(
    ("photos", "prompts", "mask", "named"),
    [
        ((1, 2, 3, 16, 16), (1, 12, WIDTH), [4, 5], "id_pixel_values: expected (B, N, 3, 32, 32)"),
        ((1, 2, 3, 32, 32), (1, 12, WIDTH + 1), [4, 5], f"prompt_embeds: expected (1, L, {WIDTH})"),
        ((1, 2, 3, 32, 32), (1, 13, WIDTH), [4, 5], "class_tokens_mask: expected (1, 13)"),
        ((1, 2, 3, 32, 32), (1, 12, WIDTH), [4, 5, 6], "class_tokens_mask: expected 1 to 2 places"),
        ((1, 2, 3, 32, 32), (1, 12, WIDTH), [], "class_tokens_mask: expected 1 to 2 places"),
    ],
)
def test_errors_name_what_was_expected(
    encoder: IDEncoder, photos: tuple[int, ...], prompts: tuple[int, ...], mask: list[int], named: str
) -> None:
    with pytest.raises(InputError) as caught:
        encoder(torch.zeros(photos), torch.zeros(prompts), places(mask))
    assert named in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(InputError, match="IDEncoder: expected one of v1"):
        IDEncoder("v9")


def weights(encoder: IDEncoder) -> PhotoMakerWeights:
    return PhotoMakerWeights(encoder.state_dict(), {"unet.mid.attn1.to_q.lora.down.weight": torch.randn(4, 8)})


def test_files_as_published_and_as_written_here(encoder: IDEncoder, tmp_path: Path) -> None:
    wanted = weights(encoder)
    write_photomaker(tmp_path / "own.safetensors", wanted, {"steps": "1"})
    published = {"id_encoder": wanted.id_encoder, "lora_weights": wanted.lora}
    torch.save(published, tmp_path / "published.bin")
    for name in ("own.safetensors", "published.bin"):
        got = read_photomaker(tmp_path / name)
        for part in ("id_encoder", "lora"):
            expected, found = getattr(wanted, part), getattr(got, part)
            assert expected.keys() == found.keys() and all(torch.equal(expected[key], found[key]) for key in expected)


def test_other_files_are_refused_in_a_line(encoder: IDEncoder, tmp_path: Path) -> None:
    parts = weights(encoder)
    second = {"id_encoder": {**parts.id_encoder, "qformer_perceiver.x": torch.zeros(1)}, "lora_weights": parts.lora}
    cases = {
        "v2.bin": (second, "PhotoMaker v2"),
        "half.bin": ({"id_encoder": parts.id_encoder}, "none of lora_weights"),
        "other.bin": ({"conv.weight": torch.zeros(1)}, "expected PhotoMaker's id_encoder and lora_weights"),
    }
    for name, (content, named) in cases.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(WeightsError) as caught:
            read_photomaker(tmp_path / name)
        assert named in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match=r"expected a suffix \.safetensors"):
        write_photomaker(tmp_path / "a.bin", parts, {})
