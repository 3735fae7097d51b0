from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from contract import Arguments, OperatorContract, free_bytes, in_channels_last, shifted, smooth_flow
from torch import Tensor
from torch.testing import assert_close

from photoflow.ops import backward_warp, reference

MODES = ("bilinear", "bicubic", "nearest")
PADDINGS = ("zeros", "border", "reflection")


class TestContract(OperatorContract):
    modes: ClassVar = [{"mode": mode, "padding": padding} for mode in MODES for padding in PADDINGS]
    operator = staticmethod(backward_warp)
    reference = staticmethod(reference.backward_warp)
    raw = torch.ops.photoflow.backward_warp.default
    keeps_format = True

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        flow_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        image = torch.rand(2, 3, size[0], size[1], dtype=torch.float64).to(device, dtype)
        return [image, smooth_flow(2, *size, size=6, device=device, dtype=flow_dtype)]

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        codes = {"nearest": 1, "bilinear": 2, "bicubic": 4}
        return *tensors, codes[mode["mode"]], PADDINGS.index(mode["padding"])


class TestManyContract(OperatorContract):
    """Several images of other channel counts at once: the contract calls them by their positions."""

    modes: ClassVar = [{"mode": "bilinear", "padding": "zeros"}, {"mode": "bicubic", "padding": "reflection"}]
    operator = staticmethod(lambda *tensors, **mode: backward_warp(tensors[:-1], tensors[-1], **mode))
    reference = staticmethod(
        lambda *tensors, **mode: [reference.backward_warp(image, tensors[-1], **mode) for image in tensors[:-1]]
    )
    maps = False
    raw = torch.ops.photoflow.backward_warp_many.default
    keeps_format = True

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        flow_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        images = [torch.rand(2, channels, *size, dtype=torch.float64).to(device, dtype) for channels in (2, 5)]
        return [*images, smooth_flow(2, *size, size=6, device=device, dtype=flow_dtype)]

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        return tensors[:-1], tensors[-1], {"bilinear": 2, "bicubic": 4}[mode["mode"]], PADDINGS.index(mode["padding"])


def test_no_flow_is_the_image_to_the_bit(device: str) -> None:
    image = torch.rand(2, 3, 9, 11, device=device)
    for mode in MODES:
        assert torch.equal(backward_warp(image, torch.zeros(2, 2, 9, 11, device=device), mode=mode), image)


def test_whole_pixels_shift_the_image(device: str) -> None:
    image = torch.rand(1, 3, 20, 30, device=device)
    flow = torch.zeros(1, 2, 20, 30, device=device)
    flow[:, 0], flow[:, 1] = 4, -3
    for mode in MODES:
        out = backward_warp(image, flow, mode=mode)
        assert torch.equal(out[..., 3:, :-4], image[..., :-3, 4:])
        assert out[..., :3, :].abs().sum() == 0 and out[..., -4:].abs().sum() == 0


def test_bicubic_reproduces_a_ramp_and_bilinear_its_halves(device: str) -> None:
    ramp = torch.arange(30.0, device=device).expand(1, 1, 10, 30)
    flow = torch.full((1, 2, 10, 30), 0.5, device=device)
    assert_close(backward_warp(ramp, flow)[..., :-1, :-1], ramp[..., :-1, :-1] + 0.5)
    inner = (..., slice(1, -2), slice(1, -2))
    assert_close(backward_warp(ramp, flow, mode="bicubic")[inner], ramp[inner] + 0.5)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_agrees_with_grid_sample(device: str, mode: str, padding: str) -> None:
    image = torch.rand(2, 3, 17, 23, dtype=torch.float64, device=device)
    flow = smooth_flow(2, 12, 31, size=20, dtype=torch.float64, device=device)
    y, x = torch.meshgrid(torch.arange(12.0, device=device), torch.arange(31.0, device=device), indexing="ij")
    grid = torch.stack([(x + flow[:, 0]) / 11 - 1, (y + flow[:, 1]) / 8 - 1], dim=-1)
    expected = torch.nn.functional.grid_sample(image, grid, mode, padding, align_corners=True)
    assert_close(backward_warp(image, flow, mode=mode, padding=padding), expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_a_flow_that_is_not_finite_gives_0_there_only(device: str, mode: str, padding: str, bad: float) -> None:
    image = torch.rand(1, 2, 8, 9, device=device, requires_grad=True)
    flow = smooth_flow(1, 8, 9, size=2, dtype=torch.float32, device=device)
    clean = backward_warp(image, flow, mode=mode, padding=padding)
    flow[0, 1, 3, 4] = bad
    flow.requires_grad_()
    out = backward_warp(image, flow, mode=mode, padding=padding)
    assert out[0, :, 3, 4].abs().sum() == 0
    clean = clean.detach().clone()
    clean[0, :, 3, 4] = 0
    assert torch.equal(out, clean)
    out.sum().backward()
    assert image.grad.isfinite().all() and flow.grad.isfinite().all() and flow.grad[0, :, 3, 4].abs().sum() == 0


@pytest.mark.parametrize("padding", PADDINGS)
def test_a_huge_flow_reads_the_padding(device: str, padding: str) -> None:
    image = torch.rand(1, 1, 5, 6, device=device) + 1
    out = backward_warp(image, torch.full((1, 2, 5, 6), 1e30, device=device), padding=padding)
    expected = {"zeros": 0.0, "border": float(image[0, 0, -1, -1])}
    if padding in expected:
        assert (out == expected[padding]).all()
    assert out.isfinite().all()


def test_another_size_than_the_image(device: str) -> None:
    image = torch.rand(1, 2, 10, 12, device=device)
    assert torch.equal(backward_warp(image, torch.zeros(1, 2, 4, 7, device=device)), image[..., :4, :7])


def test_a_float32_flow_serves_a_float64_image(device: str) -> None:
    image, flow = torch.rand(1, 1, 5, 6, dtype=torch.float64, device=device), torch.ones(1, 2, 5, 6, device=device)
    assert torch.equal(backward_warp(image, flow), backward_warp(image, flow.double()))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": torch.rand(3, 4, 5)}, ValueError, "image: expected shape .B, C, H, W., got .3, 4, 5."),
        ({"image": torch.ones(1, 3, 4, 5, dtype=torch.int64)}, TypeError, "image: expected float16.*int64"),
        ({"image": [1]}, TypeError, "image: expected a tensor .*, got int"),
        ({"image": torch.rand(1, 3, 0, 5)}, ValueError, "image: expected at least one pixel to read"),
        ({"flow": torch.zeros(1, 3, 4, 5)}, ValueError, "flow: expected shape .*got .1, 3, 4, 5."),
        ({"flow": torch.zeros(2, 2, 4, 5)}, ValueError, r"flow: expected shape .*\(1, 2, any, any\), got .2, 2"),
        ({"flow": torch.zeros(1, 2, 4, 5).half()}, TypeError, "flow: expected float32, got torch.float16"),
        ({"flow": torch.zeros(1, 2, 4, 5).double()}, TypeError, "flow: expected float32, got torch.float64"),
        ({"flow": torch.zeros(1, 2, 4, 5, device="meta")}, ValueError, "flow: expected a tensor on cpu, got meta"),
        ({"mode": {}}, ValueError, "mode: expected 'bilinear' or 'bicubic' or 'nearest', got {}"),
        ({"image": torch.rand(1, 3, 4, 5).to_sparse()}, TypeError, "image: expected a dense tensor .*torch.sparse_coo"),
        ({"mode": "cubic"}, ValueError, "mode: expected 'bilinear' or 'bicubic' or 'nearest', got 'cubic'"),
        ({"padding": "wrap"}, ValueError, "padding: expected 'zeros' or 'border' or 'reflection', got 'wrap'"),
    ],
)
def test_errors_say_what_was_expected(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"image": torch.rand(1, 3, 4, 5), "flow": torch.zeros(1, 2, 4, 5), **change}
    with pytest.raises(error, match=f"^backward_warp: {message}"):
        backward_warp(**arguments)


@pytest.mark.parametrize(("mode", "padding"), [(-1, 0), (0, 0), (3, 0), (17, 0), (2, -1), (2, 3)])
def test_the_operator_itself_refuses_numbers_that_are_no_mode(device: str, mode: int, padding: int) -> None:
    image, flow = torch.rand(1, 3, 9, 33, device=device), torch.zeros(1, 2, 8, 4, device=device)
    grad, needs = torch.ones(1, 3, 8, 4, device=device), (True, True, False)
    with pytest.raises(RuntimeError, match=r"backward_warp: (mode|padding): expected "):
        torch.ops.photoflow.backward_warp(image, flow, mode, padding)
    with pytest.raises(RuntimeError, match=r"backward_warp: (mode|padding): expected "):
        torch.ops.photoflow.backward_warp_backward(grad, image, flow, mode, padding, *needs)


@pytest.mark.usefixtures("deterministic")
def test_a_list_gives_what_each_alone_gives(device: str) -> None:
    """Layouts and dtypes mixed: whatever is done at once is done as it is alone, gradients too."""
    images = [
        torch.rand(2, 3, 20, 150, device=device),
        torch.rand(2, 19, 20, 150, device=device).to(memory_format=torch.channels_last),
        torch.rand(2, 1, 20, 150, device=device, dtype=torch.bfloat16),
        torch.rand(2, 8, 20, 150, device=device, dtype=torch.float16).to(memory_format=torch.channels_last),
    ]
    flow = smooth_flow(2, 20, 150, dtype=torch.float32, device=device).requires_grad_()
    images = [image.requires_grad_() for image in images]
    together, alone = backward_warp(images, flow), [backward_warp(image, flow) for image in images]
    weights = [torch.randn_like(out) for out in alone]
    for got, want in zip(together, alone, strict=True):
        assert got.stride() == want.stride() and torch.equal(got, want)
    got = torch.autograd.grad(together, [*images, flow], weights)
    want = torch.autograd.grad(alone, [*images, flow], weights)
    for i, (mine, other) in enumerate(zip(got, want, strict=True)):
        assert mine.dtype == other.dtype and (i == len(images) or mine.stride() == other.stride())
        assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_a_result_of_a_list_that_is_not_used_costs_no_gradient(device: str) -> None:
    images = [torch.rand(1, c, 6, 7, device=device, requires_grad=True) for c in (1, 2)]
    flow = smooth_flow(1, 6, 7, dtype=torch.float32, device=device)
    (got,) = torch.autograd.grad(backward_warp(images, flow)[1].sum(), images[1])
    (want,) = torch.autograd.grad(backward_warp(images[1], flow).sum(), images[1])
    assert_close(got, want)


@pytest.mark.parametrize("channels", [0, 1, 4, 5, 8, 17, 64])
@pytest.mark.parametrize("last", [False, True])
def test_any_number_of_channels(device: str, channels: int, last: bool) -> None:
    image = torch.rand(1, channels, 30, 133, device=device)
    image = (image.to(memory_format=torch.channels_last) if last else image).requires_grad_()
    flow = smooth_flow(1, 30, 133, dtype=torch.float32, device=device).requires_grad_()
    for mode in ("bilinear", "bicubic"):
        out, expected = backward_warp(image, flow, mode=mode), reference.backward_warp(image, flow, mode=mode)
        assert_close(out, expected, rtol=1e-5, atol=1e-5)
        weight = torch.randn_like(out)
        got, want = (torch.autograd.grad(o, (image, flow), weight) for o in (out, expected))
        for mine, other in zip(got, want, strict=True):
            assert_close(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_a_flow_that_reads_everywhere(device: str, mode: str, padding: str) -> None:
    """Far beyond the image, and taller than a band of rows that one CPU thread sums."""
    image = torch.rand(1, 3, 300, 260, device=device, dtype=torch.float64).float().requires_grad_()
    flow = smooth_flow(1, 90, 310, size=700, dtype=torch.float32, device=device).requires_grad_()
    out = backward_warp(image, flow, mode=mode, padding=padding)
    expected = reference.backward_warp(image, flow, mode=mode, padding=padding)
    weight = torch.randn_like(out)
    inputs = (image,) if mode == "nearest" else (image, flow)
    got, want = (torch.autograd.grad(o, inputs, weight) for o in (out, expected))
    for mine, other in zip(got, want, strict=True):
        assert_close(mine, other, rtol=1e-3, atol=2e-3)


@pytest.mark.usefixtures("deterministic")
def test_a_large_gradient_takes_nothing_from_others(device: str) -> None:
    image, flow = torch.rand(1, 2, 40, 50, device=device), smooth_flow(1, 40, 50, dtype=torch.float32, device=device)
    weight = torch.rand(1, 2, 40, 50, device=device)
    weight[0, 1, 20, 20], weight[0, 0, 30, 30] = 1e15, torch.inf
    got, want = (
        torch.autograd.grad(warp(image.requires_grad_(), flow), image, weight)[0]
        for warp in (backward_warp, reference.backward_warp)
    )
    assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("last", [False, True])
def test_memory_that_begins_anywhere(device: str, last: bool) -> None:
    image, flow = torch.rand(1, 8, 9, 20, device=device), smooth_flow(1, 9, 20, dtype=torch.float32, device=device)
    moved = shifted(in_channels_last(image) if last else image).requires_grad_()
    out = backward_warp(moved, shifted(flow))
    assert_close(out.contiguous(), backward_warp(image, flow))
    (grad,) = torch.autograd.grad(out, moved, shifted(in_channels_last(image) if last else image))
    (want,) = torch.autograd.grad(backward_warp(image.requires_grad_(), flow), image, image)
    assert_close(grad.contiguous(), want)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_positions_are_right_beyond_what_half_can_count(device: str, dtype: torch.dtype) -> None:
    """float16 knows no odd number beyond 2048: positions must not pass through the features' dtype."""
    image = (torch.arange(4096, device=device) % 7).to(dtype).expand(1, 1, 3, 4096).contiguous()
    flow = torch.zeros(1, 2, 3, 4096, device=device)
    flow[:, 0] = 1.5
    out = backward_warp(image, flow)[0, 0, 1].float()
    wide = image[0, 0, 1].float()
    assert torch.equal(out[:-2], (wide[1:-1] + wide[2:]) / 2)


def test_exports(device: str) -> None:
    class Warps(torch.nn.Module):
        def forward(self, image: Tensor, other: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
            first, second = backward_warp([image, other], flow)
            return backward_warp(first, flow, mode="bicubic", padding="border"), second

    def inputs(height: int, width: int) -> tuple[Tensor, ...]:
        flow = smooth_flow(1, height, width, dtype=torch.float32, device=device)
        return torch.rand(1, 3, height, width, device=device), torch.rand(1, 5, height, width, device=device), flow

    height, width = torch.export.Dim("height", min=2), torch.export.Dim("width", min=2)
    sizes = {2: height, 3: width}
    program = torch.export.export(Warps(), inputs(6, 7), dynamic_shapes=(sizes, sizes, sizes))
    for size in ((6, 7), (9, 4)):
        example = inputs(*size)
        for got, want in zip(program.module()(*example), Warps()(*example), strict=True):
            assert_close(got, want)


def test_more_than_2_to_the_31_elements(device: str) -> None:
    """Only the last rows of the last plane are made by a flow of few pixels: offsets need 64 bits, time does not."""
    height, width, channels = 4, 1 << 15, (1 << 14) + 1
    needed = 3 * height * width * channels
    if free_bytes(device) < 2 * needed:
        pytest.skip("needs 13 GB of free memory")
    image = torch.empty(1, channels, height, width, dtype=torch.float16, device=device)
    assert image.numel() > 2**31
    image[0, -1] = torch.arange(width, device=device).remainder(5).half()
    flow = torch.zeros(1, 2, 2, 8, device=device)
    flow[:, 0], flow[:, 1] = width - 9.5, 1.0
    out = backward_warp(image, flow)
    expected = image[0, -1, 1:3, -10:].float()
    assert torch.equal(out[0, -1].float(), (expected[:, :-2] + expected[:, 1:-1])[:, :8] / 2)
