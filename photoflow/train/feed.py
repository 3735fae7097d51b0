"""Batches: from one source of data or drawn from several, checked, on the device, one ahead of the GPU."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from photoflow.data.seeding import generator_of
from photoflow.errors import InputError

if TYPE_CHECKING:
    from photoflow.data import Batch, Source


class Mixture:
    """Several sources of data: batch n is the n-th of one that is drawn by its number.

    They do not take turns: so do the networks of a step and the processes, and each would see only some of the data.

    Args:
        sources: at least one; one that is named twice is drawn twice as often.
        seed: another one draws others.

    Attributes:
        sources: as given.
    """

    def __init__(self, sources: Sequence[Source], seed: int) -> None:
        self.sources, self._seed = tuple(sources), seed
        self.name = " + ".join(dict.fromkeys(source.name for source in sources))

    def batch(self, number: int, count: int) -> Batch:
        """Return batch `number` of `count` samples."""
        drawn = torch.randint(len(self.sources), (), generator=generator_of(self._seed, 3, number))
        return self.sources[int(drawn)].batch(number, count)


class Feed:
    """The batches of one process, number after number.

    On a GPU the next one is made by another thread meanwhile: decoding a video, say, does not hold the GPU up. On a
    CPU it would only take the cores away from the training.

    Args:
        source: makes batches; the same number makes the same one.
        needs: what each has to have.
        count: samples in each.
        device: where they go.
        stride: from one number to the next: how many processes share the source, times what lies between two batches.

    Raises:
        InputError: a batch lacks what is needed.
    """

    def __init__(self, source: Source, needs: Sequence[str], count: int, device: str, stride: int) -> None:
        self._source, self._needs, self._count, self._device, self._stride = source, needs, count, device, stride
        self._thread = ThreadPoolExecutor(1) if device != "cpu" else None
        self._ahead: tuple[int, Future[Batch]] | None = None

    def take(self, number: int) -> Batch:
        """Return batch `number`, on the device, and begin the next one."""
        if self._thread is None:
            return self._made(number)
        waiting = (
            self._ahead[1] if self._ahead and self._ahead[0] == number else self._thread.submit(self._made, number)
        )
        batch = waiting.result()
        self._ahead = number + self._stride, self._thread.submit(self._made, number + self._stride)
        return batch

    def again(self, number: int) -> Batch:
        """Return batch `number` out of turn, such as one that is looked at all along."""
        return self._made(number) if self._thread is None else self._thread.submit(self._made, number).result()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def _made(self, number: int) -> Batch:
        batch = self._source.batch(number, self._count)
        if any(name not in batch for name in self._needs):
            wanted, got = ", ".join(self._needs), ", ".join(batch)
            raise InputError(f"data {self._source.name}: expected batches with {wanted}, got {got}")
        return {name: planes.to(self._device, non_blocking=True) for name, planes in batch.items()}
