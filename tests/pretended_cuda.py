"""CUDA tensors that are not: they say that they are on a GPU, compute on the CPU, and count what a GPU would do.

Within `PretendedCuda()` whatever asks torch for a device "cuda" gets such tensors. What is counted is what costs time
on a GPU beside the computing itself: kernels that are launched, and waits for all that was launched before (a value
that Python reads, a copy that blocks). Tensors of both devices do not mix, as on a GPU. Streams, memory and
kernels are not pretended.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

# A size or a value decides what is computed next, so that Python waits for it.
_WAITS = {
    "_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "_unique2", "bincount", "repeat_interleave",
    "_linalg_check_errors", "_linalg_svd", "_linalg_eigh", "linalg_lstsq", "linalg_pinv", "is_nonzero",
}  # fmt: skip
_NO_KERNEL = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "set_", "_unsafe_view"}
_NO_KERNEL |= {"_reshape_alias", "resize_", "is_same_size", "detach", "lift_fresh", "unbind", "split", "chunk"}
_FROM_MEMORY = (torch.tensor, torch.as_tensor, torch.scalar_tensor)


class _OnGPU(Tensor):
    """A tensor whose device is "cuda:0" and whose values are those of a tensor on the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor, counts: PretendedCuda) -> _OnGPU:
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=torch.device("cuda", 0), requires_grad=inner.requires_grad,
        )  # fmt: skip
        made.inner, made.counts = inner, counts
        return made

    def __repr__(self) -> str:
        return f"pretended {self.inner!r}"

    def record_stream(self, stream: Any) -> None:
        """Do nothing: this memory is not used again while it is in use."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        counts = next(one for one in tree_leaves((args, kwargs)) if isinstance(one, _OnGPU)).counts
        # A view of a tensor from outside of inference mode would be refused in it.
        with torch.inference_mode(False), torch.no_grad():
            return counts.computed(func, args, kwargs)


class PretendedCuda(TorchFunctionMode):
    """A context in which torch has a device "cuda".

    Attributes:
        launches: kernels by their names.
        waits: what Python waited for, by names.
        calls: the arguments of each of photoflow's operators, (name, arguments), and of each convolution whether cuDNN
            was told that it has to repeat.
        pinned: tensors that were made in pinned memory.
    """

    def __init__(self) -> None:
        super().__init__()
        torch._C._ensureCUDADeviceGuardSet()  # autograd's kernels ask for a guard of the device
        self.forget()

    def __enter__(self) -> PretendedCuda:
        # A parameter that moves is made anew: it cannot take over another kind of tensor.
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        self._built = mock.patch("photoflow.ops._contract.require_operators")
        self._built.start()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        self._built.stop()
        super().__exit__(*error)

    def forget(self) -> None:
        """Count from zero."""
        self.launches: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.pinned = 0

    def put(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the pretended device, without counting that."""
        return _OnGPU(tensor, self)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return self._moved(func, *args, **kwargs)
        if func is Tensor.tolist and isinstance(args[0], _OnGPU):
            self.waits["tolist"] += 1
            return args[0].inner.tolist()
        if kwargs.pop("pin_memory", False):
            self.pinned += 1
        if not _is_cuda(kwargs.get("device")):
            return func(*args, **kwargs)
        made = func(*args, **{**kwargs, "device": "cpu"})
        if isinstance(made, _OnGPU):
            return made
        (self.waits if func in _FROM_MEMORY else self.launches)[func.__name__] += 1
        return _OnGPU(made, self)

    def _moved(self, func: Any, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Move a tensor, or convert it where it is."""
        target, dtype, blocks = _asked(func, args, kwargs)
        there = isinstance(tensor, _OnGPU)
        if target is None or _is_cuda(target) == there:
            if not there:
                return func(tensor, *args, **kwargs)
            return tensor if dtype in (None, tensor.dtype) else torch.ops.aten._to_copy(tensor, dtype=dtype)
        if blocks:
            self.waits["copy to the CPU" if there else "copy to the GPU"] += 1
        made = tensor.inner if there else tensor
        made = made.clone() if dtype in (None, made.dtype) else made.to(dtype)
        return made if there else _OnGPU(made, self)

    def computed(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Compute on the CPU what a GPU would, and count it."""
        composed = torch._C.DispatchKey.CompositeImplicitAutograd
        name = func._schema.name.split("::")[-1]
        # `where` with a number would make a tensor of that on the device.
        whole = name == "where" and len(args) > 1
        if not whole and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), composed):
            return func._op_dk(composed, *args, **kwargs)  # of other operations, each of which is counted
        away = kwargs.get("device") is not None and not _is_cuda(kwargs["device"])
        self._check(name, args, kwargs)
        if func._schema.name.startswith("photoflow::"):
            self.calls.append((name, tuple(args)))
        if name == "convolution":
            self.calls.append((name, (torch.backends.cudnn.deterministic,)))
        masks = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            one.dtype == torch.bool for one in args[1] if one is not None
        )
        crosses = name == "copy_" and isinstance(args[0], _OnGPU) != isinstance(args[1], _OnGPU)
        blocks = crosses and not (kwargs.get("non_blocking") or (len(args) > 2 and args[2])) and args[1].dim() > 0
        if name in _WAITS or masks or away or blocks:
            self.waits[name] += 1
        elif not func.is_view and name not in _NO_KERNEL:
            self.launches[name] += 1
        inner_args, inner_kwargs = tree_map_only(_OnGPU, lambda one: one.inner, (tuple(args), kwargs))
        if inner_kwargs.get("device") is not None:
            inner_kwargs["device"] = torch.device("cpu")
        made = func(*inner_args, **inner_kwargs)
        outputs = [one for one in func._schema.arguments if one.alias_info and one.alias_info.is_write]
        written = [
            args[func._schema.arguments.index(one)] if not one.kwarg_only else kwargs[one.name] for one in outputs
        ]
        if written:
            return written[0] if len(written) == 1 else tuple(written)
        return made if away else tree_map_only(Tensor, lambda one: _OnGPU(one, self), made)

    def _check(self, name: str, args: Any, kwargs: dict[str, Any]) -> None:
        """Refuse tensors with dimensions on the CPU, which a GPU's kernel cannot read."""
        if name in ("copy_", "_to_copy"):
            return
        for one in tree_leaves((args, kwargs)):
            if isinstance(one, Tensor) and not isinstance(one, _OnGPU) and one.dim() > 0:
                raise RuntimeError(f"{name}: Expected all tensors to be on the same device, got cuda:0 and cpu")


def _asked(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, torch.dtype | None, bool]:
    """Return the device, the type and whether it blocks that `Tensor.to`, `cpu` or `cuda` is called with."""
    if func is Tensor.cpu:
        return "cpu", None, True
    if func is Tensor.cuda:
        return "cuda", None, not kwargs.get("non_blocking")
    given = list(args)
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    if given and isinstance(given[0], Tensor):
        like = given.pop(0)
        device, dtype = like.device, like.dtype
    elif given and isinstance(given[0], (str, torch.device)):
        device = given.pop(0)
    if given and (given[0] is None or isinstance(given[0], torch.dtype)):
        dtype = given.pop(0)
    return device, dtype, not (kwargs.get("non_blocking") or (bool(given) and given[0]))


def _is_cuda(value: Any) -> bool:
    return _is(value, "cuda")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, (str, torch.device)) and str(value).partition(":")[0] == kind
