"""How looks at a photo are chosen and put together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from photoflow.segment.saliency import confirmed, salient_at


class Sees:
    """Stands in for the network: a function of the picture, (H, W, 3) -> (H, W)."""

    def __init__(self, map_of: Callable[[np.ndarray], np.ndarray]) -> None:
        self.map_of = map_of

    def __call__(self, rgb: np.ndarray, size: int) -> np.ndarray:
        import cv2

        return cv2.resize(self.map_of(rgb).astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)


def bright(rgb: np.ndarray) -> np.ndarray:
    return (rgb[..., 0] > 128).astype(np.float32)


def test_the_mirrored_look_lies_where_the_thing_is() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[60:140, 40:100] = 255
    photo[60:80, 100:140] = 255  # not its own mirror image
    bits = photo[..., 0] > 0
    result = confirmed(Sees(bright), photo, bits.astype(np.float32), bits)
    assert ((result > 0.5) == bits).mean() > 0.99


def test_what_the_mirrored_look_does_not_see_is_halved_and_all_else_stays() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    map_ = np.zeros((200, 300), np.float32)
    map_[80:120, 100:160], map_[10:20, 280:290] = 0.8, 0.7
    result = confirmed(Sees(bright), photo, map_, map_ > 0.75)
    np.testing.assert_allclose(result[80:120, 100:160], 0.4)
    np.testing.assert_allclose(result[10:20, 280:290], 0.7)
    assert map_[100, 120] == np.float32(0.8), "the map given stays as it was"


def test_at_a_point_the_steadiest_look_counts() -> None:
    """From afar the thing and its surroundings are one blur; from close by it has an outline."""
    photo = np.zeros((400, 600, 3), np.uint8)
    photo[180:220, 280:320] = 255

    def map_of(rgb: np.ndarray) -> np.ndarray:
        afar = bright(rgb).mean() < 0.02
        return np.full(rgb.shape[:2], 0.55, np.float32) if afar else bright(rgb)

    found = salient_at(Sees(map_of), photo, [(300.0, 200.0)]) > 0.5
    true = photo[..., 0] > 0
    assert (found & true).sum() / (found | true).sum() > 0.9


def test_nothing_at_the_point_is_nothing() -> None:
    photo = np.zeros((100, 150, 3), np.uint8)
    photo[10:30, 10:30] = 255
    assert not salient_at(Sees(bright), photo, [(120.0, 80.0)]).any()
