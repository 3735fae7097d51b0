"""The command line, one command per file: each parses its arguments, calls the library, and reports the result."""

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
