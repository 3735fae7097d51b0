"""ONNX files of networks compute what the networks do, for pictures of any size."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from photoflow.deploy import export, onnx_file
from photoflow.deploy.onnx_networks import form_of
from photoflow.errors import InputError
from photoflow.metrics import psnr
from photoflow.models import ifnet
from photoflow.models.dis import RefinedDIS
from photoflow.models.ifnet import IFNet, IFNetConfig
from photoflow.models.raft import RAFT
from photoflow.models.splat_generator import SplatGenerator


@pytest.fixture(scope="module", autouse=True)
def no_traces() -> Iterator[None]:
    """What torch notes of each node while it traces takes several times as long where pytest keeps it."""
    logger = logging.getLogger("torch.__trace")
    logger.disabled = True
    yield
    logger.disabled = False


def session(path: Path) -> Callable[..., Tensor]:
    """The file as a function of its inputs."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    made = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    names = [one.name for one in made.get_inputs()]
    return lambda *inputs: torch.from_numpy(made.run(None, dict(zip(names, (one.numpy() for one in inputs))))[0])


def moving_square(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, mask and flow of a square that moves over a background that turns; the flow of some pixels is unknown."""
    torch.manual_seed(height)
    image = torch.nn.functional.interpolate(torch.rand(1, 3, 9, 9), (height, width), mode="bicubic").clamp(0, 1)
    mask = torch.zeros(1, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : width // 2] = 1
    ramp = torch.linspace(-2, 2, width).expand(1, 1, height, width)
    flow = torch.cat([9 * mask + 1.3, 5 * mask + ramp], 1)
    flow[..., 3:5, 7] = torch.nan
    return image, mask, flow


@pytest.fixture(scope="module")
def splat() -> SplatGenerator:
    """One whose metric has two levels instead of five, as each node that is traced takes its time."""
    torch.manual_seed(0)
    made = SplatGenerator(4, 1).eval()
    made.metric.down, made.metric.up = made.metric.down[:2], made.metric.up[-1:]
    for layer in (made.metric.last, made.painter.last):
        torch.nn.init.normal_(layer.weight, std=0.05)
    return made


@pytest.fixture(scope="module")
def traced(splat: SplatGenerator) -> onnx.ModelProto:
    """The splat generator in ONNX, as tracing it takes long."""
    return onnx_file._traced(form_of(splat))


@pytest.fixture
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(onnx_file, "PAIRS", 2)
    monkeypatch.setattr(onnx_file, "SIZE", (64, 96))
    yield


@torch.no_grad()
def test_splat_generator_of_any_size_and_precision(
    splat: SplatGenerator,
    traced: onnx.ModelProto,
    few_pairs: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(onnx_file, "_traced", lambda form: copy.deepcopy(traced))
    paths = {kind: export(splat, tmp_path / f"{kind}.onnx", precision=kind) for kind in onnx_file.PRECISIONS}
    calls = {kind: session(path) for kind, path in paths.items()}
    for size in ((45, 83), (160, 132)):
        inputs = moving_square(*size)
        frame = splat(*inputs)
        assert_close(calls["float32"](*inputs), frame, atol=3e-4, rtol=0)
        assert psnr(calls["bfloat16"](*inputs), frame) > 45
        assert 25 < psnr(calls["int8"](*inputs), frame) < 70
    assert paths["bfloat16"].stat().st_size < paths["float32"].stat().st_size
    about = {one.key: one.value for one in onnx.load(paths["int8"]).metadata_props}
    assert about["photoflow.network"] == "SplatGenerator" and about["photoflow.precision"] == "int8"


@torch.no_grad()
def test_ifnet_of_any_size_and_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ifnet.VERSIONS, "tiny", IFNetConfig((8,), 0, 0, 1, mask_adds_up=True))
    torch.manual_seed(0)
    network = IFNet("tiny").eval()
    call = session(export(network, tmp_path / "between.onnx"))
    for size, time in (((61, 90), 0.25), ((100, 48), 0.5)):
        one, _, _ = moving_square(*size)
        two = one.roll((2, 3), (2, 3))
        assert_close(call(one, two, torch.tensor([time])), network(one, two, time), atol=1e-4, rtol=0)


@torch.no_grad()
def test_choice_of_refined_flow(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = RefinedDIS().eval()
    call = session(export(network, tmp_path / "choice.onnx"))
    for places in ((5, 11), (8, 3)):
        evidence, shares = torch.rand(1, *places, 12, 43), (torch.arange(12) < 9).float()[None]
        assert_close(call(evidence, shares), network.scores(evidence, shares), atol=1e-5, rtol=1e-4)


def test_bad_input_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = SplatGenerator(4, 1)
    with pytest.raises(InputError, match=r"net\.pt: expected a suffix \.onnx"):
        export(network, tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"the folder .* does not exist"):
        export(network, tmp_path / "none" / "net.onnx")
    with pytest.raises(InputError, match="precision: expected float32 or bfloat16 or int8, got 'int4'"):
        export(network, tmp_path / "net.onnx", precision="int4")
    with pytest.raises(InputError, match=r"export: expected a splat generator.*, got RAFT"):
        export(RAFT.small(), tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"pip install 'photoflow\[onnx\]'"):
        export(network, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_what_fails_leaves_no_file(splat: SplatGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(form: object) -> None:
        raise RuntimeError("as it happens")

    monkeypatch.setattr(onnx_file, "_traced", fails)
    (tmp_path / "net.onnx").write_bytes(b"before")
    with pytest.raises(RuntimeError):
        export(splat, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1
