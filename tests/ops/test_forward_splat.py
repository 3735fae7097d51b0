from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from contract import Arguments, OperatorContract, smooth_flow
from torch import Tensor
from torch.testing import assert_close

from photoflow.ops import forward_splat, reference

MODES = ("sum", "average", "linear", "softmax")
WEIGHED = ("linear", "softmax")


def metric_for(mode: str, *shape: int, **options: Any) -> list[Tensor]:
    """The metric argument of a mode, if it takes one: positive for linear, of either sign for softmax."""
    if mode not in WEIGHED:
        return []
    return [(torch.rand(*shape) + 0.2 if mode == "linear" else torch.randn(*shape) * 3).to(**options)]


class TestContract(OperatorContract):
    modes: ClassVar = [{"mode": mode} for mode in MODES]
    keeps_format = True
    operator = staticmethod(forward_splat)
    reference = staticmethod(reference.forward_splat)
    raw = torch.ops.photoflow.forward_splat.default

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        options = {"device": device, "dtype": torch.float64 if dtype == torch.float64 else torch.float32}
        image = torch.rand(2, 3, *size, dtype=torch.float64).to(device, dtype)
        return [image, smooth_flow(2, *size, **options), *metric_for(mode["mode"], 2, 1, *size, **options)]

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        return *tensors[:2], tensors[2] if len(tensors) > 2 else None, MODES.index(mode["mode"]), 1e-7, False


@pytest.mark.parametrize("mode", MODES)
def test_no_flow_is_the_image(device: str, mode: str) -> None:
    image, flow = torch.rand(2, 3, 9, 11, device=device), torch.zeros(2, 2, 9, 11, device=device)
    out, coverage = forward_splat(image, flow, *metric_for(mode, 2, 1, 9, 11, device=device), mode=mode)
    assert_close(out, image, rtol=1e-6, atol=1e-6)
    assert torch.equal(coverage, torch.ones_like(coverage))


@pytest.mark.parametrize("mode", ("sum", "average"))
def test_without_a_metric_no_flow_is_the_image_to_the_bit(device: str, mode: str) -> None:
    image, flow = torch.rand(1, 3, 9, 300, device=device), torch.zeros(1, 2, 9, 300, device=device)
    assert torch.equal(forward_splat(image, flow, mode=mode)[0], image)


def test_one_pixel_spreads_over_four(device: str) -> None:
    image, flow = torch.zeros(1, 1, 5, 6, device=device), torch.full((1, 2, 5, 6), 100.0, device=device)
    image[0, 0, 1, 2] = 8.0
    flow[0, :, 1, 2] = torch.tensor([1.25, 0.5])
    out, coverage = forward_splat(image, flow)
    expected = torch.zeros(5, 6, device=device)
    expected[1:3, 3], expected[1:3, 4] = 0.375, 0.125
    assert_close(coverage[0, 0], expected)
    assert_close(out[0, 0], 8 * expected)
    averaged = forward_splat(image, flow, mode="average")[0][0, 0]
    assert_close(averaged, 8 * (expected > 0).float())


@pytest.mark.parametrize("mode", ("average", *WEIGHED))
def test_two_pixels_that_meet_are_weighed(device: str, mode: str) -> None:
    image = torch.tensor([[[[1.0, 5.0, 0.0]]]], device=device)
    flow = torch.zeros(1, 2, 1, 3, device=device)
    flow[0, 0, 0] = torch.tensor([2.0, 1.0, 50.0])
    metric = torch.tensor([[[[1.0, 3.0, 9.0]]]], device=device)
    out, coverage = forward_splat(image, flow, metric if mode in WEIGHED else None, mode=mode)
    share = {"average": 0.5, "linear": 0.25, "softmax": float(torch.tensor([1.0, 3.0]).softmax(0)[0])}[mode]
    assert_close(out[0, 0, 0], torch.tensor([0.0, 0.0, share * 1 + (1 - share) * 5], device=device))
    assert coverage[0, 0, 0].tolist() == [0.0, 0.0, 2.0]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 300.0, 1e6])
@pytest.mark.parametrize("offset", [0.0, -1e4, 1e4])
def test_softmax_bears_any_range_of_the_metric(device: str, scale: float, offset: float) -> None:
    image, flow = torch.rand(2, 3, 21, 150, device=device), smooth_flow(2, 21, 150, dtype=torch.float32, device=device)
    metric = (torch.randn(2, 1, 21, 150, device=device) * scale + offset).requires_grad_()
    out, _ = forward_splat(image, flow, metric, mode="softmax")
    expected, coverage = reference.forward_splat(image, flow, metric, mode="softmax")
    assert_close(out, expected, rtol=1e-4, atol=1e-4)
    assert ((out.sum(1) == 0) == (coverage[:, 0] == 0)).all()
    out.sum().backward()
    assert metric.grad.isfinite().all()


def test_softmax_bears_one_large_metric_anywhere(device: str) -> None:
    """Whichever thread of a warp reads it: the others' weights are too small to count, and nothing overflows."""
    image, flow = torch.rand(1, 1, 1, 64, device=device), torch.zeros(1, 2, 1, 64, device=device)
    for place in range(64):
        metric = torch.zeros(1, 1, 1, 64, device=device)
        metric[..., place] = 200.0
        assert_close(forward_splat(image, flow, metric, mode="softmax")[0], image)


def gradients_agree(inputs: list[Tensor], bound: float, **options: Any) -> None:
    """Results and gradients of ours against the reference's."""
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    ours, theirs = forward_splat(*inputs, **options), reference.forward_splat(*inputs, **options)
    for got, want in zip(ours, theirs, strict=True):
        assert_close(got, want, rtol=1e-5, atol=1e-5)
    weights = [torch.randn_like(result) for result in ours]
    got, want = (torch.autograd.grad(results, inputs, weights, allow_unused=True) for results in (ours, theirs))
    for mine, other in zip(got, want, strict=True):
        assert_close(mine, torch.zeros_like(mine) if other is None else other, rtol=bound, atol=bound)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 20, 64])
@pytest.mark.parametrize("last", [False, True])
def test_any_number_of_channels(device: str, mode: str, channels: int, last: bool) -> None:
    image = torch.rand(2, channels, 30, 133, device=device)
    image = image.to(memory_format=torch.channels_last) if last else image
    flow = smooth_flow(2, 30, 133, dtype=torch.float32, device=device)
    gradients_agree([image, flow, *metric_for(mode, 2, 1, 30, 133, device=device)], 1e-3, mode=mode)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 257)])
@pytest.mark.parametrize("mode", MODES)
def test_any_size(device: str, mode: str, size: tuple[int, int]) -> None:
    image, flow = torch.rand(1, 3, *size, device=device), smooth_flow(1, *size, dtype=torch.float32, device=device)
    gradients_agree([image, flow, *metric_for(mode, 1, 1, *size, device=device)], 1e-3, mode=mode)


@pytest.mark.parametrize("eps_mode", ["add", "clip"])
@pytest.mark.parametrize("mode", MODES)
def test_eps_modes(device: str, mode: str, eps_mode: str) -> None:
    image, flow = torch.rand(1, 3, 9, 40, device=device), smooth_flow(1, 9, 40, dtype=torch.float32, device=device)
    metric = metric_for(mode, 1, 1, 9, 40, device=device)
    gradients_agree([image, flow, *metric], 1e-3, mode=mode, eps=0.4, eps_mode=eps_mode)
    out, coverage = forward_splat(image, flow, *metric, mode=mode, eps=0.4, eps_mode=eps_mode)
    whole = forward_splat(image, flow, *metric, mode=mode, eps=0.0)[0]
    fade = coverage / (coverage + 0.4) if eps_mode == "add" else (coverage / 0.4).clamp_max(1)
    assert_close(out, whole if mode == "sum" else whole * fade)


def test_add_is_eps_in_the_denominator(device: str) -> None:
    image, flow = torch.full((1, 1, 1, 3), 8.0, device=device), torch.zeros(1, 2, 1, 3, device=device)
    flow[0, 0] = torch.tensor([0.25, 50.0, 50.0])
    out, coverage = forward_splat(image, flow, mode="average", eps=0.25, eps_mode="add")
    assert coverage[0, 0, 0].tolist() == [0.75, 0.25, 0.0] and out[0, 0, 0].tolist() == [6.0, 4.0, 0.0]


@pytest.mark.parametrize("mode", ["sum", "softmax"])
def test_a_flow_that_scatters_everywhere(device: str, mode: str) -> None:
    """Beyond the image too, and higher than a band of rows that one CPU thread writes."""
    image, flow = torch.rand(1, 2, 300, 260, device=device), torch.randn(1, 2, 300, 260, device=device) * 150
    gradients_agree([image, flow, *metric_for(mode, 1, 1, 300, 260, device=device)], 1e-2, mode=mode)


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e6])
def test_ties_of_the_metric_are_an_average(device: str, offset: float) -> None:
    image = torch.tensor([[[[1.0, 5.0, 3.0, 0.0]]]], device=device)
    flow = torch.tensor([3.0, 2.0, 1.0, 60.0], device=device).reshape(1, 1, 1, 4)
    flow = torch.cat([flow, torch.zeros_like(flow)], 1)
    metric = torch.full((1, 1, 1, 4), offset, device=device)
    metric[..., 3] = -offset  # lands nowhere
    assert forward_splat(image, flow, metric, mode="softmax")[0][0, 0, 0].tolist() == [0.0, 0.0, 0.0, 3.0]


def test_gradients_at_a_wide_range_of_the_metric(device: str) -> None:
    image, flow = torch.rand(1, 3, 21, 150, device=device), smooth_flow(1, 21, 150, dtype=torch.float32, device=device)
    gradients_agree([image, flow, torch.randn(1, 1, 21, 150, device=device) * 50], 1e-2, mode="softmax")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("last", [False, True])
def test_places_are_right_beyond_what_half_can_count(device: str, dtype: torch.dtype, last: bool) -> None:
    """float16 knows no odd number beyond 2048: places must not pass through the features' dtype."""
    image = (torch.arange(3840, device=device) % 7).to(dtype).expand(1, 2, 3, 3840).contiguous()
    image = image.to(memory_format=torch.channels_last) if last else image
    flow = torch.zeros(1, 2, 3, 3840, device=device)
    flow[:, 0] = 1.5
    out, coverage = forward_splat(image, flow, mode="average")
    wide = image.float()
    assert torch.equal(out[..., 2:].float(), (wide[..., :-2] + wide[..., 1:-1]) / 2)
    assert torch.equal(coverage[..., 2:], torch.ones(1, 1, 3, 3838, device=device))


def test_exports(device: str) -> None:
    class Splats(torch.nn.Module):
        def forward(self, image: Tensor, flow: Tensor, metric: Tensor) -> tuple[Tensor, Tensor]:
            return forward_splat(image, flow, metric, mode="softmax", eps=0.1, eps_mode="add")

    def inputs(height: int, width: int) -> tuple[Tensor, ...]:
        flow = smooth_flow(1, height, width, dtype=torch.float32, device=device)
        shape = (height, width)
        return torch.rand(1, 3, *shape, device=device), flow, torch.randn(1, 1, *shape, device=device)

    sizes = {2: torch.export.Dim("height", min=2), 3: torch.export.Dim("width", min=2)}
    program = torch.export.export(Splats(), inputs(6, 7), dynamic_shapes=(sizes, sizes, sizes))
    for size in ((6, 7), (9, 4)):
        example = inputs(*size)
        for got, want in zip(program.module()(*example), Splats()(*example), strict=True):
            assert_close(got, want)


@pytest.mark.parametrize("channels", [3, 5])
def test_more_than_2_to_the_31_elements(device: str, channels: int) -> None:
    """On CUDA alone: as many elements take the CPU minutes."""
    height, width = 1 << 15, (1 << 31) // (channels << 15) + 1
    if device == "cpu" or torch.cuda.mem_get_info()[0] < 80 << 30:
        pytest.skip("needs a GPU with 80 GB of free memory")
    image = torch.zeros(1, channels, height, width, dtype=torch.float16, device=device)
    assert image.numel() > 2**31
    image[0, :, -3:] = torch.rand(channels, 3, width, device=device).half()
    flow = torch.zeros(1, 2, height, width, device=device)
    flow[:, 1] = -1.0
    out, coverage = forward_splat(image, flow, mode="average")
    assert torch.equal(out[0, :, -4:-1], image[0, :, -3:]) and out[0, :, :-4].abs().max() == 0
    assert float(coverage[0, 0, -1].max()) == 0 and float(coverage[0, 0, :-1].min()) == 1


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("mode", MODES)
def test_repeatable_sums_are_as_exact_as_others(device: str, mode: str) -> None:
    """However large one feature or one metric is: what lands elsewhere, and other channels, lose nothing."""
    image, flow = torch.rand(2, 3, 30, 40, device=device), smooth_flow(2, 30, 40, dtype=torch.float32, device=device)
    metric = metric_for(mode, 2, 1, 30, 40, device=device)
    image[0, 1, 9, 9] = 1e15
    if mode == "linear":
        metric[0][0, 0, 20, 20] = 1e12
    expected = reference.forward_splat(image, flow, *metric, mode=mode)
    for got, want in zip(forward_splat(image, flow, *metric, mode=mode), expected):
        assert_close(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("deterministic")
def test_repeatable_sums_of_tiny_weights(device: str) -> None:
    """A target that two pixels barely touch is as exact as others."""
    image, flow = torch.rand(1, 2, 64, 64, device=device), torch.full((1, 2, 64, 64), 500.0, device=device)
    flow[0, :, 5, 5] = 1e-3
    flow[0, :, 5, 6] = torch.tensor([-1.0, 1e-3])
    expected = reference.forward_splat(image, flow, mode="average")[0]
    assert_close(forward_splat(image, flow, mode="average")[0], expected, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.usefixtures("deterministic")
def test_a_feature_that_is_not_finite_reaches_its_four_targets_only(device: str, channels: int, bad: float) -> None:
    image = torch.rand(1, channels, 8, 9, device=device)
    flow = torch.full((1, 2, 8, 9), 0.25, device=device)
    clean = forward_splat(image, flow, mode="average")[0]
    image[0, 1, 3, 4] = bad
    out = forward_splat(image, flow, mode="average")[0]
    assert torch.equal(
        out[0, 1, 3:5, 4:6].nan_to_num(7, 8, 9), torch.full((2, 2), bad, device=device).nan_to_num(7, 8, 9)
    )
    out[0, 1, 3:5, 4:6] = clean[0, 1, 3:5, 4:6]
    assert_close(out, clean, rtol=1e-6, atol=1e-6)
    image[0, 1, 3, 5] = -bad  # meets the other in two of them
    met = forward_splat(image, flow, mode="average")[0]
    assert met[0, 1, 3:5, 5].isnan().all() and not met[0, 1, 3:5, 4].isfinite().any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("mode", MODES)
def test_a_flow_that_is_not_finite_drops_that_pixel_only(device: str, mode: str, bad: float) -> None:
    image = torch.rand(1, 2, 8, 9, device=device)
    flow = smooth_flow(1, 8, 9, size=2, dtype=torch.float32, device=device)
    metric = metric_for(mode, 1, 1, 8, 9, device=device)
    away = flow.clone()
    away[0, :, 3, 4], flow[0, 0, 3, 4] = 1000.0, bad
    inputs = [tensor.requires_grad_() for tensor in (image, flow, *metric)]
    out, coverage = forward_splat(*inputs, mode=mode)
    expected, expected_coverage = forward_splat(image, away, *metric, mode=mode)
    assert_close(out, expected)
    assert_close(coverage, expected_coverage)
    grads = torch.autograd.grad(out.sum() + coverage.sum(), inputs)
    assert all(grad.isfinite().all() and grad[0, :, 3, 4].abs().sum() == 0 for grad in grads)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("mode", WEIGHED)
def test_a_metric_that_is_not_finite_drops_that_pixel_only(device: str, mode: str, bad: float) -> None:
    image = torch.rand(1, 2, 8, 9, device=device)
    flow = smooth_flow(1, 8, 9, size=2, dtype=torch.float32, device=device)
    (metric,) = metric_for(mode, 1, 1, 8, 9, device=device)
    away = flow.clone()
    away[0, :, 3, 4] = 1000.0
    expected, expected_coverage = forward_splat(image, away, metric, mode=mode)
    metric[0, 0, 3, 4] = bad
    out, coverage = forward_splat(image, flow, metric, mode=mode)
    assert_close(out, expected)
    assert_close(coverage, expected_coverage)


def test_linear_is_0_where_all_weights_are(device: str) -> None:
    image, flow = torch.rand(1, 2, 4, 5, device=device), torch.zeros(1, 2, 4, 5, device=device)
    out, coverage = forward_splat(image, flow, torch.zeros(1, 1, 4, 5, device=device), mode="linear")
    assert out.abs().sum() == 0 and (coverage == 1).all()


def test_eps_is_the_least_coverage(device: str) -> None:
    image, flow = torch.ones(1, 1, 1, 4, device=device), torch.zeros(1, 2, 1, 4, device=device)
    flow[0, 0] = 2.75
    out, coverage = forward_splat(image, flow, mode="average", eps=0.3)
    assert coverage[0, 0, 0].tolist() == [0.0, 0.0, 0.25, 1.0] and out[0, 0, 0].tolist() == [0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"image": torch.rand(3, 4, 5)}, ValueError, "image: expected shape .B, C, H, W., got .3, 4, 5."),
        ({"image": torch.ones(1, 3, 4, 5, dtype=torch.uint8)}, TypeError, "image: expected float16.*uint8"),
        ({"flow": torch.zeros(1, 2, 4, 6)}, ValueError, r"flow: expected shape .*\(1, 2, 4, 5\), got .1, 2, 4, 6."),
        ({"flow": torch.zeros(1, 2, 4, 5).bfloat16()}, TypeError, "flow: expected float32, got torch.bfloat16"),
        ({"mode": "max"}, ValueError, "mode: expected 'sum' or .*, got 'max'"),
        ({"mode": "softmax"}, ValueError, "metric: expected a tensor .* for mode 'softmax', got None"),
        ({"metric": torch.ones(1, 1, 4, 5)}, ValueError, "metric: expected None for mode 'sum', got a tensor"),
        ({"metric": torch.ones(1, 2, 4, 5), "mode": "linear"}, ValueError, "metric: expected shape .*got .1, 2, 4, 5."),
        ({"eps_mode": "zero"}, ValueError, "eps_mode: expected 'drop' or 'add' or 'clip', got 'zero'"),
        ({"eps_mode": "add", "eps": 0.0}, ValueError, "eps: expected more than 0 for eps_mode 'add', got 0.0"),
        ({"eps": None}, ValueError, "eps: expected a finite number of at least 0, got None"),
        ({"eps": 10**400}, ValueError, "eps: expected a finite number of at least 0, got 1000"),
        ({"mode": ["sum"]}, ValueError, "mode: expected 'sum' or 'average' or 'linear' or 'softmax', got "),
        ({"flow": torch.zeros(1, 2, 4, 5).to_sparse()}, TypeError, "flow: expected a dense tensor .B, 2, H, W.*sparse"),
        ({"eps": float("nan")}, ValueError, "eps: expected a finite number of at least 0, got nan"),
    ],
)
def test_errors_say_what_was_expected(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"image": torch.rand(1, 3, 4, 5), "flow": torch.zeros(1, 2, 4, 5), **change}
    with pytest.raises(error, match=f"^forward_splat: {message}"):
        forward_splat(**arguments)


@pytest.mark.parametrize("mode", [-1, 4, 1 << 40])
def test_the_operator_itself_refuses_numbers_that_are_no_mode(device: str, mode: int) -> None:
    image, flow = torch.rand(1, 3, 4, 5, device=device), torch.zeros(1, 2, 4, 5, device=device)
    one, needs = flow[:, :1], (True, True, False)
    with pytest.raises(RuntimeError, match="forward_splat: mode: expected 0, 1, 2 or 3, got "):
        torch.ops.photoflow.forward_splat(image, flow, None, mode, 0.0, False)
    with pytest.raises(RuntimeError, match="forward_splat: mode: expected 0, 1, 2 or 3, got "):
        torch.ops.photoflow.forward_splat_backward(image, None, image, flow, None, image, one, mode, *needs)
