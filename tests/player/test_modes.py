"""Displacements as shapes with changing amounts."""

import base64

import numpy as np

from photoflow.player.modes import TOLERANCE, Modes


def swings(count=60, size=(12, 16), parts=3):
    draw = np.random.default_rng(4)
    shapes = draw.normal(size=(parts, 2, *size)).astype(np.float32) * 6
    phases = np.linspace(0, 2 * np.pi, count, endpoint=False)
    amounts = np.stack([np.sin((k + 1) * phases) for k in range(parts)], axis=1).astype(np.float32)
    return np.tensordot(amounts, shapes, axes=1)


def read(document):
    """Return displacements as a player reads them, (T, 2, h, w)."""
    count, samples = document["count"], document["samples"]
    levels = np.frombuffer(base64.b64decode(document["shapes"]), "<i2").reshape(count, -1)
    amounts = np.frombuffer(base64.b64decode(document["amounts"]), "<f4").reshape(samples, count)
    return amounts @ (levels * np.array(document["scales"])[:, None])


def test_as_many_shapes_as_there_are_in_it_and_no_more():
    modes = Modes.of(swings(parts=3))
    assert modes.shapes.shape == (3, 2, 12, 16) and modes.amounts.shape == (60, 3)


def test_displacements_are_kept_within_the_tolerance_also_as_they_are_written():
    flows = swings(parts=5)
    modes = Modes.of(flows)
    assert np.abs(np.tensordot(modes.amounts, modes.shapes, axes=1) - flows).max() < TOLERANCE
    assert np.abs(read(modes.document()) - flows.reshape(60, -1)).max() < TOLERANCE + 0.02


def test_a_small_part_beside_a_large_one_is_kept():
    flows = swings(parts=2)
    flows[:, 0] += 400 * np.sin(np.linspace(0, 7, 60, dtype=np.float32))[:, None, None]
    modes = Modes.of(flows)
    assert np.abs(np.tensordot(modes.amounts, modes.shapes, axes=1) - flows).max() < TOLERANCE


def test_what_rests_has_none():
    assert Modes.of(np.zeros((10, 2, 4, 4), np.float32)) is None


def test_noise_takes_as_many_as_there_may_be():
    draw = np.random.default_rng(1)
    assert len(Modes.of(draw.normal(size=(90, 2, 20, 20)).astype(np.float32) * 9).shapes) == 32
