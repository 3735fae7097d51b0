"""What all tests share: the device they run on, a fixed seed, and how close is close."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> str:
    """Each device that operators run on; cuda is skipped where there is none."""
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return str(request.param)


@pytest.fixture(autouse=True)
def _fixed_seed(request: pytest.FixtureRequest) -> None:
    """Seed torch before each test, but do not load it for tests that do without."""
    import sys

    if "torch" in sys.modules:
        import torch  # waits where another thread is still loading it

        torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _full_float32(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a GPU multiply float32 in full precision: convolutions may round to TF32, of 10 bits, if they are let.

    As above, torch is not loaded for that.
    """
    import sys

    if "torch" not in sys.modules:
        yield
        return
    import torch

    products = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [product.fp32_precision for product in products]
    for product in products:
        product.fp32_precision = "ieee"
    yield
    for product, precision in zip(products, before):
        product.fp32_precision = precision


@pytest.fixture(scope="session")
def tolerance() -> Mapping[object, dict[str, float]]:
    """How far a result of a dtype may be from the float64 oracle: dtype -> keywords of assert_close."""
    import torch

    return {
        torch.float64: {"rtol": 1e-9, "atol": 1e-9},
        torch.float32: {"rtol": 1e-5, "atol": 1e-5},
        torch.float16: {"rtol": 2e-3, "atol": 2e-3},
        torch.bfloat16: {"rtol": 1e-2, "atol": 1e-2},
    }


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder weights are kept in, in a place of the test's own; not made yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"
