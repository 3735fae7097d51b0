"""Figure of a training run, from the CSV file that it wrote."""

from __future__ import annotations

import csv
import math
import os

from photoflow.errors import InputError
from photoflow.evaluation.comparison import Figure
from photoflow.evaluation.plots import Curve, lines

_COUNTS = ("step", "steps", "iteration", "epoch", "minutes", "seconds")  # columns that can be the horizontal axis


def training_figure(path: str | os.PathLike[str]) -> Figure:
    """Draw each column of numbers over the training's steps.

    Args:
        path: a CSV file with names in its first line; the horizontal axis is the first column that counts steps or
            time ("step", say), or else the number of the line.

    Raises:
        InputError: the file cannot be read, or has no column of numbers.
    """
    columns = _columns(path)
    count = next((name for name in columns if name.lower() in _COUNTS), None)
    rows = max(map(len, columns.values()), default=0)
    across = columns[count] if count else [float(number) for number in range(1, rows + 1)]
    curves: dict[str, Curve] = {
        name: (across, values)
        for name, values in columns.items()
        if name.lower() not in _COUNTS and any(math.isfinite(value) for value in values)
    }
    if not curves:
        raise InputError(f"{path}: expected a CSV file with columns of numbers, found none")
    panels = [("", lines({name: curve}, count or "line", name)) for name, curve in curves.items()]
    return Figure("Training", f"Measures over the training, from {os.path.basename(path)}.", panels)


def _columns(path: str | os.PathLike[str]) -> dict[str, list[float]]:
    """Read the columns of a file; NaN where a cell is not a number."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: expected a CSV file of a training run: {reason}") from error
    return {name: [_number(row.get(name)) for row in rows] for name in (rows[0] if rows else {}) if name}


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
