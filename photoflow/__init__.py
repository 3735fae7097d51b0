"""photoflow brings a still photo to life: its subject moves as you say, everything else stays as it was.

from photoflow import Animator, motion
Animator().animate("cat.jpg", motion.Sway(strength=0.6, period=2.0), seconds=4, fps=30).save("cat.mp4")
"""

from __future__ import annotations

import importlib
import sys

from photoflow.errors import InputError

# Not from typing, whose import takes longer than all else here: meanwhile an interrupt would end in a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from typing import Any

    from photoflow import io, motion, ops, segment, stage, viz
    from photoflow.animator import Animator
    from photoflow.clip import Clip
    from photoflow.completion import Inpainter
    from photoflow.portrait import Portraitist
    from photoflow.stage import Stage

__version__ = "0.2.0"
__all__ = [
    "Animator", "Clip", "Inpainter", "InputError", "Portraitist", "Stage", "__version__", "build_info", "io", "motion",
    "ops", "segment", "stage", "viz",
]  # fmt: skip


class _OldModules:
    """Finder of modules by their old names, asked last, for what no longer exists."""

    @staticmethod
    def find_spec(name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not name.startswith("photoflow.") or name == "photoflow.deprecated":
            return None
        from photoflow.deprecated import OldModules

        return OldModules().find_spec(name, path, target)


sys.meta_path.append(_OldModules)

# Names are looked up when they are first used, so that `import photoflow` loads no library and no file.
_HOMES = {
    "Animator": "photoflow.animator",
    "Clip": "photoflow.clip",
    "Inpainter": "photoflow.completion",
    "Portraitist": "photoflow.portrait",
    "Stage": "photoflow.stage",
}
_ROOMS = ("io", "motion", "ops", "segment", "stage", "viz")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"photoflow.{name}")
    raise AttributeError(f"module 'photoflow' has no attribute {name!r}")


def build_info() -> dict[str, Any]:
    """Return what this installation was built with: operators, CUDA version, architectures, SIMD level."""
    from photoflow import ops

    return ops.build_info()
