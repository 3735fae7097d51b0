"""The player's drag and release is that of `Simulation`."""

import cv2
import numpy as np
import pytest
from modules_in_node import run

from photoflow.motion import Scene
from photoflow.motion.poke import pulled_volumes
from photoflow.motion.simulation import Simulation
from photoflow.player.modes import encoded, packed

TOLERANCE = 1e-3  # steps of the mesh

SCRIPT = """
import { Simulation } from "photoflow/pull.js";

const { pull, rows, columns, calls } = given;
const simulation = new Simulation(pull, rows, columns);
const seen = [];
for (const [name, ...values] of calls) {
  if (name === "look") {
    const out = new Float32Array(2 * rows * columns);
    simulation.addTo(out, 1);
    seen.push(Array.from(out));
  } else simulation[name](...values);
}
console.log(JSON.stringify({ seen, rests: simulation.rests }));
"""


class Written(Simulation):
    """A simulation whose shapes are rounded as they are in a moving picture."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        import torch

        shapes, omega, mobility, extent = self.modes
        self.document = {
            **packed(shapes), "omega": omega.tolist(), "mobility": encoded(mobility.astype("<f4")), "extent": extent,
            "alpha": self.alpha, "beta": self.beta, "grip": self.grip,
        }  # fmt: skip
        levels = np.rint(shapes / np.array(self.document["scales"], np.float32)[:, None, None, None])
        rounded = levels * np.array(self.document["scales"])[:, None, None, None]
        self._planes = torch.from_numpy(rounded.reshape(len(omega), -1).astype(np.float32))
        self._peaks = np.abs(self._planes.numpy()).max(axis=1)


def played(simulation, calls, folder):
    """Return the displacements at which the player's simulation looks, and whether it rests at the end."""
    rows, columns = simulation.size
    answer = run(SCRIPT, {"pull": simulation.document, "rows": rows, "columns": columns, "calls": calls}, folder)
    return np.array(answer["seen"], np.float32).reshape(-1, 2, rows, columns), answer["rests"]


def simulation(preset="plant"):
    mask = np.zeros((48, 40), np.float32)
    cv2.line(mask, (20, 47), (20, 8), 1, 5)
    cv2.ellipse(mask, (20, 12), (14, 9), 0, 0, 360, 1, -1)
    return Written(pulled_volumes(Scene(mask), preset), mask)


def looked(modes, calls):
    seen = []
    for name, *values in calls:
        if name == "look":
            seen.append(modes.displacement().numpy())
        else:
            getattr(modes, name)(*values)
    return np.stack(seen)


def swings(count, dt):
    return [call for _ in range(count) for call in (["step", dt], ["look"])]


@pytest.mark.parametrize("preset", ["plant", "lantern", "flag"])
def test_the_same_calls_give_the_same_displacements(preset, tmp_path):
    calls = [
        ["drag", 22.5, 10.25, 6, -2], *swings(5, 1 / 60), ["drag", 22.5, 10.25, 9, 1], *swings(4, 0.05), ["release"],
        *swings(6, 0.04), ["drag", 12, 14.5, -5, 3], *swings(5, 0.03), ["release"], *swings(4, 0.11),
        ["drag", 27.75, 12, 0, 4], *swings(3, 0.5), ["release"], *swings(3, 0.3),
    ]  # fmt: skip
    expected = looked(simulation(preset), calls)
    found, rests = played(simulation(preset), calls, tmp_path)
    assert np.abs(expected).max() > 5 and not rests
    assert np.abs(found - expected).max() < TOLERANCE


def test_one_long_step_equals_many_short_ones(tmp_path):
    begin = [["drag", 20, 12, 7, 0], ["step", 0.3], ["release"]]
    once, _ = played(simulation(), [*begin, ["step", 0.8], ["look"]], tmp_path / "once")
    often, _ = played(simulation(), [*begin, *[["step", 0.008]] * 100, ["look"]], tmp_path / "often")
    assert np.abs(once).max() > 0.3
    assert np.abs(once - often).max() < TOLERANCE


def test_what_was_let_go_comes_to_rest(tmp_path):
    calls = [["drag", 20, 12, 7, 0], ["step", 0.3], ["release"], ["step", 30], ["look"]]
    found, rests = played(simulation(), calls, tmp_path)
    assert rests and not found.any()


BEARING = """
import { Simulation } from "photoflow/pull.js";

const { pull, rows, columns, x, y, way } = given;
const simulation = new Simulation(pull, rows, columns);
simulation.drag(x, y, 0, 0);
const most = simulation.bears(...way);
const seen = [1, 4].map((times) => {
  simulation.drag(x, y, times * most * way[0], times * most * way[1]);
  simulation.step(20);
  const out = new Float32Array(2 * rows * columns);
  simulation.addTo(out, 1);
  return Array.from(out);
});
console.log(JSON.stringify({ most, seen }));
"""


def folded(flow, moving):
    """Return the share of the cells that move in which a mesh is turned over by a displacement (2, H, W)."""
    across, down = np.diff(flow, axis=2)[:, :-1], np.diff(flow, axis=1)[:, :, :-1]
    area = (1 + across[0]) * (1 + down[1]) - across[1] * down[0]
    return (area <= 0)[moving[:-1, :-1]].mean()


@pytest.mark.parametrize("way", [(1, 0), (0, 1), (-0.6, 0.8)])
def test_a_pull_as_far_as_it_bears_folds_hardly_anything(way, tmp_path):
    modes = simulation()
    rows, columns = modes.size
    given = {"pull": modes.document, "rows": rows, "columns": columns, "x": 24, "y": 12, "way": way}
    answer = run(BEARING, given, tmp_path)
    near, far = np.array(answer["seen"], np.float32).reshape(2, 2, rows, columns)
    moving = modes.modes[2] >= 0.01
    assert answer["most"] > 3
    assert folded(near, moving) < 0.02 < folded(far, moving)
