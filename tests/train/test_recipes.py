"""What each recipe makes of a batch."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from squares import TINY, Squares, narrow, run

from photoflow.errors import InputError
from photoflow.models.dis.flow_candidates import CANDIDATES, EVIDENCE, measured
from photoflow.models.dis.frame_candidates import WAYS
from photoflow.models.dis.refined_interpolation import READINGS
from photoflow.models.networks import load_network
from photoflow.models.splat_generator import SplatGenerator
from photoflow.models.vgg import VGG19Features
from photoflow.ops import backward_warp
from photoflow.train import amt, gan, log, losses
from photoflow.train.feed import Feed, Mixture
from photoflow.train.interpolation import turned
from photoflow.train.losses import l1
from photoflow.train.recipes import entry_of


def made(name: str, **settings: object):
    entry = entry_of(name)
    config = entry.configured(TINY[name] | {key: str(value) for key, value in settings.items()})
    with narrow():
        return entry.made(config, "cpu"), Squares(config.data_size).batch(0, 2)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_condition_is_the_splat_and_where_nothing_arrived() -> None:
    batch = Squares((24, 32)).batch(1, 2)
    seen = gan.conditioned(batch)
    assert torch.equal(seen.mask, batch["mask"]) and torch.equal(seen.flow, batch["flow"])
    arrived = seen.occlusion == 0
    # The flow is whole pixels, and what moves is in front: where something arrived it is the second image.
    assert ((seen.warped - batch["image2"]).abs().amax(1, keepdim=True)[arrived]).median() < 1e-6
    assert seen.occlusion.mean() > 0 and seen.warped[seen.occlusion.expand(-1, 3, -1, -1) == 1].max() == 0


def test_mask_is_what_moves_where_the_data_has_none() -> None:
    batch = Squares((24, 32)).batch(1, 2)
    moving = batch["flow"].norm(dim=1, keepdim=True) > 1
    mask = batch.pop("mask")
    assert torch.equal(gan.conditioned(batch).mask, moving.float()) and torch.equal(mask > 0, moving)
    batch["flow"] = torch.zeros_like(batch["flow"])
    assert gan.conditioned(batch).mask.min() == 1


def test_generator_losses_are_the_papers() -> None:
    recipe, batch = made("gan")
    seen, real = recipe._seen(batch, chance())
    with torch.no_grad():
        terms, measures = recipe.generator_losses(batch, chance(), 0.0)
        drawn = recipe.ships(seen.image, seen.mask, seen.flow, seen.warped, seen.occlusion)
        judged = recipe._critic(seen.image, seen.flow, seen.warped, seen.occlusion, drawn)
    # The paper's images are in [-1, 1]: distances are twice ours. VGG is not here.
    assert terms.keys() == {"adversarial", "pixel", "cycle", "warp"}
    assert terms["adversarial"] == pytest.approx(-float(judged.mean()), abs=1e-5)
    assert terms["pixel"] == pytest.approx(10 * 2 * float(l1(drawn, real)), rel=1e-4)
    back = backward_warp(drawn, seen.flow)
    assert terms["cycle"] == pytest.approx(100 * 2 * float(l1(back, seen.image)), rel=1e-4)
    assert terms["warp"] == pytest.approx(50 * 2 * 0.5 * float(l1(drawn, seen.warped)), rel=1e-4)
    assert math.isfinite(measures["psnr"])
    assert "vgg" in recipe.facts


def test_the_way_back_is_exact_for_what_is_seen() -> None:
    batch = Squares((24, 32)).batch(1, 2)
    back = (backward_warp(batch["image2"], batch["flow"]) - batch["image1"]).abs() * batch["visible"]
    assert back.mean() < 1e-6


def test_critic_losses_are_those_of_wgan_gp() -> None:
    recipe, batch = made("gan")
    terms, _ = recipe.critic_losses(batch, chance(), 0.0)
    seen, real = recipe._seen(batch, chance())
    score = recipe._score(seen)
    with torch.no_grad():
        drawn = recipe.ships(seen.image, seen.mask, seen.flow, seen.warped, seen.occlusion)
        assert terms["wasserstein"].item() == pytest.approx(float(score(drawn).mean() - score(real).mean()), abs=1e-5)
    terms["penalty"].backward()
    assert all(p.grad is None for p in recipe.ships.parameters())
    assert sum(p.grad is not None and p.grad.abs().sum() > 0 for p in recipe._critic.parameters()) >= 5


def test_vgg_is_used_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(VGG19Features().state_dict(), tmp_path / "vgg19.pth")
    monkeypatch.setattr(losses, "locate", lambda name: tmp_path / "vgg19.pth")
    recipe, batch = made("gan", adversarial=0)
    terms, _ = recipe.generator_losses(batch, chance(), 0.0)
    terms["vgg"].backward()
    assert terms["vgg"] > 0 and "vgg" not in recipe.facts
    assert all(p.grad is not None for p in recipe.ships.parameters())


def test_without_an_adversarial_loss_there_is_no_critic() -> None:
    recipe, batch = made("gan", adversarial=0)
    assert [turn.name for turn in recipe.turns] == ["generator"]
    assert "adversarial" not in recipe.generator_losses(batch, chance(), 0.0).losses


def test_an_adversarial_loss_may_begin_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_EVERY_STEPS", 1)
    run("gan", tmp_path, 2, adversarial_from=0.5)
    with open(tmp_path / "log.csv", newline="") as file:
        first, second = csv.DictReader(file)
    for name in ("critic/penalty", "generator/adversarial"):
        assert first[name] == "" and math.isfinite(float(second[name]))
    recipe, batch = made("gan", adversarial_from=0.5)
    assert "adversarial" not in recipe.generator_losses(batch, chance(), 0.49).losses
    assert "adversarial" in recipe.generator_losses(batch, chance(), 0.5).losses


@pytest.mark.parametrize("settings", [{"vgg": 1}, {"adversarial": 1, "adversarial_from": 0.3}])
def test_one_loss_has_to_count_from_the_start(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "locate", lambda name: None)
    with pytest.raises(InputError, match="expected at least one loss that counts from the start, got none"):
        made("gan", **dict.fromkeys(("adversarial", "pixel", "vgg", "cycle", "warp"), 0) | settings)
    made("gan", **dict.fromkeys(("pixel", "vgg", "cycle", "warp"), 0))  # a critic that judges from the start is enough


def test_the_photo_is_thrown_only_where_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    throws: list[int] = []
    thrown = gan.thrown
    monkeypatch.setattr(gan, "thrown", lambda *planes: throws.append(1) or thrown(*planes))
    recipe, batch = made("gan", network="splat_small")
    recipe.generator_losses(batch, chance(), 0.0)
    assert not throws
    recipe.picture(recipe.ships, batch)
    assert len(throws) == 1
    for settings in ({"network": "splat_small", "warp": 1}, {"network": "splat_small", "adversarial": 1}):
        recipe, batch = made("gan", **settings)
        throws.clear()
        recipe.turns[0].losses(batch, chance(), 0.5)
        assert len(throws) == 1


def test_the_splat_generator_learns_from_distances_alone(tmp_path: Path) -> None:
    recipe, batch = made("gan", network="splat_small")
    assert [turn.name for turn in recipe.turns] == ["generator"]
    terms, _ = recipe.generator_losses(batch, chance(), 0.0)
    assert terms.keys() == {"charbonnier", "laplacian"}
    outcome = run("gan", tmp_path, 2, network="splat_small")
    assert isinstance(load_network("gan", outcome.weights), SplatGenerator)


def test_masks_of_some_samples_are_hidden() -> None:
    recipe, batch = made("gan", network="splat_small")
    many = {name: planes[:1].repeat(100, *[1] * (planes.dim() - 1)) for name, planes in batch.items()}
    hidden = [float(one.min()) == 1 for one in recipe._seen(many, chance()).seen.mask]
    assert 30 < sum(hidden) < 70
    recipe, batch = made("gan", network="splat_small", masks=1)
    assert torch.equal(recipe._seen(batch, chance()).seen.mask, batch["mask"])


def test_what_is_expected_to_be_lost_by_the_choice() -> None:
    recipe, batch = made("dis")
    every = recipe.losses(batch, chance(), 0.0)
    assert every.losses.keys() == {"lost"} and every.losses["lost"] > 0 and every.measures["best"] >= 0
    # A choice that is always right loses nothing; flows that are unknown, or not known at all, ask for nothing.
    seen = []

    def always_the_first(evidence: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        seen.append(evidence)
        scores = torch.full((len(shares), 1, shares.shape[1], *evidence.shape[1:3]), -1e4)
        scores[:, :, 0] = 0
        return scores + 0 * recipe.ships.score.bias  # there is a gradient

    recipe.ships.scores = always_the_first
    batch["flow"] = measured(batch["image1"], batch["image2"]).flows[:, 0].clone()
    assert recipe.losses(batch, chance(), 0.0).losses["lost"] < 1e-5
    assert seen[0].shape == (2, 1, 256, CANDIDATES, EVIDENCE)
    batch["flow"] += 100  # no candidate is right: all are as bad
    assert recipe.losses(batch, chance(), 0.0).losses["lost"] < 1e-5
    batch["flow"][:, :, 10:] = torch.nan
    assert recipe.losses(batch, chance(), 0.0).measures["best"] == recipe.config.worst
    batch["flow"][:] = torch.nan
    assert recipe.losses(batch, chance(), 0.0).measures["best"] == 0


def test_the_frame_of_refined_interpolation_is_held_against_the_middle() -> None:
    recipe, batch = made("refined")
    every = recipe.losses(batch, chance(), 0.0)
    assert every.losses.keys() == {"distance"} and every.losses["distance"] > 0
    later = recipe.losses(batch, chance(), 0.5)
    assert later.losses.keys() == {"decibels"} and later.losses["decibels"].requires_grad

    def off(certain: int) -> tuple[float, float]:
        """Distance and decibels where the network is certain of one reading, or, by -1, that none is right."""

        def logits(evidence: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
            said = torch.zeros(len(shares), READINGS * WAYS + 1, *evidence.shape[1:3])
            said[:, certain] = 50
            return said

        recipe.ships.logits = logits
        first, second = (recipe.losses(batch, chance(), progress) for progress in (0.0, 1.0))
        assert torch.equal(first.measures["decibels"], second.losses["decibels"])
        return float(first.losses["distance"]), float(second.losses["decibels"])

    assert off(-1)[1] == pytest.approx(float(every.measures["alone"]), rel=1e-5)  # DIS interpolation draws
    # Nothing moves: each way of moving has it right, and what is left is the least that counts.
    still, least = batch["image1"], recipe.config.least
    batch |= {"image2": still, "middle": still.clone()}
    for number in (0, WAYS + 1, 2 * WAYS + 2):
        assert off(number) == pytest.approx((least, 0), abs=1e-5)
    batch["middle"] += 0.1
    decibels = 10 * math.log10(1 + (0.1 / least) ** 2)
    assert off(0) == pytest.approx((math.hypot(0.1, least), decibels), rel=1e-4)
    batch["middle"][0] = still[0]  # one triplet of two is right
    assert off(0)[1] == pytest.approx(decibels / 2, rel=1e-4)


def test_flow_that_is_hidden_unknown_or_too_long_weighs_what_it_should() -> None:
    recipe, batch = made("raft", occluded=0)
    whole = recipe.losses(batch, chance(), 0.0).losses["sequence"]
    batch["visible"] = torch.zeros_like(batch["visible"])
    assert recipe.losses(batch, chance(), 0.0).losses["sequence"] == 0 < whole
    batch["visible"] = torch.ones_like(batch["visible"])
    for hidden in (torch.nan, 1e4):
        batch["flow"] = torch.full_like(batch["flow"], hidden)
        terms, measures = recipe.losses(batch, chance(), 0.0)
        assert terms["sequence"] == 0 == measures["epe"]


def test_coarse_frames_are_supervised_less() -> None:
    recipe, batch = made("interpolation")
    terms, _ = recipe.losses(batch, chance(), 0.0)
    recipe.ships.zero_grad()
    terms["coarse"].backward()
    first, last = (recipe.ships.get_submodule(f"block{i}") for i in (0, 1))
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in first.parameters())
    assert all(p.grad is None for p in last.parameters())


def test_amt_is_held_against_the_frame_and_the_flow_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amt, "turned", lambda *frames_and_chance: frames_and_chance[:-1])
    recipe, batch = made("amt")
    seen = []

    def measure(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        seen.append((first, second))
        return torch.linspace(-3, 3, 4)[:, None, None, None].expand(4, 2, 32, 32)

    recipe._measure = measure
    with torch.no_grad():
        terms, _ = recipe.losses(batch, chance(), 0.0)
        drawn, coarse = recipe.ships(batch["image1"], batch["image2"], batch["t"], every_flow=True)
    middle = batch["middle"]
    flow = measure(middle, middle)
    assert torch.equal(seen[0][0], torch.cat([middle, middle]))
    assert torch.equal(seen[0][1], torch.cat([batch["image1"], batch["image2"]]))
    assert terms["charbonnier"] == pytest.approx(float(losses.charbonnier(drawn.frame, middle)))
    assert terms["census"] == pytest.approx(float(losses.census(drawn.frame, middle)))
    first = losses.distilled([one[:, :2] for one in coarse], drawn.flow0, flow[:2])
    second = losses.distilled([one[:, 2:] for one in coarse], drawn.flow1, flow[2:])
    assert terms["flow"] == pytest.approx(0.002 * float(first + second), rel=1e-5)


def test_a_loss_of_amt_without_weight_is_not_computed() -> None:
    recipe, batch = made("amt", charbonnier=0, census=2, flow=0)
    terms, _ = recipe.losses(batch, chance(), 0.0)
    assert terms.keys() == {"census"} and recipe._measure is None


def test_turning_keeps_what_is_between_what() -> None:
    img0, img1 = torch.rand(2, 8, 3, 6, 9)
    time = torch.linspace(0.1, 0.8, 8)
    middle = torch.lerp(img0, img1, time[:, None, None, None])
    shapes = set()
    for seed in range(6):
        first, last, between, moment = turned(img0, img1, middle, time, torch.Generator().manual_seed(seed))
        assert torch.allclose(between, torch.lerp(first, last, moment[:, None, None, None]), atol=1e-6)
        assert torch.allclose(between.sum((2, 3)), middle.sum((2, 3)), atol=1e-4)
        shapes.add(tuple(between.shape[2:]))
    assert shapes == {(6, 9), (9, 6)}


def test_every_place_of_a_step_and_every_process_sees_all_sources() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
            assert count == 3
            return {self.name: torch.full((count,), number)}

    mixture = Mixture([Named("a"), Named("b")], 5)
    drawn = []
    for number in range(240):
        ((key, planes),) = mixture.batch(number, 3).items()
        assert int(planes[0]) == number
        drawn.append(key)
    assert 90 < drawn.count("a") < 150
    for period in (2, 6, 12):  # processes, updates of a step, both
        assert all(set(drawn[place::period]) == {"a", "b"} for place in range(period))
    assert [*mixture.batch(7, 3)] == [drawn[7]]
    others = Mixture([Named("a"), Named("b")], 6)
    assert [key for number in range(240) for key in others.batch(number, 3)] != drawn


def test_lacking_data_is_said() -> None:
    class Numbered:
        def __init__(self, name: str) -> None:
            self.name = name

        def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
            return {self.name: torch.full((count,), number)}

    mixture = Mixture([Numbered("a"), Numbered("b"), Numbered("a")], 0)
    assert mixture.name == "a + b"
    with pytest.raises(InputError, match=r"data a \+ b: expected batches with c, t, got [ab]"):
        Feed(mixture, ("c", "t"), 1, "cpu", 1).take(0)


def test_a_feed_ahead_gives_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Squares((24, 32))
    feed = Feed(source, ("image1",), 2, "meta", 2)
    monkeypatch.setattr(feed, "_device", "cpu")
    for number in (0, 2, 4, 10):
        assert torch.equal(feed.take(number)["image1"], source.batch(number, 2)["image1"])
        assert torch.equal(feed.again(1)["image1"], source.batch(1, 2)["image1"])
    feed.close()
