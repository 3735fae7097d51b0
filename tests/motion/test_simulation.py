"""Drag and release: the oscillators against their closed form, the hold, the release, and what is refused."""

import copy
import math

import numpy as np
import pytest
import torch

from photoflow.errors import InputError
from photoflow.motion import simulation as modal
from photoflow.motion.simulation import HOLDABLE, Simulation
from photoflow.motion.spectral import SpectralVolume

SIZE = (48, 40)
TIP = (20.0, 4.0)
FAR = (slice(None), 40, 20)  # beyond the patch around the tip: what it does is a mode's alone


def stem(frequencies=(1,), seconds=1.0, direction=(1.0, 0.3), amplitude=1.0, phase=0.0):
    """A stem that bends: still at the bottom row, most at the top; of the frequencies k / seconds that are named."""
    height = np.linspace(1, 0, SIZE[0], dtype=np.float32)[:, None] * np.ones(SIZE[1], np.float32)
    coefficients = np.zeros((max(frequencies) + 1, 2, *SIZE), np.complex64)
    for order, k in enumerate(frequencies):
        shape = np.sin((2 * order + 1) * math.pi / 2 * height) * np.exp(1j * phase * height)
        coefficients[k] = amplitude * np.asarray(direction)[:, None, None] * shape / (order + 1)
    return SpectralVolume(coefficients, seconds)


def both():
    return [stem((1, 2, 3), phase=0.7), stem((1, 2), direction=(0, 0.5))]


def closed_form(omega, gamma, times):
    """u(t) of a damped oscillator that is let go at 1, at rest."""
    s = math.sqrt(abs(omega**2 - gamma**2 / 4))
    if math.isclose(omega, gamma / 2):
        return np.exp(-omega * times) * (1 + omega * times)
    if omega > gamma / 2:
        return np.exp(-gamma / 2 * times) * (np.cos(s * times) + gamma / 2 / s * np.sin(s * times))
    slow, fast = -gamma / 2 + s, -gamma / 2 - s
    return (fast * np.exp(slow * times) - slow * np.exp(fast * times)) / (fast - slow)


def let_go(simulation, dx=5.0, dy=-2.0, at=TIP):
    """Held until all is at rest, then released."""
    simulation.drag(*at, dx, dy)
    simulation.step(60.0)
    simulation.release()
    return simulation


@pytest.mark.parametrize("dt", [0.001, 1 / 60, 0.1, 1.0])
@pytest.mark.parametrize(
    ("hertz", "alpha", "beta"),
    [
        (1.0, 0.6, 0.06),  # under-damped
        (0.2, 0.6, 0.06),
        (1.0, 4 * math.pi, 0.0),  # critical: gamma = 2 omega
        (6.0, 0.6, 0.06),  # over-damped
        (1.0, 40.0, 0.0),
        (1.0, 0.0, 0.0),  # not damped at all
    ],
)
def test_release_is_the_closed_form_for_any_step(hertz, alpha, beta, dt, monkeypatch):
    monkeypatch.setattr(modal, "VISIBLE", 0)  # to the last digit
    simulation = let_go(Simulation(stem(seconds=1 / hertz), alpha=max(alpha, 0.5), beta=beta))
    simulation.alpha = alpha  # an undamped stem would never have come to rest in the hand
    simulation._free = simulation._oscillators()
    begun = simulation.displacement()[FAR].double()
    assert begun.abs().max() > 0.1
    count = max(1, min(40, round(3 / dt)))
    found = []
    for _ in range(count):
        simulation.step(dt)
        found.append(simulation.displacement()[FAR].double())
    omega = 2 * math.pi * hertz
    expected = closed_form(omega, alpha + beta * omega**2, dt * np.arange(1, count + 1))
    wanted = torch.from_numpy(expected)[:, None] * begun
    torch.testing.assert_close(torch.stack(found), wanted, atol=2e-6 * float(begun.abs().max()), rtol=0)


@pytest.mark.parametrize("dt", [0.003, 1 / 60, 0.3, 1.0])
def test_energy_never_grows_after_release(dt):
    simulation = Simulation(both())
    simulation.drag(*TIP, 9, 4)
    simulation.step(0.07)  # let go in full flight
    simulation.release()
    energies = []
    for _ in range(round(6 / dt)):
        energies.append(simulation.energy())
        simulation.step(dt)
    assert energies[0] > 1 and np.all(np.diff(energies) <= 1e-12 * energies[0])
    assert energies[-1] < 0.01 * energies[0]


@pytest.mark.parametrize("at", [TIP, (20.0, 40.0), (7.25, 11.5), (39.0, 0.0)])
@pytest.mark.parametrize("pull", [(6, 0), (0, 6), (-4, 5)])
@pytest.mark.parametrize("volumes", [stem, both])
def test_held_pixel_goes_where_the_hand_goes_and_the_rest_does_not_explode(volumes, at, pull):
    simulation = Simulation(volumes())
    simulation.drag(*at, *pull)
    reach, wanted = math.hypot(*pull), torch.tensor(pull, dtype=torch.float32)
    peak = 0.0
    for step in range(120):
        simulation.step(1 / 60)
        field = simulation.displacement()
        peak = max(peak, float(field.norm(dim=0).max()))
        if step >= 9:  # 0.15 s: five grips
            assert (sampled(field, at) - wanted).norm() <= 0.05 * reach
    assert (sampled(field, at) - wanted).norm() < 1e-3 * reach
    most = 2 * math.sqrt(float(simulation._mobility.max()))  # of the stem alone, the tip would go four times as far
    assert field.norm(dim=0).max() <= most * reach
    assert peak <= 1.5 * most * reach


def sampled(field, at):
    left, top = min(int(at[0]), SIZE[1] - 2), min(int(at[1]), SIZE[0] - 2)
    x, y = at[0] - left, at[1] - top
    square = field[:, top : top + 2, left : left + 2]
    return square @ torch.tensor([1 - x, x], dtype=field.dtype) @ torch.tensor([1 - y, y], dtype=field.dtype)


def test_held_at_rest_has_the_least_elastic_energy_of_all_that_hold_the_pixel():
    simulation = Simulation(both())
    simulation.drag(*TIP, 5, -3)
    simulation.step(60)
    energy, state = simulation.energy(), simulation._state
    for swing in simulation._hold.basis.T:  # every way to move that leaves the pixel where it is
        for amount in (-0.01, 0.01):
            simulation._state = state + amount * np.stack([swing, 0 * swing])
            assert simulation.energy() > energy


def test_held_motion_obeys_the_oscillators_own_equations_but_for_a_force_at_the_pixel():
    simulation = Simulation(both())
    simulation.drag(*TIP, 5, -3)
    simulation.step(0.05)
    dt, states = 1e-4, []
    for _ in range(3):
        states.append(simulation._state)
        simulation.step(dt)
    acceleration = (states[2][1] - states[0][1]) / (2 * dt)
    omega2 = simulation._omega**2
    force = acceleration + (0.6 + 0.06 * omega2) * states[1][1] + omega2 * states[1][0]
    x, y = int(TIP[0]), int(TIP[1])
    at_point = simulation._planes.reshape(-1, 2, *SIZE)[:, :, y, x].double().numpy().T
    assert np.abs(at_point @ simulation._hold.basis).max() < 1e-6 * np.abs(at_point).max()
    # What the oscillators need beyond their own forces is what the hand does, through the pixel's mode shapes.
    by_hand = np.linalg.lstsq(at_point.T, force, rcond=None)[0]
    np.testing.assert_allclose(at_point.T @ by_hand, force, atol=1e-4 * np.abs(force).max())


def test_everything_starts_softly_and_nothing_jumps():
    simulation = Simulation(both())
    assert simulation.displacement().abs().max() == 0 and simulation.energy() == 0 and simulation.held is None
    for act in (
        lambda: simulation.drag(*TIP, 8, 0),
        lambda: simulation.drag(*TIP, 8, -5),
        lambda: simulation.drag(10.0, 20.0, 3, 9),
        simulation.release,
        lambda: simulation.drag(10.0, 20.0, 0, 0),
    ):
        before, speed = simulation.displacement(), simulation._state[1, -5:].copy()
        act()
        simulation.step(1e-6)
        torch.testing.assert_close(simulation.displacement(), before, atol=0.021, rtol=0)
        np.testing.assert_allclose(simulation._state[1, -5:], speed, atol=0.01 + 0.01 * np.abs(speed).max())
        simulation.step(0.1)
        assert (simulation.displacement() - before).abs().max() > 0.2


def test_modes_give_way_by_their_share_of_the_kinetic_energy():
    coefficients = np.zeros((3, 2, *SIZE), np.complex64)
    coefficients[1, 0, :, :20], coefficients[2, 0, :, 20:] = 1.0, 0.5  # half as far, twice as fast
    mobility = Simulation(SpectralVolume(coefficients, 1.0))._mobility
    np.testing.assert_allclose(mobility, 1, rtol=1e-5)


@pytest.mark.parametrize("held", [True, False])
def test_one_long_step_is_many_short_ones(held):
    whole = Simulation(both())
    whole.drag(*TIP, 4, 7)
    whole.step(0.11)
    if not held:
        whole.release()
    parts = copy.copy(whole)
    whole.step(0.2)
    for _ in range(8):
        parts.step(0.025)
    torch.testing.assert_close(parts.displacement(), whole.displacement(), atol=1e-5, rtol=1e-5)
    assert math.isclose(parts.energy(), whole.energy(), rel_tol=1e-9)
    whole.step(0.0)
    torch.testing.assert_close(parts.displacement(), whole.displacement(), atol=1e-5, rtol=1e-5)


def test_twice_the_pull_is_twice_the_motion():
    fields = []
    for factor in (1, 2):
        simulation = Simulation(both())
        simulation.drag(*TIP, 30 * factor, -20 * factor)
        simulation.step(0.2)
        simulation.release()
        simulation.step(0.3)
        fields.append(simulation.displacement())
    torch.testing.assert_close(fields[1], 2 * fields[0], atol=0.03, rtol=1e-4)


@pytest.mark.parametrize("amplitude", [1e-6, 1.0, 1e6])
def test_amplitude_of_the_volume_does_not_matter(amplitude):
    simulation, one = Simulation(stem((1, 2), amplitude=amplitude)), Simulation(stem((1, 2)))
    for each in (simulation, one):
        each.drag(*TIP, 4, 1)
        each.step(0.5)
        each.release()
        each.step(0.2)
    torch.testing.assert_close(simulation.displacement(), one.displacement(), atol=1e-3, rtol=1e-4)
    assert math.isclose(simulation.energy(), one.energy(), rel_tol=1e-4)


def test_release_at_rest_stays():
    simulation = let_go(Simulation(both()), 0, 0)
    for _ in range(10):
        simulation.step(0.1)
        assert simulation.displacement().abs().max() == 0 and simulation.energy() == 0


def test_a_thing_is_taken_in_mid_swing_and_comes_to_rest():
    simulation = let_go(Simulation(both()))
    simulation.step(0.3)
    for at in ((25.0, 10.0), (30.0, 20.0), TIP):
        before = simulation._state
        simulation.drag(*at, 0, 0)
        modes = len(simulation.frequencies)
        np.testing.assert_array_equal(simulation._state[:, -modes:], before[:, -modes:])
        assert simulation.held == at and simulation._patches <= 4
        simulation.step(0.05)
    simulation.step(60)
    assert simulation.displacement().abs().max() < 1e-6
    simulation.drag(5.0, 5.0, 1, 1)
    assert simulation._patches == 1  # of those at rest nothing is kept


def test_a_still_foot_stays_still():
    simulation = Simulation(both())
    simulation.drag(20, 30, 8, 3)
    simulation.step(60)
    assert simulation.displacement()[:, -1].abs().max() < 1e-3


def test_only_modes_that_carry_energy_take_part():
    volume = stem((1, 2, 3))
    weak = volume.coefficients * np.array([1, 1, 1, 1e-4])[:, None, None, None]
    simulation = Simulation(SpectralVolume(weak, 2.0))
    np.testing.assert_allclose(simulation.frequencies, [0.5, 1.0])  # real parts alone: the imaginary ones are 0


def test_what_is_not_drawn_is_less_than_a_hundredth_of_a_pixel():
    simulation = let_go(Simulation(both()))
    for _ in range(60):
        simulation.step(0.05)
        whole = torch.from_numpy(simulation._state[0]) @ simulation._planes.double()
        assert (simulation.displacement() - whole.reshape(2, *SIZE)).abs().max() <= 0.0101


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((-1, 4, 1, 1), "within 40x48 pixels, got -1,4"),
        ((40, 4, 1, 1), "within 40x48"),
        ((4, 47.5, 1, 1), "within 40x48"),
        ((math.nan, 4, 1, 1), "got nan,4"),
        ((20, 4, math.nan, 1), "displacement of at most 100000 pixels, got nan,1"),
        ((20, 4, 1, -math.inf), "displacement of at most"),
        ((20, 47, 5, 5), "nothing moves at 20,47"),
    ],
)
def test_bad_drags_are_refused_in_one_line_and_change_nothing(arguments, named):
    simulation = Simulation(both())
    with pytest.raises(InputError, match=named) as caught:
        simulation.drag(*arguments)
    assert "\n" not in str(caught.value) and simulation.held is None
    simulation.step(1.0)
    assert simulation.displacement().abs().max() == 0


@pytest.mark.parametrize("dt", [-0.1, math.nan, math.inf])
def test_bad_steps_are_refused(dt):
    with pytest.raises(InputError, match="at least 0 seconds"):
        Simulation(stem()).step(dt)


@pytest.mark.parametrize(
    ("volumes", "options", "named"),
    [
        (SpectralVolume(np.zeros((3, 2, 4, 4)), 1.0), {}, "nothing moves in it"),
        (SpectralVolume(np.ones((1, 2, 4, 4)), 1.0), {}, "nothing moves in it"),
        ([], {}, "of one size, got none"),
        ([stem(), SpectralVolume(np.ones((2, 2, 4, 4)), 1.0)], {}, "of one size"),
        (stem(), {"mask": np.zeros(SIZE)}, "a mask of the volume's size with an area"),
        (stem(), {"mask": np.ones((4, 4))}, r"got one of \(4, 4\)"),
        (stem(), {"alpha": -1}, "alpha expects"),
        (stem(), {"beta": math.nan}, "beta expects"),
        (stem(), {"grip": 0}, "grip expects"),
    ],
)
def test_bad_simulations_are_refused(volumes, options, named):
    with pytest.raises(InputError, match=named):
        Simulation(volumes, **options)


def test_the_mask_says_what_the_most_mobile_pixels_are():
    mask = np.zeros(SIZE, np.float32)
    mask[24:] = 1
    whole, lower = Simulation(stem())._mobility, Simulation(stem(), mask)._mobility
    assert abs(np.percentile(lower[24:], 95) - 1) < 0.05 and lower.max() > 1.8 > 1.2 > whole.max()


def test_foot_is_below_what_can_be_held():
    mobility = Simulation(both())._mobility
    assert mobility[-1].max() < HOLDABLE < mobility[0].min()
