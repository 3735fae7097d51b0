"""The training loop: mixed precision, several processes, accumulation, clipping and the moving average in one place.

One process:     photoflow train gan --data procedural --minutes 60 --out run
Two GPUs:        torchrun --nproc-per-node 2 -m photoflow train gan --data procedural --minutes 60 --out run
One may be lost: torchrun --nproc-per-node 2 --max-restarts 3 -m photoflow train gan ... --minutes 60 --total 60 ...
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from photoflow.data.seeding import generator_of
from photoflow.errors import InputError
from photoflow.io.atomic import naming_errors
from photoflow.train.checkpoint import (
    CHECKPOINT,
    WEIGHTS,
    about_weights,
    check_place,
    load_checkpoint,
    progress_of_weights,
    save_checkpoint,
    write_weights,
)
from photoflow.train.distributed import Ranks
from photoflow.train.feed import Feed
from photoflow.train.interrupt import interruptible
from photoflow.train.log import Journal
from photoflow.train.pictures import SHOWN
from photoflow.train.recipe import Recipe, Terms, Turn
from photoflow.train.schedule import Plan, Progress, Schedule
from photoflow.weights.state_dict import fit, read_state_dict

if TYPE_CHECKING:
    from rich.console import Console

    from photoflow.data import Batch, Source

_SAVE_SECONDS = 180.0  # of training between two checkpoints
_DIVERGED = 1e6  # no loss of any recipe comes near it, nor from there back
_LEAST_SCALE = 2.0**-14  # float16's gradients overflow even so: they are no longer numbers


class Diverged(InputError):
    """A loss or a gradient that is no longer finite, or so large that nothing is learned from it."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a training.

    Args:
        progress: how far it is.
        weights: the file of weights.
        signal: the number of the one that ended it, or 0.
        done: whether the whole training is done.
    """

    progress: Progress
    weights: Path
    signal: int
    done: bool


class Trainer:
    """A recipe, and everything that changes while it is trained.

    Args:
        recipe: what is trained.
        source: makes its batches.
        ranks: this process among those that train together.
    """

    def __init__(self, recipe: Recipe, source: Source, ranks: Ranks) -> None:
        self.recipe, self.ranks, self.config = recipe, ranks, recipe.config
        self.done = Progress(data=[source.name])
        self.average = copy.deepcopy(recipe.ships).eval().requires_grad_(False)
        self.dtype = settled_precision(self.config.precision, ranks.device)
        half = self.dtype == torch.float16
        self.scalers = {turn.name: torch.amp.GradScaler(ranks.kind, enabled=half) for turn in recipe.turns}
        self.forwards = {turn.name: self._parallel(_Forward(turn)) for turn in recipe.turns}
        self.feed = Feed(source, recipe.needs, self.config.batch, ranks.device, ranks.world * recipe.apart)

    def step(self, progress: float, rate: float) -> dict[str, float]:
        """Take one step: each turn's updates, then the moving average.

        Args:
            progress: the share of the training that is done.
            rate: the learning rate.

        Returns:
            Losses and measures by name, means over batches and processes.

        Raises:
            Diverged: one of the losses has.
        """
        values: dict[str, float] = {"rate": rate}
        for turn in self.recipe.turns:
            if progress >= turn.begins:
                for _ in range(turn.updates):
                    values |= self._update(turn, progress, rate)
        self.done.step += 1
        self._follow()
        return values

    def _update(self, turn: Turn, progress: float, rate: float) -> dict[str, float]:
        """Update one network once: accumulate gradients, clip them, move the weights."""
        for other in self.recipe.turns:
            other.network.requires_grad_(other is turn)
        forward, scaler, optimiser = self.forwards[turn.name], self.scalers[turn.name], turn.optimiser
        sums: dict[str, Tensor] = {}
        names: set[str] = set()
        for remaining in reversed(range(self.config.accumulation)):
            batch, chance = self._next_batch()
            with ExitStack() as without_exchange:
                if remaining and isinstance(forward, DistributedDataParallel):  # gradients are exchanged once
                    without_exchange.enter_context(forward.no_sync())
                with self._autocast():
                    terms: Terms = forward(batch, chance, progress)
                loss = torch.stack([*terms.losses.values()]).sum() / self.config.accumulation
                scaler.scale(loss).backward()
            names |= terms.losses.keys()
            for name, term in {**terms.losses, **terms.measures}.items():
                sums[name] = sums.get(name, 0) + term.detach().float() / self.config.accumulation
        scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(turn.network.parameters(), self.config.clip or math.inf)
        seen = self.ranks.mean(torch.stack([*sums.values(), norm.float()])).tolist()  # the only wait for the device
        values = dict(zip([*sums, "gradient"], seen))
        self._check(turn, values, names)
        for group in optimiser.param_groups:
            group["lr"] = rate * group.get("share", 1.0)
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad(set_to_none=True)
        return {f"{turn.name}/{name}": value for name, value in values.items()}

    def _next_batch(self) -> tuple[Batch, torch.Generator]:
        """Return the next batch of this process and a random generator; both follow from its number alone."""
        number = self.done.number + self.ranks.rank
        self.done.number += self.ranks.world
        return self.feed.take(number * self.recipe.apart), generator_of(self.config.seed, 2, number)

    def _check(self, turn: Turn, values: dict[str, float], losses: set[str]) -> None:
        """Stop before the weights are spoiled."""
        scaler = self.scalers[turn.name]
        wrong = [name for name in losses if not abs(values[name]) < _DIVERGED]
        if scaler.is_enabled():  # the scaler leaves out an update whose gradient is not finite, and scales less
            wrong += ["gradient"] if scaler.get_scale() < _LEAST_SCALE else []
        elif not math.isfinite(values["gradient"]):
            wrong.append("gradient")
        if wrong:
            what = ", ".join(f"{turn.name}/{name} is {values[name]:g}" for name in sorted(wrong))
            raise Diverged(f"{self.recipe.name}: diverged at step {self.done.step + 1}: {what}; try a lower rate")

    def _follow(self) -> None:
        """Move the average of the weights, in the first steps faster."""
        decay = min(self.config.ema, (1 + self.done.step) / (10 + self.done.step))
        with torch.no_grad():
            weights: list[Tensor] = list(self.recipe.ships.parameters())
            torch._foreach_lerp_(list[Tensor](self.average.parameters()), weights, 1 - decay)
            for kept, now in zip(self.average.buffers(), self.recipe.ships.buffers()):
                kept.copy_(now)

    def _autocast(self) -> torch.autocast:
        """Return a context for networks in the configured precision; their weights, flows and losses stay float32."""
        half = self.dtype != torch.float32
        return torch.autocast(self.ranks.kind, self.dtype if half else None, enabled=half)

    def _parallel(self, forward: nn.Module) -> nn.Module:
        return DistributedDataParallel(forward) if self.ranks.world > 1 else forward

    def _parts(self) -> dict[str, Any]:
        """Return everything that has a state, by name."""
        parts: dict[str, Any] = {"average": self.average}
        for turn in self.recipe.turns:
            parts[f"{turn.name} network"] = turn.network
            parts[f"{turn.name} optimiser"] = turn.optimiser
            parts[f"{turn.name} scaler"] = self.scalers[turn.name]
        return parts

    def resume(self, folder: Path) -> str | None:
        """Go on from what a folder holds: a checkpoint, or the weights alone, as they come back from elsewhere.

        Returns:
            A line that says so, or None where there is nothing to go on from.

        Raises:
            InputError: it is damaged, or of another recipe or configuration.
        """
        checkpoint, weights = folder / CHECKPOINT, folder / WEIGHTS
        config, (name,) = self.config.as_json(), self.done.data
        if checkpoint.is_file():
            self.done, states = load_checkpoint(checkpoint, self.recipe.name, config)
            try:
                for part, owner in self._parts().items():
                    owner.load_state_dict(states[part])
            except (LookupError, ValueError, TypeError, RuntimeError, AttributeError) as error:
                raise InputError(f"{checkpoint}: the checkpoint does not fit the network it names") from error
            said = f"{folder} has a checkpoint: going on after step {self.done.step}"
        elif weights.is_file():
            self.done = progress_of_weights(weights, self.recipe.name, config)
            self.done.fresh = self.done.step
            for network in (self.recipe.ships, self.average):
                fit(network, read_state_dict(weights), weights)
            said = f"{folder} has weights and no checkpoint: going on after step {self.done.step}, new optimisers"
        else:
            return None
        self.done.data = list(dict.fromkeys([*self.done.data, name]))
        return f"{said}, {self.done.seconds / 60:.1f} min"

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the weights into a folder.

        Raises:
            InputError: they cannot be written.
        """
        config = self.config.as_json()
        states = {part: owner.state_dict() for part, owner in self._parts().items()}
        save_checkpoint(folder / CHECKPOINT, self.recipe.name, config, self.done, states)
        about = about_weights(
            self.recipe.name, self.recipe.network, config, self.done, self.ranks.device, self.ranks.world
        )
        write_weights(folder / WEIGHTS, self.average, about | self.recipe.facts)

    def picture(self) -> Any:
        """Draw a sheet of the averaged network's results for the first batch: uint8 (H, W, 3)."""
        batch = {name: planes[:SHOWN] for name, planes in self.feed.again(0).items()}
        with torch.no_grad(), self._autocast():
            return self.recipe.picture(self.average, batch)


def train(
    recipe: Recipe,
    source: Source,
    folder: Path,
    plan: Plan,
    console: Console,
    ranks: Ranks | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Train until the plan is done, the training as a whole is, or a signal comes, and save.

    Args:
        recipe: what is trained.
        source: makes its batches: process r of n takes number k n + r, times the recipe's `apart`.
        folder: where checkpoint, weights, table and pictures are kept, and gone on from; made if it is missing.
        plan: how long.
        console: where it is shown.
        ranks: this process among those that train together; None: alone, on the CPU.
        clock: seconds.

    Returns:
        The outcome of the training.

    Raises:
        InputError: the folder cannot be used, its checkpoint is damaged or another training's, not all processes see
            it, or the data lacks what the recipe needs.
        Diverged: a loss has; the last checkpoint stays.
    """
    ranks = ranks or Ranks()
    with naming_errors(check_place(folder)):
        folder.mkdir(parents=True, exist_ok=True)
    trainer, config = Trainer(recipe, source, ranks), recipe.config
    said = trainer.resume(folder)
    if not ranks.same(trainer.done.step):
        raise InputError(f"{folder}: expected one folder that all processes see, got another checkpoint in one of them")
    if said is None:
        recipe.look(trainer.feed.again, source)
    done = trainer.done
    plan.extend(done)
    schedule = Schedule(done.steps, done.minutes, config.rate, config.last_rate, config.warmup)
    first, before, saved = done.step, done.seconds, done.seconds
    leads = ranks.rank == 0
    with interruptible() as signalled, ExitStack() as open_files:
        open_files.callback(trainer.feed.close)
        journal = open_files.enter_context(Journal(folder, first, console, clock)) if leads else None
        for line in [*([said] if said else []), *recipe.facts.values()]:
            if journal:
                journal.say(line)
        began = clock()
        while True:
            done.seconds, caught = ranks.agreed(before + clock() - began, signalled())
            progress = schedule.progress(done.step, done.seconds)
            share = plan.share(done.step - first, done.seconds - before)
            if caught or progress >= 1 or share >= 1:
                break
            values = trainer.step(progress, schedule.rate_at(progress, done.step - done.fresh))
            if journal:
                share = plan.share(done.step - first, done.seconds - before)
                journal.note(done.step, done.seconds / 60, share, values)
                if done.seconds - saved >= _SAVE_SECONDS:
                    saved = done.seconds
                    trainer.save(folder)
                    journal.picture(done.step, trainer.picture())
        if journal and done.step > first:
            trainer.save(folder)
            journal.picture(done.step, trainer.picture())
    return Outcome(done, folder / WEIGHTS, caught, progress >= 1)


def settled_precision(precision: str, device: str) -> torch.dtype:
    """Return the floating-point type in which networks are trained.

    Args:
        precision: "bfloat16", "float16", "float32", or "auto": bfloat16 where the device multiplies matrices of it in
            hardware (on a CPU: AMX), else float32.
        device: where.
    """
    if precision != "auto":
        chosen: torch.dtype = getattr(torch, precision)
        return chosen
    on_cpu = device.startswith("cpu")
    quick = torch.cpu._is_amx_tile_supported() if on_cpu else torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if quick else torch.float32


class _Forward(nn.Module):
    """A turn's losses as the forward pass of a module, which DistributedDataParallel can wrap."""

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.network, self._losses = turn.network, turn.losses

    def forward(self, batch: Batch, chance: torch.Generator, progress: float) -> Terms:
        return self._losses(batch, chance, progress)
