"""The motion of a living face, by its landmarks: blinks, looks, a slight turn, breath, a hint of a smile."""

from photoflow.motion.face.clarity import are_eyes_clear
from photoflow.motion.face.landmarks import landmarks_of
from photoflow.motion.face.motion import Face

__all__ = ["Face", "are_eyes_clear", "landmarks_of"]
