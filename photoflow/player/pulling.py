"""Oscillators of a subject, with which a player lets a hand pull it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
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
WAVES, SLOWEST = 3, 1.0  # of a whole picture: along each side, and times a second of the slowest


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

    @classmethod
    def of_all(cls, mesh: Mesh) -> Pull:
        """Return those of a whole picture: an elastic sheet that its border holds.

            P_ij(x, y) ~ sin(pi i x) sin(pi j y),    w_ij ~ sqrt((i / width)^2 + (j / height)^2)

        for either direction. The scale is that of `Simulation`.

        Source: the modes of a rectangular membrane: Rayleigh, "The Theory of Sound", volume 1, section 195.
        """
        rows, columns = mesh.size
        x, y = (np.sin(np.pi * np.outer(np.arange(1, WAVES + 1), np.linspace(0, 1, side))) for side in (columns, rows))
        longest = max(rows, columns)
        shapes, omega = [], []
        for i, j in product(range(WAVES), range(WAVES)):
            wave = np.outer(y[j], x[i])
            shapes += [np.stack([wave, 0 * wave]), np.stack([0 * wave, wave])]
            omega += 2 * [np.hypot((i + 1) / columns, (j + 1) / rows) * longest]
        order = np.argsort(omega, kind="stable")
        waves, rates = np.stack(shapes)[order], 2 * np.pi * SLOWEST * np.array(omega)[order] / min(omega)
        mobility = (np.square(waves) / np.square(rates)[:, None, None, None]).sum(axis=(0, 1))
        reference = float(np.percentile(mobility, 95))
        return cls(
            np.asarray(waves / np.sqrt(reference), np.float32), rates, np.asarray(mobility / reference, np.float32),
            float(np.sqrt(rows * columns) / 2),
        )  # fmt: skip

    def document(self) -> dict[str, Any]:
        """Return it as the player reads it."""
        return {
            **packed(self.shapes), "omega": self.omega.tolist(), "extent": self.extent,
            "mobility": encoded(np.ascontiguousarray(self.mobility, "<f4")),
            "alpha": ALPHA, "beta": BETA, "grip": GRIP,
        }  # fmt: skip
