"""IFNet: the published layout and numbers, at any time, size and precision."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import pytest
import torch
from filling import check_parity, fill, largest, layout, pair, published_layout, waves
from torch.nn import functional

from photoflow.models.ifnet import VERSIONS, IFNet


@pytest.fixture(scope="module")
def network() -> IFNet:
    return fill(IFNet())


@pytest.fixture(scope="module")
def older() -> IFNet:
    return fill(IFNet("4.6"))


def by_the_book(network: IFNet, img0: torch.Tensor, img1: torch.Tensor, t: float, scale: float) -> torch.Tensor:
    """Everything at full size, reduced before each block and enlarged after it, in plain torch; sides are multiples."""

    def moved(image: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2:]
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        grid = torch.stack([(x + flow[:, 0]) * 2 / (width - 1) - 1, (y + flow[:, 1]) * 2 / (height - 1) - 1], dim=-1)
        return functional.grid_sample(image, grid, padding_mode="border", align_corners=True)

    def resized(x: torch.Tensor, factor: float) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=factor, mode="bilinear")

    config, count = network.config, len(network.config.widths)
    features = [network.encode(image) if config.encoded else image[:, :0] for image in (img0, img1)]
    plane = torch.full_like(img0[:, :1], t)
    flow = mask = carried = None
    for index in range(count):
        reduction = 2 ** (count - 1 - index) / scale
        if flow is None:
            x = resized(torch.cat([img0, img1, *features, plane], 1), 1 / reduction)
        else:
            sides = [moved(x, f) for x, f in ((img0, flow[:, :2]), (img1, flow[:, 2:]))]
            sides += [moved(x, f) for x, f in zip(features, (flow[:, :2], flow[:, 2:])) if config.encoded]
            x = resized(torch.cat([*sides, plane, mask, carried], 1), 1 / reduction)
            x = torch.cat([x, resized(flow, 1 / reduction) / reduction], 1)
        out = resized(getattr(network, f"block{index}")(x), reduction)
        flow = out[:, :4] * reduction + (0 if flow is None else flow)
        mask = out[:, 4:5] + (mask if config.mask_adds_up and mask is not None else 0)
        carried = out[:, 5 : 5 + config.carried]
    share = mask.sigmoid()
    return moved(img0, flow[:, :2]) * share + moved(img1, flow[:, 2:]) * (1 - share)


def test_layout_is_the_published_one() -> None:
    assert layout(IFNet("v4.26")) == published_layout("rife_v4_26")


def test_layout_of_the_older_version() -> None:
    found = layout(IFNet("4.6"))
    one = {"conv0.0.0.weight", "conv0.0.0.bias", "conv0.1.0.weight", "conv0.1.0.bias", "lastconv.0.weight"}
    one |= {"lastconv.0.bias"} | {
        f"convblock.{i}.{part}" for i in range(8) for part in ("beta", "conv.weight", "conv.bias")
    }
    assert found.keys() == {f"block{index}.{name}" for index in range(4) for name in one}
    for index, (width, inputs) in enumerate(((192, 7), (128, 12), (96, 12), (64, 12))):
        assert found[f"block{index}.conv0.0.0.weight"] == [width // 2, inputs, 3, 3]
        assert found[f"block{index}.convblock.7.beta"] == [1, width, 1, 1]
        assert found[f"block{index}.lastconv.0.weight"] == [width, 24, 4, 4]


def test_numbers_are_the_published_ones(device: str) -> None:
    network, pictures = fill(IFNet()).to(device), [picture.to(device) for picture in pair(128, 192)]
    with torch.no_grad():
        outputs = {f"out_t0{t * 100:.0f}": network(*pictures, t) for t in (0.5, 0.25)}
    check_parity("rife_v4_26", outputs)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1, 2, 4])
@pytest.mark.parametrize("version", ["network", "older"])
def test_shortcuts_change_nothing(version: str, scale: float, request: pytest.FixtureRequest) -> None:
    network = request.getfixturevalue(version)
    size = (256, 256) if scale < 0.5 else (128, 128)
    pictures = pair(*size)
    with torch.no_grad():
        wanted = by_the_book(network, *pictures, 0.3, scale)
        assert largest(network(*pictures, 0.3, scale) - wanted) < 2e-4
    assert wanted.std() > 0.05


def test_details_make_the_frame(network: IFNet) -> None:
    from photoflow.ops import reference

    pictures = pair(64, 128)
    with torch.no_grad():
        made = network(*pictures, 0.7, details=True)
        assert largest(made.frame - network(*pictures, 0.7)) == 0
    moved0, moved1 = (
        reference.backward_warp(picture, flow, padding="border")
        for picture, flow in zip(pictures, (made.flow0, made.flow1))
    )
    assert float(made.mask.min()) >= 0 and float(made.mask.max()) <= 1
    assert largest(made.frame - (made.mask * moved0 + (1 - made.mask) * moved1)) < 1e-4


def test_still_flows_give_the_mean_and_a_shift_shifts() -> None:
    network = fill(IFNet())
    img0, img1 = pair(64, 64)
    with torch.no_grad():
        for index in range(5):
            network.get_submodule(f"block{index}.lastconv.0").weight.zero_()
            network.get_submodule(f"block{index}.lastconv.0").bias.zero_()
        assert largest(network(img0, img1) - (img0 + img1) / 2) < 1e-6
        # Four neighbours share a channel: x and y into the first image, x and y into the second, mask.
        bias = network.get_submodule("block4.lastconv.0").bias
        bias[0:4], bias[4:8], bias[16:20] = 3, -2, 30
        assert largest(network(img0, img1)[..., 2:, :-3] - img0[..., :-2, 3:]) < 1e-5
        bias[8:12], bias[16:20] = -1, -30
        assert largest(network(img0, img1)[..., 1:] - img1[..., :-1]) < 1e-5


@pytest.mark.parametrize("version", ["network", "older"])
def test_half_precision(version: str, request: pytest.FixtureRequest) -> None:
    network, pictures = request.getfixturevalue(version), pair(64, 64)
    with torch.no_grad():
        exact = network(*pictures, 0.5, details=True)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(*pictures, 0.5, details=True)
    assert rough.frame.dtype == torch.float32 and rough.flow0.dtype == torch.float32
    assert float((rough.frame - exact.frame).abs().mean()) < 0.05 * float(exact.frame.std())
    halved = fill(type(network)("4.6" if version == "older" else "4.26")).bfloat16()
    with torch.no_grad():
        made = halved(*(picture.bfloat16() for picture in pictures), 0.5, details=True)
    assert made.frame.dtype == torch.bfloat16 and made.flow0.dtype == torch.float32
    assert float((made.frame - exact.frame).abs().mean()) < 0.1 * float(exact.frame.std())


def test_double_precision_and_channels_last(network: IFNet) -> None:
    pictures = pair(64, 64)
    with torch.no_grad():
        wanted = network(*pictures)
        wide = fill(IFNet()).double()(*(picture.double() for picture in pictures))
        last = fill(IFNet()).to(memory_format=torch.channels_last)
        turned = last(*(picture.contiguous(memory_format=torch.channels_last) for picture in pictures))
    assert wide.dtype == torch.float64 and largest(wide - wanted) < 1e-4
    assert largest(turned - wanted) < 1e-4


def test_compiles_without_a_break(network: IFNet, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "torch.__trace")  # else each step is written out for pytest to keep
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    pictures = pair(50, 70)
    with torch.no_grad():
        made = compiled(*pictures, torch.tensor([0.3]), 0.5, True)
        assert largest(made.frame - network(*pictures, 0.3, 0.5)) < 1e-5


def test_compiles_for_any_width(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "torch.__trace")
    torch.compiler.reset()  # what earlier tests compiled would make all sizes symbols from the start
    monkeypatch.setitem(VERSIONS, "small", dataclasses.replace(VERSIONS["4.26"], widths=(8, 8)))
    network = fill(IFNet("small"))
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    for size in ((32, 32), (32, 96)):  # the second time the width is a symbol
        pictures = pair(*size)
        with torch.no_grad():
            assert largest(compiled(*pictures, torch.tensor([0.3]), 0.25) - network(*pictures, 0.3, 0.25)) < 1e-5


def test_every_block_gives_a_frame_and_the_last_one_is_the_result() -> None:
    network = fill(IFNet("small"))
    pictures = pair(50, 70)
    with torch.no_grad():
        frames = network(*pictures, 0.3, every_block=True)
        detailed = network(*pictures, 0.3, details=True, every_block=True)
        result = network(*pictures, 0.3)
    assert [tuple(frame.shape) for frame in frames] == [(1, 3, 50, 70)] * 5
    assert torch.equal(frames[-1], result)
    assert all(torch.equal(one.frame, frame) for one, frame in zip(detailed, frames))
    assert largest(frames[0] - frames[-1]) > 0


def test_small_has_little_more_than_a_third_of_the_parameters() -> None:
    count, whole = (sum(x.numel() for x in IFNet(version).parameters()) for version in ("small", "4.26"))
    assert count < 0.4 * whole


@pytest.mark.parametrize("version", ["4.26", "4.6", "small"])
def test_every_parameter_learns(version: str) -> None:
    network = fill(IFNet(version))
    network(*pair(64, 64), 0.4).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_overfits_one_batch() -> None:
    torch.manual_seed(0)
    network = IFNet("4.6")
    img0, img1 = (torch.cat(both) for both in zip(pair(32, 48), pair(32, 48, seed=3)))
    target, times = img0.roll((1, 2), (2, 3)), torch.tensor([0.4, 0.4])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(20):
        loss = (network(img0, img1, times) - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-5:]) < 0.35 * losses[0]


def test_loads_published_files(tmp_path: Path, older: IFNet) -> None:
    state = {f"module.{name}": tensor for name, tensor in older.state_dict().items()}
    state |= {"module.teacher.conv.weight": torch.zeros(3), "module.caltime.0.weight": torch.zeros(3)}
    torch.save(state, tmp_path / "flownet.pkl")
    pictures = pair(32, 32)
    with torch.no_grad():
        loaded = IFNet("4.6", weights=tmp_path / "flownet.pkl")
        assert largest(loaded(*pictures) - older(*pictures)) == 0


def test_weights_of_another_version_are_refused(tmp_path: Path, older: IFNet) -> None:
    from photoflow.weights.loading import WeightsError

    torch.save(older.state_dict(), tmp_path / "older.pth")
    with pytest.raises(WeightsError) as caught:
        IFNet("4.26", weights=tmp_path / "older.pth")
    assert "\n" not in str(caught.value)


def test_errors_name_what_is_wrong(network: IFNet) -> None:
    img = waves(16, 16)
    for arguments, message in (
        ((img[0], img), r"img0: expected shape \(B, 3, H, W\), not empty, got \(3, 16, 16\)"),
        ((img, img[..., 1:]), r"img1: expected shape \(1, 3, 16, 16\), got \(1, 3, 16, 15\)"),
        ((img, img, 1.5), "t: expected a time from 0 to 1, got 1.5"),
        ((img, img, torch.tensor([0.1, 0.2])), r"t: expected 1 or B = 1 elements, got shape \(2,\)"),
        ((img, img, 0.5, 3), "scale: expected 0.25, 0.5, 1, 2, 4, got 3"),
    ):
        with pytest.raises(ValueError, match=message):
            network(*arguments)
    with pytest.raises(ValueError, match=r"version: expected 4.26, 4.6, small, got '5'"):
        IFNet("5")
