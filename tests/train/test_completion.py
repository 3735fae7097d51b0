"""What the recipe of the completion makes of clips: holes, losses, and what each of them asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from squares import TINY, Squares, narrow
from torch.nn import functional

from photoflow import cli
from photoflow.cli import train as command  # noqa: F401  (registers the command)
from photoflow.errors import InputError
from photoflow.io import VideoWriter
from photoflow.models.networks import load_network
from photoflow.train.completion import CompletionRecipe
from photoflow.train.recipes import entry_of


def made(**settings: object) -> tuple[CompletionRecipe, dict[str, torch.Tensor]]:
    entry = entry_of("completion")
    config = entry.configured(TINY["completion"] | {key: str(value) for key, value in settings.items()})
    with narrow():
        return entry.made(config, "cpu"), Squares(config.data_size).batch(0, 2)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_generator_losses_are_the_papers() -> None:
    recipe, batch = made()
    frames = 2 * batch["frames"][:, [0, 1, 2, 5]] - 1  # three in a row, and one reference
    holes = recipe._holes(frames, chance())
    assert 0.01 < holes.mean() < 0.6
    with torch.no_grad():
        terms, measures = recipe.generator_losses(batch, chance(), 0.0)
        drawn, flows = recipe.ships((frames * (1 - holes)), 3)
        drawn = drawn.unflatten(0, (2, 4))
        filled = torch.where(holes > 0, drawn, frames)
        judged = recipe._critic(filled)
    off = (drawn - frames).abs()
    inside = holes.expand_as(off) > 0
    assert terms.keys() == {"hole", "valid", "flow", "adversarial"}
    assert float(terms["hole"]) == pytest.approx(float(off[inside].mean()), rel=1e-4)
    assert float(terms["valid"]) == pytest.approx(float(off[~inside].mean()), rel=1e-4)
    assert float(terms["adversarial"]) == pytest.approx(-0.01 * float(judged.mean()), rel=1e-3)
    there, back = recipe._measured(frames[:, :3])
    distance = (flows[0] - there).abs().mean() + (flows[1] - back).abs().mean()
    assert float(terms["flow"]) == pytest.approx(float(distance), rel=1e-4)
    squared = ((filled - frames) / 2).square()[inside].mean()
    assert float(measures["psnr"]) == pytest.approx(-10 * float(squared.log10()), abs=1e-3)


def test_the_wanted_flow_is_that_of_the_undamaged_frames_at_a_quarter() -> None:
    recipe, batch = made(size="120x216")
    batch = Squares((120, 216)).batch(0, 1)
    there, back = recipe._measured(2 * batch["frames"][:, :3] - 1)
    assert there.shape == back.shape == (1, 2, 2, 30, 54)
    wanted = torch.tensor([0.5, 0.25]).view(2, 1, 1)  # a pan by (2, 1) pixels a frame
    inside = (..., slice(4, -4), slice(6, -6))
    assert (there - wanted).abs()[inside].median() < 0.05 and (back + wanted).abs()[inside].median() < 0.05


def test_critic_losses_are_a_hinge_and_leave_the_network_alone() -> None:
    recipe, batch = made()
    frames = 2 * batch["frames"][:, [0, 1, 2, 5]] - 1
    holes = recipe._holes(frames, chance())
    recipe._critic.eval()  # whose norms each look in training brings nearer
    terms, _ = recipe.critic_losses(batch, chance(), 0.0)
    with torch.no_grad():
        drawn, _ = recipe.ships(frames * (1 - holes), 3)
        filled = torch.where(holes > 0, drawn.unflatten(0, (2, 4)), frames)
        real, made_up = recipe._critic(frames), recipe._critic(filled)
    assert float(terms["real"].detach()) == pytest.approx(float(functional.relu(1 - real).mean() / 2), rel=1e-4)
    assert float(terms["drawn"].detach()) == pytest.approx(float(functional.relu(1 + made_up).mean() / 2), rel=1e-4)
    (terms["real"] + terms["drawn"]).backward()
    assert all(parameter.grad is None for parameter in recipe.ships.parameters())
    assert all(parameter.grad is not None for parameter in recipe._critic.parameters())


def test_a_loss_without_weight_is_left_out() -> None:
    recipe, batch = made(adversarial=0, flow=0, valid=0)
    assert [turn.name for turn in recipe.turns] == ["generator"]
    assert recipe.generator_losses(batch, chance(), 1.0).losses.keys() == {"hole"}
    recipe, batch = made(adversarial_from=0.5)
    assert "adversarial" not in recipe.generator_losses(batch, chance(), 0.4).losses
    assert [turn.begins for turn in recipe.turns] == [0.5, 0.0]
    recipe, batch = made(local=1, references=3)
    assert recipe.generator_losses(batch, chance(), 0.0).losses.keys() == {"hole", "valid", "adversarial"}


def test_losses_are_weighed() -> None:
    plain, other = (made(**weights) for weights in ({}, {"hole": 2, "valid": 3, "flow": 4, "adversarial": 0.05}))
    with torch.no_grad():
        terms, more = (recipe.generator_losses(batch, chance(), 0.0).losses for recipe, batch in (plain, other))
    assert [float(more[name] / terms[name]) for name in ("hole", "valid", "flow", "adversarial")] == pytest.approx(
        [2, 3, 4, 5], rel=1e-4
    )


def test_the_network_is_made_by_the_call_it_names() -> None:
    recipe, _ = made()
    assert recipe.network == 'E2FGVI(hq=True, size="small", published_order=False)'
    assert not recipe.ships.feat_prop_module.published_order


def test_a_sheet_has_a_row_a_clip() -> None:
    recipe, batch = made(size="60x108")
    height, width, _ = recipe.picture(recipe.ships, batch).shape
    assert height >= 2 * 60 and width >= 5 * 108


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"local": 6}, "local, references: expected 1 to 5 and at most 3, got 6 and 1"),
        ({"local": 0}, "local, references: expected 1 to 5 and at most 3, got 0 and 1"),
        ({"references": 4}, "local, references: expected 1 to 5 and at most 3, got 3 and 4"),
        ({"hole": 0, "valid": 0}, "hole, valid: expected at least one with a weight above 0, got none"),
        ({"betas": "1,1"}, "betas: expected numbers below 1, got 1.0,1.0"),
        ({"critic_width": 0}, "critic_width: expected at least 1, got 0"),
        ({"network": "paper"}, "size: expected 240x432 for the paper's network, got 60x108"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(**settings)


def test_the_command_trains_on_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    with VideoWriter(tmp_path / "videos" / "a.mp4", 96, 72, 25) as writer:
        for number in range(10):
            writer.write(np.full((72, 96, 3), 20 * number, np.uint8))
    settings = [option for name, value in TINY["completion"].items() for option in ("--set", f"{name}={value}")]
    place = ["--data", f"video:{tmp_path / 'videos'}", "--out", str(tmp_path / "run"), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["photoflow", "train", "completion", *place, "--steps", "1", *settings])
    with narrow(), pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code, capsys.readouterr().err
    with narrow():
        network = load_network("completion", tmp_path / "run" / "weights.safetensors")
    assert not network.feat_prop_module.published_order
