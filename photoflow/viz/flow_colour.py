"""Flow as colour: hue is the direction, saturation the length."""

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError

# steps from one colour of the wheel to the next; the eye tells more shades of red-yellow than of green-cyan
_STEPS = {"red-yellow": 15, "yellow-green": 6, "green-cyan": 4, "cyan-blue": 11, "blue-magenta": 13,
          "magenta-red": 6}  # fmt: skip
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
    """
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise InputError(f"expected a flow (2, H, W), got {flow.shape}")
    if max_magnitude is not None and not max_magnitude > 0:
        raise InputError(f"expected a maximal magnitude above 0, got {max_magnitude}")
    known = np.isfinite(flow).all(axis=0)
    x, y = np.where(known, flow, 0).astype(np.float32)
    length = np.hypot(x, y)
    length /= max_magnitude or float(length.max(initial=0)) or 1.0
    # the wheel's first entry, red, is at angle 0; its entries close the circle, so the last step leads back to red
    wheel = _wheel()
    position = np.mod(np.arctan2(y, x) / (2 * np.pi), 1.0) * (len(wheel) - 1)
    below = np.minimum(position.astype(np.intp), len(wheel) - 2)
    weight = (position - below)[..., None]
    hue = wheel[below] * (1 - weight) + wheel[below + 1] * weight
    inside = length[..., None] <= 1 + 1e-6
    colour = np.where(inside, 1 - length[..., None] * (1 - hue), 0.75 * hue) * known[..., None]
    return np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8)


def colour_wheel_legend(size: int = 128) -> NDArray[np.uint8]:
    """Draw the wheel that ``flow_to_rgb`` uses: the colour at a place is that of the vector from the centre to it.

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
    return np.rint(legend * edge + 255 * (1 - edge)).astype(np.uint8)


def _wheel() -> NDArray[np.float32]:
    """The wheel's colours in [0, 1], (56, 3); the first and the last are both red."""
    pieces = [
        np.linspace(start, end, steps, endpoint=False)
        for start, end, steps in zip(_CORNERS[:-1], _CORNERS[1:], _STEPS.values(), strict=True)
    ]
    return np.concatenate([*pieces, _CORNERS[:1]]).astype(np.float32)
