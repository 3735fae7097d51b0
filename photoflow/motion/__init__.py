"""Motions: how a subject moves, free of any photo.

>>> from photoflow import motion
>>> both = motion.Sway(strength=0.4) + 0.5 * motion.Float()
>>> motion.from_dict(both.to_dict()) == both
True
"""

from photoflow.motion.base import AffineField, ModalField, Motion, MotionField, Scene
from photoflow.motion.drift import Drift
from photoflow.motion.file import MOTIONS, from_dict, load, parse, save
from photoflow.motion.natural import Spectral, adjusted
from photoflow.motion.parametric import Bounce, Breathe, Float, Swing, Translate
from photoflow.motion.path import Path
from photoflow.motion.spectral import SpectralField, SpectralVolume
from photoflow.motion.sway import Sway

__all__ = [
    "MOTIONS", "AffineField", "Bounce", "Breathe", "Drift", "Float", "ModalField", "Motion", "MotionField",
    "Path", "Scene", "Spectral", "SpectralField", "SpectralVolume", "Sway", "Swing", "Translate", "adjusted",
    "from_dict", "load", "parse", "save",
]  # fmt: skip
