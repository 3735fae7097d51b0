"""E²FGVI: video completion end to end, and the network that judges its clips in training."""

from photoflow.models.e2fgvi.discriminator import ClipDiscriminator
from photoflow.models.e2fgvi.e2fgvi import E2FGVI, SIZES

__all__ = ["E2FGVI", "SIZES", "ClipDiscriminator"]
