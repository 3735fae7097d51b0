"""Values of options, as texts say them."""

from __future__ import annotations

from collections.abc import Sequence

from photoflow.errors import InputError


def parse_size(text: str | None) -> int | tuple[int, int] | str | None:
    """Return a side, a pair of sides or "original"; None for None.

    Raises:
        InputError: it is none of these.
    """
    if text is None or text == "original":
        return text
    try:
        sides = [int(v) for v in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) == 1:
        return sides[0]
    if len(sides) == 2:
        return sides[0], sides[1]
    raise InputError(f"size: expected a number of pixels, WIDTHxHEIGHT or original, got {text!r}")


def parse_weights(texts: Sequence[str]) -> dict[str, str]:
    """Return NETWORK=NAME or NETWORK=FILE as a dictionary.

    Raises:
        InputError: a text is neither.
    """
    parsed = {}
    for text in texts:
        network, separator, source = text.partition("=")
        if not separator or not source:
            raise InputError(f"weights: expected NETWORK=NAME or NETWORK=FILE, got {text!r}")
        parsed[network] = source
    return parsed


def layer_named(text: str) -> int | str:
    """Return the number or the name of a layer."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def numbers(name: str, text: str, count: int) -> tuple[float, ...]:
    """Return `count` numbers from a text with commas between them.

    Raises:
        InputError: it holds something else.
    """
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != count:
        raise InputError(f"{name}: expected {count} numbers with commas between them, got {text!r}")
    return values
