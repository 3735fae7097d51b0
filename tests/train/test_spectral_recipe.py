"""The four stages of the prior of natural motion: what each trains, and what it leaves as it is."""

from __future__ import annotations

import csv
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from priors import swaying, tiny
from rich.console import Console
from safetensors.torch import load_file

from photoflow import cli
from photoflow.cli import train as command  # noqa: F401  (registers the command)
from photoflow.data.spectral_volumes import SAMPLES
from photoflow.errors import InputError
from photoflow.models.networks import load_network
from photoflow.models.spectral.prior import Guidance, amplitudes, loop_loss
from photoflow.motion.spectral import SpectralVolume, amplitude_scales
from photoflow.train import log, spectral
from photoflow.train.feed import Mixture
from photoflow.train.loop import train
from photoflow.train.losses import multi_scale_gradient
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan

QUICK = {"size": "16x24", "batch": "4", "warmup": "0", "rate": "3e-3", "precision": "float32"}


class Swaying:
    """Batches of a swaying stripe; `alike`: always the first one."""

    name = "stripes"

    def __init__(self, alike: bool = False) -> None:
        self.alike = alike

    def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
        return swaying(count, seed=0 if self.alike else number)

    def volumes(self) -> Iterator[torch.Tensor]:
        for number in range(1 if self.alike else 5):
            yield self.batch(number, 4)["volume"]


def made(**settings: object):
    entry = entry_of("spectral")
    with tiny():
        return entry.made(entry.configured(QUICK | {name: str(value) for name, value in settings.items()}), "cpu")


def run(folder: Path, steps: int, alike: bool = True, total: int | None = None, **settings: object) -> Path:
    """Train a stage; the file of its weights."""
    recipe = made(**settings)
    return train(recipe, Swaying(alike), folder, Plan(steps=steps, total=total), Console(quiet=True)).weights


@pytest.fixture(scope="module", autouse=True)
def _quick_sheets() -> Iterator[None]:
    """Samples that are looked at by nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "_SHOWN_STEPS", 2)
        patch.setattr(spectral, "_DRAWN_STEPS", 3)
        yield


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of all four stages, each begun with those of the one before."""
    folder = tmp_path_factory.mktemp("stages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "_EVERY_STEPS", 1)
        found = {"vae": run(folder / "vae", 25)}
        found["slice"] = run(folder / "slice", 25, stage="slice", begin=found["vae"])
        found["coordinated"] = run(folder / "coordinated", 4, stage="coordinated", begin=found["slice"])
        found["calibrated"] = run(
            folder / "calibrated", 12, stage="calibrated", begin=found["coordinated"], rate=0.3, ema=0.5
        )
    return found


def column(weights: Path, name: str) -> list[float]:
    with open(weights.parent / "log.csv", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_the_autoencoder_learns_to_reconstruct(stages: dict[str, Path]) -> None:
    losses = column(stages["vae"], "vae/l1")
    assert len(losses) == 25 and mean(losses[-5:]) < 0.65 * mean(losses[:5])
    gradients = column(stages["vae"], "vae/gradient")
    assert mean(gradients[-5:]) < 0.8 * mean(gradients[:5])
    assert mean(column(stages["vae"], "vae/error")[-5:]) < 0.85  # of the mean size of what it is to give back


def test_noise_is_found_better_and_better(stages: dict[str, Path]) -> None:
    noise = column(stages["slice"], "slice/noise")
    assert noise[0] == pytest.approx(1, abs=0.1)  # nothing is found at first
    assert mean(noise[-10:]) < 0.8
    assert mean(column(stages["coordinated"], "coordinated/noise")) < 0.9


def test_the_noise_of_late_steps_counts_as_much_as_that_of_early_ones() -> None:
    recipe, batch = made(), swaying(4)
    recipe.ships.vae.scales.copy_(torch.tensor([2.0, 1.0, 0.5, 0.25]))
    terms = [recipe.coordinated_losses(batch, torch.Generator().manual_seed(seed), 0.0) for seed in range(8)]
    steps = [torch.randint(1000, (4,), generator=torch.Generator().manual_seed(seed)) for seed in range(8)]
    latents = recipe.ships.latents(batch["volume"])
    # Untrained, what is wrong is a_n (e^2 + z^2) / ..., so that the loss does not depend on the step but for z.
    wanted = torch.stack([1 - (1 - recipe.ships.schedule.kept[s]) * (1 - latents.square().mean()) for s in steps])
    assert float(torch.stack([t.losses["noise"] for t in terms]).mean()) == pytest.approx(float(wanted.mean()), rel=0.1)
    assert all(0 < t.measures["unweighed"] < t.losses["noise"] for t in terms)


def test_each_stage_changes_its_own_part_alone(stages: dict[str, Path]) -> None:
    states = {stage: load_file(path) for stage, path in stages.items()}
    owners = {"vae": "vae.", "slice": "unet.", "coordinated": "coordination.", "calibrated": "calibration."}
    for stage, before in (("slice", "vae"), ("coordinated", "slice"), ("calibrated", "coordinated")):
        changed = {name for name, value in states[stage].items() if not torch.equal(value, states[before][name])}
        assert changed and all(name.startswith(owners[stage]) for name in changed)
    assert {"unet.latent_mean", "unet.latent_spread"} <= {
        name for name, value in states["slice"].items() if not torch.equal(value, states["vae"][name])
    }


def test_coordination_begins_where_the_slices_ended(stages: dict[str, Path]) -> None:
    recipe, batch = made(stage="coordinated", begin=stages["slice"]), swaying(2)
    latents, step = torch.randn(2, 4, 4, 8, 12), torch.tensor([10, 600])
    with torch.no_grad():
        features = recipe.ships.unet.encoded(batch["image"])
        together = recipe.ships.noise_of(latents, step, features)
        alone = recipe.ships.noise_of(latents, step, features, torch.arange(4).expand(2, 4))
    assert torch.equal(together, alone)
    recipe.turns[0].network.requires_grad_(True)
    recipe.coordinated_losses(batch, torch.Generator().manual_seed(0), 0.0).losses["noise"].backward()
    assert all(p.grad is None for p in recipe.ships.unet.parameters())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in recipe.ships.coordination.parameters())


def test_calibration_brings_amplitudes_to_those_of_the_data(stages: dict[str, Path]) -> None:
    apart = column(stages["calibrated"], "calibrated/amplitudes")
    assert len(apart) == 12 and mean(apart[-3:]) < 0.8 * apart[0]
    batch = swaying(8, seed=5)
    off = []
    for stage in ("coordinated", "calibrated"):
        with tiny():
            drawn = load_network("spectral", stages[stage])(batch["image"], 3, chance=torch.Generator().manual_seed(5))
        medians = [amplitudes(volume).median(0).values.clamp(min=1e-4).log() for volume in (drawn, batch["volume"])]
        off.append(float((medians[0] - medians[1]).abs().mean()))
    assert off[1] < 0.7 * off[0]


def test_calibration_asks_how_amplitudes_are_spread_not_whose_they_are(stages: dict[str, Path]) -> None:
    recipe = made(stage="calibrated", begin=stages["calibrated"])
    batch = swaying(4)
    turned = batch | {"volume": batch["volume"].roll(1, 0)}
    losses = [
        recipe.calibrated_losses(one, torch.Generator().manual_seed(0), 0.0).losses["amplitudes"]
        for one in (batch, turned)
    ]
    torch.testing.assert_close(*losses)


def test_calibration_sees_other_records_in_every_batch(stages: dict[str, Path], tmp_path: Path) -> None:
    class Noted(Swaying):
        def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
            numbers.append(number)
            return super().batch(number, count)

    for stage, begin, wanted in (("calibrated", "coordinated", SAMPLES // 4), ("coordinated", "slice", 1)):
        numbers: list[int] = []
        recipe = made(stage=stage, begin=stages[begin])
        train(recipe, Noted(), tmp_path / stage, Plan(steps=3), Console(quiet=True))
        assert [number for number in dict.fromkeys(numbers) if number] == [wanted, 2 * wanted]


def test_scales_are_percentiles_of_the_whole_data() -> None:
    source, recipe = Swaying(), made()
    recipe.look(lambda number: source.batch(number, 4), source)
    volume = torch.cat(list(source.volumes()))
    coefficients = (volume[:, :, 0::2] + 1j * volume[:, :, 1::2]).numpy()
    wanted = amplitude_scales([SpectralVolume(one, 5.0) for one in coefficients])
    assert torch.allclose(recipe.ships.vae.scales, torch.from_numpy(wanted), rtol=0.005)


def test_sources_count_alike_in_the_scales() -> None:
    class Twice(Swaying):
        def volumes(self) -> Iterator[torch.Tensor]:
            for volume in super().volumes():
                yield 2 * volume.repeat(3, 1, 1, 1, 1)

    one, other = Swaying(), Twice()
    recipe = made()
    recipe.look(lambda number: one.batch(number, 4), Mixture([one, other], 0))
    both = torch.cat([*one.volumes(), *(2 * volume for volume in one.volumes())])
    coefficients = (both[:, :, 0::2] + 1j * both[:, :, 1::2]).numpy()
    wanted = amplitude_scales([SpectralVolume(volume, 5.0) for volume in coefficients])
    assert torch.allclose(recipe.ships.vae.scales, torch.from_numpy(wanted), rtol=0.005)


def test_without_adaptive_normalisation_all_frequencies_have_one_scale() -> None:
    source, recipe = Swaying(), made(normalisation="size")
    recipe.look(lambda number: source.batch(number, 4), source)
    assert recipe.ships.vae.scales.tolist() == [20.0] * 4  # of pictures of 16 by 24 pixels


def test_weights_know_the_size_of_their_pictures(tmp_path: Path) -> None:
    class Small(Swaying):
        def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
            return swaying(count, (16, 20))

    outcome = train(made(size="16x20"), Small(), tmp_path, Plan(steps=1), Console(quiet=True))
    with tiny():
        assert load_network("spectral", outcome.weights).vae.size.tolist() == [16, 20]


def test_latents_are_standardised_by_the_data(stages: dict[str, Path]) -> None:
    with tiny():
        network = load_network("spectral", stages["slice"])
    with torch.no_grad():
        latents = network.latents(swaying(4)["volume"])
    assert torch.allclose(latents.mean((0, 1, 3, 4)), torch.zeros(4), atol=0.02)
    assert torch.allclose(latents.std((0, 1, 3, 4)), torch.ones(4), atol=0.02)
    assert torch.allclose(latents.abs().amax((0, 1, 3, 4)), network.unet.latent_bound / 1.25, rtol=0.05)


def test_loops_of_a_trained_prior_close_under_self_guidance(stages: dict[str, Path]) -> None:
    with tiny():
        network = load_network("spectral", stages["coordinated"])
    image = swaying(1)["image"]
    free, steered = (
        network(image, 10, Guidance(0.0, 0.8, closing, corrections=corrections), torch.Generator().manual_seed(3))
        for closing, corrections in ((0.0, 0), (10.0, 3))
    )
    assert loop_loss(steered, 0.8) < 0.3 * loop_loss(free, 0.8)


def test_pictures_are_hidden_in_their_share_of_samples() -> None:
    batch = swaying(2)
    for dropped, wanted in ((0.0, False), (1.0, True)):
        recipe = made(dropped=dropped)
        recipe.ships.unet.leave[2].weight.data.normal_()
        lit = {**batch, "image": 1 - batch["image"]}
        same = [float(recipe.slice_losses(one, torch.Generator().manual_seed(0), 0.0).losses["noise"])
                for one in (batch, lit)]  # fmt: skip
        assert (same[0] == same[1]) is wanted


def test_losses_are_weighed() -> None:
    batch, chance = swaying(2), torch.Generator()
    plain = made().vae_losses(batch, chance.manual_seed(0), 0.0).losses
    other = made(l1=2, gradient=0.6, kl=1e-5).vae_losses(batch, chance.manual_seed(0), 0.0).losses
    assert [float(other[name] / plain[name]) for name in ("l1", "gradient", "kl")] == pytest.approx(
        [2, 3, 10], rel=1e-4
    )


def test_multi_scale_gradient_sees_slopes_at_every_scale() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert multi_scale_gradient(ramp, ramp + 5) == 0
    assert float(multi_scale_gradient(ramp, torch.zeros_like(ramp))) == 1 + 2 + 4  # sides of 8, 4 and 2


def test_resuming_equals_no_interruption_to_the_bit(stages: dict[str, Path], tmp_path: Path) -> None:
    for stage, begin in (("vae", ""), ("slice", stages["vae"]), ("coordinated", stages["slice"])):
        settings = {"stage": stage, "begin": begin, "slices": 2, "batch": 2}
        straight = load_file(run(tmp_path / stage / "a", 2, alike=False, **settings))
        run(tmp_path / stage / "b", 1, alike=False, total=2, **settings)
        twice = load_file(run(tmp_path / stage / "b", 1, alike=False, total=2, **settings))
        assert all(torch.equal(value, twice[name]) for name, value in straight.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stage": "slices"}, "stage: expected vae or slice or coordinated or calibrated, got 'slices'"),
        ({"stage": "slice"}, "stage=slice: expected begin=FILE, the weights of a training with stage=vae"),
        ({"stage": "coordinated"}, "stage=coordinated: expected begin=FILE, .* stage=slice"),
        ({"normalisation": "no"}, "normalisation: expected adaptive or size, got 'no'"),
        ({"slices": 0}, "slices: expected at least 1, got 0"),
        ({"dropped": 1.5}, "dropped: expected a share from 0 to 1, got 1.5"),
        ({"stage": "slice", "begin": "nowhere.safetensors"}, "nowhere.safetensors: not found"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(**settings)


def test_a_stage_that_was_left_out_is_said(stages: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="begin: expected the weights of a training with stage=slice, got"):
        made(stage="coordinated", begin=stages["vae"])


def test_volumes_of_too_few_frequencies_are_said(tmp_path: Path) -> None:
    class Few(Swaying):
        def batch(self, number: int, count: int) -> dict[str, torch.Tensor]:
            return swaying(count, frequencies=3)

    with pytest.raises(InputError, match="expected volumes of at least 4 frequencies, got 3"):
        train(made(), Few(), tmp_path, Plan(steps=1), Console(quiet=True))


def test_the_command_trains_the_stages_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = types.SimpleNamespace(open_source=lambda text, **_: Swaying())
    monkeypatch.setitem(sys.modules, "photoflow.data", opened)

    def photoflow(stage: str, *options: str) -> str:
        quick = [option for name, value in QUICK.items() for option in ("--set", f"{name}={value}")]
        place = ["--data", "spectral:clips", "--out", str(tmp_path / stage), "--device", "cpu", "--steps", "1"]
        arguments = ["photoflow", "train", "spectral", *place, *quick, "--set", f"stage={stage}", *options]
        monkeypatch.setattr(sys, "argv", arguments)
        with tiny(), pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        assert not stopped.value.code, captured.err
        return " ".join((captured.out + captured.err).split())

    photoflow("vae")
    photoflow("slice", "--set", f"begin={tmp_path / 'vae' / 'weights.safetensors'}")
    coordinated = "coordinated", "--set", f"begin={tmp_path / 'slice' / 'weights.safetensors'}"
    photoflow(*coordinated)
    assert "going on after step 1" in photoflow(*coordinated)
    assert len([*(tmp_path / "coordinated" / "samples").glob("*.png")]) == 2
