"""The context in which results repeat: what it asks for, in nested blocks, in threads and after errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from photoflow import ops

IMAGE, FLOW = torch.rand(1, 3, 6, 8), torch.rand(1, 2, 6, 8)


class Asked(TorchDispatchMode):
    """Notes whether each splat has to repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.splats: list[bool] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.photoflow.forward_splat.default:
            self.splats.append(args[-1])
        return func(*args, **(kwargs or {}))


@pytest.fixture
def asked() -> Iterator[Asked]:
    with Asked() as mode:
        yield mode


def splat() -> None:
    ops.forward_splat(IMAGE, FLOW)


def test_splats_within_it_repeat_and_no_others(asked: Asked) -> None:
    splat()
    with ops.repeatable():
        splat()
        with ops.repeatable():
            splat()
        splat()
    splat()
    with pytest.raises(ZeroDivisionError), ops.repeatable():
        splat()
        raise ZeroDivisionError
    splat()
    ops.repeatable()(splat)()
    splat()
    assert asked.splats == [False, True, True, True, False, True, False, True, False]


@pytest.mark.parametrize("before", [False, True])
def test_cudnn_is_told_and_then_told_what_it_was_before(before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", before)
    with ops.repeatable():
        assert torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.deterministic is before


def test_a_thread_that_leaves_takes_nothing_from_another(asked: Asked) -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with ops.repeatable():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(60)
    with ops.repeatable():
        leave.set()
        thread.join()
        splat()
        assert torch.backends.cudnn.deterministic
    splat()
    assert asked.splats == [True, False] and not torch.backends.cudnn.deterministic


def test_what_is_compiled_is_asked_anew() -> None:
    seen: list[bool] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        seen.append(next(node.args[-1] for node in graph.graph.nodes if "forward_splat" in str(node.target)))
        return graph

    compiled = torch.compile(lambda image, flow: ops.forward_splat(image, flow)[0], fullgraph=True, backend=backend)
    compiled(IMAGE, FLOW)
    with ops.repeatable():
        compiled(IMAGE, FLOW)
    assert seen == [False, True]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_sums_of_many_repeat_on_cuda() -> None:
    """Everything lands near one place, in sums whose last bits depend on their order."""
    image = torch.randn(1, 3, 128, 128, device="cuda")
    y, x = torch.meshgrid(*2 * [torch.arange(128.0, device="cuda")], indexing="ij")
    flow = torch.stack([64.3 - x, 64.6 - y])[None]
    with ops.repeatable():
        first, second = ops.forward_splat(image, flow), ops.forward_splat(image, flow)
    assert all(torch.equal(one, other) for one, other in zip(first, second))
