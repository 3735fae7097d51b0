"""One run over the samples, in which every method is tried on each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from photoflow.evaluation.scores import Scores

Progress = Callable[[int, int], None]
"""Told after every sample how many are done, of how many."""

OURS = "photoflow"
SHOWN = 3  # samples with pictures in the report

S = TypeVar("S", covariant=True)
T = TypeVar("T")


class Samples(Protocol[S]):
    """What is read from a folder: a sample at a time, when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> S: ...


@dataclass(frozen=True)
class Figure:
    """A figure of the report.

    Args:
        title: one line.
        caption: what to see in it.
        panels: (name, HTML of a picture or a drawing).
        columns: panels side by side.
    """

    title: str
    caption: str
    panels: Sequence[tuple[str, str]]
    columns: int = 3


@dataclass
class Evaluation:
    """What came out.

    Args:
        task: its name.
        data: where the samples are from.
        scores: of each sample.
        methods: what each method does, in a sentence, by its name.
        figures: for the report.
        notes: lines that a reader of the scores should know.
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
    """Try every method on every sample; one sample is in memory at a time.

    Args:
        samples: read one after the other.
        methods: make a prediction of a sample.
        measure: the metrics of a method's prediction; the seconds that it took are added to them.
        show: the figures of a sample, by its name, and its predictions; called for `SHOWN` of them.
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
    """At most `wanted` of the numbers below `count`, evenly over them."""
    return {number * count // wanted for number in range(wanted)} if count > wanted else set(range(count))


def _timed(method: Callable[[T], Tensor], sample: T) -> tuple[Tensor, float]:
    """What a method makes of a sample, and in how many seconds."""
    start = time.perf_counter()
    prediction = method(sample)
    if prediction.is_cuda:
        torch.cuda.synchronize(prediction.device)
    return prediction, time.perf_counter() - start


def network_or_none(kind: str, weights: str | None, notes: list[str], **permits: Any) -> Any:
    """A network, or None with a note where no weights are given and none are at hand.

    Args:
        kind: see `photoflow.models.networks.load_network`.
        weights: a name or a file; None: what ships with photoflow.
        notes: gets the line.
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
