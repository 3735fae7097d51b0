from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from contract import Arguments, OperatorContract, smooth_flow
from torch import Tensor
from torch.testing import assert_close

from photoflow.ops import occlusion, range_map, reference


class TestContract(OperatorContract):
    modes: ClassVar = [{}, {"alpha": 0.1, "beta": 4.0}]
    dtypes = (torch.float32, torch.float64)
    differentiable = False
    operator = staticmethod(occlusion)
    reference = staticmethod(reference.occlusion)
    raw = torch.ops.photoflow.occlusion.default

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        # Halves and quarters: both sides of the inequality are exact, so that no rounding decides it.
        there = torch.randint(-6, 7, (2, 2, *size)).to(device, dtype) / 2
        return [there, -there + torch.randint(-2, 3, (2, 2, *size)).to(device, dtype) / 4]

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        return *tensors, mode.get("alpha", 0.01), mode.get("beta", 0.5)


class TestRangeMapContract(OperatorContract):
    modes: ClassVar = [{}]
    dtypes = (torch.float32, torch.float64)
    operator = staticmethod(range_map)
    reference = staticmethod(reference.range_map)
    raw = torch.ops.photoflow.forward_splat.default

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        return [smooth_flow(2, *size, device=device, dtype=dtype)]

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        return tensors[0][:, :0].detach(), tensors[0], None, 0, 1e-7, False


def constant_flow(x: float, y: float, device: str) -> Tensor:
    return torch.tensor([x, y], dtype=torch.float32, device=device).reshape(1, 2, 1, 1).expand(1, 2, 6, 8)


def test_a_shift_hides_what_leaves_the_image(device: str) -> None:
    visible_a, visible_b = occlusion(constant_flow(3, 1, device), constant_flow(-3, -1, device))
    expected_a, expected_b = torch.zeros(6, 8, device=device), torch.zeros(6, 8, device=device)
    expected_a[:5, :5], expected_b[1:, 3:] = 1, 1
    assert torch.equal(visible_a[0, 0], expected_a) and torch.equal(visible_b[0, 0], expected_b)


def test_a_step_function_has_the_derivative_0_forward_too(device: str) -> None:
    flow, back = constant_flow(3, 1, device).clone(), constant_flow(-3, -1, device)
    outputs, tangents = torch.func.jvp(lambda there: occlusion(there, back), (flow,), (torch.ones_like(flow),))
    assert all(torch.equal(got, want) for got, want in zip(outputs, occlusion(flow, back)))
    assert all(tangent.abs().sum() == 0 for tangent in tangents)


def test_flows_that_disagree_are_not_seen(device: str) -> None:
    visible_a, visible_b = occlusion(constant_flow(1, 0, device), constant_flow(1, 0, device))
    assert visible_a.sum() == 0 and visible_b.sum() == 0


def test_an_object_that_moves_hides_what_it_comes_over(device: str) -> None:
    flow_ab, flow_ba = torch.zeros(1, 2, 10, 20, device=device), torch.zeros(1, 2, 10, 20, device=device)
    flow_ab[0, 0, 3:7, 4:8], flow_ba[0, 0, 3:7, 10:14] = 6, -6
    visible_a, visible_b = occlusion(flow_ab, flow_ba)
    hidden_a, hidden_b = torch.zeros(10, 20, device=device), torch.zeros(10, 20, device=device)
    hidden_a[3:7, 10:14], hidden_b[3:7, 4:8] = 1, 1
    assert torch.equal(1 - visible_a[0, 0], hidden_a) and torch.equal(1 - visible_b[0, 0], hidden_b)
    assert torch.equal(range_map(flow_ab)[0, 0], 1 - hidden_b + hidden_a)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_a_flow_that_is_not_finite_is_not_seen(device: str, bad: float) -> None:
    flow = torch.zeros(1, 2, 6, 8, device=device)
    flow[0, 1, 2, 3] = bad
    visible_a, visible_b = occlusion(flow, torch.zeros_like(flow))
    assert visible_a[0, 0, 2, 3] == 0 and visible_a.sum() == 47
    # The other way reads that flow as the way back, and its neighbours do not.
    assert visible_b[0, 0, 2, 3] == 0 and visible_b.sum() == 47
    expected = torch.ones(6, 8, device=device)
    expected[2, 3] = 0
    assert_close(range_map(flow)[0, 0], expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 4), (5, 131), (4, 260)])
@pytest.mark.parametrize("last", [False, True])
def test_any_size(device: str, size: tuple[int, int], last: bool) -> None:
    there = torch.randint(-6, 7, (3, 2, *size), device=device) / 2
    back = -there + torch.randint(-2, 3, (3, 2, *size), device=device) / 4
    if last:
        there, back = (flow.to(memory_format=torch.channels_last) for flow in (there, back))
    for got, want in zip(occlusion(there, back), reference.occlusion(there, back), strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
def test_what_is_not_finite_spoils_no_neighbour(device: str, bad: float) -> None:
    """In a wide row: a way back that is read with weight 0 does not count, one with any other weight hides."""
    there, back = torch.zeros(1, 2, 3, 300, device=device), torch.zeros(1, 2, 3, 300, device=device)
    there[0, 0, 1, 100], back[0, 0, 1, 200] = 0.5, bad
    there[0, 0, 1, 199] = 0.5
    visible_a, visible_b = occlusion(there, back)
    assert (visible_a == 0).nonzero().tolist() == [[0, 0, 1, 199], [0, 0, 1, 200]]
    assert (visible_b == 0).nonzero().tolist() == [[0, 0, 1, 200]]


def test_positions_are_right_at_4k(device: str) -> None:
    there = torch.zeros(1, 2, 2, 3840, device=device)
    there[:, 0] = 1.25
    visible_a, visible_b = occlusion(there, -there, alpha=0.0, beta=1e-6)
    assert visible_a[..., :-2].all() and not visible_a[..., -2:].any()
    assert visible_b[..., 2:].all() and not visible_b[..., :2].any()


def test_exports(device: str) -> None:
    class Checks(torch.nn.Module):
        def forward(self, there: Tensor, back: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            return *occlusion(there, back), range_map(there)

    def inputs(height: int, width: int) -> tuple[Tensor, Tensor]:
        there = torch.randint(-6, 7, (1, 2, height, width), device=device) / 2
        return there, -there

    sizes = {2: torch.export.Dim("height", min=2), 3: torch.export.Dim("width", min=2)}
    program = torch.export.export(Checks(), inputs(6, 7), dynamic_shapes=(sizes, sizes))
    for size in ((6, 7), (9, 4)):
        example = inputs(*size)
        for got, want in zip(program.module()(*example), Checks()(*example), strict=True):
            assert_close(got, want)


def test_no_gradient_flows_through_the_check(device: str) -> None:
    flow = torch.zeros(1, 2, 4, 5, device=device, requires_grad=True)
    assert not any(visible.requires_grad for visible in occlusion(flow, flow))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"flow_ab": torch.zeros(1, 3, 4, 5)}, ValueError, "flow_ab: expected shape .B, 2, H, W., got .1, 3, 4, 5."),
        ({"flow_ab": torch.zeros(1, 2, 4, 5).half()}, TypeError, "flow_ab: expected float32 or float64, got .*float16"),
        ({"flow_ba": torch.zeros(1, 2, 4, 6)}, ValueError, r"flow_ba: expected shape .*5\), got .1, 2, 4, 6."),
        ({"flow_ba": torch.zeros(1, 2, 4, 5).double()}, TypeError, "flow_ba: expected torch.float32, got .*float64"),
        ({"alpha": None}, ValueError, "alpha: expected a finite number of at least 0, got None"),
        ({"flow_ba": torch.zeros(1, 2, 4, 5).to_sparse()}, TypeError, "flow_ba: expected a dense tensor .B, 2, H, W."),
        ({"alpha": -1.0}, ValueError, "alpha: expected a finite number of at least 0, got -1.0"),
        ({"beta": float("inf")}, ValueError, "beta: expected a finite number of at least 0, got inf"),
    ],
)
def test_errors_say_what_was_expected(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"flow_ab": torch.zeros(1, 2, 4, 5), "flow_ba": torch.zeros(1, 2, 4, 5), **change}
    with pytest.raises(error, match=f"^occlusion: {message}"):
        occlusion(**arguments)


def test_range_map_names_itself() -> None:
    with pytest.raises(ValueError, match=r"^range_map: flow: expected shape"):
        range_map(torch.zeros(1, 3, 4, 5))
