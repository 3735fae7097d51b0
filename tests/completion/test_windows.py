"""Completion by a network: which frames it sees, and what is made of what it draws."""

import numpy as np
import pytest
import torch
from clips import HEIGHT, WIDTH, blanked, hole, panned, psnr
from torch import nn

from photoflow import InputError
from photoflow.completion import windows
from photoflow.completion.windows import networked


class Knowing(nn.Module):
    """A network that knows the true frames by their mean outside of the hole."""

    def __init__(self, frames, mask, size, light=0.0):
        super().__init__()
        self.true = torch.stack([torch.from_numpy(np.float32(frame)) for frame in frames]).permute(0, 3, 1, 2)
        self.true = nn.functional.interpolate(self.true, size, mode="area") / 127.5 - 1
        self.light, self.calls = light, []

    def number(self, plane):
        known = plane.abs().sum(0) > 0
        return int((self.true - plane).abs()[:, :, known].mean((1, 2)).argmin())

    def forward(self, planes, local):
        assert planes.shape[0] == 1 and (planes >= -1).all() and (planes <= 1).all()
        numbers = [self.number(plane) for plane in planes[0]]
        self.calls.append((numbers[:local], numbers[local:]))
        return self.true[numbers] + self.light, None


def test_windows_and_references():
    frames = panned(31, step=2)
    masks = [hole()] * len(frames)
    network = Knowing(frames, hole(), (HEIGHT, WIDTH), light=0.2)
    result = list(networked(blanked(frames, masks), masks, network, None))
    assert [call[0] for call in network.calls][:3] == [list(range(6)), list(range(11)), list(range(5, 16))]
    assert network.calls[2][1] == [0, 20, 30]
    for given, frame in zip(result, frames, strict=True):
        assert (given[~masks[0]] == frame[~masks[0]]).all()
        assert psnr(given, frame, masks[0]) > 35  # the light of the network's frames is not seen


def test_a_reduced_size_is_enlarged():
    frames = panned(3)
    network = Knowing(frames, hole(), (36, 60))
    result = list(networked(blanked(frames, [hole()] * 3), [hole()] * 3, network, (36, 60)))
    assert psnr(result[1], frames[1], hole()) > 20


def test_scenes_are_worked_on_apart():
    frames = panned(7) + [255 - frame for frame in panned(7, seed=5)]
    network = Knowing(frames, hole(), (HEIGHT, WIDTH))
    list(networked(blanked(frames, [hole()] * 14), [hole()] * 14, network, None))
    assert all(len({number < 7 for number in [*local, *others]}) == 1 for local, others in network.calls)


def test_memory_does_not_grow_with_the_clip(monkeypatch):
    monkeypatch.setattr(windows, "REACH", 10)
    frames = panned(60, step=1)
    network = Knowing(frames, hole(), (HEIGHT, WIDTH))
    seen = windows._Windows(blanked(frames, [hole()] * 60), [hole()] * 60, network, None, "cpu", lambda: None)
    for number in range(60):
        seen.hole(number)
        seen.drawn(number)
        seen.forget(number)
        assert len(seen._small) <= 2 * (10 + 2 * windows.HALF) + 1 and len(seen._sums) <= 2 * windows.HALF + 6


def test_holes_that_are_filled_are_not_drawn_again(tmp_path):
    frames = panned(8)
    masks = [hole()] * 8
    networks = [Knowing(frames, hole(), (HEIGHT, WIDTH)) for _ in range(2)]
    results = [list(networked(blanked(frames, masks), masks, one, None, folder=tmp_path)) for one in networks]
    assert networks[0].calls and not networks[1].calls
    assert all((one == other).all() for one, other in zip(*results, strict=True))


def test_bad_input():
    network = Knowing(panned(2), hole(), (HEIGHT, WIDTH))
    with pytest.raises(InputError, match="mask of frame 1: expected something around"):
        list(networked(panned(2), [hole(), np.ones((HEIGHT, WIDTH), bool)], network, None))
