"""What a player needs to let a hand pull a subject."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.motion.poke import pulled_volumes
from photoflow.motion.simulation import Simulation
from photoflow.player.mesh import Mesh
from photoflow.player.modes import encoded, packed
from photoflow.render.layered import SubjectLayer

ALPHA, BETA, GRIP = 0.6, 0.06, 0.03  # see `Simulation`


@dataclass(frozen=True)
class Pull:
    """The oscillators of a subject, of which `photoflow.motion.Simulation` tells.

    Args:
        shapes: (J, 2, rows, columns) float32, of its modes, in steps of the mesh.
        omega: (J,), their angular frequencies, radians a second.
        mobility: (rows, columns) float32, of each node; 1 = the most mobile ones.
        extent: the subject's size, in steps of the mesh.
    """

    shapes: Array
    omega: Array
    mobility: Array
    extent: float

    @classmethod
    def of(cls, subject: SubjectLayer, mesh: Mesh) -> Pull | None:
        """Return those of a drawn subject at the nodes of a mesh, None where nothing of it can be pulled.

        What is held, by the border or by strokes, cannot be pulled.
        """
        scene, holds = subject.scene(mesh.region, mesh.step), subject.holds_over(mesh.region, mesh.step)
        try:
            volumes = pulled_volumes(scene, subject.like)
            if holds is not None:
                volumes = [replace(one, coefficients=one.coefficients * holds) for one in volumes]
            shapes, omega, mobility, extent = Simulation(volumes, scene.mask, alpha=ALPHA, beta=BETA, grip=GRIP).modes
        except InputError:  # too small, or held all over
            return None
        return cls(shapes, omega, mobility, extent)

    def document(self) -> dict[str, Any]:
        """Return it as the player reads it."""
        return {
            **packed(self.shapes), "omega": self.omega.tolist(), "extent": self.extent,
            "mobility": encoded(np.ascontiguousarray(self.mobility, "<f4")),
            "alpha": ALPHA, "beta": BETA, "grip": GRIP,
        }  # fmt: skip
