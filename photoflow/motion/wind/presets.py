"""Presets of wind motion, one for each kind of subject."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """One mode of a subject's motion in the wind: a damped oscillator at every place, all driven by the same wind.

    Args:
        frequency: natural frequency at a wind of 0.5, hertz.
        damping: damping ratio zeta; from 1 on nothing oscillates.
        share: displacement of the free ends, relative to the preset's reach.
        size: distance over which the motion is similar, in lengths of the subject.
        spread: variation of the natural frequency from place to place, as a share.
        kind: "bend" along the path from the anchor, "hinge" at the anchor, a "wave" that runs along the path,
            "stretch" of the path, or "flutter" of every place by itself across the path.
        gives: compliance at the anchor and at the free ends; linear between them.
        fine: 0 to 1: degree to which only thin parts move.
    """

    frequency: float
    damping: float
    share: float
    size: float = 2.0
    spread: float = 0.0
    kind: str = "bend"
    gives: tuple[float, float] = (1.0, 0.4)
    fine: float = 0.0


@dataclass(frozen=True)
class Preset:
    """Parameters of the motion of one kind of subject in the wind.

    Args:
        hold: where the subject is held; see `photoflow.motion.wind.subject_shape.subject_shape`.
        reach: displacement of the free ends by the first mode at a wind of 0.5, root mean square, in lengths of the
            subject.
        modes: the modes of its motion; the mean wind leans the subject in the shape of the first one.
        lag: delay of the free ends behind the anchors, seconds.
        speed: speed of the wind, lengths of the subject a second.
        lateral: strength of the wind across its direction, relative to that along it.
        quickens: 0 to 1: how much the frequencies rise with the wind.
        lean: displacement of the free ends by the mean wind, relative to the reach.
        strand: 1: places that are near each other move alike; towards 0: places that hang on the same anchor do.
        least: see `photoflow.motion.wind.subject_shape.subject_shape`.
    """

    hold: str
    reach: float
    modes: tuple[Mode, ...]
    lag: float = 0.1
    speed: float = 3.0
    lateral: float = 0.4
    quickens: float = 0.2
    lean: float = 0.3
    strand: float = 1.0
    least: float = 0.1


PRESETS: dict[str, Preset] = {
    "plant": Preset(
        "foot", 0.020, lag=0.10, speed=4.0,
        modes=(
            Mode(0.95, 0.16, 1.0, size=2.5, gives=(1.0, 0.3)),
            Mode(2.0, 0.14, 0.50, size=0.40, spread=0.25, gives=(0.4, 1.0), fine=0.5),
            Mode(2.8, 0.20, 0.16, size=0.12, spread=0.3, kind="flutter", gives=(0.0, 1.0), fine=0.6),
        ),
    ),
    "tree": Preset(
        "foot", 0.015, lag=0.15, speed=1.6,
        modes=(
            Mode(0.45, 0.18, 1.0, size=1.3, gives=(1.0, 0.5)),
            Mode(1.0, 0.15, 0.75, size=0.30, spread=0.3, gives=(0.3, 1.0)),
            Mode(2.2, 0.20, 0.22, size=0.09, spread=0.3, kind="flutter", gives=(0.1, 1.0), fine=0.3),
        ),
    ),
    # Many small things side by side, of which none is seen as a whole: grass, a hedge, a crown.
    "foliage": Preset(
        "foot", 0.006, lag=0.0, speed=0.8, lean=0.0,
        modes=(
            Mode(0.55, 0.25, 1.0, size=0.6, spread=0.1, kind="flutter", gives=(1.0, 1.0)),
            Mode(1.1, 0.25, 0.3, size=0.22, spread=0.2, kind="flutter", gives=(1.0, 1.0)),
            Mode(2.2, 0.25, 0.1, size=0.08, spread=0.3, kind="flutter", gives=(1.0, 1.0)),
        ),
    ),
    "vine": Preset(
        "top", 0.030, lag=0.20, speed=1.6, strand=0.6,
        modes=(
            Mode(0.50, 0.18, 1.0, size=0.6, gives=(1.0, 0.7)),
            Mode(1.0, 0.15, 0.80, size=0.20, spread=0.3, gives=(0.6, 1.0)),
            Mode(2.2, 0.20, 0.16, size=0.09, spread=0.3, kind="flutter", gives=(0.1, 1.0), fine=0.3),
        ),
    ),
    "flag": Preset(
        "upwind", 0.022, lag=0.65, speed=1.5, lateral=1.0, quickens=0.8, lean=0.1,
        modes=(
            Mode(1.4, 0.10, 1.0, size=1.5, spread=0.05, kind="wave", gives=(0.2, 1.0)),
            Mode(2.4, 0.16, 0.60, size=0.6, spread=0.1, kind="wave", gives=(0.1, 1.0)),
            Mode(1.6, 0.30, 0.25, size=0.6, kind="stretch", gives=(0.3, 1.0)),
        ),
    ),
    "cloth": Preset(
        "top", 0.030, lag=0.30, speed=2.0, lateral=0.35, quickens=0.3, lean=0.4, least=0.03,
        modes=(
            Mode(0.95, 0.10, 1.0, size=1.2, spread=0.1, kind="hinge"),
            Mode(1.4, 0.16, 0.50, size=0.5, spread=0.15, kind="wave", gives=(0.2, 1.0)),
            Mode(2.6, 0.20, 0.20, size=0.3, spread=0.2, kind="wave", gives=(0.1, 1.0)),
            Mode(1.5, 0.30, 0.15, size=0.5, kind="stretch"),
        ),
    ),
    "hair": Preset(
        "top", 0.022, lag=0.30, speed=2.0, lateral=0.3, strand=0.25,
        modes=(
            Mode(0.65, 0.22, 1.0, size=1.5, gives=(1.0, 0.8)),
            Mode(1.3, 0.18, 0.50, size=0.18, spread=0.2, gives=(0.6, 1.0)),
            Mode(2.4, 0.20, 0.16, size=0.10, spread=0.2, kind="flutter", gives=(0.0, 1.0)),
        ),
    ),
    "candle": Preset(
        "foot", 0.060, lag=0.15, speed=4.0, lateral=0.3, quickens=0.4, lean=0.2, least=0.03,
        modes=(
            Mode(1.4, 0.22, 1.0, size=0.8, spread=0.1, gives=(0.6, 1.0)),
            Mode(2.6, 0.30, 0.40, size=0.5, spread=0.2, kind="wave", gives=(0.0, 1.0)),
            Mode(1.6, 0.40, 0.60, size=1.0, kind="stretch", gives=(0.3, 1.0)),
        ),
    ),
    "lantern": Preset(
        "hook", 0.055, lag=0.0, speed=3.0, lateral=0.3, least=0.03,
        modes=(
            Mode(0.70, 0.06, 1.0, spread=0.1, kind="hinge"),
            Mode(1.7, 0.12, 0.28, spread=0.2, kind="hinge"),
        ),
    ),
}  # fmt: skip
