"""Draws calls of the operators of photoflow.ops, right ones and wrong ones, and checks what comes of them.

A call either gives results of the right shapes, and gradients where they are asked for, or a ValueError, TypeError or
RuntimeError of one line that names the operator. Anything else, such as another error, is raised; a crash is a crash.

`run_one` calls the wrappers; `run_raw` calls torch.ops.photoflow.*, gradients too, with arguments that went there in a
right call and one of which was changed since.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from photoflow import ops

from .arguments import EXTREMES, FEATURES, HALVES, LAYOUTS, OTHERS, Spec, laid_out, made, spoilt

NO_NUMBERS = (
    None, "many", -1, -0.5, True, 17, 2.5, float("nan"), float("inf"), -float("inf"), 1 << 40, -(1 << 70), 10**400, 1j,
    [], (1,), torch.ones(2), np.float64(1.5), np.int64(2),
)  # fmt: skip
NO_NAMES = (None, "", "Bilinear", "sum ", 3, True, [], {}, b"sum", float("nan"), "average\nlinear", torch.ones(2))


class Wrong(AssertionError):
    """Raised where a call breaks its promise."""


@dataclass
class Case:
    """A call of an operator: its tensors and its options by name, and the shapes of what it gives."""

    name: str
    call: Callable[..., Any]
    tensors: dict[str, Spec]
    options: dict[str, Any]
    shapes: Callable[..., list[tuple[int, ...]]]
    numbers: tuple[str, ...] = ()  # options that are numbers; the others are names
    refusable: bool = False  # refused for a reason of its own, such as an image without pixels


def side(rng: random.Random) -> int:
    """Draw a side of an image: small, now and then none or longer than any vector."""
    return rng.choice((0, 1, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 17, 33)) if rng.random() < 0.9 else 0


def sizes(rng: random.Random) -> tuple[int, int, int, int]:
    """Draw B, C, H and W."""
    return rng.choice((0, 1, 1, 2, 3)), rng.choice((0, 1, 2, 3, 4, 5, 8, 9, 17)), side(rng), side(rng)


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the type beside features of a type."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def check_results(case: Case, arguments: dict[str, Any], leaves: list[Tensor], rng: random.Random) -> None:
    """Check the shapes of what a call gives, and compute its gradients."""
    result = case.call(**arguments, **case.options)
    outputs = [result] if isinstance(result, Tensor) else list(result)
    got, wanted = [tuple(output.shape) for output in outputs], case.shapes(**arguments, **case.options)
    if got != wanted:
        raise Wrong(f"{case.name}: shapes {got} instead of {wanted}")
    roots = [output for output in outputs if output.requires_grad]
    if leaves and roots and rng.random() < 0.8:
        weights = [torch.full_like(root, rng.choice((1.0, -2.0, 0.0, 6e4, float("nan")))) for root in roots]
        torch.autograd.grad(roots, leaves, weights, allow_unused=True)


def check_refusal(case: Case, error: Exception) -> None:
    """Check that an error is one line that names the operator."""
    text = str(error)
    if "\n" in text or not text.startswith((f"{case.name}:", f"photoflow::{case.name}")):
        raise Wrong(f"{case.name}: an error that is no refusal: {type(error).__name__}: {text}") from error


def run(rng: random.Random, case: Case) -> str:
    """Make a call, after it was spoilt or not; return "accepted" or "refused"."""
    for spec in case.tensors.values():
        spec.layout, spec.gradient = rng.choice(LAYOUTS), rng.random() < 0.4
    if rng.random() < 0.05:
        for spec in case.tensors.values():
            spec.device = "meta"
    right = rng.random() < 0.5
    for _ in range(0 if right else rng.choice((1, 1, 2))):
        names = [*case.tensors, *case.options]
        name = rng.choice(names)
        if name in case.tensors:
            spoilt(rng, case.tensors[name])
        else:
            case.options[name] = rng.choice(NO_NUMBERS if name in case.numbers else NO_NAMES)
    arguments, leaves = {}, []
    for name, spec in case.tensors.items():
        arguments[name], leaf = made(rng, spec)
        leaves += [] if leaf is None else [leaf]
    try:
        check_results(case, arguments, leaves, rng)
    except (ValueError, TypeError, RuntimeError) as error:
        check_refusal(case, error)
        if right and not case.refusable:
            raise Wrong(f"{case.name}: a right call was refused: {error}") from error
        return "refused"
    return "accepted"


def backward_warp(rng: random.Random) -> Case:
    (batch, channels, height, width), h, w = sizes(rng), side(rng), side(rng)
    dtype = rng.choice(FEATURES)
    return Case(
        "backward_warp",
        ops.backward_warp,
        {"image": Spec((batch, channels, height, width), dtype), "flow": Spec((batch, 2, h, w), wide(dtype), 4)},
        {
            "mode": rng.choice(("bilinear", "bicubic", "nearest")),
            "padding": rng.choice(("zeros", "border", "reflection")),
        },
        lambda image, flow, **_: [(*image.shape[:2], *flow.shape[2:])],
        refusable=height * width == 0,
    )


def backward_warp_many(rng: random.Random) -> Case:
    one = backward_warp(rng)
    image, flow = one.tensors["image"], one.tensors["flow"]
    others = [Spec((image.shape[0], rng.randrange(5), *image.shape[2:]), image.dtype) for _ in range(rng.randrange(3))]
    if image.dtype != torch.float64:
        for other in others:
            other.dtype = rng.choice((torch.float32, *HALVES))

    def call(flow: Any, mode: Any, padding: Any, **images: Any) -> Any:
        return ops.backward_warp(list(images.values()), flow, mode=mode, padding=padding)

    one.call = call
    one.tensors = {"flow": flow, **{f"image{i}": spec for i, spec in enumerate([image, *others])}}
    one.shapes = lambda flow, mode, padding, **images: [(*i.shape[:2], *flow.shape[2:]) for i in images.values()]
    return one


def forward_splat(rng: random.Random) -> Case:
    batch, channels, height, width = sizes(rng)
    dtype, mode = rng.choice(FEATURES), rng.choice(("sum", "average", "linear", "softmax"))
    tensors = {
        "image": Spec((batch, channels, height, width), dtype),
        "flow": Spec((batch, 2, height, width), wide(dtype), 4),
    }
    if mode in ("linear", "softmax"):
        tensors["metric"] = Spec((batch, 1, height, width), wide(dtype), 20)
    eps_mode = rng.choice(("drop", "add", "clip"))
    return Case(
        "forward_splat",
        ops.forward_splat,
        tensors,
        {"mode": mode, "eps": rng.choice((0 if eps_mode == "drop" else 1, 1e-7, 0.5)), "eps_mode": eps_mode},
        lambda image, **_: [tuple(image.shape), (image.shape[0], 1, *image.shape[2:])],
        ("eps",),
    )


def correlation_lookup(rng: random.Random) -> Case:
    (batch, channels, height, width), h, w = sizes(rng), side(rng), side(rng)
    dtype = rng.choice(FEATURES)
    return Case(
        "correlation_lookup",
        ops.correlation_lookup,
        {
            "fmap1": Spec((batch, channels, height, width), dtype),
            "fmap2": Spec((batch, channels, h, w), dtype),
            "coords": Spec((batch, 2, height, width), wide(dtype), 8),
        },
        {
            "radius": rng.choice((0, 1, 2, 3, 4)),
            "levels": rng.choice((1, 2, 3, 4, 16)),
            "method": rng.choice(("direct", "volume", "auto")),
            "budget": rng.choice((0, 1000, 1 << 20)),
        },
        lambda fmap1, radius, levels, **_: [(fmap1.shape[0], levels * (2 * radius + 1) ** 2, *fmap1.shape[2:])],
        ("radius", "levels", "budget"),
    )


def reversed_lookup(rng: random.Random) -> Case:
    """Draw the class's way back, whose coordinates are of the second image."""
    case = correlation_lookup(rng)
    second = case.tensors["fmap2"].shape
    case.tensors["coords"].shape = (second[0], 2, *second[2:])

    def call(fmap1: Any, fmap2: Any, coords: Any, radius: Any, **options: Any) -> Tensor:
        return ops.Correlation(fmap1, fmap2, **options).reversed().lookup(coords, radius=radius)

    case.call = call
    case.shapes = lambda fmap2, radius, levels, **_: [
        (fmap2.shape[0], levels * (2 * radius + 1) ** 2, *fmap2.shape[2:])
    ]
    return case


def flow_attention(rng: random.Random) -> Case:
    (batch, channels, height, width), h, w = sizes(rng), side(rng), side(rng)
    dtype, hidden = rng.choice(FEATURES), rng.choice((1, 2, 3, 5, 8, 16, 17))
    weights = torch.float32 if dtype in HALVES and rng.random() < 0.5 else dtype
    return Case(
        "flow_attention",
        ops.flow_attention,
        {
            "feature": Spec((batch, channels, height, width), dtype),
            "flow": Spec((batch, 2, h, w), wide(dtype), 4),
            "w1": Spec((hidden, 2, 3, 3), weights),
            "b1": Spec((hidden,), weights),
            "w2": Spec((channels, hidden, 3, 3), weights),
            "b2": Spec((channels,), weights),
        },
        {},
        lambda feature, **_: [tuple(feature.shape)],
        refusable=h * w == 0,
    )


def occlusion(rng: random.Random) -> Case:
    batch, _, height, width = sizes(rng)
    shape, dtype = (batch, 2, height, width), rng.choice((torch.float32, torch.float64))
    return Case(
        "occlusion",
        ops.occlusion,
        {"flow_ab": Spec(shape, dtype, 3), "flow_ba": Spec(shape, dtype, 3)},
        {"alpha": rng.choice((0, 0.01, 1e30)), "beta": rng.choice((0, 0.5, 4.0))},
        lambda flow_ab, **_: [(flow_ab.shape[0], 1, *flow_ab.shape[2:])] * 2,
        ("alpha", "beta"),
    )


def range_map(rng: random.Random) -> Case:
    batch, _, height, width = sizes(rng)
    return Case(
        "range_map",
        ops.range_map,
        {"flow": Spec((batch, 2, height, width), rng.choice((torch.float32, torch.float64)), 4)},
        {},
        lambda flow: [(flow.shape[0], 1, *flow.shape[2:])],
    )


OPERATORS: list[Callable[[random.Random], Case]] = [
    backward_warp,
    backward_warp_many,
    forward_splat,
    correlation_lookup,
    reversed_lookup,
    flow_attention,
    occlusion,
    range_map,
]


def run_one(rng: random.Random) -> str:
    """Draw an operator and a call of it; return "accepted" or "refused", and let anything else through."""
    return run(rng, rng.choice(OPERATORS)(rng))


class Recorder(TorchDispatchMode):
    """Notes the calls of photoflow's own operators, with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "photoflow":
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


INTEGERS = (-1, 0, 1, 2, 3, 5, 16, 17, 1 << 29, (1 << 31) - 1, 1 << 32, -(1 << 40), (1 << 63) - 1, -(1 << 63))


def changed(rng: random.Random, value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((*INTEGERS, value + 1, value - 1))
    if isinstance(value, float):
        return rng.choice(EXTREMES)
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return rng.choice((value[:at], [*value, value[at]], [*value[:at], changed(rng, value[at]), *value[at + 1 :]]))
    if not isinstance(value, Tensor):
        return value
    kind = rng.choice(("dtype", "rank", "size", "size", "size", "device", "layout", "extreme"))
    if kind == "dtype":
        return value.to(rng.choice((*FEATURES, *OTHERS)))
    if kind == "rank":
        return rng.choice((value[None], value.flatten(), value[..., None], value.new_zeros(())))
    if kind == "device":
        return value.to("meta")
    if kind == "size" and value.dim():
        at = rng.randrange(value.dim())
        size = rng.choice((0, 1, value.shape[at] + 1, max(value.shape[at] - 1, 0), 2 * value.shape[at]))
        return value.new_ones((*value.shape[:at], size, *value.shape[at + 1 :]))
    if kind == "extreme" and value.is_floating_point():
        return torch.full_like(value, rng.choice((float("nan"), float("inf"), 6e4, -6e4)))
    return laid_out(rng, value, rng.choice(LAYOUTS[4:-2]))


def run_raw(rng: random.Random) -> str:
    """Draw a right call, change an argument of an operator behind it, and call that; return as `run_one` does."""
    case = rng.choice(OPERATORS)(rng)
    for spec in case.tensors.values():
        spec.layout, spec.gradient = rng.choice(LAYOUTS[:-2]), rng.random() < 0.8
    made_of = {name: made(rng, spec) for name, spec in case.tensors.items()}
    leaves = [leaf for _, leaf in made_of.values() if leaf is not None]
    with Recorder() as recorder:
        try:
            check_results(case, {name: value for name, (value, _) in made_of.items()}, leaves, rng)
        except (ValueError, TypeError, RuntimeError) as error:
            check_refusal(case, error)
            return "refused"
    if not recorder.calls:
        return "accepted"
    operator, arguments = rng.choice(recorder.calls)
    arguments = list(arguments)
    for _ in range(rng.choice((1, 1, 1, 2))):
        at = rng.randrange(len(arguments))
        arguments[at] = changed(rng, arguments[at])
    try:
        operator(*arguments)
    except (ValueError, TypeError, RuntimeError, IndexError):  # the last where shapes of the meta device are wrong
        return "refused"
    return "accepted"
