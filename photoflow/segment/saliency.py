"""Saliency of the subject by U²-Net-p: in the whole photo, inside a box, at points."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.models.u2net import U2NetP
from photoflow.segment.prompts import Point
from photoflow.segment.subject import Box, Mask, bounding_box, components, overlap, padded, touching

_WHOLE, _CLOSE = 320, 256
_FIRST = 0.34  # weight of the look that found the thing at points, beside those at it


def salient(network: U2NetP, rgb: npt.NDArray[np.uint8]) -> Mask:
    """Return the saliency of a photo: a look at the whole, averaged with a closer look at what stood out.

    The closer look (256 px, padded by half its size) sharpens small subjects; where the two disagree the
    map stays near one half for `grabcut.settle` to decide.

    Args:
        network: U²-Net-p.
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) float32 in [0, 1].
    """
    shape = (rgb.shape[0], rgb.shape[1])
    whole = look(network, rgb, (0, 0, shape[1], shape[0]), _WHOLE)
    peak = float(whole.max())
    if peak < 0.1:
        return whole
    parts = components(whole > 0.6 * peak, 0.1)
    close = padded(bounding_box(np.logical_or.reduce(parts)), 0.5, shape)
    return np.asarray(0.5 * (whole + look(network, rgb, close, _CLOSE)))


def salient_at_peak(network: U2NetP, rgb: npt.NDArray[np.uint8]) -> Mask:
    """Return the saliency of the thing at the place of the photo that stands out most; see `salient_at`."""
    whole = look(network, rgb, (0, 0, rgb.shape[1], rgb.shape[0]), _WHOLE)
    if whole.max() < 0.7:  # nothing to look at
        return whole
    y, x = np.unravel_index(int(whole.argmax()), whole.shape)
    return salient_at(network, rgb, [(float(x), float(y))])


def salient_in_box(network: U2NetP, rgb: npt.NDArray[np.uint8], box: Box) -> Mask:
    """Return the saliency inside a box: several looks with more and less surroundings.

    How much of the surroundings the network needs depends on the subject. A look is trusted by how well
    the box of what it found agrees with the given box: weight = (intersection over union)².

    Returns:
        (H, W) float32 in [0, 1], zero outside the box.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    total, weights = np.zeros(shape, np.float32), 0.0
    for padding, size in ((0.1, _CLOSE), (0.5, _CLOSE), (0.2, _WHOLE)):
        map_ = look(network, rgb, padded(box, padding, shape), size)
        weight = _agreement(map_, box) ** 2 + 1e-3
        total += np.float32(weight) * map_
        weights += weight
    left, top, width, height = box
    inside = np.zeros(shape, np.float32)
    window = np.s_[top : top + height, left : left + width]
    inside[window] = total[window] / np.float32(weights)
    return inside


def salient_at(network: U2NetP, rgb: npt.NDArray[np.uint8], points: list[Point]) -> Mask:
    """Return the saliency of the thing under the points: looks from wide to close, the best of them, then two at it.

    The best look is the one whose part at the points has the steadiest outline, as many pixels above 0.7 as above 0.3,
    and is not cut off by the view. The looks at it count as `salient_in_box` says.

    Returns:
        (H, W) float32 in [0, 1]; the parts that hold no point are zero, and so is all where no look
        found anything under the points.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    best, best_score = np.zeros(shape, np.float32), 0.0
    for share in (1.0, 0.6, 0.35, 0.2):
        view = _view(points, share, shape)
        map_ = _parts_at(look(network, rgb, view, _CLOSE), points)
        found = map_ > 0.5
        if not found.any():
            continue
        steady = float((map_ > 0.7).sum() / (map_ > 0.3).sum())
        score = steady * _inside_share(found, view, shape) ** 2
        if score > best_score:
            best, best_score = map_, score
    if best_score == 0.0:
        return best
    box = padded(bounding_box(best > 0.5), 0.03, shape)
    total, weights = np.float32(_FIRST) * best, _FIRST
    for padding in (0.15, 0.5):
        map_ = look(network, rgb, padded(box, padding, shape), _CLOSE)
        weight = _agreement(map_, box) ** 2
        total += np.float32(weight) * map_
        weights += weight
    return _parts_at(np.asarray(total / np.float32(weights)), points)


def confirmed(network: U2NetP, rgb: npt.NDArray[np.uint8], map_: Mask, bits: npt.NDArray[np.bool_]) -> Mask:
    """Return a map averaged, around a thing that it shows, with a look at that thing in the mirror.

    A mirrored picture is another one to the network: what both looks see is the thing, and errors rarely agree.

    Args:
        network: U²-Net-p.
        rgb: (H, W, 3) uint8.
        map_: (H, W) float32 in [0, 1].
        bits: (H, W) bool, the thing.
    """
    left, top, width, height = padded(bounding_box(bits), 0.2, (rgb.shape[0], rgb.shape[1]))
    window = np.s_[top : top + height, left : left + width]
    found = network(np.ascontiguousarray(rgb[window][:, ::-1]), _CLOSE)
    result = map_.copy()
    mirrored = np.ascontiguousarray(found[:, ::-1])
    result[window] += cv2.resize(mirrored, (width, height), interpolation=cv2.INTER_LINEAR)
    result[window] *= np.float32(0.5)
    return np.asarray(result)


def look(network: U2NetP, rgb: npt.NDArray[np.uint8], box: Box, size: int) -> Mask:
    """Run the network on the crop `box` at `size`, and lay its map into a map of the photo; zero outside."""
    left, top, width, height = box
    window = np.s_[top : top + height, left : left + width]
    found = network(rgb[window], size)
    out = np.zeros(rgb.shape[:2], np.float32)
    out[window] = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    return out


def _agreement(map_: Mask, box: Box) -> float:
    """Measure the intersection over union of `box` and the box around the parts found wholly or partly inside it.

    0 where there is no such part.
    """
    left, top, width, height = box
    window = np.s_[top : top + height, left : left + width]
    parts = [part for part in components(map_ > 0.5, 0.01) if part[window].any()]
    return overlap(bounding_box(np.logical_or.reduce(parts)), box) if parts else 0.0


def _view(points: list[Point], share: float, shape: tuple[int, int]) -> Box:
    """Choose a crop of `share` of the picture's sides, grown to hold all points with a margin, centred on them."""
    x, y = np.array(points).T
    width = min(shape[1], max(share * shape[1], 1.5 * float(np.ptp(x)) + 16))
    height = min(shape[0], max(share * shape[0], 1.5 * float(np.ptp(y)) + 16))
    left = np.clip((x.min() + x.max() - width) / 2, 0, shape[1] - width)
    top = np.clip((y.min() + y.max() - height) / 2, 0, shape[0] - height)
    return int(left), int(top), int(width), int(height)


def _parts_at(map_: Mask, points: list[Point]) -> Mask:
    """Keep the parts of the map at the points, and set all else to zero."""
    return np.where(touching(map_ > 0.3, points), map_, np.float32(0.0))


def _inside_share(found: npt.NDArray[np.bool_], view: Box, shape: tuple[int, int]) -> float:
    """Share of the view's inner border that the part found leaves free: what the view cuts is no whole."""
    left, top, width, height = view
    crop = found[top : top + height, left : left + width]
    edges = []
    if left > 0:
        edges.append(crop[:, 0])
    if top > 0:
        edges.append(crop[0])
    if left + width < shape[1]:
        edges.append(crop[:, -1])
    if top + height < shape[0]:
        edges.append(crop[-1])
    return 1.0 - float(np.concatenate(edges).mean()) if edges else 1.0
