"""DIS flow and what is built on it: refined flow, and frames between two."""

from photoflow.models.dis.dis import DIS, PRESETS
from photoflow.models.dis.dis_interpolation import DISInterpolation
from photoflow.models.dis.refined_dis import RefinedDIS
from photoflow.models.dis.refined_interpolation import RefinedInterpolation

__all__ = ["DIS", "PRESETS", "DISInterpolation", "RefinedDIS", "RefinedInterpolation"]
