"""Clear eyes: whether what a photo shows around them is a lid that can be drawn down over them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.motion.face.landmarks import Eye, Features
from photoflow.motion.face.lids import LASHES, Lids

APART = 0.45  # of its brightness, by which the skin above an eye may differ from that below: else it is hair or a frame
DARKER = 8.0  # CIE lightness, 0 to 100, by which the darkest of an eye is darker than skin: else it is closed or hidden
DARKEST = 5  # per cent of an eye that are its darkest
CUT = 0.1  # of an eye's width: nearer to the photo's border its landmarks are a guess
_ACROSS, _DOWN = 25, 9  # places in a zone at which the photo is read


def are_eyes_clear(photo: Array, landmarks: Sequence[Sequence[float]]) -> bool:
    """Return whether the eyes of a face are seen so well that they can blink.

    The skin above each eye, which becomes the lid, has to look as the skin below it; the eye itself has to be darker in
    places. Hair, a hand, glare or dark glasses over the eyes, deep shadow, eyes that are closed, and an eye that the
    photo's border cuts, fail it; an eye beyond the border does not matter.

    Args:
        photo: uint8 (H, W, 3).
        landmarks: of a face in it, see `landmarks_of`.
    """
    face = Features(np.asarray(landmarks, np.float64))
    eyes = [eye for eye in face.eyes if _inside(photo, eye, 0).any()]
    return bool(eyes) and all(_inside(photo, eye, CUT).all() and _is_clear(photo, Lids.of(face, eye)) for eye in eyes)


def _inside(photo: Array, eye: Eye, margin: float) -> Array:
    """Return which landmarks of an eye are in the photo, so many of its widths from the border, (16,) bool."""
    far = margin * float(np.hypot(*np.ptp(eye.contour, axis=0)))
    height, width = photo.shape[:2]
    return np.asarray(((eye.contour >= far) & (eye.contour <= np.array([width - 1, height - 1]) - far)).all(axis=1))


def _is_clear(photo: Array, lids: Lids) -> bool:
    u = np.linspace(-0.5, 0.5, _ACROSS) * lids.half
    upper, lower = lids.at(u)
    skin = np.median(_lightness(photo, lids, u, upper - LASHES * lids.most - lids.skin, upper - LASHES * lids.most))
    below = np.median(_lightness(photo, lids, u, lower + 0.3 * lids.most, lower + lids.most))
    darkest = np.percentile(_lightness(photo, lids, u, upper, lower), DARKEST)
    return bool(abs(skin - below) <= APART * below and darkest <= min(skin, below) - DARKER)


def _lightness(photo: Array, lids: Lids, u: Array, top: Array, bottom: Array) -> Array:
    """Return the lightness of the photo at places between two curves over u, (N,) float32, 0 to 100."""
    v = top + (bottom - top) * np.linspace(0, 1, _DOWN)[:, None]
    places = (lids.centre + u[None, :, None] * lids.axes[0] + v[..., None] * lids.axes[1]).astype(np.float32)
    colours = cv2.remap(photo, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(colours.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0].ravel())
