"""The loop on each recipe: the loss falls, an interruption changes nothing, two processes equal one, NaN stops."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from squares import TINY, Squares, mixed, narrow, run

from photoflow.models import ifnet
from photoflow.models.amt import amt as amt_network
from photoflow.models.networks import load_network
from photoflow.ops import backward_warp
from photoflow.train import amt, augment, interpolation, log, loop, refined_interpolation
from photoflow.train.loop import Diverged, settled_precision, train
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan

RECIPES = list(TINY)
TWO = Path(__file__).with_name("two_processes.py")


def column(folder: Path, name: str) -> list[float]:
    with open(folder / "log.csv", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Everything with a state in a folder's checkpoint, by name, and its moving average."""
    found = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}.{key}", inner)

    walk("", torch.load(folder / "checkpoint.pt", weights_only=True))
    return found


@pytest.mark.parametrize(
    ("name", "loss", "steps", "settings"),
    [
        ("gan", "generator/pixel", 12, {"shift": 2, "adversarial": 0, "rate": 3e-3}),
        ("raft", "flow/sequence", 12, {"batch": 2}),
        ("dis", "choice/lost", 12, {"rate": 1e-2}),
        ("refined", "frame/distance", 16, {"rate": 1e-2, "least": 1e-3}),
        ("refined", "frame/decibels", 16, {"rate": 3e-3, "least": 0.1, "pixels": 4096}),
        ("interpolation", "frame/laplacian", 20, {"rate": 3e-3}),
        ("amt", "frame/charbonnier", 12, {"rate": 3e-3}),
        ("pyramid", "frame/charbonnier", 30, {"rate": 1e-2}),
        ("completion", "generator/flow", 20, {"rate": 3e-3, "adversarial": 0}),
    ],
)
def test_the_loss_falls(
    name: str, loss: str, steps: int, settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_EVERY_STEPS", 1)
    monkeypatch.setattr(augment, "_SCALES", (0.0, 0.0))
    monkeypatch.setattr(augment, "_MIRRORED", (0.0, 0.0))
    for module in (interpolation, refined_interpolation, amt):
        monkeypatch.setattr(module, "turned", lambda *frames_and_chance: frames_and_chance[:-1])
    outcome = run(name, tmp_path, steps, source=source_of(name, alike=True), **settings)
    losses = column(tmp_path, loss)
    assert len(losses) == steps == outcome.progress.step and outcome.done
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert list((tmp_path / "samples").glob("*.png"))


@pytest.mark.parametrize("name", RECIPES)
def test_resuming_equals_no_interruption_to_the_bit(name: str, tmp_path: Path) -> None:
    settings = {"accumulation": 2} if name == "interpolation" else {}
    run(name, tmp_path / "straight", 3, **settings)
    first = run(name, tmp_path / "twice", 3, source=source_of(name, interrupted=0), **settings)
    assert first.signal == signal.SIGTERM and first.progress.step == 1 and not first.done
    second = run(name, tmp_path / "twice", 2, **settings)
    assert second.progress.step == 3 and second.done
    wanted, got = tensors(tmp_path / "straight"), tensors(tmp_path / "twice")
    assert wanted.keys() == got.keys() and len(wanted) > 40
    for key, value in wanted.items():
        assert torch.equal(value, got[key]), key
    ours, theirs = (load_file(tmp_path / kind / "weights.safetensors") for kind in ("straight", "twice"))
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def source_of(name: str, **options: int) -> Squares:
    return Squares(entry_of(name).configured(TINY[name]).data_size, **options)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what two processes trained."""
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # torchrun's
    command = [sys.executable, str(TWO), str(folder)]
    both = [
        subprocess.Popen(command, env=together | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in ("0", "1")
    ]
    try:
        for process in both:
            said = process.communicate(timeout=120)[1]
            assert process.returncode == 0, said[-2000:]
    finally:
        for process in both:
            process.kill()
    return folder


def test_two_processes_equal_one_that_accumulates(together: Path, tmp_path: Path) -> None:
    for name in ("gan", "raft", "amt"):
        source = mixed(entry_of(name).configured(TINY[name]).data_size)
        critic = {"critic_updates": 2} if name == "gan" else {}
        run(name, tmp_path / f"one_{name}", 2, source=source, accumulation=2, **critic)
        wanted, got = tensors(tmp_path / f"one_{name}"), tensors(together / f"two_{name}")
        assert wanted.keys() == got.keys()
        for key, value in wanted.items():
            if key.endswith(("exp_avg", "exp_avg_sq")):  # of the gradients
                assert (value - got[key]).norm() <= 1e-3 * value.norm() + 1e-9, key
            if " network." in key:  # Adam makes much of tiny gradients, so single weights may differ by the rate, 1e-3
                assert (value - got[key]).abs().mean() < 2e-6, key


def test_a_killed_process_is_started_again_and_nothing_is_lost(together: Path, tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    done = subprocess.run(
        [sys.executable, *launch, str(TWO), str(tmp_path), "killed"], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Signal 9" in done.stderr or "exitcode: -9" in done.stderr, done.stderr[-2000:]
    wanted, got = tensors(together / "two_gan"), tensors(tmp_path / "two_gan")
    assert wanted.keys() == got.keys()
    for key, value in wanted.items():
        assert torch.equal(value, got[key]), key
    assert column(tmp_path / "two_gan", "step")[-1] == 2


@pytest.mark.parametrize("name", RECIPES)
def test_weights_load_into_the_network(name: str, tmp_path: Path) -> None:
    outcome = run(name, tmp_path, 1, whole=True)
    kind = {"interpolation": "rife", "dis": "flow"}.get(name, name)
    network = load_network(kind, outcome.weights)
    state, saved = network.state_dict(), load_file(outcome.weights)
    assert all(torch.equal(state[key], value.float()) for key, value in saved.items())
    assert {value.dtype for value in saved.values() if value.is_floating_point()} == {torch.float16}


def test_nan_stops_with_the_step_and_the_loss(tmp_path: Path) -> None:
    run("interpolation", tmp_path, 2)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    source = Squares((32, 32), spoiled=3)
    with pytest.raises(Diverged, match=r"^interpolation: diverged at step 4: .*frame/laplacian is nan") as caught:
        run("interpolation", tmp_path, 5, source=source)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_divergence_stops_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_DIVERGED", 1e-3)
    with pytest.raises(Diverged, match="raft: diverged at step 1: flow/sequence is"):
        run("raft", tmp_path, 1)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_with_weights_and_flow_in_float32(precision: str, tmp_path: Path) -> None:
    convolve = [name for name in RECIPES if name not in ("dis", "refined")]
    for name in convolve if precision == "bfloat16" else ["interpolation"]:  # float16 is slow on a CPU
        convolved, flows = dtypes_of_a_step(name, tmp_path / name, precision)
        assert convolved == {getattr(torch, precision)}
        assert flows == {torch.float32}
        states = tensors(tmp_path / name)
        kept = [value.dtype for key, value in states.items() if "network" in key and value.is_floating_point()]
        assert set(kept) == {torch.float32}


def dtypes_of_a_step(name: str, folder: Path, precision: str) -> tuple[set[torch.dtype], set[torch.dtype]]:
    """Train one step: what the convolutions of the network that ships gave, and what its flows were."""
    convolved: set[torch.dtype] = set()
    flows: set[torch.dtype] = set()

    def see_flows(_: object, inputs: tuple[torch.Tensor, ...], output: list[torch.Tensor]) -> None:
        # The generators take one, RAFT gives one for each update; IFNet and AMT move images by them.
        given = {
            "gan": inputs[2:3],
            "raft": output,
            "interpolation": (),
            "amt": (),
            "pyramid": inputs[1:2],
            "completion": output[1:],
        }
        flows.update(flow.dtype for flow in (given[name][0] if name == "completion" else given[name]))

    def warp(planes: object, flow: torch.Tensor, **how: str) -> object:
        flows.add(flow.dtype)
        return backward_warp(planes, flow, **how)

    entry = entry_of(name)
    with narrow():
        recipe = entry.made(entry.configured(TINY[name] | {"precision": precision}), "cpu")
    recipe.ships.register_forward_hook(see_flows)
    for layer in recipe.ships.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, __, out: convolved.add(out.dtype))
    with mock.patch.object(ifnet, "backward_warp", warp), mock.patch.object(amt_network, "backward_warp", warp):
        train(recipe, source_of(name), folder, Plan(steps=1), Console(quiet=True))
    return convolved, flows


def test_automatic_precision_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda has=has: has)
        assert settled_precision("auto", "cpu") == dtype
    assert settled_precision("float16", "cpu") == torch.float16


def test_gradients_are_clipped_and_weights_averaged(tmp_path: Path) -> None:
    run("interpolation", tmp_path / "free", 1, ema=0)
    run("interpolation", tmp_path / "clipped", 1, clip=1e-12, ema=0, weight_decay=0)
    free, clipped = (tensors(tmp_path / name) for name in ("free", "clipped"))
    moments = [key for key in free if key.endswith("exp_avg")]
    assert moments and all(clipped[key].norm() < 1e-12 for key in moments)
    assert sum(free[key].norm() for key in moments) > 1e-6
    for key, value in free.items():  # an average that keeps nothing is the network itself
        if key.startswith(".states.average"):
            assert torch.equal(value, free[key.replace("average", "frame network")])


def test_average_lags_behind(tmp_path: Path) -> None:
    run("interpolation", tmp_path, 2, ema=0.999)
    states = tensors(tmp_path)
    pairs = [(v, states[k.replace("average", "frame network")]) for k, v in states.items() if ".average." in k]
    assert pairs and any(not torch.equal(*pair) for pair in pairs)


def test_minutes_end_a_slice_and_the_next_goes_on(tmp_path: Path) -> None:
    entry = entry_of("interpolation")
    config = entry.configured(TINY["interpolation"])

    def one_slice() -> loop.Outcome:
        with narrow():
            recipe = entry.made(config, "cpu")
        ticks = iter(range(0, 10_000, 10))  # ten seconds at each look at the clock
        return train(
            recipe, Squares((32, 32)), tmp_path, Plan(minutes=0.5, total=1.0), Console(quiet=True),
            clock=lambda: float(next(ticks)),
        )  # fmt: skip

    first = one_slice()
    assert not first.done and 30 <= first.progress.seconds < 60 and first.progress.step >= 1
    second = one_slice()
    assert second.done and second.progress.seconds >= 60 and second.progress.step > first.progress.step
    rates = column(tmp_path, "rate")
    assert rates[-1] < rates[0]


def test_going_on_is_said_and_also_works_from_weights_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("interpolation", tmp_path, 2)
    run("interpolation", tmp_path, 1, Console(width=200))
    assert "has a checkpoint: going on after step 2" in capsys.readouterr().out
    (tmp_path / "checkpoint.pt").unlink()
    outcome = run("interpolation", tmp_path, 1, Console(width=200))
    assert "has weights and no checkpoint: going on after step 3, new optimisers" in capsys.readouterr().out
    assert outcome.progress.step == 4 and outcome.progress.fresh == 3


def test_nothing_is_done_where_all_is_done(tmp_path: Path) -> None:
    run("interpolation", tmp_path, 1, total=1)
    before = (tmp_path / "checkpoint.pt").stat().st_mtime_ns
    outcome = run("interpolation", tmp_path, 1, total=1)
    assert outcome.done and outcome.progress.step == 1
    assert (tmp_path / "checkpoint.pt").stat().st_mtime_ns == before
