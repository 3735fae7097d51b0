from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from contract import Arguments, OperatorContract, free_bytes, in_channels_last, non_contiguous, replayed, shifted
from torch import Tensor
from torch.testing import assert_close

from photoflow.ops import flow_attention, reference

CHANNELS, HIDDEN = 21, 11  # multiples of no vector's width


def arguments(
    dtype: torch.dtype, device: str, size: tuple[int, int], flow_size: tuple[int, int], channels: int = CHANNELS
) -> list[Tensor]:
    """feature, flow, w1, b1, w2, b2."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    shapes = ((HIDDEN, 2, 3, 3), (HIDDEN,), (channels, HIDDEN, 3, 3), (channels,))
    weights = [(torch.randn(shape).double() / 4).to(device, dtype) for shape in shapes]
    feature = torch.randn(2, channels, *size).to(device, dtype)
    return [feature, (2 * torch.randn(2, 2, *flow_size)).to(device, wide), *weights]


class TestContract(OperatorContract):
    modes: ClassVar = [{}]
    operator = staticmethod(flow_attention)
    reference = staticmethod(reference.flow_attention)
    raw = torch.ops.photoflow.flow_attention.default

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        small = max(size) < 8  # gradcheck visits every element
        flow_size = (size[0] + 2, size[1] + 1) if small else (2 * size[0], size[1] // 2)
        return arguments(dtype, device, size, flow_size, channels=3 if small else CHANNELS)

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        return *tensors, True

    @pytest.mark.parametrize("layout", ["contiguous", "strided", "channels-last"])
    def test_agrees_with_the_reference(self, device: str, mode: Arguments, layout: str, tolerance: Any) -> None:
        for dtype in self.dtypes:
            tensors = self.tensors(dtype, device, mode, (13, 141))
            expected = reference.flow_attention(*tensors)
            if layout == "strided":
                tensors = [non_contiguous(t) if t.dim() == 4 else t.repeat(2)[: len(t)] for t in tensors]
            elif layout == "channels-last":
                tensors = [t.to(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]
            got = flow_attention(*tensors)
            assert got.dtype == dtype
            last = layout == "channels-last"
            assert got.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
            assert_close(got, expected, **tolerance[dtype])

    def test_autocast_leaves_it_alone(self, device: str, mode: Arguments) -> None:
        tensors = self.tensors(torch.float32, device, mode, (9, 10))
        expected = flow_attention(*tensors)
        with torch.autocast(device, dtype=torch.bfloat16):
            got = flow_attention(*tensors)
            half = flow_attention(tensors[0].bfloat16(), *tensors[1:])
        assert got.dtype == torch.float32 and half.dtype == torch.bfloat16
        # The second convolution may have run in half precision; the flow and the features have not.
        assert_close(got, expected, rtol=2e-2, atol=2e-2)
        assert_close(half.float(), expected, rtol=3e-2, atol=3e-2)

    @pytest.mark.parametrize("size", [(0, 5), (4, 0), (0, 0)])
    def test_empty(self, device: str, mode: Arguments, size: tuple[int, int]) -> None:
        for batch, extent in ((2, size), (0, (3, 4))):
            tensors = arguments(torch.float32, device, extent, extent)
            tensors[:2] = [tensor[:batch] for tensor in tensors[:2]]
            tensors = [tensor.requires_grad_() for tensor in tensors]
            out = flow_attention(*tensors)
            assert out.shape == tensors[0].shape and out.numel() == 0
            out.sum().backward()
            assert all(tensor.grad is not None and not tensor.grad.any() for tensor in tensors)

    def test_the_number_of_threads_does_not_matter(self, mode: Arguments) -> None:
        """Of what does not pass through the library's convolution backward, whose sums depend on it."""
        tensors = [t.requires_grad_() for t in self.tensors(torch.float32, "cpu", mode, (97, 61))]
        threads, results = torch.get_num_threads(), []
        try:
            for count in (1, 2, 5):
                torch.set_num_threads(count)
                out = flow_attention(*tensors)
                results.append((out, *torch.autograd.grad((out**2).sum(), tensors)))
        finally:
            torch.set_num_threads(threads)
        for other in results[1:]:
            assert all(torch.equal(results[0][i], other[i]) for i in (0, 1, 6))
            assert_close(other, results[0], rtol=1e-4, atol=1e-3)


def test_a_closed_form(device: str) -> None:
    """Only the centre taps count: gate = sigmoid(3 relu(2 u - v + 1) - 4)."""
    feature = torch.rand(1, 2, 5, 6, device=device) + 0.5
    flow = torch.randn(1, 2, 5, 6, device=device)
    w1, w2 = torch.zeros(1, 2, 3, 3, device=device), torch.zeros(2, 1, 3, 3, device=device)
    w1[0, 0, 1, 1], w1[0, 1, 1, 1], w2[:, 0, 1, 1] = 2, -1, 3
    one = torch.ones(1, device=device)
    out = flow_attention(feature, flow, w1, one, w2, torch.full((2,), -4.0, device=device))
    gate = (3 * (2 * flow[:, :1] - flow[:, 1:] + 1).relu() - 4).sigmoid()
    assert_close(out, feature * gate)


def test_resizing_scales_the_flow_by_the_areas(device: str) -> None:
    """A constant flow over 4 by 8 pixels is half as long in x, three times as long in y, over 12 by 4."""
    feature = torch.ones(1, 1, 12, 4, device=device)
    flow = torch.tensor([0.5, -0.25], device=device).reshape(1, 2, 1, 1).expand(1, 2, 4, 8)
    w2, zero = torch.zeros(1, 1, 3, 3, device=device), torch.zeros(1, device=device)
    w2[0, 0, 1, 1] = 1
    for axis, expected in ((0, 0.25), (1, 0.75)):
        w1 = torch.zeros(1, 2, 3, 3, device=device)
        w1[0, axis, 1, 1] = 1 if axis == 0 else -1
        out = flow_attention(feature, flow, w1, zero, w2, zero)
        assert_close(out, torch.full_like(out, torch.tensor(expected).sigmoid().item()))


def test_agrees_with_interpolate_and_conv2d(device: str) -> None:
    feature, flow, w1, b1, w2, b2 = arguments(torch.float64, device, (7, 9), (28, 27))
    small = torch.nn.functional.interpolate(flow, (7, 9), mode="bilinear", align_corners=False)
    small = small * small.new_tensor([1 / 3, 1 / 4]).reshape(1, 2, 1, 1)
    hidden = torch.conv2d(small, w1, b1, padding=1).relu()
    expected = feature * torch.conv2d(hidden, w2, b2, padding=1).sigmoid()
    assert_close(flow_attention(feature, flow, w1, b1, w2, b2), expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_flow_that_is_not_finite_counts_as_no_motion(device: str, bad: float) -> None:
    tensors = arguments(torch.float32, device, (8, 9), (8, 9))
    still = tensors[1].clone()
    still[0, :, 3, 4] = 0
    expected = flow_attention(tensors[0], still, *tensors[2:])
    tensors[1][0, 1, 3, 4] = bad
    tensors = [tensor.requires_grad_() for tensor in tensors]
    out = flow_attention(*tensors)
    assert torch.equal(out, expected)
    out.sum().backward()
    assert all(tensor.grad.isfinite().all() for tensor in tensors)
    assert tensors[1].grad[0, :, 3, 4].abs().sum() == 0 and tensors[1].grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_gate_that_is_nan_spoils_its_channel_alone(device: str, dtype: torch.dtype) -> None:
    """NaN goes through the exponential as a number: its conversion to an integer would be undefined."""
    tensors = [tensor.detach() for tensor in arguments(dtype, device, (8, 9), (8, 9))]
    expected = flow_attention(*tensors)
    tensors[5][1] = float("nan")
    out = flow_attention(*tensors)
    assert out[:, 1].isnan().all() and torch.equal(out[:, 0], expected[:, 0])
    assert torch.equal(out[:, 2:], expected[:, 2:])


def test_float32_weights_serve_half_features(device: str, tolerance: Any) -> None:
    tensors = arguments(torch.float32, device, (6, 7), (12, 14))
    tensors[0] = tensors[0].bfloat16()
    leaves = [tensor.requires_grad_() for tensor in tensors]
    out = flow_attention(*leaves)
    assert out.dtype == torch.bfloat16
    assert_close(out, reference.flow_attention(*leaves), **tolerance[torch.bfloat16])
    out.sum().backward()
    assert all(leaf.grad.dtype == leaf.dtype for leaf in leaves)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("channels", [1, 5, 16, 67, 1100])
def test_any_number_of_channels(device: str, channels: int, last: bool, tolerance: Any) -> None:
    """Around the widths of vectors and blocks, and with pixels that fill no block."""
    for dtype in (torch.float32, torch.bfloat16):
        tensors = arguments(dtype, device, (3, 101), (4, 50), channels)
        if last:
            tensors[0] = tensors[0].to(memory_format=torch.channels_last)
        tensors = [tensor.requires_grad_() for tensor in tensors]
        out, expected = flow_attention(*tensors), reference.flow_attention(*tensors)
        # How bfloat16 is summed up depends on the CPU: of half a million numbers one was off by almost twice as much.
        room = 2 if dtype == torch.bfloat16 else 1
        assert_close(out, expected, **{name: room * bound for name, bound in tolerance[dtype].items()})
        weight = torch.randn_like(out)
        got, want = (torch.autograd.grad(o, (tensors[0], tensors[5]), weight) for o in (out, expected))
        # The bias gathers the rounding of all pixels.
        assert_close(got, want, rtol=10 * tolerance[dtype]["rtol"], atol=60 * tolerance[dtype]["atol"])


@pytest.mark.parametrize("last", [False, True])
def test_memory_that_begins_anywhere(device: str, last: bool, tolerance: Any) -> None:
    for dtype in TestContract.dtypes:
        tensors = arguments(dtype, device, (5, 33), (5, 33), channels=8)
        expected = flow_attention(*tensors)
        moved = [shifted(in_channels_last(t) if last else t).requires_grad_() for t in tensors]
        got = flow_attention(*moved)
        assert_close(got.contiguous(), expected, **tolerance[dtype])
        assert all(grad.isfinite().all() for grad in torch.autograd.grad(got.sum(), moved))


def test_one_pixel(device: str) -> None:
    tensors = [tensor.requires_grad_() for tensor in arguments(torch.float64, device, (1, 1), (1, 1))]
    out, expected = flow_attention(*tensors), reference.flow_attention(*tensors)
    assert_close(out, expected)
    assert_close(torch.autograd.grad(out.sum(), tensors), torch.autograd.grad(expected.sum(), tensors))


def test_exports(device: str) -> None:
    class Gate(torch.nn.Module):
        def forward(self, *tensors: Tensor) -> Tensor:
            return flow_attention(*tensors)

    example = arguments(torch.float32, device, (6, 7), (12, 15))
    names = [[torch.export.Dim(f"{of}_{side}", min=2) for side in ("height", "width")] for of in ("feature", "flow")]
    sizes = [{2: height, 3: width} for height, width in names]
    shapes = ((*sizes, None, None, None, None),)
    program = torch.export.export(Gate(), tuple(example), dynamic_shapes=shapes)
    for size in ((6, 7), (9, 4)):
        example[:2] = arguments(torch.float32, device, size, (size[1] + 3, size[0] + 8))[:2]
        assert_close(program.module()(*example), flow_attention(*example))


def test_gradients_can_be_captured_in_a_cuda_graph(gpu: str) -> None:
    tensors = [tensor.requires_grad_() for tensor in arguments(torch.float32, gpu, (20, 30), (20, 30))]

    def gradients() -> tuple[Tensor, ...]:
        out = flow_attention(*tensors)
        return torch.autograd.grad(out, tensors, torch.ones_like(out))

    assert_close(*replayed(gradients), rtol=1e-4, atol=1e-4)


def test_more_than_2_to_the_31_elements(device: str) -> None:
    """Features that are 0 but for the very last, whose pixel alone moves."""
    batch, channels, height, width = 2, 16, 8200, 8192
    if free_bytes(device) < 16 * batch * channels * height * width:
        pytest.skip("needs 34 GB of free memory")
    feature = torch.zeros(batch, channels, height, width, dtype=torch.bfloat16, device=device)
    assert feature.numel() > 2**31
    feature[-1, -1, -1, -1] = 3
    flow = torch.zeros(batch, 2, height, width, device=device)
    flow[-1, 0, -1, -1] = 4
    w1, w2 = (torch.zeros(shape, device=device) for shape in ((1, 2, 3, 3), (channels, 1, 3, 3)))
    w1[0, 0, 1, 1] = w2[-1, 0, 1, 1] = 1
    out = flow_attention(feature, flow, w1, torch.zeros(1, device=device), w2, torch.zeros(channels, device=device))
    expected = 3 * torch.tensor(4.0).sigmoid().item()
    assert out[-1, -1, -1, -1].item() == pytest.approx(expected, rel=1e-2)
    assert out[-1].float().sum().item() == out[-1, -1, -1, -1].item()


def test_what_no_gradient_needs_is_not_kept() -> None:
    tensors = arguments(torch.float32, "cpu", (6, 7), (6, 7))
    out, raw = torch.ops.photoflow.flow_attention(*tensors, False)
    assert raw.shape == (0, *out.shape[1:])


@pytest.mark.parametrize(
    ("index", "replacement", "error", "message"),
    [
        (0, [1.0], TypeError, r"feature: expected a tensor \(B, C, H, W\), got list"),
        (0, torch.rand(3, 4, 5), ValueError, r"feature: expected shape \(B, C, H, W\), got \(3, 4, 5\)"),
        (1, torch.rand(2, 3, 4, 5), ValueError, r"flow: expected shape \(B, 2, h, w\)"),
        (1, torch.rand(2, 2, 4, 5).half(), TypeError, r"flow: expected float32, got torch.float16"),
        (1, torch.rand(2, 2, 0, 5), ValueError, r"flow: expected at least one pixel"),
        (2, torch.rand(11, 3, 3, 3), ValueError, r"w1: expected shape \(K, 2, 3, 3\)"),
        (2, torch.rand(0, 2, 3, 3), ValueError, r"w1: expected K of at least 1"),
        (3, torch.rand(7), ValueError, r"b1: expected shape \(K,\) = \(11\), got \(7,\)"),
        (4, torch.rand(21, 11, 3, 3).half(), TypeError, r"w2: expected torch.float32, got torch.float16"),
        (5, None, TypeError, r"b2: expected a tensor \(C,\), got NoneType"),
    ],
)
def test_errors_name_the_argument(index: int, replacement: Any, error: type[Exception], message: str) -> None:
    tensors: list[Any] = arguments(torch.float32, "cpu", (6, 7), (6, 7))
    tensors[index] = replacement
    with pytest.raises(error, match=f"^flow_attention: {message}"):
        flow_attention(*tensors)
