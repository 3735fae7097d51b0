"""Optimised motion: the flow of one photo that a target asks for, found by optimisation.

from photoflow.motion.optimised import Handles, optimise
found = optimise(rgb, Handles([(320, 200, 40, -10)]))
Animator().animate(rgb, found.motion, mask=numpy.ones(rgb.shape[:2])).save("moved.mp4")
"""

from __future__ import annotations

import importlib
from typing import Any

from photoflow.motion.optimised.motion import Optimised

__all__ = ["Handles", "LikeClip", "Optimisation", "Optimised", "SecondPicture", "optimise"]

# Looked up when they are first used: they load torch, which a motion that is only described does without.
_HOMES = {
    "Handles": "targets",
    "LikeClip": "targets",
    "SecondPicture": "targets",
    "Optimisation": "optimising",
    "optimise": "optimising",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
