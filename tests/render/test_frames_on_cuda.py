"""Frames on a GPU: the same bits each time, few launches, and nothing waited for but the finished frame.

Without a GPU the tensors are pretended ones, which count; the last tests need one.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kinds_of_frames import KINDS
from pretended_cuda import PretendedCuda

NETWORKS = {"measured": 600, "splat generator": 450, "pyramid": 450, "refined": 1000, "rife": 450, "amt": 450}
FACES = {"face": 265, "face and sway": 280}  # a hundred for each eye, on its few pixels alone
PLAIN = 140  # launches of any other kind
WITHOUT = ("drift", "water", "within", "face", "dis")  # a splat or a convolution

pytestmark = pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda'")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)  # half precision on the CPU alone
    return str(request.param)


def test_a_frame_waits_once_launches_little_and_repeats(kind: str) -> None:
    still = KINDS[kind]("cpu")
    expected = [still.frame(0.7), still.cutout(0.7)]
    with PretendedCuda() as counted:
        moving = KINDS[kind]("cuda")
        for draw, planes, picture in zip(
            (moving.frame, moving.cutout), (moving.planes, moving.cutout_planes), expected
        ):
            draw(0.6)  # with what all of them share
            counted.forget()
            drawn = draw(0.7)
            assert counted.waits == {"copy to the CPU": 1}
            assert counted.launches.total() <= (NETWORKS | FACES).get(kind, PLAIN)
            planes(0.8)
            assert counted.waits == {"copy to the CPU": 1}
            # Whether it has to repeat is the last argument of a splat, and what is known of a convolution.
            asked = {arguments[-1] for name, arguments in counted.calls if name in ("forward_splat", "convolution")}
            assert asked == (set() if kind in WITHOUT else {True})
            seen = (drawn[..., 3:] > 0) if drawn.shape[2] == 4 else True
            assert (np.abs(drawn.astype(int) - picture) * seen).max() <= 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_two_renders_are_equal_to_the_bit(kind: str) -> None:
    first, second = (
        [getattr(renderer, what)(t) for what in ("frame", "cutout", "flow") for t in (0.0, 0.3, 0.7)]
        for renderer in (KINDS[kind]("cuda"), KINDS[kind]("cuda"))
    )
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)
