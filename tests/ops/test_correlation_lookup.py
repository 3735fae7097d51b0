from __future__ import annotations

import gc
import weakref
from typing import Any, ClassVar

import pytest
import torch
from contract import EMULATED, Arguments, OperatorContract, free_bytes, replayed, shifted, smooth_flow
from torch import Tensor
from torch.testing import assert_close
from torchvision.models.optical_flow.raft import CorrBlock

from photoflow.ops import Correlation, correlation_lookup, reference

METHODS = ("direct", "volume")


def places(batch: int, height: int, width: int, *, size: float = 3.0, **options: Any) -> Tensor:
    """Coordinates near each pixel, whose fractions keep clear of 0 and 1 at every level."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    flow = smooth_flow(batch, height, width, size=size, dtype=torch.float64)
    return (torch.stack([x, y]) + flow).to(**options)


class LookupContract(OperatorContract):
    operator = staticmethod(correlation_lookup)
    reference = staticmethod(reference.correlation_lookup)
    one_direction = EMULATED

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        height, width = size
        if mode["method"] == "volume" and height * width > 4000:  # a volume of gigabytes
            height, width = 31, 67
        if EMULATED and height * width > 400:
            height, width = 7, 53  # several blocks of pixels, scans and runs of columns, and none that is full
        coords_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        batch = 1 if size == (4, 5) else 2  # gradcheck takes every number of every input in turn
        # The other image has another size.
        shapes = (batch, 5, height, width), (batch, 5, height + 2 if height else 0, max(width - 1, 0))
        maps = [torch.randn(shape, dtype=torch.float64).to(device, dtype) for shape in shapes]
        return [*maps, places(batch, height, width, device=device, dtype=coords_dtype)]


class TestDirectContract(LookupContract):
    modes: ClassVar = [
        {"method": "direct", "radius": 1, "levels": 3},
        {"method": "direct", "radius": 0, "levels": 1},
    ]
    raw = torch.ops.photoflow.correlation_lookup.default

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        fmap1, fmap2, coords = tensors
        pyramid = torch.ops.photoflow.correlation_pyramid(fmap2.detach(), mode["levels"]).requires_grad_()
        return fmap1, pyramid, coords, *fmap2.shape[2:], mode["levels"], mode["radius"]


class TestVolumeContract(LookupContract):
    modes: ClassVar = [{"method": "volume", "radius": 1, "levels": 3}]
    raw = torch.ops.photoflow.correlation_volume_lookup.default

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        fmap1, fmap2, coords = tensors
        pyramid = torch.ops.photoflow.correlation_pyramid(fmap2.detach(), mode["levels"])
        pixels = fmap1.shape[2] * fmap1.shape[3]
        volume = torch.randn(len(fmap1), pixels, pyramid.shape[1], dtype=coords.dtype, device=coords.device)
        return volume.requires_grad_(), coords, *fmap2.shape[2:], mode["levels"], mode["radius"]


def test_the_pyramid_passes_opcheck(device: str) -> None:
    for dtype in (torch.float32, torch.float64):
        fmap = torch.randn(2, 3, 7, 9, device=device, dtype=dtype, requires_grad=True)
        torch.library.opcheck(torch.ops.photoflow.correlation_pyramid.default, (fmap, 3))
        grad = torch.randn(2, 7 * 9 + 3 * 4 + 1 * 2, 16, device=device, dtype=dtype, requires_grad=True)
        torch.library.opcheck(torch.ops.photoflow.correlation_pyramid_backward.default, (grad, 3, 7, 9, 3))


@pytest.mark.parametrize(
    ("grad", "sizes", "message"),
    [
        (torch.ones(1, 63, 16, dtype=torch.float16), (3, 7, 9, 1), "grad: expected float32 or float64, got Half"),
        (torch.ones(1, 63, 16, dtype=torch.int32), (3, 7, 9, 1), "grad: expected float32 or float64, got Int"),
        (torch.ones(63, 16), (3, 7, 9, 1), r"grad: expected three axes, got \(63, 16\)"),
        (torch.ones(1, 63, 16), (3, 7, 8, 1), r"grad: expected shape \(1, 56, 16\), got \(1, 63, 16\)"),
        (torch.ones(1, 63, 0), (-1, 7, 9, 1), "channels: expected at least 0, got -1"),
        (torch.ones(1, 63, 16), (3, -7, -9, 1), "fmap2: expected sides below 2.29, got -7, -9"),
    ],
)
def test_a_pyramids_gradient_of_another_type_or_shape_is_refused(
    device: str, grad: Tensor, sizes: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(RuntimeError, match=f"correlation_lookup: {message}"):
        torch.ops.photoflow.correlation_pyramid_backward(grad.to(device), *sizes)


@pytest.mark.parametrize("method", METHODS)
def test_the_meta_device_tells_the_shape(method: str) -> None:
    maps = [torch.rand(2, 3, 5, 7, device="meta"), torch.rand(2, 3, 6, 4, device="meta")]
    out = correlation_lookup(*maps, torch.rand(2, 2, 5, 7, device="meta"), radius=1, levels=2, method=method)
    assert out.is_meta and out.shape == (2, 18, 5, 7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("height", "width"), [(16, 24), (37, 51)])
def test_agrees_with_raft(device: str, method: str, height: int, width: int) -> None:
    torch.manual_seed(1)
    maps = [torch.randn(2, 256, height, width, device=device, requires_grad=True) for _ in range(2)]
    coords = places(2, height, width, size=9, dtype=torch.float32, device=device).requires_grad_()
    block = CorrBlock(num_levels=4, radius=4)
    block.build_pyramid(*maps)
    theirs = block.index_pyramid(coords)
    ours = correlation_lookup(*maps, coords, method=method)
    assert_close(ours, theirs, rtol=1e-4, atol=2e-4)  # the rounding of its normalised coordinates
    weights = torch.randn_like(ours)
    expected = torch.autograd.grad(theirs, [*maps, coords], weights)
    got = torch.autograd.grad(ours, [*maps, coords], weights)
    for mine, other in zip(got, expected):
        assert_close(mine, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_offsets(device: str, method: str) -> None:
    fmap1 = torch.ones(1, 1, 1, 1, device=device)
    fmap2 = torch.arange(35.0, device=device).reshape(1, 1, 5, 7)
    coords = torch.tensor([3.0, 2.0], device=device).reshape(1, 2, 1, 1)
    out = correlation_lookup(fmap1, fmap2, coords, radius=1, levels=1, method=method).flatten().tolist()
    # x moves slowest: (2, 1), (2, 2), (2, 3), (3, 1), ...
    assert out == [9, 16, 23, 10, 17, 24, 11, 18, 25]


@pytest.mark.parametrize("method", METHODS)
def test_both_ways_from_one_product(device: str, method: str) -> None:
    fmap1, fmap2 = torch.randn(2, 8, 9, 12, device=device), torch.randn(2, 8, 11, 10, device=device)
    maps = [fmap.requires_grad_() for fmap in (fmap1, fmap2)]
    coords = places(2, 11, 10, device=device, dtype=torch.float32)
    there = Correlation(*maps, levels=3, method=method)
    back = there.reversed()
    assert back.reversed() is there and there.reversed() is back and back.method == method
    got = back.lookup(coords, radius=2)
    expected = Correlation(fmap2, fmap1, levels=3, method=method).lookup(coords, radius=2)
    assert_close(got, expected)
    weights = torch.randn_like(got)
    assert_close(torch.autograd.grad(got, maps, weights), torch.autograd.grad(expected, maps, weights))


@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_dies_with_its_last_reference(method: str) -> None:
    gc.disable()
    try:
        there = Correlation(torch.randn(1, 8, 9, 12), torch.randn(1, 8, 9, 12), levels=3, method=method)
        back = there.reversed()
        coords = places(1, 9, 12, dtype=torch.float32)
        expected = there.lookup(coords, radius=2)
        tables = [weakref.ref(one._table) for one in (there, back)]
        del there
        assert [table() is None for table in tables] == [True, False]
        # The way back can be computed again.
        assert_close(back.reversed().lookup(coords, radius=2), expected)
        assert back.reversed().reversed() is back
        del back
        assert tables[1]() is None
    finally:
        gc.enable()


def test_a_volume_multiplies_once_for_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[int] = []
    multiply = torch.matmul
    monkeypatch.setattr(torch, "matmul", lambda *inputs: products.append(1) or multiply(*inputs))
    both = Correlation(torch.randn(1, 8, 6, 7), torch.randn(1, 8, 6, 7), method="volume")
    both.reversed().lookup(places(1, 6, 7, dtype=torch.float32), radius=1)
    assert len(products) == 1


def test_auto_keeps_to_the_budget(device: str) -> None:
    fmap = torch.randn(2, 4, 6, 8, device=device)
    size = 2 * 48 * (48 + 12) * 4
    chosen = [Correlation(fmap, fmap, levels=2, budget=budget).method for budget in (size, size - 1)]
    assert chosen == ["volume", "direct"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_coordinates_that_are_not_finite_give_0_there_only(device: str, method: str, bad: float) -> None:
    maps = [torch.randn(1, 4, 6, 8, device=device, requires_grad=True) for _ in range(2)]
    coords = places(1, 6, 8, device=device, dtype=torch.float32)
    away = coords.clone()
    coords[0, 1, 2, 3], away[0, :, 2, 3] = bad, 1e6
    inputs = [*maps, coords.requires_grad_()]
    out = correlation_lookup(*inputs, radius=2, levels=2, method=method)
    assert out[0, :, 2, 3].abs().sum() == 0
    expected = correlation_lookup(*maps, away, radius=2, levels=2, method=method)
    assert torch.equal(out, expected)
    grads = torch.autograd.grad(out.sum(), inputs)
    assert_close(grads[:2], torch.autograd.grad(expected.sum(), maps))
    assert grads[2].isfinite().all() and grads[2][0, :, 2, 3].abs().sum() == 0


@pytest.mark.parametrize("method", METHODS)
def test_one_pixel_and_levels_without_any(device: str, method: str) -> None:
    maps = [torch.randn(1, 20, 1, 1, device=device, requires_grad=True) for _ in range(2)]
    coords = torch.full((1, 2, 1, 1), 0.25, device=device, requires_grad=True)
    out = correlation_lookup(*maps, coords, radius=1, levels=4, method=method)
    assert_close(out, reference.correlation_lookup(*maps, coords, radius=1, levels=4))
    assert out[:, 9:].abs().sum() == 0 and out[:, :9].abs().sum() > 0
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(out.sum(), [*maps, coords]))


@pytest.mark.parametrize("channels", [1, 15, 16, 17, 64, 130])
def test_any_number_of_channels(device: str, channels: int) -> None:
    maps = [torch.randn(1, channels, 7, 37, device=device, requires_grad=True) for _ in range(2)]
    coords = places(1, 7, 37, size=1, device=device, dtype=torch.float32)
    arguments = {"radius": 3, "levels": 2}
    ours = correlation_lookup(*maps, coords, method="direct", **arguments)
    theirs = reference.correlation_lookup(*maps, coords, **arguments)
    assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(ours)
    got, expected = (torch.autograd.grad(out, maps, weights) for out in (ours, theirs))
    assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_no_channels_give_0_and_gradients_of_0(device: str, method: str, dtype: torch.dtype) -> None:
    fmap1, fmap2 = (
        torch.zeros(2, 0, *size, device=device, dtype=dtype, requires_grad=True) for size in ((5, 7), (6, 4))
    )
    coords = places(2, 5, 7, device=device, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    inputs = [fmap1, fmap2, coords.requires_grad_()]
    out = correlation_lookup(*inputs, radius=1, levels=3, method=method)
    assert out.shape == (2, 27, 5, 7) and out.dtype == dtype and out.abs().sum() == 0
    grads = torch.autograd.grad(out.sum(), inputs, allow_unused=True)
    assert all(grad is None or grad.shape == of.shape for grad, of in zip(grads, inputs))
    assert grads[2] is None or grads[2].abs().sum() == 0


def test_a_pyramid_in_memory_that_begins_anywhere(device: str) -> None:
    fmap1, fmap2 = torch.randn(2, 1, 8, 5, 6, device=device)
    coords = torch.rand(1, 2, 5, 6, device=device) * 5
    pyramid = torch.ops.photoflow.correlation_pyramid(fmap2, 2)
    numbers = (5, 6, 2, 1)
    expected = torch.ops.photoflow.correlation_lookup(fmap1, pyramid, coords, *numbers)
    assert_close(torch.ops.photoflow.correlation_lookup(fmap1, shifted(pyramid), coords, *numbers), expected)
    gradients = torch.ops.photoflow.correlation_lookup_backward
    want = gradients(expected, fmap1, pyramid, coords, *numbers, True, True, True)
    got = gradients(expected, fmap1, shifted(pyramid), coords, *numbers, True, True, True)
    assert_close(got, want)


def test_coordinates_far_apart_and_in_step(device: str) -> None:
    """Neighbours whose windows overlap share their loads, and others do not: both are right."""
    maps = [torch.randn(1, 32, 14, 40, device=device, requires_grad=True) for _ in range(2)]
    coords = places(1, 14, 40, size=0, device=device, dtype=torch.float32)
    coords[..., 20:] += 60 * torch.rand(1, 2, 14, 20, device=device) - 30
    arguments = {"radius": 3, "levels": 3}
    ours = correlation_lookup(*maps, coords, method="direct", **arguments)
    theirs = reference.correlation_lookup(*maps, coords, **arguments)
    assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    weights = torch.randn_like(ours)
    got, expected = (torch.autograd.grad(out, maps, weights) for out in (ours, theirs))
    assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_exports(device: str, method: str) -> None:
    class Lookups(torch.nn.Module):
        def forward(self, fmap1: Tensor, fmap2: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
            there = Correlation(fmap1, fmap2, levels=3, method=method)
            return there.lookup(coords, radius=2), there.reversed().lookup(coords, radius=1)

    def inputs(height: int, width: int) -> tuple[Tensor, ...]:
        maps = [torch.randn(2, 6, height, width, device=device) for _ in range(2)]
        return *maps, places(2, height, width, dtype=torch.float32, device=device)

    height, width = torch.export.Dim("height", min=8), torch.export.Dim("width", min=8)
    sizes = {2: height, 3: width}
    program = torch.export.export(Lookups(), inputs(10, 14), dynamic_shapes=(sizes, sizes, sizes))
    for size in ((10, 14), (17, 9)):
        example = inputs(*size)
        for got, want in zip(program.module()(*example), Lookups()(*example), strict=True):
            assert_close(got, want)


def test_gradients_can_be_captured_in_a_cuda_graph(gpu: str) -> None:
    maps = [torch.randn(1, 32, 12, 16, device=gpu, requires_grad=True) for _ in range(2)]
    coords = places(1, 12, 16, device=gpu, dtype=torch.float32).requires_grad_()

    def gradients() -> tuple[Tensor, ...]:
        out = correlation_lookup(*maps, coords, radius=2, levels=2, method="direct")
        return torch.autograd.grad(out, [*maps, coords], torch.ones_like(out))

    assert_close(*replayed(gradients))


def test_more_than_2_to_the_31_elements(device: str) -> None:
    """Of the result: only its last pixel sees the other image, with its last offset alone."""
    height, width, radius = 1408, 1401, 16
    needed = 2 * height * width * (2 * radius + 1) ** 2
    if free_bytes(device) < 6 * needed:  # it takes a sixth, but time too
        pytest.skip("needs 26 GB of free memory")
    fmap1 = torch.full((1, 1, height, width), 3.0, dtype=torch.bfloat16, device=device)
    fmap2 = torch.full((1, 1, 1, 1), 2.0, dtype=torch.bfloat16, device=device)
    coords = torch.full((1, 2, height, width), 1e6, device=device)
    coords[..., -1, -1] = -radius
    out = correlation_lookup(fmap1, fmap2, coords, radius=radius, levels=1, method="direct")
    assert out.numel() > 2**31 and out[0, -1, -1, -1] == 6
    assert out[0, -1].float().sum() == 6 and out[0, :, -1, -1].float().sum() == 6


def test_cuda_repeats_to_the_bit(gpu: str) -> None:
    maps = [torch.randn(1, 64, 40, 60, device=gpu, requires_grad=True) for _ in range(2)]
    coords = places(1, 40, 60, device=gpu, dtype=torch.float32).requires_grad_()

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad((correlation_lookup(*maps, coords, method="direct") ** 2).sum(), [*maps, coords])

    first = gradients()
    assert all(torch.equal(a, b) for _ in range(3) for a, b in zip(first, gradients()))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"fmap1": torch.rand(3, 4, 5)}, ValueError, "fmap1: expected shape .B, C, H, W., got .3, 4, 5."),
        ({"fmap2": torch.rand(1, 4, 4, 5)}, ValueError, r"fmap2: expected shape .*got \(1, 4, 4, 5\)"),
        ({"fmap2": torch.rand(1, 3, 4, 5).half()}, TypeError, "fmap2: expected torch.float32, got torch.float16"),
        ({"coords": torch.zeros(1, 2, 4, 6)}, ValueError, r"coords: expected shape .*\(1, 2, 4, 5\), got .1, 2, 4, 6."),
        ({"coords": torch.zeros(1, 2, 4, 5).half()}, TypeError, "coords: expected float32, got torch.float16"),
        ({"radius": 17}, ValueError, "radius: expected an integer from 0 to 16, got 17"),
        ({"levels": 0}, ValueError, "levels: expected an integer from 1 to 16, got 0"),
        ({"method": ["direct"]}, ValueError, "method: expected 'auto' or 'direct' or 'volume', got "),
        ({"fmap1": torch.rand(1, 3, 4, 5).to_sparse()}, TypeError, "fmap1: expected a dense tensor .*torch.sparse_coo"),
        ({"method": "fast"}, ValueError, "method: expected 'auto' or 'direct' or 'volume', got 'fast'"),
        ({"budget": -1}, ValueError, "budget: expected a number of bytes, an integer of at least 0, got -1"),
    ],
)
def test_errors_say_what_was_expected(change: dict[str, Any], error: type[Exception], message: str) -> None:
    maps = {name: torch.rand(1, 3, 4, 5) for name in ("fmap1", "fmap2")}
    arguments = {**maps, "coords": torch.zeros(1, 2, 4, 5), **change}
    with pytest.raises(error, match=f"^correlation_lookup: {message}"):
        correlation_lookup(**arguments)
