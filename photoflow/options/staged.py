"""Sources of a clip: a photo with the layers that are said of it, or a stage file with those added."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from photoflow.errors import InputError
from photoflow.options.layer_options import LayerOptions, Said

if TYPE_CHECKING:
    from photoflow.animator import Animator
    from photoflow.segment import Segmenter
    from photoflow.stage import Stage


def staged(
    animator: Animator, photo: Path, size: str | None, options: LayerOptions, report: Callable[[str], None]
) -> tuple[Stage | Path, Said | None]:
    """Return what is animated, and the layers that are said of it: of a stage, they are in it already.

    Raises:
        InputError: the stage cannot be read, or what is said does not fit it.
    """
    from photoflow.stage.file import is_stage_file

    if not is_stage_file(photo):
        return photo, options.layers() or None
    return loaded(photo, animator.segmenter, size, options, report), None


def loaded(
    path: Path, segmenter: Segmenter, size: str | None, options: LayerOptions, report: Callable[[str], None]
) -> Stage:
    """Return the stage of a file with the layers that are said added to it.

    Raises:
        InputError: the stage cannot be read, or what is said does not fit it.
    """
    from photoflow.stage import Stage

    if size is not None:
        raise InputError("size: a stage has its size; expected none")
    stage = Stage.load(path, segmenter)
    there = [layer.name for layer in stage.layers]
    for name, what in options.layers(there).items():
        if name in there and what.keys() <= {"free", "pinned"}:
            stage.hold(name, **what)
            continue
        stage.add(name, **what)
        report(f"{name}: {stage.layers[-1].source}")
    return stage
