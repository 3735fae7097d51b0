"""The numbers of an evaluation: one for every sample, method and metric."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Mapping
from typing import Any

from photoflow.io.atomic import write_bytes

MOST_DECIBELS = 100.0
"""What a picture without any error counts in a mean of decibels, and the most that any counts. 100 dB are the error of
one byte in a hundred and fifty thousand by one step."""


class Scores:
    """What each method scored on each sample, by the names of metrics.

    Nothing but these numbers is kept: eight bytes each.
    """

    def __init__(self) -> None:
        self.values: dict[str, dict[str, array[float]]] = {}

    def add(self, method: str, metrics: Mapping[str, float]) -> None:
        """Add one sample's scores of a method: the same metrics for each sample, NaN for one without a value."""
        own = self.values.setdefault(method, {})
        for name, value in metrics.items():
            own.setdefault(name, array("d")).append(value)

    @property
    def samples(self) -> int:
        """How many samples there were."""
        return max((len(values) for own in self.values.values() for values in own.values()), default=0)

    def means(self) -> dict[str, dict[str, float | None]]:
        """Each method's mean of each metric, over the samples that have a value; None where it is no finite number."""
        return {method: {name: _mean(values) for name, values in own.items()} for method, own in self.values.items()}

    def series(self, metric: str) -> dict[str, array[float]]:
        """A metric of all samples, for each method that has it."""
        return {method: own[metric] for method, own in self.values.items() if metric in own}


def decibels(value: Any) -> float:
    """A signal-to-noise ratio as it enters a mean: at most `MOST_DECIBELS`, so that one equal pair does not hide all
    others, and JSON can hold it."""
    return min(float(value), MOST_DECIBELS)


def write_scores(path: str | os.PathLike[str], task: str, scores: Scores) -> None:
    """Write `{"task": ..., "samples": N, "methods": {name: {metric: mean}}}`; null stands for no number.

    Raises:
        InputError: the file cannot be written.
    """
    document = {"task": task, "samples": scores.samples, "methods": scores.means()}
    write_bytes(path, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def _mean(values: array[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    mean = sum(known) / len(known) if known else math.nan
    return mean if math.isfinite(mean) else None
