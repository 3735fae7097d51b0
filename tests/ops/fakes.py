"""Fake results beside real ones: what torch.compile is told of a tensor before there is one."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only


def layout_of(tensor: Tensor) -> tuple[Any, ...]:
    """What a compiler relies on in a tensor that an operator gives: strides too, but where nothing is read by them."""
    strides = [stride for stride, size in zip(tensor.stride(), tensor.shape) if size != 1 and tensor.numel()]
    return tensor.dtype, tensor.device.type, tuple(tensor.shape), strides


class FakeCheck(TorchDispatchMode):
    """Runs each operator of photoflow on fake tensors, too, and checks that these are laid out as the real results."""

    def __init__(self) -> None:
        super().__init__()
        self.called: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        results = function(*arguments, **(options or {}))
        if function.namespace == "photoflow":
            self.called.append(function.name())
            with FakeTensorMode() as mode:
                fakes = function(*tree_map_only(Tensor, mode.from_tensor, arguments))
            got, want = ([layout_of(tensor) for tensor in tree_leaves(result)] for result in (results, fakes))
            assert got == want, f"{function.name()}: {got}, but the fake gives {want}"
        return results
