"""The memory of networks: a frame's tensors die with it, without waiting for the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
import torch
from filling import fill, pair
from torch import Tensor

from photoflow.models.amt import AMT
from photoflow.models.dis import RefinedDIS, RefinedInterpolation
from photoflow.models.ifnet import IFNet
from photoflow.models.raft import RAFT


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def bytes_of_tensors() -> int:
    """Count the bytes of all tensors that are alive, or wait for the garbage collector."""
    tensors = [one for one in gc.get_objects() if type(one) is Tensor and one.layout == torch.strided]
    stores = (one.untyped_storage() for one in tensors if one.device.type == "cpu")
    return sum({store.data_ptr(): store.nbytes() for store in stores}.values())


@pytest.mark.parametrize(
    "make",
    [lambda: AMT("S"), RAFT.small, IFNet, RefinedDIS, RefinedInterpolation],
    ids=["amt", "raft", "ifnet", "refined dis", "refined interpolation"],
)
def test_no_frame_leaves_tensors_behind(make: Callable[[], torch.nn.Module], no_collector: None) -> None:
    network, pictures = fill(make()), pair(96, 128)
    left = []
    for _ in range(3):
        with torch.inference_mode():
            network(*pictures)
        left.append(bytes_of_tensors())
    assert left[0] == left[1] == left[2]
