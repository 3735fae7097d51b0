"""Scores of an evaluation: one number for every sample, method and metric."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import Mapping
from typing import Any

from photoflow.io.atomic import write_bytes

MOST_DECIBELS = 100.0
"""Upper limit of each value in a mean of decibels, and the value of a picture without any error. 100 dB is the PSNR
if one byte in a hundred and fifty thousand is off by one step."""


class Scores:
    """The scores of each method on each sample, by the names of metrics.

    Only these numbers are kept: eight bytes each.

    Args:
        together: number of samples that each score is of, where scores are of sets; None: of one sample each.
    """

    def __init__(self, together: int | None = None) -> None:
        self.values: dict[str, dict[str, array[float]]] = {}
        self.together = together

    def add(self, method: str, metrics: Mapping[str, float]) -> None:
        """Add a method's scores on one sample: the same metrics for each sample, NaN for one without a value."""
        own = self.values.setdefault(method, {})
        for name, value in metrics.items():
            own.setdefault(name, array("d")).append(value)

    @property
    def samples(self) -> int:
        """Return the number of samples."""
        if self.together is not None:
            return self.together
        return max((len(values) for own in self.values.values() for values in own.values()), default=0)

    def means(self) -> dict[str, dict[str, float | None]]:
        """Compute each method's mean of each metric over the samples with a value; None if it is not finite."""
        return {method: {name: _mean(values) for name, values in own.items()} for method, own in self.values.items()}

    def series(self, metric: str) -> dict[str, array[float]]:
        """Return the values of a metric for all samples, for each method that has it."""
        return {method: own[metric] for method, own in self.values.items() if metric in own}


def decibels(value: Any) -> float:
    """Cap a signal-to-noise ratio at `MOST_DECIBELS` before it enters a mean.

    An infinite value, from one pair of equal pictures, would hide all others, and JSON cannot hold it.
    """
    return min(float(value), MOST_DECIBELS)


def write_scores(path: str | os.PathLike[str], task: str, scores: Scores) -> None:
    """Write `{"task": ..., "samples": N, "methods": {name: {metric: mean}}}` as JSON; a missing number is null.

    Raises:
        InputError: the file cannot be written.
    """
    document = {"task": task, "samples": scores.samples, "methods": scores.means()}
    write_bytes(path, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def _mean(values: array[float]) -> float | None:
    known = [value for value in values if not math.isnan(value)]
    mean = sum(known) / len(known) if known else math.nan
    return mean if math.isfinite(mean) else None
