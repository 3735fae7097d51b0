"""Plots of lines and bars as SVG for an HTML page, in the page's light or dark colours."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 460, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 10, 10, 42
MOST_POINTS = 300  # points of a line; more are averaged
COLOURS = 8  # colours that the page's style defines

Curve = tuple[Sequence[float], Sequence[float]]  # rising x, and y; NaN where there is no value


def lines(curves: Mapping[str, Curve], x: str, y: str, *, low: float | None = None, high: float | None = None) -> str:
    """Plot curves over one axis, with a legend if there are several.

    Args:
        curves: the curves by name; the first has the page's first colour, and is drawn on top.
        x: label of the horizontal axis.
        y: label of the vertical axis.
        low: value that the vertical axis includes at its lower end; None: the smallest value of the curves.
        high: value that it includes at its upper end; None: the largest value of the curves.
    """
    curves = {name: _thinned(*curve) for name, curve in curves.items()}
    across = [value for xs, _ in curves.values() for value in xs]
    values = [value for _, ys in curves.values() for value in ys if math.isfinite(value)]
    frame = _Frame(across, [*values, *(bound for bound in (low, high) if bound is not None)])
    drawn = [
        f'<path class="line c{number % COLOURS}" d="{frame.path(*curve)}"><title>{html.escape(name)}</title></path>'
        for number, (name, curve) in enumerate(curves.items())
    ]
    return frame.svg("".join(reversed(drawn)), x, y) + (legend(list(curves)) if len(curves) > 1 else "")


def bars(edges: Sequence[float], heights: Sequence[float], x: str, y: str, colour: int = 0) -> str:
    """Plot a histogram, with one bar between each two neighbouring edges, in one of the page's colours."""
    frame = _Frame(edges, [0.0, *heights])
    drawn = []
    for left, right, height in zip(edges, edges[1:], heights):
        x0, x1, top, base = frame.x(left), frame.x(right), frame.y(height), frame.y(0)
        place = f'x="{x0 + 0.5:.1f}" y="{top:.1f}" width="{max(x1 - x0 - 1, 0.5):.1f}" height="{base - top:.1f}"'
        drawn.append(
            f'<rect class="bar c{colour % COLOURS}" {place}><title>{left:g} to {right:g}: {height:.4g}</title></rect>'
        )
    return frame.svg("".join(drawn), x, y)


def legend(names: Sequence[str]) -> str:
    """Return the legend, the names of the curves beside their colours, as HTML."""
    items = (
        f'<span><i class="c{number % COLOURS}"></i>{html.escape(name)}</span>' for number, name in enumerate(names)
    )
    return f'<div class="legend">{"".join(items)}</div>'


def ticks(low: float, high: float, wanted: int = 5, least: float = 0.0) -> list[float]:
    """Choose about `wanted` round numbers from `low` to `high`.

    Their steps are 1, 2 or 5 times a power of ten, and about `least` or larger.

    >>> ticks(0, 10)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    >>> ticks(14.2, 15.9)
    [14.5, 15.0, 15.5]
    """
    rough = max((high - low) / wanted, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((power * factor for factor in (1, 2, 5, 10)), key=lambda one: abs(math.log(one / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


class _Frame:
    """The axes of a plot, which map values to places in the SVG."""

    def __init__(self, across: Sequence[float], up: Sequence[float]) -> None:
        self.across, self.up = _range(across), _range(up)
        self.counts = all(float(value).is_integer() for value in across)

    def x(self, value: float) -> float:
        low, high = self.across
        return _LEFT + (value - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.up
        return HEIGHT - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        """Return the SVG path through all points, interrupted where a value is missing. A single point is a dot."""
        words, pen = [], "M"
        for x, y in zip(xs, ys):
            if not math.isfinite(x) or not math.isfinite(y):
                pen = "M"
                continue
            words.append(f"{pen}{self.x(x):.1f} {self.y(y):.1f}" + ("h0" if pen == "M" else ""))
            pen = "L"
        return "".join(words)

    def svg(self, drawn: str, x: str, y: str) -> str:
        bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
        grid, words = [], []
        for value in ticks(*self.up):
            at = self.y(value)
            grid.append(f"M{_LEFT} {at:.1f}H{right}")
            words.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:g}</text>')
        for value in ticks(*self.across, wanted=8, least=1.0 if self.counts else 0.0):
            at = self.x(value)
            grid.append(f"M{at:.1f} {bottom}v4")
            words.append(f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{value:g}</text>')
        middle = (_LEFT + right) / 2, (_TOP + bottom) / 2
        words.append(f'<text x="{middle[0]}" y="{HEIGHT - 6}" text-anchor="middle">{html.escape(x)}</text>')
        words.append(
            f'<text transform="translate(13 {middle[1]}) rotate(-90)" text-anchor="middle">{html.escape(y)}</text>'
        )
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(f"{y} by {x}")}">'
            f'<path class="grid" d="{"".join(grid)}"/>{drawn}{"".join(words)}</svg>'
        )


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the greatest of some numbers, widened if they are equal."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    if low == high:
        margin = abs(low) / 10 or 1.0
        return low - margin, high + margin
    return low, high


def _thinned(xs: Sequence[float], ys: Sequence[float]) -> Curve:
    """Reduce a curve to at most `MOST_POINTS` points, each the mean of equally many consecutive ones."""
    size = -(-len(ys) // MOST_POINTS)
    if size <= 1:
        return xs, ys
    parts = [slice(start, start + size) for start in range(0, len(ys), size)]
    return [_mean(xs[part]) for part in parts], [_mean(ys[part]) for part in parts]


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
