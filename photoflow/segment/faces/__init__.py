"""Faces of a photo: where they are, their landmarks, and whose they are."""

from photoflow.segment.faces.detecting import FaceFinder, find_faces
from photoflow.segment.faces.embedding import FaceEmbedder, face_embedding
from photoflow.segment.faces.face import Face, NoFaceError, one_face
from photoflow.segment.faces.mesh import FaceMesh

__all__ = ["Face", "FaceEmbedder", "FaceFinder", "FaceMesh", "NoFaceError", "face_embedding", "find_faces", "one_face"]
