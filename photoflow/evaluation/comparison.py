"""Comparison of all methods in one run over the samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from photoflow.evaluation.scores import Scores

Progress = Callable[[int, int], None]
"""Called after every sample with the number of samples done and their total number."""

OURS = "photoflow"
SHOWN = 3  # samples with pictures in the report

S = TypeVar("S", covariant=True)
T = TypeVar("T")


class Samples(Protocol[S]):
    """Sequence of samples, each read from a folder when it is needed."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> S: ...


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Args:
        title: one line.
        caption: explanation of the figure.
        panels: (name, HTML of a picture or a drawing).
        columns: number of panels side by side.
    """

    title: str
    caption: str
    panels: Sequence[tuple[str, str]]
    columns: int = 3


@dataclass
class Evaluation:
    """Result of an evaluation.

    Args:
        task: name of the task.
        data: origin of the samples.
        scores: the scores of each sample.
        methods: a one-sentence description of each method, by its name.
        figures: the figures of the report.
        notes: remarks that a reader of the scores should know.
    """

    task: str
    data: str
    scores: Scores
    methods: Mapping[str, str]
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(
    samples: Samples[T],
    methods: Mapping[str, Callable[[T], Tensor]],
    measure: Callable[[str, T, Tensor], Mapping[str, float]],
    show: Callable[[str, T, Mapping[str, Tensor]], Sequence[Figure]],
    progress: Progress,
) -> tuple[Scores, list[Figure]]:
    """Run every method on every sample, with one sample in memory at a time.

    Args:
        samples: the samples, read one after the other.
        methods: functions that make a prediction from a sample, by name.
        measure: computes the metrics of a method's prediction; the time in seconds is added to them.
        show: draws the figures of a sample from its name, itself and its predictions; called for `SHOWN` samples.
        progress: called after every sample.

    Returns:
        The scores and the figures.
    """
    scores, shown = Scores(), spread(len(samples), SHOWN)
    figures: list[Figure] = []
    with torch.inference_mode():
        for number in range(len(samples)):
            sample, predictions = samples[number], {}
            for name, method in methods.items():
                prediction, seconds = _timed(method, sample)
                scores.add(name, {**measure(name, sample, prediction), "seconds": seconds})
                if number in shown:
                    predictions[name] = prediction
            if number in shown:
                figures += show(f"sample {number + 1}", sample, predictions)
            progress(number + 1, len(samples))
    return scores, figures


def spread(count: int, wanted: int) -> set[int]:
    """Choose at most `wanted` of the numbers below `count`, evenly spaced."""
    return {number * count // wanted for number in range(wanted)} if count > wanted else set(range(count))


def _timed(method: Callable[[T], Tensor], sample: T) -> tuple[Tensor, float]:
    """Run a method on a sample; return its prediction and its time in seconds."""
    start = time.perf_counter()
    prediction = method(sample)
    if prediction.is_cuda:
        torch.cuda.synchronize(prediction.device)
    return prediction, time.perf_counter() - start


def network_or_none(kind: str, weights: str | None, notes: list[str], **permits: Any) -> Any:
    """Load a network, or add a note and return None if no weights are given and none ship with photoflow.

    Args:
        kind: see `photoflow.models.networks.load_network`.
        weights: a name or a file; None: the weights that ship with photoflow.
        notes: list that the note is added to.
        permits: `offline` and `accept_licence`.

    Raises:
        WeightsError: the given weights cannot be used.
    """
    from photoflow.models.networks import load_network
    from photoflow.weights.registry import WeightsError

    if weights is not None:
        return load_network(kind, weights, **permits)
    try:
        return load_network(kind, None, **permits)
    except WeightsError as absent:
        notes.append(f"{OURS} is left out: {absent}")
        return None
