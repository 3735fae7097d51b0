"""Arrays that are no tensors but have `__dlpack__` are read where they lie, by every operator."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from photoflow.ops import backward_warp, correlation_lookup, flow_attention, forward_splat, occlusion, range_map
from photoflow.ops._contract import as_tensor


class Foreign:
    """An array of another library, of which only the protocol is known."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


def read_only(tensor: Tensor) -> Any:
    array = tensor.numpy().view()
    array.flags.writeable = False
    return array


IMAGE, FLOW, METRIC = torch.rand(1, 3, 6, 7), torch.randn(1, 2, 6, 7), torch.rand(1, 1, 6, 7)
WEIGHTS = [torch.randn(shape) for shape in ((4, 2, 3, 3), (4,), (3, 4, 3, 3), (3,))]
CALLS: dict[str, tuple[Callable[..., Any], list[Tensor]]] = {
    "backward_warp": (backward_warp, [IMAGE, FLOW]),
    "forward_splat": (lambda *tensors: forward_splat(*tensors, mode="softmax"), [IMAGE, FLOW, METRIC]),
    "occlusion": (occlusion, [FLOW, -FLOW]),
    "range_map": (range_map, [FLOW]),
    "correlation_lookup": (lambda *tensors: correlation_lookup(*tensors, radius=1, levels=2), [IMAGE, IMAGE + 1, FLOW]),
    "flow_attention": (flow_attention, [IMAGE, FLOW, *WEIGHTS]),
}


@pytest.mark.parametrize("kind", [Tensor.numpy, read_only, Foreign], ids=["numpy", "read-only", "foreign"])
@pytest.mark.parametrize("name", CALLS)
def test_every_operator_takes_arrays(name: str, kind: Callable[[Tensor], Any]) -> None:
    operator, tensors = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = operator(*(kind(tensor) for tensor in tensors))
    expected = operator(*tensors)
    results, expected = (r if isinstance(r, tuple) else (r,) for r in (results, expected))
    for got, want in zip(results, expected, strict=True):
        assert isinstance(got, Tensor) and torch.equal(got, want)


@pytest.mark.parametrize("kind", [Tensor.numpy, read_only, Foreign], ids=["numpy", "read-only", "foreign"])
def test_nothing_is_copied(kind: Callable[[Tensor], Any]) -> None:
    for source in (IMAGE, IMAGE.transpose(2, 3), IMAGE.half()):
        tensor = as_tensor("operator", "argument", kind(source))
        assert torch.equal(tensor, source) and tensor.dtype == source.dtype and tensor.stride() == source.stride()
        assert tensor.data_ptr() == source.data_ptr()
    assert as_tensor("operator", "argument", IMAGE) is IMAGE


def test_the_array_lives_as_long_as_the_tensor() -> None:
    array = np.full((1, 1, 300, 300), 7, dtype=np.float32)
    array.flags.writeable = False
    tensor = as_tensor("operator", "argument", array)
    del array
    np.zeros((1, 1, 300, 300), dtype=np.float32)
    assert (tensor == 7).all()


@pytest.mark.cuda
@pytest.mark.parametrize("name", CALLS)
def test_cupy_arrays_come_in_and_go_out(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: photoflow[cupy-cuda12x] or [cupy-cuda13x]")
    operator, tensors = CALLS[name]
    results = operator(*(cupy.asarray(tensor.numpy()) for tensor in tensors))
    expected = operator(*(tensor.cuda() for tensor in tensors))
    results, expected = (r if isinstance(r, tuple) else (r,) for r in (results, expected))
    for got, want in zip(results, expected, strict=True):
        torch.testing.assert_close(got, want)
        array = cupy.from_dlpack(got)
        assert array.data.ptr == got.data_ptr() and array.shape == tuple(got.shape)


def test_the_protocol_is_asked_for_the_device_and_then_for_the_memory() -> None:
    """As of CuPy's arrays, for which a CPU array stands: its own device is asked for, never a copy."""
    asked: list[Any] = []

    class Asked(Foreign):
        def __dlpack__(self, **options: Any) -> Any:
            asked.append(options)
            return super().__dlpack__(**options)

        def __dlpack_device__(self) -> Any:
            asked.append("device")
            return super().__dlpack_device__()

    assert as_tensor("operator", "argument", Asked(IMAGE)).data_ptr() == IMAGE.data_ptr()
    assert asked[0] == "device" and len(asked) == 2 and not asked[1].get("copy")


def test_results_go_out_where_they_lie() -> None:
    for result in (backward_warp(IMAGE, FLOW), forward_splat(IMAGE, FLOW)[0]):
        array = np.from_dlpack(result)
        assert array.__array_interface__["data"][0] == result.data_ptr() and np.array_equal(array, result.numpy())


def test_an_array_that_no_tensor_can_share_is_an_error() -> None:
    for array in (IMAGE.numpy()[:, :, ::-1], IMAGE.numpy().astype(">f4")):
        with pytest.raises(TypeError, match=r"^backward_warp: image: expected an array that a tensor can share, got"):
            backward_warp(array, FLOW)
