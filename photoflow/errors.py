"""Errors that every room raises."""

from __future__ import annotations


class InputError(ValueError):
    """A problem with what the person gave: one line that names it and what was expected."""


class Cancelled(Exception):
    """Work that was cancelled between two of its steps, as it was asked to be."""
