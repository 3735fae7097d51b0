"""Drag and release in the player is that of `Simulation`."""

import cv2
import numpy as np
import pytest
from modules_in_node import run

from photoflow.motion.poke import pulled_volumes
from photoflow.motion.scene import Scene
from photoflow.motion.simulation import Simulation
from photoflow.player.pulling import ALPHA, BETA, GRIP, Pull

SCRIPT = """
import { Simulation } from "photoflow/pull.js";
const simulation = new Simulation(given.pull, given.columns, given.rows);
const seen = given.story.map(([act, ...numbers]) => {
  simulation[act](...numbers);
  const flow = new Float32Array(2 * given.columns * given.rows);
  simulation.addTo(flow, 1);
  return Array.from(flow);
});
console.log(JSON.stringify({ seen, rests: simulation.rests }));
"""
# Pulled, held, let go, taken hold of elsewhere while it still swings, let go.
STORY = [
    ("drag", 20, 12, 5, -2), ("step", 0.016), ("step", 0.1), ("step", 0.5), ("drag", 20, 12, -3, 1), ("step", 0.02),
    ("release",), ("step", 0.05), ("step", 0.4), ("drag", 24.5, 20.25, 3, 3), ("step", 0.03), ("step", 0.3),
    ("release",), ("step", 0.016), ("step", 1.7),
]  # fmt: skip


def scene():
    mask = cv2.ellipse(np.zeros((48, 40), np.float32), (20, 16), (13, 12), 0, 0, 360, 1, -1)
    mask[26:, 17:23] = 1
    return Scene(mask)


@pytest.mark.parametrize("like", ["plant", "lantern", "flag"])
def test_it_goes_where_the_simulation_goes(like, tmp_path):
    thing = scene()
    modes = Simulation(pulled_volumes(thing, like), thing.mask, alpha=ALPHA, beta=BETA, grip=GRIP)
    document = Pull(*modes.modes).document()
    given = {"pull": document, "columns": 40, "rows": 48, "story": STORY}
    played = run(SCRIPT, given, tmp_path)["seen"]
    for (act, *numbers), flow in zip(STORY, played, strict=True):
        getattr(modes, act)(*numbers)
        expected = modes.displacement().numpy().ravel()
        assert np.abs(np.array(flow) - expected).max() < 0.02, (act, numbers)  # less than that is not drawn in Python
    assert np.abs(played[3]).max() > 4


def test_it_comes_to_rest(tmp_path):
    thing = scene()
    modes = Simulation(pulled_volumes(thing, "plant"), thing.mask, alpha=ALPHA, beta=BETA, grip=GRIP)
    story = [*STORY, ("step", 30)]
    given = {"pull": Pull(*modes.modes).document(), "columns": 40, "rows": 48, "story": story}
    assert run(SCRIPT, given, tmp_path)["rests"]
