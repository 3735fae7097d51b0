from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

import photoflow
from photoflow.ops import _library, backward_warp

SANITIZERS = ("address", "undefined")


def test_build_info_says_what_was_built() -> None:
    info = photoflow.build_info()
    assert info["operators"] == ("backward_warp", "correlation_lookup", "flow_attention", "forward_splat", "occlusion")
    assert info["simd"] in ("baseline", "avx2", "avx512")
    assert (info["cuda"] is None) == (info["architectures"] == [])
    assert all(name in info["summary"] for name in info["sanitizers"]) and set(info["sanitizers"]) <= set(SANITIZERS)
    assert info["simd"] in info["summary"] and "\n" not in info["summary"]


@pytest.mark.parametrize("operator", _library.OPERATORS)
def test_every_operator_is_registered_for_the_cpu(operator: str) -> None:
    assert torch._C._dispatch_has_kernel_for_dispatch_key(f"photoflow::{operator}", "CPU")


def test_the_cuda_library_holds_every_operator() -> None:
    library = _library.cuda_library()
    if library is None:
        assert photoflow.build_info()["cuda"] is None
        pytest.skip("built without CUDA")
    content = library.read_bytes()
    for operator in _library.OPERATORS:
        assert f"{operator}_cuda".encode() in content
    for arch in photoflow.build_info()["architectures"]:
        assert f"sm_{arch.removesuffix('+PTX').replace('.', '')}".encode() in content


def test_the_cuda_operators_are_loaded_where_torch_has_that_cuda() -> None:
    info = photoflow.build_info()
    fits = info["cuda"] is not None and torch.version.cuda is not None
    fits = fits and info["cuda"].split(".")[0] == torch.version.cuda.split(".")[0]
    assert info["cuda_loaded"] == fits
    for operator in ("backward_warp", "backward_warp_backward", "forward_splat", "forward_splat_backward", "occlusion"):
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"photoflow::{operator}", "CUDA") == fits


def test_a_cuda_tensor_without_cuda_operators_gets_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_library, "_CUDA_MISSING", "photoflow was built without CUDA")
    with pytest.raises(RuntimeError, match=r"^backward_warp: no CUDA operators .*built without CUDA.*") as error:
        _library.require_operators("backward_warp", torch.device("cuda", 0))
    assert _library.REBUILD in str(error.value) and "PHOTOFLOW_CUDA=1 pip install" in _library.REBUILD
    _library.require_operators("backward_warp", torch.device("cpu"))


@pytest.mark.parametrize(
    ("architectures", "fit", "unfit"),
    [
        (["7.5", "8.0", "9.0+PTX"], [(7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 1)], [(7, 0), (7, 2), (6, 1)]),
        (["8.6"], [(8, 6), (8, 9)], [(8, 0), (7, 5), (9, 0)]),
        (["8.0", "12.0"], [(8, 0), (12, 1)], [(9, 0), (10, 0), (7, 5)]),
        (["8.6+PTX"], [(8, 6), (9, 0)], [(8, 0)]),
        (["9.0a"], [(9, 0)], [(9, 1), (10, 0)]),
        (["10.0f+PTX"], [(10, 0), (10, 3)], [(9, 0), (12, 0)]),
        (["Turing"], [(6, 1), (7, 5)], []),  # a name is left to CUDA
    ],
)
def test_code_runs_on_its_major_version_and_ptx_on_newer_ones(architectures, fit, unfit) -> None:
    assert [capability for capability in fit if not _library.runs_on(architectures, capability)] == []
    assert [capability for capability in unfit if _library.runs_on(architectures, capability)] == []


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """The capabilities of made-up GPUs, beside operators that were built for 8.0 and from 9.0 on."""
    found: list[tuple[int, int]] = []
    facts = {"cuda": "13.0", "architectures": "8.0_9.0+PTX", "simd": "avx2", "sanitizers": None}
    monkeypatch.setattr(_library, "_CUDA_MISSING", None)
    monkeypatch.setattr(_library, "_built", lambda: facts)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: found[index])
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    _library._unfit.cache_clear()
    yield found
    _library._unfit.cache_clear()


def test_a_gpu_that_was_not_built_for_gets_a_line_with_the_command(gpus: list[tuple[int, int]]) -> None:
    gpus += [(8, 6), (7, 5), (12, 0)]
    for fitting in (0, 2):
        _library.require_operators("backward_warp", torch.device("cuda", fitting))
    for device in (torch.device("cuda", 1), torch.device("cuda")):
        with pytest.raises(RuntimeError) as error:
            _library.require_operators("backward_warp", device)
        said = str(error.value)
        assert said.startswith(f"backward_warp: no CUDA operators for a tensor on {device}: they were built for ")
        assert "compute capability 8.0, 9.0+PTX, and this GPU has 7.5" in said and "\n" not in said
        assert said.endswith(f'PHOTOFLOW_CUDA_ARCHS="7.5 8.0 9.0+PTX" {_library.REBUILD}')


def test_a_gpu_is_looked_at_once(gpus: list[tuple[int, int]]) -> None:
    gpus.append((8, 0))
    _library.require_operators("backward_warp", torch.device("cuda", 0))
    gpus.clear()
    _library.require_operators("forward_splat", torch.device("cuda", 0))


def test_a_gpu_is_looked_at_while_a_function_is_compiled(gpus: list[tuple[int, int]]) -> None:
    gpus += [(8, 0), (7, 5)]

    def compiled(device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        def function(x: torch.Tensor) -> torch.Tensor:
            _library.require_operators("backward_warp", device)
            return x + 1

        torch._dynamo.reset()
        return torch.compile(function, fullgraph=True, backend="eager")

    assert compiled(torch.device("cuda", 0))(torch.zeros(2)).sum() == 2
    with pytest.raises(RuntimeError, match=r"backward_warp: no CUDA operators .* has 7\.5"):
        compiled(torch.device("cuda", 1))(torch.zeros(2))


def test_the_raw_operators_check_what_they_get() -> None:
    with pytest.raises(RuntimeError, match="backward_warp: flow: expected shape"):
        torch.ops.photoflow.backward_warp(torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5), 2, 0)
    with pytest.raises(RuntimeError, match="forward_splat: metric: expected"):
        torch.ops.photoflow.forward_splat(torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 5), None, 3, 1e-7, False)


def test_meta_tensors_have_shapes_too() -> None:
    out = backward_warp(torch.rand(2, 3, 4, 5, device="meta"), torch.rand(2, 2, 6, 7, device="meta"))
    assert out.shape == (2, 3, 6, 7) and out.device.type == "meta"
