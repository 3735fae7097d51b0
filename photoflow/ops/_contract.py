"""The Python side that all operators share: checks of their arguments, and the derivatives they have and refuse."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, cast

import numpy as np
import torch
import torch.utils.dlpack
from torch import Tensor
from torch.autograd import forward_ad

from photoflow.ops._library import require_operators

_FEATURES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def fail(operator: str, argument: str, expected: str, got: object, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise an error of one line that names operator, argument, what was expected and what was got."""
    raise kind(f"{operator}: {argument}: expected {expected}, got {' '.join(str(got).split())[:200]}")


class _WritableAlias:
    """A read-only NumPy array under the name of a writable one: the operators write to none of their arguments."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array  # kept alive with the alias
        address = array.__array_interface__["data"][0]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


def as_tensor(operator: str, argument: str, value: Any) -> Tensor:
    """Convert an array with `__dlpack__` (NumPy, CuPy, JAX) to a tensor that shares its memory; keep a tensor.

    Anything else is returned as it is, for the operator's own check to name.
    """
    if isinstance(value, Tensor) or not hasattr(value, "__dlpack__"):
        return cast(Tensor, value)
    try:
        if not isinstance(value, np.ndarray):
            return torch.utils.dlpack.from_dlpack(value)
        # from_numpy rather than DLPack, which older versions of NumPy refuse for a read-only array.
        return torch.from_numpy(value if value.flags.writeable else np.asarray(_WritableAlias(value)))
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        fail(operator, argument, "an array that a tensor can share", f"{type(value).__name__}: {error}", TypeError)


def check_dense(operator: str, argument: str, value: object, names: str) -> None:
    """Check that an argument is a tensor whose elements lie in memory with strides: not sparse, not nested."""
    if not isinstance(value, Tensor):
        fail(operator, argument, f"a tensor {names}", type(value).__name__, TypeError)
    if value.layout != torch.strided or value.is_nested:
        fail(operator, argument, f"a dense tensor {names}", f"one of layout {value.layout}", TypeError)


def check_features(operator: str, argument: str, tensor: Tensor) -> None:
    """Check a (B, C, H, W) tensor of features on a device that has the operators."""
    check_dense(operator, argument, tensor, "(B, C, H, W)")
    if tensor.dim() != 4:
        fail(operator, argument, "shape (B, C, H, W)", tuple(tensor.shape))
    if tensor.dtype not in _FEATURES:
        fail(operator, argument, "float16, bfloat16, float32 or float64", tensor.dtype, TypeError)
    if tensor.device.type not in ("cpu", "cuda", "meta"):
        fail(operator, argument, "a tensor on cpu or cuda", tensor.device)
    require_operators(operator, tensor.device)


def check_beside(
    operator: str, argument: str, tensor: Tensor, features: Tensor, shape: tuple[int | None, ...], names: str
) -> Tensor:
    """Check a tensor that stands beside the features, such as a flow, and return it in the type they accumulate in.

    That is float32, or float64 beside float64 features; nothing else is converted, since a flow in half precision
    has already lost its sub-pixel part.
    """
    check_dense(operator, argument, tensor, names)
    fits = tensor.dim() == 4 and all(want is None or size == want for size, want in zip(tensor.shape, shape))
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        fail(operator, argument, f"shape {names} = ({wanted})", tuple(tensor.shape))
    if tensor.device != features.device:
        fail(operator, argument, f"a tensor on {features.device}", tensor.device)
    wide = features.dtype == torch.float64
    if tensor.dtype != torch.float32 and not (wide and tensor.dtype == torch.float64):
        expected = "float32 or float64" if wide else "float32"
        fail(operator, argument, expected, tensor.dtype, TypeError)
    return tensor.double() if wide else tensor


def check_choice(operator: str, argument: str, value: str, choices: Mapping[str, int]) -> int:
    """Return the code of a named choice."""
    if not isinstance(value, str) or value not in choices:
        fail(operator, argument, " or ".join(repr(name) for name in choices), repr(value))
    return choices[value]


def check_number(operator: str, argument: str, value: object) -> None:
    """Check a finite number of at least 0, of Python or NumPy."""
    number = isinstance(value, (int, float, np.integer, np.floating))
    # Larger integers of Python have no float.
    if not number or not 0 <= cast(float, value) <= sys.float_info.max:
        fail(operator, argument, "a finite number of at least 0", value)


def empty_in_format_of(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Allocate a tensor in an image's memory format: contiguous unless the image is channels_last and nothing else."""
    last = not image.is_contiguous() and image.is_contiguous(memory_format=torch.channels_last)
    chosen = torch.channels_last if last else torch.contiguous_format
    return torch.empty(shape, dtype=image.dtype, device=image.device, memory_format=chosen)


class _ReverseOnly(torch.library.Library):
    """Registers gradients, each behind a check for the derivatives that torch would get wrong or refuse in riddles."""

    def impl(self, op_name: Any, fn: Callable[..., Any], dispatch_key: str = "", **options: Any) -> None:
        """Register a kernel of autograd, which gets the keys of the dispatcher and then the operator's arguments."""
        name = (op_name if isinstance(op_name, str) else op_name.name()).removeprefix("photoflow::")

        def kernel(keys: Any, *arguments: Any) -> Any:
            # Both are read here, since this is every call's way: less than a microsecond in all.
            if forward_ad._current_level >= 0:
                _refuse_tangents(name, arguments)
            if torch._C._are_functorch_transforms_active():
                _refuse_torch_func(name, arguments)
            return fn(keys, *arguments)

        super().impl(op_name, kernel, dispatch_key, **options)


_GRADIENTS = _ReverseOnly("photoflow", "FRAGMENT")
_INSTEAD = "use torch.autograd.grad, or jacobian or vjp of torch.autograd.functional"


def _tensors(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among an operator's arguments and in lists among them."""
    for argument in arguments:
        for value in argument if isinstance(argument, (list, tuple)) else (argument,):
            if isinstance(value, Tensor):
                yield value


def _refuse_tangents(operator: str, arguments: Iterable[Any]) -> None:
    """Make forward mode an error: torch takes an operator's derivative for zero there, in silence."""
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in _tensors(arguments)):
        raise NotImplementedError(
            f"photoflow::{operator}: forward-mode derivatives (jvp, jacfwd) are not implemented; {_INSTEAD}"
        )


def _refuse_torch_func(operator: str, arguments: Iterable[Any]) -> None:
    """Name the operator where torch.func asks for its gradient, which torch has for no operator registered like these.

    Its own error is about a class that nobody wrote.
    """
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in _tensors(arguments)):
        raise NotImplementedError(
            f"photoflow::{operator}: derivatives by torch.func (grad, vjp, jacrev, hessian) are not implemented; "
            f"{_INSTEAD}"
        )


def register_gradient(
    operator: str, backward: Callable[..., Any], setup_context: Callable[..., Any] | None = None
) -> None:
    """Register an operator's gradient as `torch.library.register_autograd` does, for reverse mode alone."""
    torch.library.register_autograd(f"photoflow::{operator}", backward, setup_context=setup_context, lib=_GRADIENTS)


def refuse_double_backward(operator: str) -> None:
    """Make the derivative of an operator's gradient an error instead of a silent zero."""

    def backward(ctx: Any, *grads: Tensor) -> NoReturn:
        raise NotImplementedError(f"{operator}: the gradient of its gradient (double backward) is not implemented")

    register_gradient(f"{operator}_backward", backward)
