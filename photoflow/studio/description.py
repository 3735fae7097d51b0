"""Description of a work as the page is told it: its layers, motions and settings, as plain values."""

from __future__ import annotations

import hashlib
import weakref
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.holds import Stroke
from photoflow.stage.judgement import motion_for
from photoflow.stage.layer import Layer
from photoflow.studio.works import Work

MASK_SIDE = 960  # longest side of a mask's picture: finer than any finger


@dataclass(frozen=True)
class Facts:
    """Facts of a layer's mask.

    Args:
        mask: the digest of its pixels, which names them.
        box: (x, y, width, height) around it, working pixels.
    """

    mask: str
    box: tuple[int, int, int, int]


_known: weakref.WeakKeyDictionary[Layer, Facts] = weakref.WeakKeyDictionary()


def facts_of(layer: Layer) -> Facts:
    """Return what is known of a layer, found out once."""
    facts = _known.get(layer)
    if facts is None:
        x, y, width, height = cv2.boundingRect((layer.mask > 127).astype(np.uint8))
        facts = _known[layer] = Facts(digest(layer.mask.tobytes()), (x, y, width, height))
    return facts


def digest(data: bytes) -> str:
    """Return a name for bytes: the same for the same bytes."""
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def described(work: Work) -> dict[str, Any]:
    """Return the state of a work as the page is told it; coordinates are pixels of the photo."""
    with work.lock:
        state, stage = work.state, work.state.stage
        return {
            "id": work.id, "revision": work.revision, "name": work.name, "note": "" if stage.layers else stage.note,
            "photo": {"width": stage.photo_size[0], "height": stage.photo_size[1], "url": f"{_at(work)}/photo"},
            "layers": [_layer(work, layer) for layer in stage.layers],
            "motion": {name: [one.to_dict() for one in motions] for name, motions in state.motions.items()},
            "settings": {"seconds": state.settings.seconds, "fps": state.settings.fps, "loop": state.settings.loop},
            "undo": work.undo_words, "redo": work.redo_words, "problem": state.problem(),
        }  # fmt: skip


def mask_picture(layer: Layer) -> bytes:
    """Return a layer's mask as a PNG: white, and as opaque as the mask says."""
    mask = layer.mask
    scale = MASK_SIDE / max(mask.shape)
    if scale < 1:
        size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
        mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    white = np.full_like(mask, 255)
    return png(np.dstack([white, white, white, mask]))


def png(picture: Array) -> bytes:
    """Return a picture, uint8 (H, W, 3 | 4), RGB or RGBA, as a PNG that is made fast."""
    order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, order), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return bytes(encoded)


def _at(work: Work) -> str:
    return f"/api/works/{work.id}"


def _layer(work: Work, layer: Layer) -> dict[str, Any]:
    scale, (width, height) = work.state.stage.scale, work.state.stage.photo_size
    facts, own, kind = facts_of(layer), motion_for(layer), layer.kind
    x, y, w, h = (value / scale for value in facts.box)
    return {
        "name": layer.name, "label": layer.label, "kind": kind.name, "sure": kind.sure, "why": kind.why,
        "region": layer.region, "on": layer.name not in work.state.off,
        "mask": f"{_at(work)}/masks/{layer.name}?v={facts.mask}",
        "box": [_rounded(v) for v in (x, y, min(w, width - x), min(h, height - y))],
        "free": _strokes(layer.free, scale), "pinned": _strokes(layer.pinned, scale),
        "chosen": None if own is None else own.to_dict(),
    }  # fmt: skip


def _strokes(strokes: Any, scale: float) -> list[list[list[float]]]:
    own: list[Stroke] = list(strokes)
    return [[[_rounded(x / scale), _rounded(y / scale)] for x, y in stroke] for stroke in own]


def _rounded(value: float) -> float:
    return round(value, 2)
