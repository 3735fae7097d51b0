"""Source of the landmarks of faces that move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion import Face, Motion
from photoflow.motion.face import are_eyes_clear, landmarks_of
from photoflow.motion.motion import Scaled
from photoflow.segment.faces import Face as FoundFace
from photoflow.segment.faces import FaceFinder, FaceMesh, NoFaceError
from photoflow.segment.faces.face import LEADS
from photoflow.stage.layer import Layer
from photoflow.stage.progress import Progress
from photoflow.stage.stage import Stage
from photoflow.weights import WeightsError, locate

LEAST = 24  # pixels of the clip: on a smaller face nobody sees a lid
MOST = 8  # faces that live in one photo
SEEDS = 2**31
Part = tuple[int | str | None, Motion]


class FaceLandmarks:
    """Source of the landmarks of faces; holds the networks that find them, once they were asked for.

    Args:
        offline: never fetch weights.
    """

    def __init__(self, offline: bool = False) -> None:
        self._offline = offline
        self._find: FaceFinder | None = None
        self._mesh: FaceMesh | None = None

    def __call__(self, parts: Sequence[Part], stage: Stage, subject: int | str, progress: Progress) -> list[Part]:
        """Return the parts of a motion, one for each face, with its landmarks and the layer that it is on.

        Args:
            parts: see `photoflow.stage.plan.parts_of`.
            stage: has the photo and the layers.
            subject: the layer of a motion that names none.
            progress: is told.

        Raises:
            NoFaceError: there is no face, or none on the layer that is named.
            InputError: it is too small, or there is no such layer.
            WeightsError: no network that finds faces can be had.
        """
        if not any(isinstance(_unscaled(motion), Face) for _, motion in parts):
            return list(parts)
        out: list[Part] = []
        for target, motion in parts:
            face = _unscaled(motion)
            if not isinstance(face, Face):
                out.append((target, motion))
                continue
            asked = target if target is not None else subject if subject not in (1, "all") else None
            layer = None if asked is None else stage.layer(asked)
            for known in [face] if face.landmarks else self._known(face, stage, layer, progress):
                place = _layer_under(known, stage) if target is None and subject == 1 else target
                out.append((place, _with_face(motion, known)))
        return out

    def at_hand(self, stage: Stage, progress: Progress) -> list[tuple[str, Face]]:
        """Return the people's faces whose eyes are seen well, each with the name of its layer, where networks find any.

        Args:
            stage: has the photo and the layers.
            progress: is told.

        Returns:
            Nothing where a network is missing: nobody asked for faces, so none is fetched.
        """
        if not all(locate(name) for name in ("face_mesh", "iris")) or not (locate("yunet") or locate("blazeface")):
            return []
        try:
            faces = self._known(Face(), stage, None, progress)
        except InputError:
            return []
        found = [(_layer_under(face, stage), face) for face in faces if face.blink]
        people = {layer.name for layer in stage.layers if layer.kind.name in ("person", "unknown")}
        return [(name, face) for name, face in found if name is not None and name in people]

    def _known(self, motion: Face, stage: Stage, layer: Layer | None, progress: Progress) -> list[Face]:
        """Return the motion of each face, with its landmarks: of the largest one, and those of about its size.

        Args:
            motion: of a face whose landmarks are not known.
            stage: has the photo.
            layer: the faces are on; None: anywhere.
            progress: is told.
        """
        progress.check()
        self._find = self._find or FaceFinder(self._offline)
        faces, scale = self._find(stage.look), stage.scale / stage.look_scale
        if layer is not None:
            faces = [face for face in faces if _is_on(layer.mask, face.points.mean(axis=0) * scale)]
        if not faces:
            where = "the photo" if layer is None else layer.name
            raise NoFaceError(f"face: expected a face in {where}, found none")
        largest = max(face.size for face in faces)
        if largest * scale < LEAST:
            raise InputError(f"face: expected a face of at least {LEAST} pixels, found one of {int(largest * scale)}")
        alike = [face for face in faces if face.size >= max(largest / LEADS, LEAST / scale)][:MOST]
        return [self._living(motion, face, number, stage, progress) for number, face in enumerate(alike)]

    def _living(self, motion: Face, face: FoundFace, number: int, stage: Stage, progress: Progress) -> Face:
        """Return the motion of one of several faces: each blinks at moments of its own."""
        face = self._meshed(stage.look, face)
        landmarks = landmarks_of(face)
        said = "eyes and mouth" if len(landmarks) > len(face.points) else "no landmarks of eyes and mouth: they rest"
        if len(landmarks) > len(face.points) and not are_eyes_clear(stage.look, landmarks):
            motion, said = replace(motion, blink=0.0, gaze=0.0), "the eyes are not seen well: they rest"
        progress.done(f"face: found, {face.size * stage.scale / stage.look_scale:.0f} pixels; {said}")
        places = tuple((round(x / stage.look_scale, 1), round(y / stage.look_scale, 1)) for x, y in landmarks)
        return replace(motion, landmarks=places, seed=(motion.seed + number) % SEEDS)

    def _meshed(self, photo: Array, face: FoundFace) -> FoundFace:
        """Return a face with its landmarks, where a network that knows them can be had."""
        if face.mesh is not None:
            return face
        try:
            self._mesh = self._mesh or FaceMesh(self._offline)
        except WeightsError:
            return face
        return self._mesh(photo, face)


def _unscaled(motion: Motion) -> Motion:
    while isinstance(motion, Scaled):
        motion = motion.motion
    return motion


def _with_face(motion: Motion, face: Face) -> Motion:
    """Return a motion with another face, scaled as it was."""
    return Scaled(motion.factor, _with_face(motion.motion, face)) if isinstance(motion, Scaled) else face


def _layer_under(motion: Face, stage: Stage) -> str | None:
    """Return the name of the layer in front that has the middle of a face; None where none has."""
    x, y = (sum(values) / len(motion.landmarks) * stage.scale for values in zip(*motion.landmarks))
    return next((layer.name for layer in stage.layers if not layer.region and _is_on(layer.mask, (x, y))), None)


def _is_on(mask: Array, place: Sequence[float] | Array) -> bool:
    """Return whether a place (x, y), pixels, is on a mask, uint8 (H, W)."""
    column, row = (round(float(value)) for value in place)
    inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
    return bool(inside and mask[row, column] > 127)
