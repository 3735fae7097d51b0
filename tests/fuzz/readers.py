"""All entry points that read what a person gives."""

from .documents import Motions, Stages, Volumes, Weights
from .media import Flows, Masks, Origins, Photos, Videos

READERS = (Photos, Masks, Origins, Flows, Videos, Motions, Stages, Volumes, Weights)
