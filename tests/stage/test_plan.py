"""Which layer moves how."""

import numpy as np
import pytest

from photoflow import InputError, motion
from photoflow.stage import Layer, Stage
from photoflow.stage.plan import assign


def test_who_moves_how():
    sway, swing, drift = motion.Sway(), motion.Swing(), motion.Drift(arrows=((0, 0, 1, 1),))
    photo = np.zeros((2, 2, 3), np.uint8)
    layers = [Layer(name, photo, np.full((2, 2), 255, np.uint8), "hand") for name in ("a", "b", "c")]
    a, b, c = layers

    def stage(count):
        return Stage(photo, (2, 2), 1.0, layers=layers[:count])

    assert assign([(None, sway)], stage(3), 2) == [(b, sway)]
    assert assign([("c", swing), (None, sway)], stage(3), "b") == [(b, sway), (c, swing)]
    assert [m for _, m in assign([(None, sway)], stage(2), "all")] == [sway, sway]
    assert [m for _, m in assign([(None, sway), (2, swing)], stage(2), 1)] == [sway, swing]
    assert assign([(None, sway), (1, swing)], stage(1), 1) == [(a, sway + swing)]
    ((picture, _),) = assign([(None, drift)], stage(2), 1)
    assert picture.region and picture.mask.min() == 255
    assert assign([(None, drift)], stage(2), 2) == [(b, drift)]
    with pytest.raises(InputError, match="number from 1 to 2 or a layer's name, got 3"):
        assign([(None, sway)], stage(2), 3)
    with pytest.raises(InputError, match="layer 'dog': expected one of a, b"):
        assign([("dog", sway)], stage(2), 1)
    with pytest.raises(InputError, match="cannot be added"):
        assign([(None, sway), (1, drift)], stage(1), 1)
    with pytest.raises(InputError, match="no subject found"):
        assign([(None, sway)], stage(0), 1)
