"""The tests that every operator passes, written once. A test class inherits them and describes its operator."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fakes import FakeCheck
from torch import Tensor
from torch.autograd import forward_ad
from torch.testing import assert_close

EMULATED = "EMULATED" in os.environ  # by tests/cuda_emulation: a thousand times slower
HALVES_AND_SINGLE = (torch.float32, torch.float16, torch.bfloat16)
Arguments = dict[str, Any]


def as_tuple(result: Tensor | tuple[Tensor, ...] | list[Tensor]) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else tuple(result)


def in_channels_last(tensor: Tensor) -> Tensor:
    """The tensor in channels_last, if it has that many dimensions: a bias stays as it is."""
    return tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def memory_format(tensor: Tensor) -> torch.memory_format:
    """channels_last for a tensor that is that and nothing else."""
    last = not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def smooth_flow(batch: int, height: int, width: int, *, size: float = 3.0, **options: Any) -> Tensor:
    """A random flow whose fractions keep clear of 0 and 1, where the operators have kinks."""
    whole = torch.randint(-int(size), int(size) + 1, (batch, 2, height, width)).double()
    return (whole + torch.rand(batch, 2, height, width).double() * 0.8 + 0.1).to(**options)


def non_contiguous(tensor: Tensor) -> Tensor:
    """The same values with other strides: every second element of a transposed tensor."""
    wide = torch.empty(*tensor.shape[:-2], tensor.shape[-1], 2 * tensor.shape[-2], dtype=tensor.dtype)
    view = wide.to(tensor.device)[..., ::2].transpose(-1, -2)
    view.copy_(tensor)
    return view


def shifted(tensor: Tensor) -> Tensor:
    """The same values and strides, in memory that begins where no vector of a processor may."""
    memory = torch.empty(tensor.numel() + 1, dtype=tensor.dtype, device=tensor.device)
    view = memory.as_strided(tensor.shape, tensor.stride(), 1)
    view.copy_(tensor)
    return view


def free_bytes(device: str) -> int:
    """Memory that a test can have without swapping; 0 where the system does not tell."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 0)


def replayed(call: Callable[[], tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """What a call gives once a CUDA graph has captured it and is replayed, and what it gives by itself."""
    if not torch.cuda.is_available():
        pytest.skip("the CPU captures no graphs")
    side = torch.cuda.Stream()  # the first call sets libraries up, which cannot be captured
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        expected = call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = call()
    for tensor in captured:
        tensor.zero_()
    graph.replay()
    return captured, expected


def places_of_tensors(arguments: list[Any]) -> list[tuple[Tensor, Callable[[Tensor], list[Any]]]]:
    """Each tensor argument, and how to put another in its place."""
    return [
        (value.detach(), lambda other, i=i: [*arguments[:i], other, *arguments[i + 1 :]])
        for i, value in enumerate(arguments)
        if isinstance(value, Tensor)
    ]


def forward_derivatives(call: Callable[[Tensor], Any], at: Tensor) -> list[Callable[[], Any]]:
    """The ways to a derivative in forward mode."""

    def dual() -> None:
        with forward_ad.dual_level():
            call(forward_ad.make_dual(at, torch.ones_like(at)))

    return [
        dual,
        lambda: torch.func.jvp(call, (at,), (torch.ones_like(at),)),
        lambda: torch.func.jacfwd(call)(at),
        lambda: torch.func.jvp(torch.func.vmap(call), (at[None],), (torch.ones_like(at)[None],)),
    ]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda tensor: tensor,
    "channels-last": in_channels_last,
    "strided": lambda tensor: non_contiguous(tensor) if tensor.dim() == 4 else tensor,
    "expanded": lambda tensor: tensor[:1].expand_as(tensor),
}


class OperatorContract:
    """Describes an operator: how to call it, its oracle, its raw form and its modes."""

    modes: ClassVar[list[Arguments]]
    dtypes: ClassVar[tuple[torch.dtype, ...]] = (*HALVES_AND_SINGLE, torch.float64)
    differentiable: ClassVar[bool] = True
    maps: ClassVar[bool] = True  # torch.vmap takes it, which it does of no operator with a list of tensors
    # Whether gradcheck goes along one direction alone; each number is compared with the reference's elsewhere, too.
    one_direction: ClassVar[bool] = False
    keeps_format: ClassVar[bool] = False  # results, and gradients of features, have the memory format of the features
    operator: ClassVar[Callable[..., Any]]
    reference: ClassVar[Callable[..., Any]]
    raw: ClassVar[Any]  # torch.ops.photoflow.<operator>.default

    def tensors(self, dtype: torch.dtype, device: str, mode: Arguments, size: tuple[int, int]) -> list[Tensor]:
        """The tensor arguments of a call, features first."""
        raise NotImplementedError

    def raw_arguments(self, tensors: list[Tensor], mode: Arguments) -> tuple[Any, ...]:
        """The arguments of the raw operator for those of the wrapper."""
        raise NotImplementedError

    def run(self, tensors: list[Tensor], mode: Arguments) -> tuple[Tensor, ...]:
        return as_tuple(type(self).operator(*tensors, **mode))

    @pytest.mark.parametrize("layout", ["contiguous", "strided", "channels-last"])
    def test_agrees_with_the_reference(self, device: str, mode: Arguments, layout: str, tolerance: Any) -> None:
        for dtype in self.dtypes:
            tensors = self.tensors(dtype, device, mode, (13, 141))
            expected = as_tuple(type(self).reference(*tensors, **mode))
            if layout == "strided":
                tensors = [non_contiguous(tensor) for tensor in tensors]
            elif layout == "channels-last":
                tensors = [in_channels_last(tensor) for tensor in tensors]
            for got, want in zip(self.run(tensors, mode), expected, strict=True):
                assert got.dtype == want.dtype
                wanted = memory_format(tensors[0]) if self.keeps_format else torch.contiguous_format
                assert got.is_contiguous(memory_format=wanted)
                assert_close(got, want, **tolerance[dtype], msg=lambda text, dtype=dtype: f"{dtype}: {text}")

    @pytest.mark.parametrize("layout", ["contiguous", "channels-last"])
    def test_gradients_agree_with_the_reference(
        self, device: str, mode: Arguments, layout: str, tolerance: Any
    ) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        for dtype in self.dtypes:
            tensors = self.tensors(dtype, device, mode, (11, 19))
            theirs = [t.clone().requires_grad_() for t in tensors]
            if layout == "channels-last":
                tensors = [in_channels_last(tensor) for tensor in tensors]
            ours = [t.requires_grad_() for t in tensors]
            outputs = self.run(ours, mode)
            weights = [torch.randn_like(output) for output in outputs]
            loss = sum((output * weight).double().sum() for output, weight in zip(outputs, weights))
            oracle = as_tuple(type(self).reference(*theirs, **mode))
            oracle_loss = sum((output * weight).double().sum() for output, weight in zip(oracle, weights))
            got = torch.autograd.grad(loss, ours, allow_unused=True)
            want = torch.autograd.grad(oracle_loss, theirs, allow_unused=True)
            if self.keeps_format:
                assert got[0].is_contiguous(memory_format=memory_format(ours[0]))
            # A gradient of a flow adds up differences of features, with the rounding of all of them.
            bounds = {name: 10 * value for name, value in tolerance[dtype].items()}
            for mine, other in zip(got, want, strict=True):
                other = torch.zeros_like(mine) if other is None else other
                assert mine.dtype == other.dtype
                assert_close(mine, other, **bounds, msg=lambda text, dtype=dtype: f"{dtype}: {text}")

    def test_gradcheck(self, device: str, mode: Arguments) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        tensors = [t.requires_grad_() for t in self.tensors(torch.float64, device, mode, (4, 5))]
        nondeterminism = 0.0 if device == "cpu" else 1e-10
        options = {"nondet_tol": nondeterminism, "fast_mode": self.one_direction}
        assert torch.autograd.gradcheck(lambda *inputs: self.run(list(inputs), mode), tensors, **options)

    def test_only_the_gradients_asked_for(self, device: str, mode: Arguments) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        count = len(self.tensors(torch.float32, device, mode, (6, 7)))
        for asked in range(count):
            tensors = self.tensors(torch.float32, device, mode, (6, 7))
            tensors[asked].requires_grad_()
            sum(output.sum() for output in self.run(tensors, mode)).backward()
            assert [tensor.grad is not None for tensor in tensors] == [i == asked for i in range(count)]

    def test_double_backward_is_refused(self, device: str, mode: Arguments) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        tensors = [t.requires_grad_() for t in self.tensors(torch.float64, device, mode, (4, 5))]
        loss = sum((output**2).sum() for output in self.run(tensors, mode))
        grads = torch.autograd.grad(loss, tensors, create_graph=True, allow_unused=True)
        with pytest.raises(NotImplementedError, match=rf"{self.raw.name().split('::')[1]}: .*double backward"):
            sum((grad**2).sum() for grad in grads if grad is not None).backward()

    def test_forward_mode_is_refused(self, device: str, mode: Arguments) -> None:
        """A tangent of any argument, by each way to one, for the wrapper and for the operator itself."""
        if not self.differentiable:
            pytest.skip("a step function")
        tensors = self.tensors(torch.float32, device, mode, (4, 5))
        raw = list(self.raw_arguments(tensors, mode))
        for call, arguments in ((lambda *inputs: self.run(list(inputs), mode), tensors), (self.raw, raw)):
            for number, of in places_of_tensors(arguments):
                derivatives = forward_derivatives(lambda x, call=call, of=of: call(*of(x)), number)
                for derivative in derivatives if self.maps else derivatives[:-1]:
                    with pytest.raises(NotImplementedError, match=r"^photoflow::\w+: forward-mode derivatives .* use "):
                        derivative()

    def test_the_gradients_operator_refuses_forward_mode(self, device: str, mode: Arguments) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        tensors = [t.requires_grad_() for t in self.tensors(torch.float32, device, mode, (4, 5))]
        outputs = self.run(tensors, mode)
        with forward_ad.dual_level():
            weights = [forward_ad.make_dual(torch.ones_like(output), torch.ones_like(output)) for output in outputs]
            with pytest.raises(NotImplementedError, match=r"^photoflow::\w+_backward: forward-mode derivatives"):
                torch.autograd.grad(outputs, tensors, weights)

    def test_torch_func_is_refused_by_name(self, device: str, mode: Arguments) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        first, *others = self.tensors(torch.float32, device, mode, (4, 5))

        def call(value: Tensor) -> Tensor:
            return self.run([value, *others], mode)[0]

        for derivative in (
            lambda: torch.func.jacrev(call)(first),
            lambda: torch.func.vjp(call, first),
            lambda: torch.func.grad(lambda value: call(value).sum())(first),
            lambda: torch.func.hessian(lambda value: call(value).sum())(first),
        ):
            with pytest.raises(NotImplementedError, match=r"^photoflow::\w+: derivatives by torch.func .* use "):
                derivative()

    def test_a_tangent_elsewhere_and_vmap_are_left_alone(self, device: str, mode: Arguments) -> None:
        tensors = self.tensors(torch.float32, device, mode, (4, 5))
        expected = self.run(tensors, mode)
        other = torch.ones(3, device=device)
        results, tangent = torch.func.jvp(lambda x: (*self.run(tensors, mode), x * 2), (other,), (other,))[:2]
        assert_close(results[:-1], expected)
        assert torch.equal(tangent[-1], 2 * other)
        if not self.maps:
            return
        mapped = torch.func.vmap(lambda *inputs: self.run(list(inputs), mode))(*(tensor[None] for tensor in tensors))
        assert_close(tuple(got[0] for got in mapped), expected)

    def test_opcheck(self, device: str, mode: Arguments) -> None:
        for dtype in (torch.float32, torch.float64) if self.differentiable else self.dtypes:
            tensors = self.tensors(dtype, device, mode, (5, 6))
            if self.differentiable:
                tensors = [tensor.requires_grad_() for tensor in tensors]
            torch.library.opcheck(self.raw, self.raw_arguments(tensors, mode))
            if self.keeps_format:
                last = [in_channels_last(t.detach()) for t in tensors]
                last = [t.requires_grad_(self.differentiable) for t in last]
                torch.library.opcheck(self.raw, self.raw_arguments(last, mode))

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_fakes_are_laid_out_as_results(self, device: str, mode: Arguments, layout: str) -> None:
        """Strides of results and of gradients, on which a compiler relies."""
        everything = range(len(self.tensors(torch.float32, device, mode, (5, 6))))
        for dtype in self.dtypes:
            self.check_fakes(self.tensors(dtype, device, mode, (5, 6)), mode, layout, everything, everything)
        for size in ((1, 7), (6, 1), (0, 3)):
            self.check_fakes(self.tensors(torch.float32, device, mode, size), mode, layout, everything, everything)
        tensors = self.tensors(torch.float32, device, mode, (5, 6))
        for alone in ([i] for i in everything):
            self.check_fakes(tensors, mode, layout, alone, everything)
            self.check_fakes(tensors, mode, layout, everything, alone)

    def check_fakes(
        self, tensors: list[Tensor], mode: Arguments, layout: str, changed: Sequence[int], asked: Sequence[int]
    ) -> None:
        """Compare a call with its fake, some arguments in a layout and some gradients asked for."""
        laid = [LAYOUTS[layout](tensor) if i in changed else tensor for i, tensor in enumerate(tensors)]
        inputs = [tensor.detach().requires_grad_(self.differentiable and i in asked) for i, tensor in enumerate(laid)]
        with FakeCheck() as check:
            outputs = self.run(inputs, mode)
            if self.differentiable:
                leaves = [inputs[i] for i in asked]
                torch.autograd.grad([output.sum() for output in outputs], leaves, allow_unused=True)
        assert self.raw.name() in check.called
        assert not self.differentiable or f"{self.raw.name()}_backward" in check.called

    def test_compiles_without_a_break(self, device: str, mode: Arguments) -> None:
        torch._dynamo.reset()
        operator = type(self).operator
        compiled = torch.compile(
            lambda *inputs: operator(*inputs, **mode), fullgraph=True, dynamic=True, backend="aot_eager"
        )
        for size in ((7, 9), (12, 5)):
            tensors = self.tensors(torch.float32, device, mode, size)
            if self.differentiable:
                tensors = [tensor.requires_grad_() for tensor in tensors]
            results, expected = as_tuple(compiled(*tensors)), self.run(tensors, mode)
            for got, want in zip(results, expected, strict=True):
                assert_close(got, want)
            if self.differentiable:
                got_grads = torch.autograd.grad(sum(r.sum() for r in results), tensors)
                want_grads = torch.autograd.grad(sum(r.sum() for r in expected), tensors)
                assert_close(got_grads, want_grads)

    def test_autocast_leaves_it_alone(self, device: str, mode: Arguments) -> None:
        tensors = self.tensors(torch.float32, device, mode, (6, 7))
        expected = self.run(tensors, mode)
        with torch.autocast(device, dtype=torch.bfloat16):
            results = self.run(tensors, mode)
        for got, want in zip(results, expected, strict=True):
            assert got.dtype == want.dtype
            assert_close(got, want)

    @pytest.mark.parametrize("size", [(0, 5), (4, 0), (0, 0)])
    def test_empty(self, device: str, mode: Arguments, size: tuple[int, int]) -> None:
        tensors = self.tensors(torch.float32, device, mode, size)
        for output in self.run(tensors, mode):
            assert output.numel() == 0 and output.shape[-2:] == size
        no_batch = [tensor[:0] for tensor in self.tensors(torch.float32, device, mode, (3, 4))]
        if self.differentiable:
            no_batch = [tensor.requires_grad_() for tensor in no_batch]
        outputs = self.run(no_batch, mode)
        assert all(output.shape[0] == 0 for output in outputs)
        if self.differentiable:
            sum(output.sum() for output in outputs).backward()

    def test_the_number_of_threads_does_not_matter(self, mode: Arguments) -> None:
        tensors = self.tensors(torch.float32, "cpu", mode, (97, 301))
        if self.differentiable:
            tensors = [tensor.requires_grad_() for tensor in tensors]
        threads, results = torch.get_num_threads(), []
        try:
            for count in (1, 2, 5):
                torch.set_num_threads(count)
                outputs = self.run(tensors, mode)
                grads = ()
                if self.differentiable:
                    grads = torch.autograd.grad(sum((o**2).sum() for o in outputs), tensors)
                results.append((*outputs, *grads))
        finally:
            torch.set_num_threads(threads)
        for other in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))

    @pytest.mark.usefixtures("deterministic")
    def test_deterministic_algorithms_repeat_to_the_bit(self, device: str, mode: Arguments) -> None:
        if not self.differentiable:
            pytest.skip("a step function")
        size = (120, 160) if device == "cuda" else (30, 40)
        tensors = [t.requires_grad_() for t in self.tensors(torch.float32, device, mode, size)]
        results = []
        for _ in range(5):
            outputs = self.run(tensors, mode)
            results.append((*outputs, *torch.autograd.grad(sum((o**2).sum() for o in outputs), tensors)))
        for other in results[1:]:
            assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))

    def test_can_be_captured_in_a_cuda_graph(self, gpu: str, mode: Arguments) -> None:
        tensors = self.tensors(torch.float32, gpu, mode, (20, 30))
        assert_close(*replayed(lambda: self.run(tensors, mode)))
