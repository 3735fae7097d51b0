"""Optical flow drawn as colour: hue is the direction, saturation the length."""

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

# steps from one colour of the wheel to the next; the eye tells more shades of red-yellow than of green-cyan
_STEPS = {"red-yellow": 15, "yellow-green": 6, "green-cyan": 4, "cyan-blue": 11, "blue-magenta": 13,
          "magenta-red": 6}  # fmt: skip
_ROWS = 256  # strips keep the scratch memory small for large photos
_CORNERS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1], [1, 0, 0]], np.float32)


def flow_to_rgb(flow: NDArray[np.float32], max_magnitude: float | None = None) -> NDArray[np.uint8]:
    """Colour a flow field with the Middlebury wheel: white = still, red = right, yellow = down.

    Args:
        flow: float32 (2, H, W), pixels, channel 0 = x right, 1 = y down.
        max_magnitude: the length in pixels that gets full saturation, above 0; longer vectors are darkened.
            None: the longest finite vector of the field.

    Returns:
        uint8 (H, W, 3); black where the flow is NaN or infinite.

    Raises:
        InputError: wrong shape, or ``max_magnitude`` not above 0.

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow", IJCV 2011, figure 2.
        Deviation: the wheel closes exactly; the authors' code leaves a small step where magenta meets red.
    """
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise InputError(f"expected a flow (2, H, W), got {flow.shape}")
    if max_magnitude is not None and not max_magnitude > 0:
        raise InputError(f"expected a maximal magnitude above 0, got {max_magnitude}")
    full = max_magnitude or _longest(flow) or 1.0
    rgb = np.empty((*flow.shape[1:], 3), np.uint8)
    for top in range(0, len(rgb), _ROWS):
        rgb[top : top + _ROWS] = _colour(flow[:, top : top + _ROWS], full)
    return rgb


def colour_wheel_legend(size: int = 128) -> NDArray[np.uint8]:
    """Draw the wheel of ``flow_to_rgb``: each place has the colour of the vector from the centre to it.

    Args:
        size: width and height in pixels, at least 8.

    Returns:
        uint8 (size, size, 3), white outside the circle.

    Raises:
        InputError: ``size`` below 8.
    """
    if size < 8:
        raise InputError(f"expected a legend of at least 8 pixels, got {size}")
    radius = (size - 1) / 2
    y, x = (np.mgrid[:size, :size] - radius).astype(np.float32)
    legend = flow_to_rgb(np.stack([x, y]), radius)
    edge = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)[..., None]
    return np.asarray(np.rint(legend * edge + 255 * (1 - edge)), np.uint8)


def with_legend(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw the wheel into the upper left corner of a flow's picture, uint8 (H, W, 3), a sixth of its shorter side."""
    size = min(picture.shape[:2]) // 6
    if size < 8:  # too small to read
        return picture
    shown: NDArray[np.uint8] = picture.copy()
    shown[:size, :size] = colour_wheel_legend(size)
    return shown


def _colour(flow: NDArray[np.float32], full: float) -> NDArray[np.uint8]:
    known = np.asarray(np.isfinite(flow).all(axis=0))
    x, y = np.where(known, flow, 0).astype(np.float32)
    length = (np.hypot(x, y) / full)[..., None]
    position = np.mod(np.arctan2(y, x) / (2 * np.pi), 1.0) * (len(_WHEEL) - 1)
    below = np.minimum(position.astype(np.intp), len(_WHEEL) - 2)
    weight = (position - below)[..., None]
    hue = _WHEEL[below] * (1 - weight) + _WHEEL[below + 1] * weight
    colour = np.where(length <= 1 + 1e-6, 1 - length * (1 - hue), 0.75 * hue) * known[..., None]
    return np.asarray(np.rint(np.clip(colour, 0, 1) * 255), np.uint8)


def _longest(flow: NDArray[np.float32]) -> float:
    length = np.hypot(flow[0], flow[1])
    return float(length.max(initial=0, where=np.isfinite(length)))


def _wheel() -> NDArray[np.float32]:
    """Build the wheel's colours in [0, 1], (56, 3); the first and the last are both red."""
    pieces = [
        np.linspace(start, end, steps, endpoint=False)
        for start, end, steps in zip(_CORNERS[:-1], _CORNERS[1:], _STEPS.values(), strict=True)
    ]
    return np.concatenate([*pieces, _CORNERS[:1]]).astype(np.float32)


_WHEEL = _wheel()
