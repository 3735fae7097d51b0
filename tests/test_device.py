"""The device that a person's choice means, and the precision that networks draw in, here and in tests."""

import warnings

import pytest
import torch

from photoflow import InputError, device
from photoflow.device import fast_inference, settled_device
from photoflow.ops import _library


@pytest.fixture
def made_up_gpu(monkeypatch):
    """A made-up GPU of a given compute capability, beside operators that were built for 8.0 and 9.0."""

    def make(capability):
        facts = {"cuda": "13.0", "architectures": "8.0_9.0", "simd": "avx2", "sanitizers": None}
        monkeypatch.setattr(_library, "_CUDA_MISSING", None)
        monkeypatch.setattr(_library, "_built", lambda: facts)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capability)

    caches = _library._unfit, device._warn_once
    for cache in caches:
        cache.cache_clear()
    yield make
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("capability", [(8, 0), (8, 6), (9, 0)])
def test_a_gpu_that_was_built_for_is_taken(made_up_gpu, capability):
    made_up_gpu(capability)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [settled_device(name) for name in ("auto", "cuda", "cuda:0", "cpu")] == ["cuda", "cuda", "cuda:0", "cpu"]


@pytest.mark.parametrize("capability", [(7, 5), (10, 0)])
def test_a_gpu_that_was_not_built_for_is_left_and_told_of_once(made_up_gpu, capability):
    made_up_gpu(capability)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert [settled_device("auto") for _ in range(3)] == ["cpu"] * 3
        assert settled_device("cpu") == "cpu"
    assert len(said) == 1
    line = str(said[0].message)
    assert "runs on the CPU" in line and "this GPU has {}.{}".format(*capability) in line and "\n" not in line
    assert 'PHOTOFLOW_CUDA_ARCHS="' in line and "pip install" in line


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_gpu_that_was_not_built_for_is_refused_where_it_is_asked_for(made_up_gpu, name):
    made_up_gpu((7, 5))
    refused = rf"^device: '{name}' cannot be used.*8\.0, 9\.0, and this GPU has 7\.5"
    with pytest.raises(InputError, match=refused) as error:
        settled_device(name)
    assert 'PHOTOFLOW_CUDA_ARCHS="7.5 8.0 9.0"' in str(error.value)


def test_without_a_gpu_auto_is_the_cpu_without_a_word(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert settled_device("auto") == "cpu"


@pytest.mark.parametrize(("amx", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_used_where_the_processor_multiplies_it(monkeypatch, amx, dtype):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    with fast_inference("cpu"):
        assert torch.nn.Conv2d(3, 4, 1)(torch.rand(1, 3, 5, 5)).dtype == dtype


def test_float16_is_used_on_cuda(gpu):
    if gpu == "cpu":
        pytest.skip("not in the GPU's place")
    with fast_inference("cuda:0"):
        assert torch.nn.Conv2d(3, 4, 1).to(gpu)(torch.rand(1, 3, 5, 5, device=gpu)).dtype == torch.float16


def test_tests_multiply_float32_in_full():
    """Else a GPU rounds what convolutions multiply to TF32, and is further from the CPU than tests allow."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        products = torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn
        assert not any(product.fp32_precision == "tf32" for product in products)
        assert not torch.backends.cudnn.allow_tf32
