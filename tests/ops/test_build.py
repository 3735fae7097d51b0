from __future__ import annotations

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


def test_the_raw_operators_check_what_they_get() -> None:
    with pytest.raises(RuntimeError, match="backward_warp: flow: expected shape"):
        torch.ops.photoflow.backward_warp(torch.rand(1, 3, 4, 5), torch.rand(1, 3, 4, 5), 2, 0)
    with pytest.raises(RuntimeError, match="forward_splat: metric: expected"):
        torch.ops.photoflow.forward_splat(torch.rand(1, 3, 4, 5), torch.rand(1, 2, 4, 5), None, 3, 1e-7, False)


def test_meta_tensors_have_shapes_too() -> None:
    out = backward_warp(torch.rand(2, 3, 4, 5, device="meta"), torch.rand(2, 2, 6, 7, device="meta"))
    assert out.shape == (2, 3, 6, 7) and out.device.type == "meta"
