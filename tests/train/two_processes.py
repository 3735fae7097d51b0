"""What each of two processes runs under torchrun: two steps of three recipes, from two sources of data.

`two_processes.py FOLDER killed`: of one recipe, and the second process is killed in its second step, once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from unittest import mock

from rich.console import Console
from squares import TINY, mixed, narrow

from photoflow.data import Batch
from photoflow.train import loop
from photoflow.train.distributed import process_group
from photoflow.train.feed import Mixture
from photoflow.train.loop import train
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan


class Killing(Mixture):
    """The same batches, until a process that made some of them is killed."""

    def __init__(self, mixture: Mixture) -> None:
        super().__init__(mixture.sources, 0)
        self.left = BATCHES

    def batch(self, number: int, count: int) -> Batch:
        if self.left == 0 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return super().batch(number, count)


killed = sys.argv[2:] == ["killed"]
BATCHES = 5  # three of a step of this recipe, and one that is looked at before the first
with process_group("cpu") as ranks, mock.patch.object(loop, "_SAVE_SECONDS", 0.0 if killed else 180.0):
    assert ranks.world == 2
    assert ranks.agreed(5.0 + ranks.rank, 15 * ranks.rank) == (5.0, 15)
    assert ranks.same(3) and not ranks.same(ranks.rank)
    for name in ("gan",) if killed else ("gan", "raft", "amt"):
        entry = entry_of(name)
        config = entry.configured(TINY[name] | ({"critic_updates": "2"} if name == "gan" else {}))
        folder = Path(sys.argv[1]) / f"two_{name}"
        with narrow():
            recipe = entry.made(config, ranks.device)
        source = mixed(config.data_size)
        if killed and ranks.rank == 1:
            source = Killing(source)
        train(recipe, source, folder, Plan(steps=2, total=2), Console(quiet=True), ranks)
