"""The motion of a living face, by its landmarks: blinks, looks, a slight turn of the head, breath, a hint of a smile."""

from photoflow.motion.face.landmarks import landmarks_of
from photoflow.motion.face.motion import Face

__all__ = ["Face", "landmarks_of"]
