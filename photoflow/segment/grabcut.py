"""GrabCut: settle a mask by the photo's own colours, and find a subject where no network can."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.segment.guided import fitting, shrunk
from photoflow.segment.prompts import Point
from photoflow.segment.subject import Bits, Box, Mask, bounding_box, padded

_LONG_SIDE = 480
_BORDER_COLOURS = 6


def settle(rgb: npt.NDArray[np.uint8], probability: Mask, low: float = 0.3, high: float = 0.7) -> Bits:
    """Decide the uncertain pixels of a probability map by colour, and keep the certain ones.

    Args:
        rgb: (H, W, 3) uint8.
        probability: (H, W) that a pixel is the subject.
        low: below it a pixel is background.
        high: above it a pixel is subject. A wider band lets GrabCut undo what the network knows.

    Returns:
        (H, W) bool.
    """
    bits = probability > 0.5
    if not (probability > low).any():
        return bits
    left, top, width, height = padded(bounding_box(probability > low), 0.25, bits.shape)
    window = np.s_[top : top + height, left : left + width]
    map_ = probability[window]
    labels = np.where(map_ > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[map_ > high], labels[map_ < low] = cv2.GC_FGD, cv2.GC_BGD
    bits[window] = cut(rgb[window], labels, iterations=1)
    return bits


def cut(rgb: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], iterations: int = 3, side: int = _LONG_SIDE) -> Bits:
    """Cut by GrabCut from a map of OpenCV's four labels, at a reduced size whose longest side is `side`.

    Source: Rother, Kolmogorov, Blake, "GrabCut", SIGGRAPH 2004, as in `cv2.grabCut`.
    """
    height, width = labels.shape
    size = fitting((height, width), side)
    small = np.ascontiguousarray(shrunk(rgb, size))
    state = np.ascontiguousarray(cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    subject = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    if subject.any() and not subject.all():
        cv2.setRNGSeed(0)  # its k-means draws at random; the same photo shall give the same mask
        models = np.zeros((2, 1, 65))
        cv2.grabCut(small, state, (0, 0, 1, 1), models[0], models[1], iterations, cv2.GC_INIT_WITH_MASK)
        subject = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    resized = cv2.resize(subject.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized > 0.5)


def cut_box(rgb: npt.NDArray[np.uint8], box: Box) -> Bits:
    """Cut out the subject inside a box by colour alone; all outside is background."""
    shape = (rgb.shape[0], rgb.shape[1])
    left, top, width, height = padded(box, 0.3, shape)
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = cv2.GC_PR_FGD
    window = np.s_[top : top + height, left : left + width]
    bits = np.zeros(shape, bool)
    bits[window] = cut(rgb[window], labels[window])
    return bits


def cut_points(rgb: npt.NDArray[np.uint8], points: list[Point]) -> Bits:
    """Cut out the subject around points by colour alone: a disc at each is subject, far away is background."""
    shape = (rgb.shape[0], rgb.shape[1])
    diagonal = float(np.hypot(*shape))
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    for share, label in ((0.30, cv2.GC_PR_BGD), (0.12, cv2.GC_PR_FGD), (0.012, cv2.GC_FGD)):
        for x, y in points:
            cv2.circle(labels, (round(x), round(y)), max(2, round(share * diagonal)), label, -1)
    return cut(rgb, labels)


def cut_salient(rgb: npt.NDArray[np.uint8]) -> Bits:
    """Cut out the part with colours unlike those along the picture's border: the last resort."""
    saliency = _colour_saliency(rgb)
    levels = np.round(255 * saliency).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    labels = np.where(levels > threshold, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[levels > (threshold + 255) / 2] = cv2.GC_FGD
    labels[levels < threshold / 2] = cv2.GC_BGD
    return cut(rgb, labels)


def main_colours(colours: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """Return the colours that stand best for many, by k-means: (N, 3) -> (K, 3), K = `count` or N if that is less."""
    if len(colours) <= count:
        return colours
    cv2.setRNGSeed(0)  # its first guess is drawn at random; the same photo shall give the same mask
    stop = (cv2.TERM_CRITERIA_MAX_ITER, 20, 0.0)
    _, _, centres = cv2.kmeans(colours, count, np.empty(0), stop, 1, cv2.KMEANS_PP_CENTERS)
    return np.asarray(centres, np.float32)


def _colour_saliency(rgb: npt.NDArray[np.uint8]) -> Mask:
    """Measure the distance in CIE Lab to the nearest of the border's main colours, weighted towards the centre."""
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (160, 160), interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255.0)
    lab = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), (0, 0), 2.0)
    border = np.concatenate([lab[:6].reshape(-1, 3), lab[-6:].reshape(-1, 3)])
    border = np.concatenate([border, lab[:, :6].reshape(-1, 3), lab[:, -6:].reshape(-1, 3)])
    centres = main_colours(border, _BORDER_COLOURS)
    distance = np.min(np.linalg.norm(lab[:, :, None] - centres, axis=-1), axis=-1)
    axis = np.linspace(-1, 1, 160, dtype=np.float32)
    weighted = distance * np.exp(-1.5 * (axis[:, None] ** 2 + axis**2))
    weighted = weighted / max(float(weighted.max()), 1e-6)
    return np.asarray(cv2.resize(weighted, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
