"""Images of a moving picture, as a browser reads them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

import cv2
import numpy as np

from photoflow.arrays import Array

QUALITY = 92  # of JPEG and WebP: a level or so from the picture, at a tenth of its size
KEPT = 24  # images that are not encoded again


@dataclass(frozen=True)
class Image:
    """A picture in a file format.

    Args:
        data: the file.
        mime: its media type.
    """

    data: bytes
    mime: str

    @property
    def key(self) -> str:
        """Return a name for its content."""
        return blake2b(self.data, digest_size=12).hexdigest()


class Images:
    """Encodes pictures, and keeps the latest ones. Threads may share it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Image] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, picture: Array) -> Image:
        """Return a picture as an image.

        Args:
            picture: uint8, (H, W, 3) as JPEG, (H, W, 4), not premultiplied, as WebP, or (H, W) as PNG, lossless.
        """
        name = blake2b(np.ascontiguousarray(picture).data, digest_size=16, key=str(picture.shape).encode()).digest()
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        image = encoded(picture)
        with self._lock:
            self._kept[name] = image
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return image


def encoded(picture: Array) -> Image:
    """Encode a picture, see `Images.of`."""
    if picture.ndim == 2:
        return Image(cv2.imencode(".png", picture)[1].tobytes(), "image/png")
    if picture.shape[2] == 4:
        bgra = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)
        return Image(cv2.imencode(".webp", bgra, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes(), "image/webp")
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    full = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    return Image(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *full])[1].tobytes(), "image/jpeg")
