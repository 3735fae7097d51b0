"""Displacements over time as a few fixed shapes with changing amounts."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from photoflow.arrays import Array

TOLERANCE = 0.15  # pixels: the most that a displacement may be off
MOST = 32  # shapes: what takes more of them is reproduced as well as these can


@dataclass(frozen=True)
class Modes:
    """Displacements F_i of a mesh at moments i as sums of shapes.

        F_i(p) = sum_k amounts_ik shapes_k(p)

    Args:
        shapes: (K, 2, h, w) float32, channel 0 = x right, 1 = y down.
        amounts: (T, K) float32.
    """

    shapes: Array
    amounts: Array

    @classmethod
    def of(cls, flows: Array, tolerance: float = TOLERANCE) -> Modes | None:
        """Return the fewest modes that give displacements (T, 2, h, w) float32; None where nothing moves.

        Args:
            flows: displacements at evenly spaced moments.
            tolerance: the most that one may be off, in their unit.

        Source: the truncated singular value decomposition (Eckart & Young 1936), by the eigenvectors of the moments'
            inner products, of which there are far fewer than nodes.
        """
        if float(np.abs(flows).max(initial=0)) < tolerance:
            return None
        rows = np.ascontiguousarray(flows.reshape(len(flows), -1), np.float32)
        exact = rows.astype(np.float64)  # squares of what is small beside the largest displacement must not be lost
        _, vectors = np.linalg.eigh(exact @ exact.T)
        turned = vectors[:, ::-1].astype(np.float32)  # (T, T), the strongest first
        count = 1
        while count < min(MOST, len(rows)):
            amounts = turned[:, :count]
            if float(np.abs(rows - amounts @ (amounts.T @ rows)).max()) < tolerance:
                break
            count += 1
        amounts = turned[:, :count]
        return cls((amounts.T @ rows).reshape(count, *flows.shape[1:]), amounts)

    def document(self) -> dict[str, Any]:
        """Return the modes as the player reads them: shapes of 16 bits with a scale for each, amounts of 32."""
        return {
            **packed(self.shapes), "samples": len(self.amounts), "amounts": encoded(self.amounts.astype("<f4")),
        }  # fmt: skip


def packed(shapes: Array) -> dict[str, Any]:
    """Return shapes (K, 2, h, w) as whole numbers of 16 bits, and a scale for each."""
    scales = np.maximum(np.abs(shapes).reshape(len(shapes), -1).max(axis=1), 1e-12) / 32767
    levels = np.rint(shapes / scales[:, None, None, None]).astype("<i2")
    return {"count": len(shapes), "scales": scales.tolist(), "shapes": encoded(levels)}


def encoded(values: Array) -> str:
    """Return the bytes of an array in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
