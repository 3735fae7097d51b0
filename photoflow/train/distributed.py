"""The processes that train together: one, or those that `torchrun` starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed.rendezvous import rendezvous

from photoflow.device import settled_device


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Args:
        rank: its number, from 0.
        world: how many there are.
        device: where it computes.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    @property
    def kind(self) -> str:
        """Return the device's kind, as autocast names it."""
        return self.device.partition(":")[0]

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over all processes. A value that is not finite makes it so for all: they stop together."""
        if self.world > 1:
            dist.all_reduce(values)
            values = values / self.world
        return values

    def agreed(self, seconds: float, signal: int) -> tuple[float, int]:
        """Return the time measured by the first process, and the highest signal of all processes; 0: none."""
        if self.world == 1:
            return seconds, signal
        both = torch.tensor([seconds if self.rank == 0 else 0.0, signal], dtype=torch.float64, device=self.device)
        dist.all_reduce(both, dist.ReduceOp.MAX)
        seconds, highest = both.tolist()
        return seconds, int(highest)

    def same(self, step: int) -> bool:
        """Return whether all processes go on after the same step."""
        if self.world == 1:
            return True
        ends = torch.tensor([step, -step], dtype=torch.int64, device=self.device)
        dist.all_reduce(ends, dist.ReduceOp.MAX)
        highest, lowest = ends.tolist()
        return bool(highest == -lowest)


@contextmanager
def process_group(device: str) -> Iterator[Ranks]:
    """Join the processes that torchrun started, over NCCL on CUDA and gloo on the CPU; stay alone without torchrun.

    Args:
        device: "auto", "cpu", "cuda" or "cuda:NUMBER"; each process of a machine takes a CUDA device of its own.

    Yields:
        This process among those that train together.

    Raises:
        InputError: no such kind of device, or it is not there.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = settled_device(device)
    torch.backends.cudnn.benchmark = True  # sizes stay: the quickest convolution is looked for once
    if world == 1:
        yield Ranks(device=chosen)
        return
    if chosen != "cpu":
        chosen = settled_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(chosen)
    store, rank, world = next(iter(rendezvous("env://")))
    # torchrun's store outlives its restarts, and has the addresses of processes that are no more.
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = dist.PrefixStore(f"restart {restart}", store)  # type: ignore[attr-defined]
    dist.init_process_group("gloo" if chosen == "cpu" else "nccl", store=store, rank=rank, world_size=world)
    try:
        yield Ranks(rank, world, chosen)
    finally:
        dist.destroy_process_group()
