"""PhotoMaker: a person's photos as a stack of embeddings in the place of a class word (needs `photoflow[portrait]`)."""

from photoflow.models.photomaker.files import PhotoMakerWeights, read_photomaker, write_photomaker
from photoflow.models.photomaker.id_encoder import SIZES, IDEncoder, IDEncoderConfig, IDFusion

__all__ = [
    "SIZES", "IDEncoder", "IDEncoderConfig", "IDFusion", "PhotoMakerWeights", "read_photomaker", "write_photomaker",
]  # fmt: skip
