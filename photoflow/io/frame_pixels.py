"""Pixels of a decoded video frame as they are shown: upright, square, sRGB."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import Colorspace, Interpolation
from numpy.typing import NDArray

from photoflow.io.wide_colour import is_hdr, is_wide, to_srgb

_EXACT = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
_NAMED = (1, 4, 5, 6, 7, 9)  # matrix coefficients, ITU-T H.273, that swscale knows
_BT2020 = 9  # primaries, ITU-T H.273
_BT2020_CONSTANT = 10  # of which it has no exact matrix; that of non-constant luminance is near
_HD_WIDTH, _SD_HEIGHT = 1280, 576  # an untagged frame at least as wide, or higher, counts as BT.709, as players take it
_ODDEST = 8  # a pixel of a more extreme aspect ratio is taken for a mistake


def shown_pixels(frame: Any, aspect: Fraction | None, alpha: bool, peak: float | None = None) -> NDArray[np.uint8]:
    """Convert a frame to the picture that a player shows.

    Args:
        frame: a decoded frame.
        aspect: width of a pixel by its height (sample aspect ratio); None: 1.
        alpha: whether transparency is kept.
        peak: nits of the brightest place of a PQ video, if it is known.

    Returns:
        uint8 (H, W, 3), or (H, W, 4) with straight alpha. Pixels that are not square are stretched, never shrunk.
    """
    height, width = square_size(frame.height, frame.width, aspect)
    if is_hdr(frame.color_trc) or is_wide(frame.color_primaries):
        pixels = _converted(frame, alpha, peak)
    else:
        pixels = _plain(frame, "rgba" if alpha else "rgb24")
    if pixels.shape[:2] != (height, width):
        pixels = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC))
    return _turned(pixels, orientation(frame))


def square_size(height: int, width: int, aspect: Fraction | None) -> tuple[int, int]:
    """Return the (height, width) of a frame once its pixels are square."""
    if not aspect or not Fraction(1, _ODDEST) <= aspect <= _ODDEST:
        return height, width
    return (height, round(width * aspect)) if aspect > 1 else (round(height / aspect), width)


def orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Return whether a frame is shown with rows and columns swapped, then top-bottom and left-right flipped.

    The display matrix of a frame maps its place (x, y) to (a x + c y, b x + d y); all other entries are shifts.
    """
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return False, False, False
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(matrix), np.int32, 5))
    swapped = abs(b) + abs(c) > abs(a) + abs(d)
    return (swapped, b < 0, c < 0) if swapped else (False, d < 0, a < 0)


def _turned(pixels: NDArray[np.uint8], how: tuple[bool, bool, bool]) -> NDArray[np.uint8]:
    swapped, vertical, horizontal = how
    turned = pixels.swapaxes(0, 1) if swapped else pixels
    return np.ascontiguousarray(turned[:: -1 if vertical else 1, :: -1 if horizontal else 1])


def _plain(frame: Any, pixel_format: str) -> NDArray[Any]:
    """Convert a frame to RGB by the matrix that it names; if it names none, by BT.709's for HD, else by BT.601's."""
    matrix = None
    if frame.colorspace == _BT2020_CONSTANT:
        matrix = Colorspace.BT2020
    elif frame.colorspace not in _NAMED:
        large = frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT
        matrix = Colorspace.ITU709 if large else Colorspace.ITU601
        if is_hdr(frame.color_trc) or frame.color_primaries == _BT2020:
            matrix = Colorspace.BT2020
    pixels: NDArray[Any] = frame.reformat(format=pixel_format, src_colorspace=matrix, interpolation=_EXACT).to_ndarray()
    return pixels


def _converted(frame: Any, alpha: bool, peak: float | None) -> NDArray[np.uint8]:
    """Convert a frame of HDR or of wide primaries to sRGB."""
    # Planes, because swscale's exact conversion to packed 16-bit RGB loses channels.
    rgb = to_srgb(_plain(frame, "gbrp16le"), frame.color_trc, frame.color_primaries, peak)
    return np.dstack([rgb, _plain(frame, "rgba")[..., 3]]) if alpha else rgb
