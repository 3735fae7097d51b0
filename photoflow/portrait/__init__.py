"""Portraits of a person from a few photos of them and a prompt (the optional extra `photoflow[portrait]`)."""

from photoflow.models.photomaker.base import BASE
from photoflow.portrait.identity import Mixed, id_photo
from photoflow.portrait.portraitist import Portraitist

__all__ = ["BASE", "Mixed", "Portraitist", "id_photo"]
