"""Work for tests of who does it: processes import it by its name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from photoflow.batch import Item, Record


def echo(item: Item) -> Record:
    """Say who did it, and which GPUs it sees."""
    return Record(item.photo, item.output, made={"process": os.getpid(), "gpu": os.environ.get("CUDA_VISIBLE_DEVICES")})


def slow(item: Item) -> Record:
    """Leave a mark when it begins, and take a minute."""
    Path(item.photo).write_text(str(os.getpid()))
    time.sleep(60)
    return echo(item)


class DiesAt:
    """Work whose process is killed at some items, the first time or always."""

    def __init__(self, folder: Path, items: set[str], always: bool = False) -> None:
        self._folder, self._items, self._always = folder, items, always

    def __call__(self, item: Item) -> Record:
        mark = self._folder / item.output
        if item.photo in self._items and (self._always or not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return echo(item)


class TakesMemory:
    """Work that holds as many bytes for a second as the photo's name says."""

    def __call__(self, item: Item) -> Record:
        held = np.ones(int(item.photo), np.uint8)
        time.sleep(1)
        return Record(item.photo, item.output, made={"sum": int(held[:10].sum())})


def threads(item: Item) -> Record:
    """Say how many threads libraries take."""
    import cv2

    return Record(item.photo, item.output, made={"threads": [os.environ["OMP_NUM_THREADS"], cv2.getNumThreads()]})
