"""Training PhotoMaker on a tiny SDXL: what learns, what is drawn how often, and the file that comes of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file
from tiny_sdxl import ENCODER, SIDE, WIDTHS, saved_pipeline, tiny_photomaker, tiny_pipeline
from torch.nn import functional

from photoflow.data.texts import texts_as_tensor
from photoflow.errors import InputError
from photoflow.models.photomaker import id_encoder, read_photomaker, write_photomaker
from photoflow.models.photomaker.pixels import normalised
from photoflow.train import log
from photoflow.train.feed import Feed
from photoflow.train.loop import Outcome, train
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan
from photoflow.weights.registry import WeightsError

ENTRY = entry_of("photomaker")
TINY = {
    "size": f"{SIDE}x{SIDE}", "batch": "2", "accumulation": "1", "rank": "4", "layers": "1", "precision": "float32",
}  # fmt: skip


class People:
    """One batch for ever: two pictures of people, each of one colour, on noise."""

    name = "people"

    def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
        chance = torch.Generator().manual_seed(0)
        image = torch.rand(count, 3, SIDE, SIDE, generator=chance)
        mask = torch.zeros(count, 1, SIDE, SIDE)
        mask[:, :, 16:48, 8:40] = 1
        image = image * (1 - mask) + mask * torch.rand(count, 3, 1, 1, generator=chance)
        photos = torch.rand(count, 4, 3, 224, 224, generator=chance)
        counts = torch.arange(count) % 4 + 1
        photos[torch.arange(4) >= counts[:, None]] = 0
        return {
            "image": image, "mask": mask, "id_images": photos, "id_count": counts,
            "caption": texts_as_tensor((["an old woman in the rain", "a man"] * count)[:count]),
            "class_word": torch.tensor(([2, 1] * count)[:count]),
        }  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(id_encoder.SIZES, "v1", ENCODER)
        patch.setattr(log, "_EVERY_STEPS", 1)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_pipeline(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's image tower, as transformers saves it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("clip")
    config = CLIPVisionConfig(
        hidden_size=ENCODER.width, intermediate_size=ENCODER.hidden, num_hidden_layers=ENCODER.layers,
        num_attention_heads=ENCODER.heads, patch_size=ENCODER.patch, image_size=ENCODER.side, projection_dim=WIDTHS[0],
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def made(base: Path, begin: Path | str, **settings: object) -> Any:
    texts = {name: str(value) for name, value in settings.items()}
    return ENTRY.made(ENTRY.configured({**TINY, "base": str(base), "begin": str(begin), **texts}), "cpu")


@pytest.fixture(scope="module")
def shared(base: Path, clip: Path) -> Any:
    """A recipe whose weights no test changes."""
    return made(base, clip)


@pytest.fixture
def recipe(shared: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same; what a test sets of it is set back."""
    for name in ("config", "_noise_in"):
        monkeypatch.setattr(shared, name, getattr(shared, name))
    return shared


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_goes_on_to_the_bit_and_its_file_is_a_photomaker(base: Path, clip: Path, tmp_path: Path) -> None:
    def run(folder: str, steps: int) -> Outcome:
        recipe = made(base, clip, rate=3e-3, last_rate=3e-3, encoder_rate=1e-3)
        return train(recipe, People(), tmp_path / folder, Plan(steps=steps, total=5), Console(quiet=True))

    straight = run("straight", 5)
    run("twice", 3)
    torch.manual_seed(5)  # torch's own generator decides nothing
    twice = run("twice", 2)
    assert straight.done and twice.done and _same(straight.weights, twice.weights)
    assert list((tmp_path / "straight" / "samples").iterdir())

    weights = read_photomaker(straight.weights)
    assert weights.lora.keys() == tiny_photomaker().lora.keys()
    assert weights.id_encoder.keys() == tiny_photomaker().id_encoder.keys()
    id_encoder.encoder_of(weights.id_encoder, straight.weights)
    pipeline = tiny_pipeline()
    given = (torch.randn(1, 4, 8, 8, generator=chance()), torch.tensor(500), torch.randn(1, 77, sum(WIDTHS)))
    more = {"text_embeds": torch.zeros(1, WIDTHS[1]), "time_ids": torch.zeros(1, 6)}
    with torch.no_grad():
        before = pipeline.unet(*given, added_cond_kwargs=more).sample
        pipeline.load_lora_weights({name: value.float() for name, value in weights.lora.items()})
        after = pipeline.unet(*given, added_cond_kwargs=more).sample
    assert (after - before).abs().max() > 1e-4


def _same(one: Path, other: Path) -> bool:
    with safe_open(one, "pt") as first, safe_open(other, "pt") as second:
        assert set(first.keys()) == set(second.keys())
        return all(torch.equal(first.get_tensor(name), second.get_tensor(name)) for name in first.keys())  # noqa: SIM118


def test_the_loss_of_one_batch_falls(base: Path, clip: Path) -> None:
    recipe, seen = made(base, clip, rate=1e-2, encoder_rate=1e-3, dropped=0, masked=0), []
    optimiser = recipe.turns[0].optimiser
    for _ in range(10):
        loss = recipe.losses(People().batch(0, 2), chance(), 0.0).losses["noise"]
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        seen.append(loss.item())
    assert seen[-1] < 0.95 * seen[0]


def test_gradients_are_where_they_belong(recipe: Any, clip: Path) -> None:
    terms = recipe.losses(People().batch(0, 2), chance(), 0.0)
    terms.losses["noise"].backward()
    moved = {name for name, value in recipe.ships.named_parameters() if value.grad is not None}
    tower = "id_encoder.vision_model."
    frozen = {name for name, _ in recipe.ships.named_parameters() if name.startswith(tower)}
    frozen -= {name for name in frozen if name.startswith((f"{tower}encoder.layers.1.", f"{tower}post_layernorm."))}
    assert moved == {name for name, _ in recipe.ships.named_parameters()} - frozen
    assert {id(value) for value in recipe.turns[0].network.parameters()} == {
        id(value) for name, value in recipe.ships.named_parameters() if name in moved
    }
    known = load_file(clip / "model.safetensors")
    for name, value in recipe.ships.id_encoder.state_dict().items():
        assert name not in known or torch.equal(value, known[name])
    assert {"visual_projection.weight", "vision_model.post_layernorm.weight"} <= known.keys()
    ours = {id(value) for value in recipe.ships.parameters()}
    for network in (recipe._unet, recipe._vae, recipe._base.text_encoder, recipe._base.text_encoder_2):
        others = [value for value in network.parameters() if id(value) not in ours]
        assert others and all(value.grad is None and not value.requires_grad for value in others)
    rates = [group["lr"] * group.get("share", 1) for group in recipe.turns[0].optimiser.param_groups]
    assert rates == [pytest.approx(1e-4), pytest.approx(1e-5)]


def test_the_loss_is_that_of_the_paper(recipe: Any) -> None:
    """The noise's mean squared error, by diffusers' own scheduler; in the person alone where that is drawn."""
    batch = People().batch(0, 2)
    for masked in (0, 1):
        recipe.config = replace(recipe.config, masked=masked, dropped=0)
        seen: dict[str, Any] = {}

        def watched(_: Any, given: Any, more: Any, out: Any, kept: Any = seen) -> None:
            kept.update(noisy=given[0], step=given[1], embeds=given[2], found=out.sample, **more["added_cond_kwargs"])

        hook = recipe._unet.register_forward_hook(watched, with_kwargs=True)
        terms = recipe.losses(batch, chance(), 0.0)
        hook.remove()
        left = recipe._base.scheduler.alphas_cumprod[seen["step"]][:, None, None, None]
        spread = recipe._vae.encode(2 * batch["image"] - 1).latent_dist
        again = chance()
        latents = recipe._vae.config.scaling_factor * (
            spread.mean + spread.std * torch.randn(spread.mean.shape, generator=again)
        )
        noise = (seen["noisy"] - left.sqrt() * latents) / (1 - left).sqrt()
        assert noise.std() == pytest.approx(1, abs=0.1)
        wrong = (seen["found"] - noise).square()
        inside = functional.interpolate(batch["mask"], wrong.shape[2:])
        wanted = (wrong * inside).mean() if masked else wrong.mean()
        torch.testing.assert_close(terms.losses["noise"], wanted, rtol=1e-3, atol=1e-4)
        assert seen["time_ids"].tolist() == [[SIDE, SIDE, 0, 0, SIDE, SIDE]] * 2
        assert seen["embeds"].shape == (2, 77, sum(WIDTHS))


def test_texts_and_persons_are_dropped_as_often_as_it_is_said(recipe: Any) -> None:
    recipe.config = replace(recipe.config, dropped=0.25, masked=0.5)
    counted = {"dropped": 0, "whole": 0}
    nothing = recipe._empty[0]

    def noise_in(noisy: torch.Tensor, step: torch.Tensor, embeds: torch.Tensor, pooled: torch.Tensor) -> Any:
        counted["dropped"] += sum(bool(torch.equal(one, nothing[0])) for one in embeds)
        return torch.full_like(noisy, 1e3)

    recipe._noise_in = noise_in
    batch, draws = People().batch(0, 8), 20
    batch["mask"] = torch.zeros_like(batch["mask"])
    for number in range(draws):
        terms = recipe.losses(batch, chance(number), 0.0)
        counted["whole"] += round(float(terms.losses["noise"] / terms.measures["everywhere"]) * 8)
    assert counted["dropped"] == pytest.approx(160 * 0.25, abs=4 * (160 * 0.25 * 0.75) ** 0.5)
    assert counted["whole"] == pytest.approx(160 * 0.5, abs=4 * (160 * 0.25) ** 0.5)
    assert recipe._empty[0].abs().max() == 0 and recipe._empty[1].abs().max() == 0  # as SDXL's guidance has it


def test_the_person_takes_the_class_words_places(recipe: Any) -> None:
    batch = People().batch(0, 2)
    none = torch.zeros(2, dtype=torch.bool)
    with torch.no_grad():
        embeds, pooled = recipe._conditions(recipe.ships.id_encoder, batch, none)
        batch["id_images"][1, 1] = 0.5  # the second person's second photo
        changed, _ = recipe._conditions(recipe.ships.id_encoder, batch, none)
        batch["id_images"][:, 3] = 0.5  # nobody has a fourth
        same, _ = recipe._conditions(recipe.ships.id_encoder, batch, none)
        nothing = recipe._conditions(recipe.ships.id_encoder, batch, torch.tensor([False, True]))
    assert all(one[1].abs().max() == 0 and torch.equal(one[0], whole[0]) for one, whole in zip(nothing, (same, pooled)))
    assert pooled[1].abs().max() > 0
    assert torch.equal(changed, same) and pooled.shape == (2, WIDTHS[1])
    differ = (embeds != changed).any(2)
    assert not differ[0].any() and differ[1].nonzero().flatten().tolist() == [3]  # start, a, man, man


def test_photos_are_what_a_portrait_is_made_from(recipe: Any) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, ENCODER.side, ENCODER.side, 3)).astype(np.uint8)
    seen = recipe._photos(torch.from_numpy(pictures).permute(0, 3, 1, 2)[None] / 255)
    torch.testing.assert_close(seen[0], torch.from_numpy(normalised(list(pictures))))


def test_a_sheet_shows_the_network_that_it_is_asked_for(recipe: Any) -> None:
    batch, other = People().batch(0, 2), copy.deepcopy(recipe.ships)
    with torch.no_grad():
        own = recipe.picture(recipe.ships, batch)
        for value in other.lora_weights.parameters():
            value += 0.5
        shown = recipe.picture(other, batch)
        again = recipe.picture(recipe.ships, batch)
    columns = own.shape[1] // 4
    assert np.array_equal(own, again) and np.array_equal(own[:, : 3 * columns], shown[:, : 3 * columns])
    assert not np.array_equal(own, shown)


def _published(name: str) -> str:
    """The name that the published file has for a residual."""
    matrix, _, half = name.removesuffix(".weight").rpartition(".")
    layer, _, which = matrix.removesuffix(".0").rpartition(".")
    return f"{layer}.processor.{which}_lora.{'down' if half == 'lora_A' else 'up'}.weight"


@pytest.mark.parametrize("published", [False, True])
def test_it_goes_on_from_a_photomaker(base: Path, tmp_path: Path, published: bool) -> None:
    weights = tiny_photomaker()
    written = {_published(name): value for name, value in weights.lora.items()} if published else weights.lora
    write_photomaker(tmp_path / "first.safetensors", replace(weights, lora=written), {})
    recipe = made(base, tmp_path / "first.safetensors")
    state = recipe.ships.state_dict()
    assert torch.equal(
        state["id_encoder.fuse_module.mlp1.fc1.weight"], weights.id_encoder["fuse_module.mlp1.fc1.weight"]
    )
    assert all(torch.equal(state[f"lora_weights.{name}"], value) for name, value in weights.lora.items())
    pipeline = tiny_pipeline()
    pipeline.load_lora_weights(dict(written))
    batch = People().batch(0, 1)
    embeds, pooled = recipe._conditions(recipe.ships.id_encoder, batch, torch.zeros(1, dtype=torch.bool))
    noisy, step = torch.randn(1, 4, 8, 8, generator=chance()), torch.tensor([300])
    more = {"text_embeds": pooled, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}
    with torch.no_grad():
        wanted = pipeline.unet(noisy, step, embeds, added_cond_kwargs=more).sample
        torch.testing.assert_close(recipe._noise_in(noisy, step, embeds, pooled), wanted)
    with pytest.raises(WeightsError, match=r"expected the weights of Residuals, .* should have the shape"):
        made(base, tmp_path / "first.safetensors", rank=2)


def test_half_precision_learns_too(base: Path, clip: Path, tmp_path: Path) -> None:
    recipe = made(base, clip, precision="bfloat16", batch=1)
    assert recipe._unet.conv_in.weight.dtype == torch.bfloat16 and recipe._vae.dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in recipe.ships.parameters())
    before = {name: value.clone() for name, value in recipe.ships.named_parameters()}
    train(recipe, People(), tmp_path / "run", Plan(steps=2), Console(quiet=True))
    assert all(value.isfinite().all() for value in recipe.ships.parameters())
    rates = [group["lr"] for group in recipe.turns[0].optimiser.param_groups]
    assert rates == [pytest.approx(1e-4), pytest.approx(1e-5)]
    name = "id_encoder.fuse_module.mlp1.fc1.weight"
    assert not torch.equal(recipe.ships.get_parameter(name), before[name])


def test_what_is_wrong_is_said_in_one_line(base: Path, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"base: expected a folder or a name .*, got /nowhere: no such folder"):
        made(Path("/nowhere"), clip)
    with pytest.raises(
        WeightsError, match=r"begin: expected a PhotoMaker's file, or CLIP as a folder .*, got /nowhere"
    ):
        made(base, "/nowhere")
    with pytest.raises(WeightsError, match="begin: expected a PhotoMaker's file"):
        made(base, base / "text_encoder")
    with pytest.raises(InputError, match="layers: expected at most 2, got 3"):
        made(base, clip, layers=3)
    with pytest.raises(InputError, match=r"masked: expected a share from 0 to 1, got 2\.0"):
        ENTRY.configured(TINY | {"masked": "2"})
    with pytest.raises(InputError, match="data: expected portraits:FOLDER, got people"):
        ENTRY.configured(TINY).for_data([People()])
    with pytest.raises(InputError, match="recompute: expected 0 or 1, got 2"):
        ENTRY.configured(TINY | {"recompute": "2"})
    feed = Feed(type("Bare", (), {"name": "bare", "batch": lambda *_: {"image": torch.zeros(1)}})(),
                ENTRY.recipe.needs, 1, "cpu", 1)  # fmt: skip
    with pytest.raises(InputError, match="data bare: expected batches with image, mask, caption"):
        feed.take(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(id_encoder.SIZES, "v1", replace(ENCODER, projections=(16, 32)))
        with pytest.raises(WeightsError, match="expected prompts of width 48, as the ID encoder v1 has them, got 40"):
            made(base, clip)
