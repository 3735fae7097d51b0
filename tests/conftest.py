"""What all tests share: the device they run on, a fixed seed, and how close is close."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests run side by side: each keeps to one core, and so does what it starts. Read when torch is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# With it products on a GPU repeat to the bit; without it torch refuses them where that is asked for.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cpu-for-cuda", action="store_true", help="tests marked cuda run on the CPU, to try them without a GPU"
    )


def there(device: str, config: pytest.Config) -> str:
    """The device that a test runs on; it is skipped where there is no CUDA device for it."""
    import torch

    if device == "cuda" and config.getoption("--cpu-for-cuda"):
        return "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return device


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def device(request: pytest.FixtureRequest) -> str:
    """Each device that operators run on."""
    return there(request.param, request.config)


@pytest.fixture(params=[pytest.param("cuda", marks=pytest.mark.cuda)])
def gpu(request: pytest.FixtureRequest) -> str:
    """The GPU, for tests that hold it against the CPU, or ask for what the CPU does not have."""
    return there(request.param, request.config)


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

    # Not by `fp32_precision`: torch.export reads this one, and fails where the two have been mixed.
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


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
