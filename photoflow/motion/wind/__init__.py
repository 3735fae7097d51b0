"""What the wind does to a subject: its shape, the turbulence around it, and the oscillators that answer."""

from photoflow.motion.wind.presets import PRESETS
from photoflow.motion.wind.volume import wind_volume

__all__ = ["PRESETS", "wind_volume"]
