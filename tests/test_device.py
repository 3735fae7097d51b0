"""The precision that networks draw in."""

import pytest
import torch

from photoflow.device import fast_inference


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
