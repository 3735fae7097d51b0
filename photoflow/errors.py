"""Errors that every room raises."""

from __future__ import annotations

import errno
import reprlib
import sys

LONGEST = 600  # characters of a message: a few lines of a terminal
_JOINT = " ... "
_CUDA_NO_MEMORY = 2  # cudaErrorMemoryAllocation
_SPACES = str.maketrans(dict.fromkeys("\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029", " "))


class InputError(ValueError):
    """A problem with what the person gave: one line that names it and what was expected.

    Args:
        message: the line; line breaks become spaces, other characters that cannot be printed are escaped, and the
            middle of what is longer than `LONGEST` is left out.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(str(message)))


class Cancelled(Exception):
    """Work that was cancelled between two of its steps, as it was asked to be."""


def shown(value: object) -> str:
    """Return a value as a message quotes it: short, however long, deep or large the value is."""
    try:
        return _QUOTE.repr(value)
    except Exception:  # a whole number of thousands of digits, or another value that cannot be written
        return f"a value of type {type(value).__name__}"


def is_out_of_memory(error: Exception) -> bool:
    """Return whether Python, numpy, torch, OpenCV or the system could not get the memory they asked for.

    Kinds and codes say so; a text does only where torch has nothing else, on the CPU.
    """
    if isinstance(error, MemoryError):  # of numpy and FFmpeg, too
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # An error of a library can only be where that was loaded.
    if (opencv := sys.modules.get("cv2")) and isinstance(error, opencv.error):
        return bool(error.code == opencv.Error.StsNoMem)
    if torch := sys.modules.get("torch"):
        if isinstance(error, torch.AcceleratorError):
            return getattr(error, "error_code", None) == _CUDA_NO_MEMORY
        on_the_cpu = type(error) is RuntimeError and "DefaultCPUAllocator:" in str(error)
        return isinstance(error, torch.OutOfMemoryError) or on_the_cpu
    return False


def _quote() -> reprlib.Repr:
    quote = reprlib.Repr()
    quote.maxstring = quote.maxother = 200
    quote.maxlevel = 4
    return quote


_QUOTE = _quote()


def _one_line(text: str) -> str:
    """Return a text in one line; it is shortened before it is cleaned, and again where escapes made it longer."""
    cleaned = _shortened(text).translate(_SPACES)
    if not cleaned.isprintable():
        cleaned = _shortened("".join(c if c.isprintable() else ascii(c)[1:-1] for c in cleaned))
    return cleaned


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - len(_JOINT)) // 2
    return text[:half] + _JOINT + text[-half:]
