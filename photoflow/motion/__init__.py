"""Motions: descriptions of how a subject moves, independent of any photo.

>>> from photoflow import motion
>>> both = motion.Sway(strength=0.4) + 0.5 * motion.Float()
>>> motion.from_dict(both.to_dict()) == both
True
"""

from photoflow.deprecated import old_names
from photoflow.motion.auto import Auto
from photoflow.motion.camera import Camera
from photoflow.motion.drift import Drift
from photoflow.motion.face import Face
from photoflow.motion.field import AffineField, DrawnField, InPlaceField, ModalField, MotionField
from photoflow.motion.motion import Motion
from photoflow.motion.optimised import Optimised
from photoflow.motion.parametric import Bounce, Breathe, Float, Swing, Translate
from photoflow.motion.path import Path
from photoflow.motion.poke import Poke
from photoflow.motion.scene import Scene
from photoflow.motion.serialization import from_dict, load, named, parse, save, words
from photoflow.motion.simulation import Simulation
from photoflow.motion.spectral import SpectralField, SpectralVolume
from photoflow.motion.spectral_motion import Spectral, with_overrides
from photoflow.motion.sway import Sway
from photoflow.motion.water import Water

MOTIONS = named()

__all__ = [
    "MOTIONS", "AffineField", "Auto", "Bounce", "Breathe", "Camera", "DrawnField", "Drift", "Face", "Float",
    "InPlaceField", "ModalField", "Motion", "MotionField", "Optimised", "Path", "Poke", "Scene", "Simulation",
    "Spectral", "SpectralField", "SpectralVolume", "Sway", "Swing", "Translate", "Water", "from_dict", "load", "parse",
    "save", "with_overrides", "words",
]  # fmt: skip

__getattr__ = old_names(__name__, {"adjusted": "with_overrides"})
