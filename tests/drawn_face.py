"""A face that is drawn: every landmark of it is known, and what is where."""

from __future__ import annotations

import cv2
import numpy as np

SKIN, IRIS, LASHES, BACKGROUND = (205, 160, 130), (40, 60, 90), (30, 20, 15), (90, 110, 120)
SIZE = (240, 200)  # height, width of the picture
CENTRE, HALF = np.array([100.0, 100.0]), np.array([44.0, 56.0])  # of the face
EYES, EYE = np.array([[80.0, 90.0], [120.0, 90.0]]), np.array([13.0, 6.0])  # the picture's left one first; half an eye
RADIUS = 5.0  # of an iris
MOUTH, NOSE = np.array([[82.0, 132.0], [118.0, 132.0]]), np.array([100.0, 112.0])


def contour(centre: np.ndarray, right: bool, openness: float = 1.0) -> np.ndarray:
    """An eye's landmarks: the lower lid from the outer corner to the inner one, then the upper lid between them."""
    along = np.linspace(-1, 1, 9) * (1 if right else -1)
    lid = openness * EYE[1] * np.sqrt(np.clip(1 - along**2, 0, 1))
    lower = np.stack([centre[0] + EYE[0] * along, centre[1] + lid], axis=1)
    upper = np.stack([centre[0] + EYE[0] * along, centre[1] - lid], axis=1)[1:-1]
    return np.concatenate([lower, upper])


def landmarks(openness: float = 1.0, nose: float = 0.0) -> tuple[tuple[float, float], ...]:
    """All 43 landmarks; the nose may be so many pixels beside the middle."""
    outline = CENTRE + np.array([[0, -1], [0, 1], [-1, 0], [1, 0]]) * HALF
    eyes = contour(EYES[0], True, openness), contour(EYES[1], False, openness)
    parts = [*eyes, EYES, EYES - (0, 17), NOSE[None] + (nose, 0), MOUTH, outline]
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in np.concatenate(parts))


def five() -> tuple[tuple[float, float], ...]:
    """The landmarks of every face."""
    return tuple((float(x), float(y)) for x, y in np.concatenate([EYES, [NOSE], MOUTH]))


def picture() -> np.ndarray:
    """The face, uint8 (H, W, 3), with shoulders and a striped background."""
    out = np.full((*SIZE, 3), BACKGROUND, np.uint8)
    out[:, ::8] = (110, 130, 140)
    cv2.ellipse(out, (100, 240), (90, 70), 0, 0, 360, (60, 60, 130), -1)
    cv2.ellipse(out, (100, 100), (50, 64), 0, 0, 360, SKIN, -1, cv2.LINE_AA)
    for number, centre in enumerate(EYES):
        lid = np.rint(contour(centre, number == 0) * 16).astype(np.int32)
        lid = np.concatenate([lid[:9], lid[9:][::-1]])
        white = np.zeros(SIZE, np.uint8)
        cv2.fillPoly(white, [lid], 255, cv2.LINE_AA, 4)
        eye = np.full_like(out, 245)
        cv2.circle(eye, tuple(int(v) for v in centre), int(RADIUS), IRIS, -1, cv2.LINE_AA)
        share = white[..., None] / np.float32(255)
        out = np.rint(out * (1 - share) + eye * share).astype(np.uint8)
        cv2.polylines(out, [np.concatenate([lid[:1], lid[9:][::-1], lid[8:9]])], False, LASHES, 1, cv2.LINE_AA, 4)
        brow = np.rint(centre - (0, 20)).astype(int)
        cv2.line(out, (int(brow[0]) - 12, int(brow[1])), (int(brow[0]) + 12, int(brow[1])), (60, 40, 30), 3)
    cv2.line(out, (82, 132), (118, 132), (150, 70, 70), 4)
    return out


def eye_of(frame: np.ndarray, number: int = 0) -> np.ndarray:
    """What a frame shows inside an eye as it is in the picture, (N, 3)."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    inside = ((x - EYES[number][0]) / EYE[0]) ** 2 + ((y - EYES[number][1]) / EYE[1]) ** 2 < 0.6
    return np.asarray(frame[inside])
