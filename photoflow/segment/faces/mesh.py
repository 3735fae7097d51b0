"""Landmarks of a face: MediaPipe's face mesh with its irises, run by OpenCV."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.segment.faces.face import Face
from photoflow.segment.faces.network import LiteNetwork
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError

SIDE, EYE_SIDE = 192, 64  # of the squares that the networks see
ROOM = 1.5  # sides of the square about a face, in sizes of the face
EYE_ROOM = 2.3  # the same about an eye, in distances of its corners
SURE = 0.5  # presence from which on there is a face
ROUNDS = 2  # the second looks where the first has found the face

# Landmarks of the mesh by their numbers in MediaPipe's published topology. An eye: its lower lid from the outer corner
# to the inner one, both included, then its upper lid between them.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
LOWER = 9  # of an eye's landmarks are the lower lid's
NOSE_TIP, RIGHT_CORNER, LEFT_CORNER = 4, 61, 291
COUNT, IRIS = 468, 5  # landmarks of the mesh alone, and of each iris after them: its centre, then four around it


class FaceMesh:
    """Landmarks of faces. Threads may share it.

    Args:
        offline: never fetch weights.

    Raises:
        WeightsError: the weights of the mesh cannot be had. Without those of the irises, the mesh has none.

    Source: Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs", 2019; the eyes:
        Ablavatski et al., "Real-time pupil tracking from monocular video for digital puppetry", 2020.
    """

    def __init__(self, offline: bool = False) -> None:
        self._mesh = LiteNetwork(weights.fetch("face_mesh", offline=offline), ("conv2d_20", "conv2d_30"))
        self._eye: LiteNetwork | None = None
        try:
            path = weights.fetch("iris", offline=offline)
        except WeightsError:
            return
        self._eye = LiteNetwork(path, ("output_eyes_contours_and_brows", "output_iris"))

    def __call__(self, photo: Array, face: Face) -> Face:
        """Return a face with its mesh and the points and box that follow from it, or without a mesh.

        Args:
            photo: uint8 (H, W, 3).
            face: where to look.

        Returns:
            The face; its mesh is None where the network sees no face there.
        """
        left, top, width, height = face.box
        centre, side = (left + width / 2, top + height / 2), ROOM * max(width, height)
        right, other = face.points[:2]
        presence = 0.0
        for _ in range(ROUNDS):
            if not side >= 1:
                return replace(face, mesh=None)
            seen, back = turned(photo, centre, side, other - right, SIDE)
            rows, logit = self._mesh(seen / np.float32(255))
            presence = float(1 / (1 + np.exp(-np.clip(logit.reshape(-1)[0], -30, 30))))
            if presence < SURE:
                return replace(face, mesh=None)
            mesh = moved(rows.reshape(COUNT, 3)[:, :2], back)
            right, other = mesh[RIGHT_EYE[0]], mesh[LEFT_EYE[0]]
            low, high = mesh.min(axis=0), mesh.max(axis=0)
            centre, side = tuple(((low + high) / 2).tolist()), ROOM * float((high - low).max())
        if self._eye is not None:
            mesh = self._with_eyes(photo, mesh)
        eyes = [mesh[list(eye)].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)]
        points = np.stack([*eyes, mesh[NOSE_TIP], mesh[RIGHT_CORNER], mesh[LEFT_CORNER]])
        corner, size = np.rint(low).astype(int).tolist(), np.rint(high - low).astype(int).tolist()
        box = (corner[0], corner[1], size[0], size[1])
        return replace(face, box=box, points=points, mesh=mesh, score=min(face.score, presence))

    def _with_eyes(self, photo: Array, mesh: Array) -> Array:
        """Return the mesh with lids and irises as the network for eyes sees them, (478, 2) float32.

        It knows eyes whose outer corner is on the left: the person's left one is mirrored for it.
        """
        assert self._eye is not None
        out, irises = mesh.copy(), []
        for eye, mirrored in ((RIGHT_EYE, False), (LEFT_EYE, True)):
            outer, inner = mesh[eye[0]], mesh[eye[LOWER - 1]]
            along = outer - inner if mirrored else inner - outer
            middle, side = tuple(((outer + inner) / 2).tolist()), EYE_ROOM * float(np.abs(along).max())
            seen, back = turned(photo, middle, max(side, 1.0), along, EYE_SIDE)
            rows, iris = self._eye((seen[:, ::-1] if mirrored else seen) / np.float32(255))
            places = np.concatenate([rows.reshape(-1, 3)[: len(eye), :2], iris.reshape(IRIS, 3)[:, :2]])
            if mirrored:
                places[:, 0] = EYE_SIDE - places[:, 0]
            places = moved(places, back)
            out[list(eye)] = places[: len(eye)]
            irises.append(places[len(eye) :])
        return np.asarray(np.concatenate([out, *irises]), np.float32)


def turned(photo: Array, centre: tuple[float, ...], side: float, along: Array, size: int) -> tuple[Array, Array]:
    """Return a square of the photo, turned so that a direction in it is level.

    Args:
        photo: uint8 (H, W, 3); black where the square reaches beyond it.
        centre: of the square, pixels.
        side: of the square, pixels.
        along: (x, y), the direction that becomes the square's x.
        size: of the answer, pixels.

    Returns:
        (size, size, 3) uint8, and (2, 3), which leads from it back to the photo: see `moved`.
    """
    scale = side / size
    unit = np.asarray(along, np.float64) / max(float(np.hypot(*along)), 1e-9) * scale
    axes = np.array([[unit[0], -unit[1]], [unit[1], unit[0]]])
    back = np.column_stack([axes, np.asarray(centre) - axes @ (size / 2, size / 2)])
    # Sampled as it is, a large face would be seen in single pixels: every pixel is the mean of those it stands for.
    fine = max(1, min(8, round(scale)))
    steps = np.column_stack([axes / fine, back[:, 2] + axes @ (0.5 / fine, 0.5 / fine)])  # centres of the fine pixels
    fine_size = (size * fine, size * fine)
    seen = cv2.warpAffine(photo, steps, fine_size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return cv2.resize(seen, (size, size), interpolation=cv2.INTER_AREA), back


def moved(places: Array, matrix: Array) -> Array:
    """Return places (N, 2) after an affine map (2, 3), float32."""
    return np.asarray(places @ matrix[:, :2].T + matrix[:, 2], np.float32)
