"""What photoflow offers by name is written down in surface.txt, so that a review sees whatever changes of it.

A change that is meant is written down by `python tests/test_surface.py`.
"""

import importlib
import pkgutil
from pathlib import Path

import photoflow

SURFACE = Path(__file__).with_name("surface.txt")
CLASSES = ("Animator", "Clip", "Inpainter", "Portraitist", "Stage")  # what a person holds in hand


def offered() -> list[str]:
    """The names of `photoflow`, of every room that says what it offers, and of the members of the main classes."""
    rooms = [f"photoflow.{room.name}" for room in pkgutil.iter_modules(photoflow.__path__) if room.ispkg]
    names = []
    for place in ["photoflow", *rooms]:
        module = importlib.import_module(place)
        exported = getattr(module, "__all__", ())
        assert all(hasattr(module, name) for name in exported), place
        names += [f"{place}.{name}" for name in exported]
    for kind in CLASSES:
        members = vars(getattr(photoflow, kind))
        names += [f"photoflow.{kind}.{name}" for name in members if not name.startswith("_")]
    return sorted(names)


def test_the_surface_is_the_one_that_is_written_down():
    now, written = offered(), SURFACE.read_text().splitlines()
    new, gone = sorted(set(now) - set(written)), sorted(set(written) - set(now))
    assert now == written, f"new: {new}, gone: {gone}; if that is meant: python tests/test_surface.py"


if __name__ == "__main__":
    SURFACE.write_text("\n".join(offered()) + "\n")
