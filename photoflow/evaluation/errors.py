"""Histograms of the endpoint errors of all samples, for the report."""

from __future__ import annotations

import torch
from torch import Tensor

from photoflow.evaluation.comparison import OURS, Figure
from photoflow.evaluation.plots import bars, lines
from photoflow.metrics import ERROR_EDGES, cumulative, histogram

_ERROR, _SHARE = "endpoint error, pixels", "% of pixels"


class ErrorCounts:
    """Histograms of endpoint errors, one for each method, summed over the samples."""

    def __init__(self) -> None:
        self.counts: dict[str, Tensor] = {}

    def add(self, method: str, error: Tensor, where: Tensor | None = None) -> None:
        """Add the errors (1, 1, H, W) of a sample, pixels, without NaN; see `photoflow.metrics.histogram`."""
        own = self.counts.setdefault(method, torch.zeros(len(ERROR_EDGES), dtype=torch.int64))
        own += histogram(error, where)

    def figures(self) -> list[Figure]:
        """Draw the histogram of one method and the cumulative curves of all; no figure if nothing was counted."""
        counts = {method: own for method, own in self.counts.items() if own.sum()}
        if not counts:
            return []
        # Show photoflow if it was measured, else the method whose cumulative curve is highest on average.
        first = OURS if OURS in counts else max(counts, key=lambda method: float(cumulative(counts[method]).sum()))
        own = counts[first]
        shares = (100 * own[:-1].double() / own.sum()).tolist()
        beyond = 100 * float(own[-1] / own.sum())
        bar = bars(ERROR_EDGES, shares, _ERROR, _SHARE, colour=list(counts).index(first))
        rising = {name: (ERROR_EDGES, [0.0, *(100 * cumulative(one)).tolist()]) for name, one in counts.items()}
        return [
            Figure(
                "Endpoint error of all pixels",
                f"{first}: {beyond:.1f} % of the pixels are off by more than {ERROR_EDGES[-1]:.0f} pixels.",
                [
                    (f"histogram of {first}", bar),
                    (
                        "pixels below an error",
                        lines(rising, _ERROR, _SHARE, low=0, high=100),
                    ),
                ],
            )
        ]
