"""Kinds of found things, and regions that nobody has to point at."""

from photoflow.segment.kinds.kind import KINDS, Kind, kind_of
from photoflow.segment.kinds.regions import Region, find_regions

__all__ = ["KINDS", "Kind", "Region", "find_regions", "kind_of"]
