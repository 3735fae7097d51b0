"""Completion of a clip by what its other frames show: pixels are followed along the flow to where they are seen.

Frames are read twice. First, forward, the flow between neighbours is measured and continued into the holes; what is
known of each frame is kept in a folder. Then, a part of the clip after the other, trails are followed from the part's
end back to its beginning, and forward again, and each frame's hole is filled from the nearest frames before and after
that show it. What no frame shows is painted with texture of the frame itself, once: later frames take it from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from photoflow.arrays import Array
from photoflow.completion.filling import Filling
from photoflow.completion.measuring import measured
from photoflow.completion.store import Store
from photoflow.completion.trails import Hole, Trails, followed

PART = 60  # frames filled in one go
REACH = 240  # frames from a frame to those that it is filled from: files do not grow with the clip


def propagated(
    frames: Iterable[Array],
    masks: Iterable[Array],
    *,
    folder: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Iterator[Array]:
    """Fill the holes of a clip with what its other frames show there, and with texture where none does.

    Memory does not grow with the clip's length, and what lies in the folder neither, unless that is given.

    Args:
        frames: uint8 (H, W, 3) each; iterated twice.
        masks: bool (H, W) each, true where the frame is unknown; as many as frames. A frame of which it is empty stays
            as it is.
        folder: where what was measured and filled is kept, so that another call goes on; None: nothing is.
        progress: called twice a frame.

    Yields:
        uint8 (H, W, 3): each frame, equal to the given one outside of its mask.

    Raises:
        InputError: frames or masks have other types, shapes or numbers, or a mask covers a whole frame.

    Source: pixels followed by completed flow: Xu et al., "Deep flow-guided video inpainting", CVPR 2019; their
        gradients, and what no frame shows painted once: Gao et al., "Flow-edge guided video completion", ECCV 2020.
    """
    if folder is not None:
        yield from _parts(frames, masks, Store(folder), progress, keep=True)
        return
    with TemporaryDirectory(prefix="photoflow-") as temporary:
        yield from _parts(frames, masks, Store(temporary), progress, keep=False)


def _parts(
    frames: Iterable[Array], masks: Iterable[Array], store: Store, progress: Callable[[], None], *, keep: bool
) -> Iterator[Array]:
    """Measure a part and what lies behind it, fill it, and go on with the next."""
    known = 0  # frames that are measured
    ahead = measured(frames, masks, store)
    filling = Filling(store, REACH)
    for number, frame in enumerate(frames):
        if number % PART == 0:
            while known < number + PART + REACH and next(ahead, None) is not None:
                known += 1
                progress()
            _follow_back(store, number, min(number + PART, known), known)
        yield filling.filled(number, frame)
        progress()
        if not keep:
            _forget(store, number - REACH)


def _follow_back(store: Store, start: int, stop: int, known: int) -> None:
    """Follow trails to later frames: from the last one that is measured back to the start; keep them up to `stop`."""
    hole, trails = None, Trails.none(0)
    for number in range(known - 1, start - 1, -1):
        record = store.read("frame", number)
        here = Hole.of(record["mask"], record["shape"])
        if hole is None or not len(record["to_next"]):
            trails = Trails.none(len(here))
        else:
            trails = followed(here, record["to_next"], hole, ~hole.mask, trails, number + 1)
        hole = here
        if number < stop:
            store.write("later", number, frame=trails.frame, place=trails.place, steps=trails.steps)


def _forget(store: Store, number: int) -> None:
    for kind in ("frame", "later", "filled"):
        store.forget(kind, number)
