"""Motion of a subject in the wind, from its shape, the turbulence of the air and oscillators driven by it."""

from photoflow.motion.wind.presets import PRESETS
from photoflow.motion.wind.volume import wind_volume

__all__ = ["PRESETS", "wind_volume"]
