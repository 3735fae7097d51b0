"""What each of two processes runs under torchrun: two steps of three recipes, from two sources of data."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from squares import TINY, mixed, narrow

from photoflow.train.distributed import process_group
from photoflow.train.loop import train
from photoflow.train.recipes import entry_of
from photoflow.train.schedule import Plan

with process_group("cpu") as ranks:
    assert ranks.world == 2
    assert ranks.agreed(5.0 + ranks.rank, 15 * ranks.rank) == (5.0, 15)
    for name in ("gan", "raft", "amt"):
        entry = entry_of(name)
        config = entry.configured(TINY[name] | ({"critic_updates": "2"} if name == "gan" else {}))
        folder = Path(sys.argv[1]) / f"two_{name}"
        with narrow():
            recipe = entry.made(config, ranks.device)
        train(recipe, mixed(config.data_size), folder, Plan(steps=2), Console(quiet=True), ranks)
