"""Colours of video beyond sRGB's range: wide primaries, and the HDR transfer functions PQ and HLG.

Everything is converted to what the rest of photoflow speaks, sRGB with 8 bits a channel. HDR is tone-mapped: luminances
up to some 90 nits stay as they are, brighter ones are compressed so that the brightest of the source becomes white.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Pixels = NDArray[np.uint8]

PQ, HLG = 16, 18  # transfer characteristics, ITU-T H.273
_WHITE = 203.0  # nits of SDR's white, the reference white of BT.2408
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2  # nits and system gamma of the nominal display, BT.2100
_USUAL_PEAK = 1000.0  # nits, where a PQ file does not tell
_VIDEO_GAMMA = 2.4  # of an SDR display, BT.1886
# Chromaticities of red, green, blue and white (x, y), by their numbers in ITU-T H.273; BT.709's are sRGB's too.
_D65 = (0.3127, 0.3290)
_BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
_WIDE = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),  # Display P3
}


def is_hdr(transfer: int) -> bool:
    """Return whether a transfer characteristic (ITU-T H.273) is one of HDR."""
    return transfer in (PQ, HLG)


def is_wide(primaries: int) -> bool:
    """Return whether colour primaries (ITU-T H.273) are wider than BT.709's, and known here."""
    return primaries in _WIDE


def to_srgb(rgb: NDArray[np.uint16], transfer: int, primaries: int, peak: float | None = None) -> Pixels:
    """Convert a video frame to sRGB.

    Args:
        rgb: uint16 (H, W, 3), full range: the frame's R'G'B'.
        transfer: transfer characteristic, ITU-T H.273; other than PQ and HLG it counts as SDR's.
        primaries: colour primaries, ITU-T H.273; others than BT.2020 and Display P3 count as BT.709, but those of HDR
            without a name as BT.2020.
        peak: nits of the brightest place of a PQ source; 1000 where None.

    Returns:
        uint8 (H, W, 3).

    Source: Recommendation ITU-R BT.2100-2 (PQ, HLG), BT.2408 (reference white), BT.2390-11, section 5.4.1 (tone
        mapping; here of the largest of R, G and B, which keeps the hue), BT.1886 (SDR).
    """
    hdr = is_hdr(transfer)
    source = _WIDE.get(primaries) or (_WIDE[9] if hdr and primaries in (0, 2) else _BT709)
    linear = _decoding(transfer)[rgb]
    if transfer == HLG:
        luma = linear @ _xyz(source)[1].astype(np.float32)
        linear *= (_HLG_PEAK / _WHITE * np.maximum(luma, 1e-6) ** (_HLG_GAMMA - 1))[..., None]
    if hdr:
        brightest = linear.max(axis=2)
        at, scale = _tone_curve(_HLG_PEAK if transfer == HLG else float(peak or _USUAL_PEAK))
        linear *= np.interp(brightest, at, scale).astype(np.float32)[..., None]
    if source is not _BT709:
        matrix = np.linalg.inv(_xyz(_BT709)) @ _xyz(source)
        linear = np.asarray(cv2.transform(linear, matrix.astype(np.float32)))
    codes = np.clip(linear * np.float32(65535) + np.float32(0.5), 0, 65535).astype(np.uint16)
    srgb: Pixels = _encoding(hdr)[codes]
    return srgb


def peak_of(side_data: Any) -> float | None:
    """Return the nits of the brightest place that a frame's side data tell of, or None."""
    level = side_data.get(SideData.CONTENT_LIGHT_LEVEL)
    if level is not None and (peak := _sane_peak(float(struct.unpack_from("I", bytes(level))[0]))):
        return peak
    display = side_data.get(SideData.MASTERING_DISPLAY_METADATA)
    if display is None:
        return None
    top, bottom = struct.unpack_from("ii", bytes(display), 72)  # max_luminance, a fraction
    return _sane_peak(top / bottom if bottom else 0.0)


def _sane_peak(nits: float) -> float | None:
    """Return None for a peak below SDR's white or above what PQ can say: 0 stands for unknown."""
    return nits if _WHITE < nits <= 10_000 else None


@lru_cache(maxsize=4)
def _decoding(transfer: int) -> NDArray[np.float32]:
    """Return a table from 16-bit values to linear light; HDR's white of 203 nits, and SDR's white, are 1."""
    values = np.arange(65536) / 65535
    if transfer == PQ:
        linear = pq_to_nits(values) / _WHITE
    elif transfer == HLG:
        linear = _hlg_to_scene(values)
    else:
        linear = values**_VIDEO_GAMMA
    return linear.astype(np.float32)


@lru_cache(maxsize=2)
def _encoding(hdr: bool) -> Pixels:
    """Return a table from 16-bit linear light to 8 bits: by sRGB's curve for HDR, for SDR by the one it came by."""
    linear = np.arange(65536) / 65535
    if hdr:
        encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    else:
        encoded = linear ** (1 / _VIDEO_GAMMA)
    return np.asarray(np.rint(255 * encoded), np.uint8)


def pq_to_nits(values: Reals) -> Reals:
    """Convert PQ values in [0, 1] to nits (SMPTE ST 2084; BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = values ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def nits_to_pq(nits: Reals) -> Reals:
    """Convert nits to PQ values in [0, 1] (SMPTE ST 2084; BT.2100, table 4)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = (nits / 10_000) ** m1
    return np.asarray(((c1 + c2 * root) / (1 + c3 * root)) ** m2)


def _hlg_to_scene(values: Reals) -> Reals:
    """Convert HLG values in [0, 1] to the light of the scene in [0, 1] (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.asarray(np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12))


@lru_cache(maxsize=8)
def _tone_curve(peak: float) -> tuple[Reals, Reals]:
    """Return luminances and the factor that each is multiplied by; the peak becomes 1 (BT.2390-11, section 5.4.1)."""
    whole = float(nits_to_pq(np.asarray(peak)))
    most = float(nits_to_pq(np.asarray(_WHITE))) / whole
    knee = 1.5 * most - 0.5
    at = np.linspace(0, 1, 4096)
    t = np.clip((at - knee) / (1 - knee), 0, 1)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * most
    before = pq_to_nits(at * whole) / _WHITE
    after = pq_to_nits(np.where(at < knee, at, bent) * whole) / _WHITE
    return before, np.where(before > 0, after / np.maximum(before, 1e-9), 1.0)


@lru_cache(maxsize=4)
def _xyz(chromaticities: tuple[tuple[float, float], ...]) -> Reals:
    """Compute the matrix from linear RGB of given primaries and white to CIE XYZ; its second row is the luminance."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in chromaticities]).T
    amounts = np.linalg.solve(columns[:, :3], columns[:, 3])
    return np.asarray(columns[:, :3] * amounts)
