from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from contract import Arguments, OperatorContract, smooth_flow
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
    raw = torch.ops.photoflow.backward_warp_many.default
    keeps_format = True

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        flow_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        images = [torch.rand(2, channels, *size, dtype=torch.float64).to(device, dtype) for channels in (2, 9, 20)]
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
        ({"mode": "cubic"}, ValueError, "mode: expected 'bilinear' or 'bicubic' or 'nearest', got 'cubic'"),
        ({"padding": "wrap"}, ValueError, "padding: expected 'zeros' or 'border' or 'reflection', got 'wrap'"),
    ],
)
def test_errors_say_what_was_expected(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"image": torch.rand(1, 3, 4, 5), "flow": torch.zeros(1, 2, 4, 5), **change}
    with pytest.raises(error, match=f"^backward_warp: {message}"):
        backward_warp(**arguments)
