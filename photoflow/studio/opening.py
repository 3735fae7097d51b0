"""Opening: a photo or a stage, as bytes from anywhere, becomes a work."""

from __future__ import annotations

import cv2

from photoflow.animator import Animator
from photoflow.io import decode_photo
from photoflow.stage import Stage, file
from photoflow.stage.saving import stage_of
from photoflow.stage.working_size import LONGEST_SIDE, resize_photo
from photoflow.studio.edits import first_state
from photoflow.studio.works import Work

SIZE = 1280  # longest side of what is worked on: a screen shows no more, and a change is seen at once
MOST_PIXELS = 1 << 29  # bytes of all pixels of a stage from anywhere
_ZIP = b"PK\x03\x04"


def opened(animator: Animator, data: bytes, name: str) -> Work:
    """Return a work on a photo, in which everything is found and moves as it does by itself.

    Args:
        animator: prepares it.
        data: the bytes of a photo's file, or of a stage's.
        name: of the photo, as a person reads it.

    Raises:
        InputError: they are neither.
    """
    if data.startswith(_ZIP):
        stage = stage_of(Stage, file.unpacked(data, name, MOST_PIXELS), animator.segmenter)
    else:
        photo = decode_photo(data, name)
        stage = animator.prepare(photo, size=min(SIZE, max(photo.rgb.shape[:2])))
        stage.find_regions()
    return Work(name, first_state(stage))


def photo_picture(work: Work) -> bytes:
    """Return the photo of a work as a JPEG, its longest side at most 1920 pixels."""
    photo, _ = resize_photo(work.state.stage.photo, min(LONGEST_SIDE, max(work.state.stage.photo.shape)))
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return bytes(encoded)
