"""The operators of photoflow in the operators of ONNX, for `torch.onnx.export`.

A translation is called with what the operator is called with, the tensors as ONNX values, and adds nodes to the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from onnxscript import opset20
from torch import Tensor
from torch.nn import functional

from photoflow.errors import InputError
from photoflow.models._contract import margins_to
from photoflow.models.push_pull import push_pull as filled
from photoflow.models.splat_generator import background_motion as fitted

OPSET = 20
op: Any = opset20  # adds a node to the graph that is being exported
LEVELS = 12  # of push-pull: pictures of up to 4096 pixels; more change nothing
_ROUNDS = 8  # of the search for the background's motion
_FLOAT, _INT64, _DOUBLE = 1, 7, 11  # ONNX's numbers of types
_LOWEST = -3e38
_SOFTMAX = 3  # forward_splat's number of the mode
_WARPS, _PADDINGS = {1: "nearest", 2: "linear", 4: "cubic"}, ("zeros", "border", "reflection")
Value = Any  # of ONNX


@torch.library.custom_op("photoflow_onnx::push_pull", mutates_args=())
def push_pull(colours: Tensor, weight: Tensor) -> Tensor:
    """Fill what has no weight; see `photoflow.models.push_pull.push_pull`."""
    return filled(colours, weight)


@torch.library.custom_op("photoflow_onnx::background_motion", mutates_args=())
def background_motion(flow: Tensor) -> Tensor:
    """Fit the background's motion; see `photoflow.models.splat_generator.background_motion`."""
    return fitted(flow)


@torch.library.custom_op("photoflow_onnx::padded", mutates_args=())
def padded(planes: Tensor, multiple: int, repeated: bool) -> Tensor:
    """Make the sides of planes (B, C, H, W) multiples, as networks do: by their border, or else by zeros."""
    return functional.pad(planes, margins_to(planes, multiple), mode="replicate" if repeated else "constant")


@torch.library.custom_op("photoflow_onnx::cropped", mutates_args=())
def cropped(planes: Tensor, like: Tensor) -> Tensor:
    """Undo `padded` for planes that lie as those padded from `like`."""
    (height, width), (inner, narrower) = planes.shape[2:], like.shape[2:]
    top, left = (height - inner) // 2, (width - narrower) // 2
    return planes[..., top : top + inner, left : left + narrower].clone()


@push_pull.register_fake
def _(colours: Tensor, weight: Tensor) -> Tensor:
    return torch.empty_like(colours)


@background_motion.register_fake
def _(flow: Tensor) -> Tensor:
    return torch.empty_like(flow)


@padded.register_fake
def _(planes: Tensor, multiple: int, repeated: bool) -> Tensor:
    sides = [(side + multiple - 1) // multiple * multiple for side in planes.shape[2:]]
    return planes.new_empty(*planes.shape[:2], *sides)


@cropped.register_fake
def _(planes: Tensor, like: Tensor) -> Tensor:
    return planes.new_empty(*planes.shape[:2], *like.shape[2:])


def translations() -> dict[Any, Callable[..., Any]]:
    """Return the translation of each operator."""
    ours = torch.ops.photoflow
    return {
        ours.backward_warp.default: _backward_warp,
        ours.backward_warp_many.default: _backward_warp_many,
        ours.forward_splat.default: _forward_splat,
        ours.flow_attention.default: _flow_attention,
        torch.ops.photoflow_onnx.padded.default: _padded,
        torch.ops.photoflow_onnx.cropped.default: _cropped,
        torch.ops.photoflow_onnx.push_pull.default: _push_pull,
        torch.ops.photoflow_onnx.background_motion.default: _background_motion,
    }


def _whole(*numbers: int) -> Value:
    return op.Constant(value_ints=list(numbers))


def _number(value: float) -> Value:
    return op.Constant(value_float=value)


def _side(planes: Value, axis: int) -> Value:
    """Return a size of planes as (1,) whole numbers."""
    return op.Shape(planes, start=axis, end=axis + 1)


def _float(numbers: Value) -> Value:
    return op.Cast(numbers, to=_FLOAT)


def _count(size: Value) -> Value:
    """Return (0, 1, ..., size - 1), float32."""
    return op.Range(_number(0.0), op.Squeeze(_float(size)), _number(1.0))


def _resized(planes: Value, like: Value) -> Value:
    """Resize planes (B, C, h, w) to the height and width of others, bilinearly, pixels as areas."""
    sizes = op.Concat(op.Shape(planes, start=0, end=2), op.Shape(like, start=2, end=4), axis=0)
    return op.Resize(planes, None, None, sizes, mode="linear", coordinate_transformation_mode="half_pixel")


def _targets(flow: Value) -> tuple[Value, Value]:
    """Return where each pixel goes, x and y, (B, 1, H, W) each."""
    across, down = op.Split(flow, axis=1, num_outputs=2)
    columns = op.Unsqueeze(_count(_side(flow, 3)), _whole(0, 1, 2))
    rows = op.Unsqueeze(_count(_side(flow, 2)), _whole(0, 1, 3))
    return op.Add(across, columns), op.Add(down, rows)


def _padded(planes: Value, multiple: int, repeated: bool) -> Value:
    size, many = op.Shape(planes, start=2, end=4), _whole(multiple)
    rounded = op.Mul(op.Div(op.Add(size, _whole(multiple - 1)), many), many)
    total = op.Sub(rounded, size)
    before = op.Div(total, _whole(2))
    pads = op.Concat(_whole(0, 0), before, _whole(0, 0), op.Sub(total, before), axis=0)
    return op.Pad(planes, pads, mode="edge" if repeated else "constant")


def _cropped(planes: Value, like: Value) -> Value:
    size, outer = op.Shape(like, start=2, end=4), op.Shape(planes, start=2, end=4)
    start = op.Div(op.Sub(outer, size), _whole(2))
    return op.Slice(planes, start, op.Add(start, size), _whole(2, 3))


def _backward_warp(image: Value, flow: Value, mode: int, padding: int) -> Value:
    return _backward_warp_many([image], flow, mode, padding)[0]


def _backward_warp_many(images: list[Value], flow: Value, mode: int, padding: int) -> list[Value]:
    """Read images at displaced places; the flow is finite."""
    places = []
    for target, axis in zip(_targets(flow), (3, 2)):
        last = _float(op.Sub(_side(images[0], axis), _whole(1)))
        places.append(op.Sub(op.Div(op.Mul(target, _number(2.0)), last), _number(1.0)))
    grid = op.Transpose(op.Concat(*places, axis=1), perm=[0, 2, 3, 1])
    how = {"mode": _WARPS[mode], "padding_mode": _PADDINGS[padding], "align_corners": 1}
    return [op.GridSample(image, grid, **how) for image in images]


def _flow_attention(
    feature: Value, flow: Value, w1: Value, b1: Value, w2: Value, b2: Value, keeps_raw: bool
) -> tuple[Value, Value]:
    grown = [op.Div(_float(_side(feature, axis)), _float(_side(flow, axis))) for axis in (3, 2)]
    scale = op.Reshape(op.Concat(*grown, axis=0), _whole(1, 2, 1, 1))
    around = {"pads": [1, 1, 1, 1]}
    hidden = op.Relu(op.Conv(op.Mul(_resized(flow, feature), scale), w1, b1, **around))
    gated = op.Mul(feature, op.Sigmoid(op.Conv(hidden, w2, b2, **around)))
    return gated, op.Slice(gated, _whole(0), _whole(0), _whole(0))  # only a gradient needs the second


def _push_pull(colours: Value, weight: Value) -> Value:
    levels = [op.Concat(op.Mul(colours, weight), weight, axis=1)]
    for _ in range(LEVELS):
        size = op.Shape(levels[-1], start=2, end=4)
        pads = op.Concat(_whole(0, 0, 0, 0, 0, 0), op.Mod(size, _whole(2)), axis=0)
        smaller = op.AveragePool(op.Pad(levels[-1], pads), kernel_shape=[2, 2], strides=[2, 2])
        alone = op.Equal(op.ReduceProd(size, keepdims=0), op.Constant(value_int=1))
        levels.append(op.Mul(smaller, op.Where(alone, _number(4.0), _number(1.0))))  # one pixel stays as it is
    result = None
    for level in reversed(levels):
        sums = op.Slice(level, _whole(0), _whole(-1), _whole(1))
        known = op.Slice(level, _whole(-1), _whole(1 << 60), _whole(1))
        own = op.Div(sums, op.Add(known, _number(1e-6)))
        if result is None:
            result = own
            continue
        share = op.Min(known, _number(1.0))
        wider = op.Mul(_resized(result, level), op.Sub(_number(1.0), share))
        result = op.Add(op.Mul(own, share), wider)
    return result


def _background_motion(flow: Value) -> Value:
    """Fit the motion of one picture's background."""
    one, size = _number(1.0), op.Shape(flow, start=2, end=4)
    ends = [op.Sub(op.Div(op.Mul(_count(_side(flow, axis)), _number(2.0)),
                          op.Sub(_float(_side(flow, axis)), one)), one) for axis in (2, 3)]  # fmt: skip
    places = [op.Unsqueeze(ends[0], _whole(1)), op.Unsqueeze(ends[1], _whole(0)), one]
    plane = op.Concat(*(op.Unsqueeze(op.Expand(place, size), _whole(0)) for place in places), axis=0)
    shortest = op.ReduceMin(size, _whole(0), keepdims=1)
    stride = op.Max(op.Div(shortest, _whole(64)), _whole(1))
    steps, most = op.Concat(stride, stride, axis=0), _whole(1 << 60, 1 << 60)
    few = op.Reshape(op.Slice(flow, _whole(0, 0), most, _whole(2, 3), steps), _whole(2, -1))
    known = op.Reshape(op.Slice(plane, _whole(0, 0), most, _whole(1, 2), steps), _whole(3, -1))
    turned, turned_few = op.Transpose(known, perm=[1, 0]), op.Transpose(few, perm=[1, 0])
    half = op.Div(op.Add(_side(known, 1), _whole(1)), _whole(2))
    weighed = known
    for _ in range(_ROUNDS):
        affine = op.Transpose(_solved(op.MatMul(weighed, turned), op.MatMul(weighed, turned_few)), perm=[1, 0])
        apart = op.Sub(few, op.MatMul(affine, known))
        distance = op.ReduceSum(op.Mul(apart, apart), _whole(0), keepdims=1)
        nearer, _ = op.TopK(distance, half, axis=1, largest=0)
        median = op.ReduceMax(nearer, _whole(1), keepdims=1)
        relative = op.Div(distance, op.Add(median, _number(1e-4)))
        weighed = op.Mul(known, op.Div(one, op.Add(one, relative)))
    return op.Reshape(op.MatMul(affine, op.Reshape(plane, _whole(3, -1))), op.Shape(flow))


def _solved(normal: Value, right: Value) -> Value:
    """Solve a symmetric system of three equations (3, 3), (3, N) by the cofactors, in float64."""
    small = op.Constant(value=_tensor([[1e-6, 0, 0], [0, 1e-6, 0], [0, 0, 1e-6]]))
    normal, right = op.Cast(op.Add(normal, small), to=_DOUBLE), op.Cast(right, to=_DOUBLE)
    second, third = (op.Gather(normal, _whole(*order), axis=0) for order in ((1, 2, 0), (2, 0, 1)))
    ahead, behind = _whole(1, 2, 0), _whole(2, 0, 1)
    cofactors = op.Sub(
        op.Mul(op.Gather(second, ahead, axis=1), op.Gather(third, behind, axis=1)),
        op.Mul(op.Gather(second, behind, axis=1), op.Gather(third, ahead, axis=1)),
    )
    determinant = op.ReduceSum(op.Mul(normal, cofactors), _whole(1), keepdims=1)  # the same for each row
    return _float(op.MatMul(op.Div(cofactors, determinant), right))


def _forward_splat(
    image: Value, flow: Value, metric: Value, mode: int, eps: float, deterministic: bool
) -> tuple[Value, Value, Value]:
    """Throw one picture's pixels, by softmax.

    Raises:
        InputError: another mode.
    """
    if mode != _SOFTMAX:
        raise InputError("export: expected forward_splat in the mode softmax, got another one")
    planes = [*_targets(flow), metric]
    together = op.Add(op.Add(planes[0], planes[1]), metric)
    kept = op.Not(op.Or(op.IsNaN(together), op.IsInf(together)))
    x, y, metric = (op.Where(kept, plane, _number(away)) for plane, away in zip(planes, (-9.0, -9.0, 0.0)))
    height, width = (_float(_side(flow, axis)) for axis in (2, 3))
    places, weights = [], []
    for down in (0.0, 1.0):
        for right in (0.0, 1.0):
            column, row = (op.Add(op.Floor(at), _number(by)) for at, by in ((x, right), (y, down)))
            inside = op.And(_within(column, width), _within(row, height))
            places.append(op.Where(inside, op.Add(op.Mul(row, width), column), _number(0.0)))
            shares = (op.Sub(_number(1.0), op.Abs(op.Sub(at, to))) for at, to in ((x, column), (y, row)))
            weights.append(op.Where(inside, op.Mul(*shares), _number(0.0)))
    place, weight, metric, values = (
        op.Reshape(op.Transpose(op.Concat(*parts, axis=0), perm=[0, 2, 3, 1]), _whole(-1, channels))
        for parts, channels in ((places, 1), (weights, 1), (4 * [metric], 1), (4 * [image], image.shape[1]))
    )
    place = op.Cast(place, to=_INT64)
    lands = op.Greater(weight, _number(0.0))
    pixels = op.Div(_side(place, 0), _whole(4))
    lowest = op.Expand(_number(_LOWEST), op.Concat(pixels, _whole(1), axis=0))
    peak = op.ScatterND(lowest, place, op.Where(lands, metric, _number(_LOWEST)), reduction="max")
    above = op.Sub(metric, op.GatherND(peak, place))
    portion = op.Mul(weight, op.Exp(op.Where(lands, above, _number(0.0))))
    thrown = op.Concat(op.Mul(values, portion), portion, weight, axis=1)
    nothing = op.Expand(_number(0.0), op.Concat(pixels, _side(thrown, 1), axis=0))
    landed = op.ScatterND(nothing, place, thrown, reduction="add")
    shape = op.Concat(_whole(1), op.Shape(flow, start=2, end=4), _whole(-1), axis=0)
    landed = op.Transpose(op.Reshape(landed, shape), perm=[0, 3, 1, 2])
    sums, total, coverage = (
        op.Slice(landed, _whole(start), _whole(end), _whole(1)) for start, end in ((0, -2), (-2, -1), (-1, 1 << 60))
    )
    counts = op.And(op.Greater(coverage, _number(eps)), op.Greater(total, _number(0.0)))
    return op.Where(counts, op.Div(sums, total), _number(0.0)), coverage, total


def _within(place: Value, size: Value) -> Value:
    return op.And(op.GreaterOrEqual(place, _number(0.0)), op.Less(place, size))


def _tensor(rows: list[list[float]]) -> Any:
    import onnx

    return onnx.numpy_helper.from_array(np.array(rows, np.float32))
