"""E²FGVI: the published layouts and numbers, with frames of any size, number and precision."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filling import check_parity, fill, largest, layout, published_layout, waves
from torch import Tensor

from photoflow.models.e2fgvi import E2FGVI, SIZES, in_parts
from photoflow.models.e2fgvi.e2fgvi import E2FGVIConfig
from photoflow.models.networks import load_network
from photoflow.weights.loading import WeightsError

NOT_FILLED = (".mean", ".std", "valid_ind_rolled")
SIZE = (61, 70)


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    """A size of few channels."""
    tiny = E2FGVIConfig(
        channels=16, groups=4, flow=(8, 8), levels=3, tokens=24, hidden=98, heads=2, blocks=2, window=(5, 9)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", tiny)
        yield


@pytest.fixture(scope="module")
def network() -> E2FGVI:
    return filled()


def filled(**options: object) -> E2FGVI:
    return fill(E2FGVI(hq=True, size="tiny", **options), 0.9, NOT_FILLED)


def clip(count: int, height: int = SIZE[0], width: int = SIZE[1], hole: tuple[slice, slice] | None = None) -> Tensor:
    """Frames that go down and to the right, (1, count, 3, height, width), with a hole in all, before their middle."""
    first = 2 * waves(height, width) - 1
    frames = torch.stack([first.roll((2 * t, 3 * t), (2, 3)) for t in range(count)], 1)
    rows, columns = hole or (slice(height // 3, height // 2), slice(width // 3, width // 2))
    frames[..., rows, columns] = 0
    return frames


@pytest.mark.parametrize("hq", [False, True])
def test_layout_and_numbers_are_the_published_ones(hq: bool, device: str) -> None:
    name = "e2fgvi_hq" if hq else "e2fgvi"
    network = E2FGVI(hq=hq)
    assert layout(network) == published_layout(name)
    frames = clip(5, 180, 324) if hq else clip(5, 240, 432, (slice(90, 150), slice(150, 260)))
    with torch.no_grad():
        out, flows = fill(network, 0.9, NOT_FILLED).to(device)(frames.to(device), 3)
    step = 2 if hq else 1
    forward, backward = (flow[..., ::step, ::step] for flow in flows)
    check_parity(name, {"out": out[..., ::4, ::4], "flow_forward": forward, "flow_backward": backward})


def test_parameters_are_as_many_as_in_the_paper() -> None:
    with torch.device("meta"):
        counts = [sum(one.numel() for one in E2FGVI(hq=hq).parameters()) for hq in (False, True)]
    assert counts == [41_799_743, 41_117_887]


def test_frames_of_any_size_are_continued_by_their_mirror_image(network: E2FGVI) -> None:
    frames = clip(4)
    height, width = SIZE
    mirrored = torch.cat([frames, frames.flip(3)], 3)[..., :120, :]
    mirrored = torch.cat([mirrored, mirrored.flip(4)], 4)[..., :108]
    with torch.no_grad():
        out, flows = network(frames, 3)
        wanted, wanted_flows = network(mirrored, 3)
    assert out.shape == (4, 3, height, width) and largest(out - wanted[..., :height, :width]) == 0
    for flow, whole in zip(flows, wanted_flows):
        assert flow.shape == (1, 2, 2, 16, 18) and largest(flow - whole[..., :16, :18]) == 0
    with torch.no_grad():
        assert network(clip(2, 7, 5), 1)[0].shape == (2, 3, 7, 5)  # mirrored several times


def test_clips_of_a_batch_do_not_see_each_other(network: E2FGVI) -> None:
    first, second = clip(4), clip(4).flip(1)
    with torch.no_grad():
        out, flows = network(torch.cat([first, second]), 3)
        for index, alone in enumerate((first, second)):
            wanted, wanted_flows = network(alone, 3)
            assert largest(out.unflatten(0, (2, 4))[index] - wanted) < 1e-5
            assert all(largest(both[index] - one[0]) < 1e-5 for both, one in zip(flows, wanted_flows))


def test_any_number_of_frames_and_of_local_ones(network: E2FGVI) -> None:
    frames = clip(6)
    with torch.no_grad():
        for count, local in ((1, 1), (3, 1), (2, 2), (6, 6)):
            out, flows = network(frames[:, :count], local)
            assert out.shape == (count, 3, *SIZE) and out.isfinite().all() and out.abs().max() <= 1
            assert all(flow.shape == (1, local - 1, 2, 16, 18) for flow in flows)


def test_references_have_no_order_and_no_flow(network: E2FGVI) -> None:
    frames = clip(5)
    with torch.no_grad():
        out, flows = network(frames, 3)
        turned, same = network(frames[:, [0, 1, 2, 4, 3]], 3)
        without, _ = network(frames[:, :3], 3)
    assert largest(turned[[0, 1, 2, 4, 3]] - out) < 1e-5
    assert all(largest(one - other) == 0 for one, other in zip(flows, same))
    assert largest(without - out[:3]) > 1e-3


def test_all_frames_see_each_other(network: E2FGVI) -> None:
    frames = clip(4)
    for changed in range(4):
        other = frames.clone()
        other[:, changed] = other[:, changed].flip(3)
        with torch.no_grad():
            moved = (network(frames, 2)[0] - network(other, 2)[0]).abs().flatten(1).amax(1)
        assert moved.min() > 1e-4


def test_large_frames_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    network, frames, several = filled(), clip(4, 130, 120), []
    with torch.no_grad():
        wanted, _ = network(frames, 3)
        for layer in (network.encoder, network.decoder, network.ss.embedding, network.sc.embedding):
            layer.register_forward_hook(lambda _, inputs, __: several.append(len(inputs[0]) > 1))
        monkeypatch.setattr(in_parts, "_MOST", 1)
        made, _ = network(frames, 3)
    assert len(several) == 4 * 4 and not any(several) and largest(made - wanted) < 1e-5


def test_half_precision(network: E2FGVI) -> None:
    frames = clip(4)
    with torch.no_grad():
        exact, _ = network(frames, 3)
        with torch.autocast("cpu", torch.bfloat16):
            rough, flows = network(frames, 3)
        assert rough.dtype == torch.float32 and {flow.dtype for flow in flows} == {torch.float32}
        assert float((rough - exact).abs().mean()) < 0.1 * float(exact.std())
        narrow = filled().bfloat16()
        for local in (1, 3):
            made, flows = narrow(frames.bfloat16(), local)
            assert made.dtype == torch.bfloat16 and {flow.dtype for flow in flows} == {torch.float32}
    assert float((made - exact).abs().mean()) < 0.15 * float(exact.std())


def test_double_precision_and_channels_last(network: E2FGVI) -> None:
    frames = clip(4)
    with torch.no_grad():
        wanted, _ = network(frames, 3)
        wide, flows = filled().double()(frames.double(), 3)
        last = filled().to(memory_format=torch.channels_last)
        turned, _ = last(frames[0].contiguous(memory_format=torch.channels_last)[None], 3)
    assert wide.dtype == flows[0].dtype == torch.float64 and largest(wide - wanted) < 1e-4
    assert largest(turned - wanted) < 1e-4


def test_compiles_without_a_break(network: E2FGVI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "torch.__trace")  # else each step is written out for pytest to keep
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    frames = clip(4, 40, 56)
    with torch.no_grad():
        assert largest(compiled(frames, 3)[0] - network(frames, 3)[0]) < 1e-4


def test_every_parameter_learns() -> None:
    network = filled(published_order=False)
    out, flows = network(clip(4), 3)
    (out.square().mean() + sum(flow.square().mean() for flow in flows)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_overfits_one_batch() -> None:
    torch.manual_seed(0)
    network = E2FGVI(hq=True, size="tiny", published_order=False)
    frames, wanted = clip(3, 60, 108), (2 * waves(60, 108) - 1).expand(3, -1, -1, -1)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    losses = []
    for _ in range(30):
        loss = (network(frames, 2)[0] - wanted).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[-5:]) < 0.65 * losses[0]


def test_loads_a_file_of_its_own_size_only(tmp_path: Path) -> None:
    torch.save(E2FGVI(hq=True, size="small").state_dict(), tmp_path / "small.pth")
    loaded = load_network("completion", tmp_path / "small.pth")
    assert loaded.config == SIZES["small"] and not loaded.feat_prop_module.published_order
    torch.save(E2FGVI(hq=True).state_dict(), tmp_path / "published.pth")
    loaded = load_network("completion", tmp_path / "published.pth")
    assert loaded.config == SIZES["full"] and loaded.feat_prop_module.published_order
    with pytest.raises(WeightsError, match="expected the weights of E2FGVI, got another network's") as caught:
        E2FGVI(hq=True, size="tiny", weights=tmp_path / "small.pth")
    assert "\n" not in str(caught.value)


def test_errors_name_what_is_wrong(network: E2FGVI) -> None:
    frames = clip(3)
    for arguments, message in (
        ((frames[0], 1), r"E2FGVI: frames: expected shape \(B, T, 3, H, W\), not empty, got \(3, 3, 61, 70\)"),
        ((frames[:, :0], 1), r"frames: expected shape \(B, T, 3, H, W\), not empty, got \(1, 0, 3, 61, 70\)"),
        ((frames, 0), "local_count: expected 1 to 3, the number of frames, got 0"),
        ((frames, 4), "local_count: expected 1 to 3, the number of frames, got 4"),
    ):
        with pytest.raises(ValueError, match=message):
            network(*arguments)
    with pytest.raises(TypeError, match=r"frames: expected a floating-point dtype, got torch.uint8"):
        network(frames.to(torch.uint8), 1)
    with pytest.raises(ValueError, match="size: expected full, small, tiny, got 'XL'"):
        E2FGVI(size="XL")
    fixed = E2FGVI(size="tiny")
    assert network.frame_size is None and fixed.frame_size == (240, 432)
    with pytest.raises(
        ValueError, match=r"expected shape \(B, T, 3, 240, 432\), .*; other sizes want E2FGVI\(hq=True\)"
    ):
        fixed(frames, 1)
