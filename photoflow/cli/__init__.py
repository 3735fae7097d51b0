"""The command line: a command a file; each parses, hands over to the library, and reports."""

from photoflow.cli import (
    animate,
    build_info,
    evaluate,
    flow,
    interpolate,
    poke,
    prepare,
    sample,
    spectrum,
    train,
    weights,
)
from photoflow.cli.app import main

__all__ = [
    "animate",
    "build_info",
    "evaluate",
    "flow",
    "interpolate",
    "main",
    "poke",
    "prepare",
    "sample",
    "spectrum",
    "train",
    "weights",
]
