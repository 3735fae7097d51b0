"""AMT: the published layouts and numbers of all three sizes, at any time, size and precision."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from filling import check_parity, fill, largest, layout, pair, published_layout, waves

from photoflow.models.amt import AMT
from photoflow.models.amt.amt import _found
from photoflow.ops import Correlation


@pytest.fixture(scope="module")
def network() -> AMT:
    return fill(AMT("S"))


@pytest.mark.parametrize("size", ["S", "L", "G"])
def test_layout_and_numbers_are_the_published_ones(size: str, device: str) -> None:
    network = AMT(size, published_scaling=True)
    assert layout(network) == published_layout(f"amt_{size.lower()}")
    network, pictures = fill(network).to(device), [picture.to(device) for picture in pair(128, 192)]
    with torch.no_grad():
        made = network(*pictures, details=True)
        outputs = {"out_t050": made.frame, "flow0_t050": made.flow0, "flow1_t050": made.flow1}
        outputs["out_t025"] = network(*pictures, 0.25)
    check_parity(f"amt_{size.lower()}", outputs)


def test_even_motion_is_looked_up_where_it_leads_at_any_time() -> None:
    torch.manual_seed(0)
    correlation, motion = Correlation(*torch.randn(2, 1, 8, 6, 7), levels=1), torch.tensor([2.0, -1.0])

    def found(t: float, published_scaling: bool) -> torch.Tensor:
        flow = torch.cat([-t * motion, (1 - t) * motion]).reshape(1, 4, 1, 1).expand(1, 4, 6, 7)
        return _found(correlation, flow, torch.full((1, 1, 1, 1), t), published_scaling)

    middle = found(0.5, False)
    assert torch.equal(found(0.5, True), middle)
    for t in (0.25, 0.75):
        assert torch.equal(found(t, False), middle)
        assert largest(found(t, True) - middle) > 0.5


def test_the_scalings_are_the_same_in_the_middle_alone(network: AMT) -> None:
    pictures, published = pair(64, 64), fill(AMT("S", published_scaling=True))
    with torch.no_grad():
        assert torch.equal(network(*pictures), published(*pictures))
        assert largest(network(*pictures, 0.25) - published(*pictures, 0.25)) > 1e-4


def test_parameters_are_as_many_as_in_the_paper() -> None:
    with torch.device("meta"):
        counts = [sum(one.numel() for one in AMT(size).parameters()) for size in "SLG"]
    assert counts == [2_990_543, 12_935_367, 30_638_919]


def test_correlations_may_be_computed_where_they_are_read(network: AMT, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = pair(64, 96)
    methods = []

    def without_a_volume(*maps: torch.Tensor, levels: int) -> Correlation:
        methods.append(Correlation(*maps, levels=levels, budget=0))
        return methods[-1]

    with torch.no_grad():
        wanted = network(*pictures)
        monkeypatch.setattr("photoflow.models.amt.amt.Correlation", without_a_volume)
        assert largest(network(*pictures) - wanted) < 1e-4
    assert [one.method for one in methods] == ["direct"]


def still(network: AMT) -> AMT:
    """The network with flows, residuals and the merging correction at zero, and masks at a half."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            # What decoders put out, the last layer of flow heads and the last merging layer.
            if ".convblock.2." in name or ".flow_head.2." in name or name.startswith("comb_block.2"):
                parameter.zero_()
    return network


def test_still_flows_give_the_mean_and_a_shift_shifts() -> None:
    network = still(fill(AMT("S")))
    img0, img1 = pair(64, 64)
    with torch.no_grad():
        assert largest(network(img0, img1) - (img0 + img1) / 2) < 1e-6
        # Three flows into the first image, three into the second, three masks, three residuals of three colours.
        bias = network.decoder1.convblock[2].bias
        bias[0:6] = torch.tensor([3.0, -2.0]).repeat(3)
        bias[12:15] = 30
        assert largest(network(img0, img1)[..., 2:, :-3] - img0[..., :-2, 3:]) < 1e-5
        bias[6:12] = torch.tensor([-1.0, 0.0]).repeat(3)
        bias[12:15] = -30
        made = network(img0, img1, details=True)
        assert largest(made.carry(img0, img1) - made.frame) < 1e-5  # without residuals it is the same
        bias[15:24] = 0.125
        assert largest(network(img0, img1)[..., 1:] - (img1[..., :-1] + 0.125).clamp(0, 1)) < 1e-5


def test_a_shift_at_an_eighth_arrives_in_full() -> None:
    network = still(fill(AMT("S")))
    img0, img1 = pair(64, 96)
    shift = torch.tensor([0.5, 0.0, 0.0, -0.25])
    with torch.no_grad():
        network.decoder4.convblock[2].bias[:4] = shift
        made, coarse = network(img0, img1, every_flow=True)
    assert [tuple(flow.shape) for flow in coarse] == [(1, 4, 8, 12), (1, 4, 16, 24), (1, 4, 32, 48)]
    for flow, times in zip(coarse, (1, 2, 4)):
        assert largest(flow - times * shift.reshape(1, 4, 1, 1)) < 1e-5
    assert largest(made.flow0 - torch.tensor([4.0, 0.0]).reshape(1, 1, 2, 1, 1)) < 1e-5
    assert largest(made.flow1 - torch.tensor([0.0, -2.0]).reshape(1, 1, 2, 1, 1)) < 1e-5


def test_half_precision(network: AMT) -> None:
    pictures = pair(64, 64)
    with torch.no_grad():
        exact = network(*pictures)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(*pictures, 0.5, details=True)
        assert rough.frame.dtype == torch.float32 and rough.flow0.dtype == torch.float32
        assert float((rough.frame - exact).abs().mean()) < 0.1 * float(exact.std())
        made = fill(AMT("S")).bfloat16()(*(picture.bfloat16() for picture in pictures), 0.5, details=True)
    assert made.frame.dtype == torch.bfloat16 and made.flow0.dtype == torch.float32
    assert float((made.frame - exact).abs().mean()) < 0.1 * float(exact.std())


def test_double_precision_and_channels_last(network: AMT) -> None:
    pictures = pair(64, 64)
    with torch.no_grad():
        wanted = network(*pictures)
        wide = fill(AMT("S")).double()(*(picture.double() for picture in pictures))
        last = fill(AMT("S")).to(memory_format=torch.channels_last)
        turned = last(*(picture.contiguous(memory_format=torch.channels_last) for picture in pictures))
    assert wide.dtype == torch.float64 and largest(wide - wanted) < 1e-4
    assert largest(turned - wanted) < 1e-4


def test_compiles_without_a_break(network: AMT, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "torch.__trace")  # else each step is written out for pytest to keep
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    pictures = pair(40, 56)
    with torch.no_grad():
        made = compiled(*pictures, torch.tensor([0.3]), True)
        assert largest(made.frame - network(*pictures, 0.3)) < 1e-4


@pytest.mark.parametrize("size", ["S", "L", "G"])
def test_every_parameter_learns(size: str) -> None:
    network = fill(AMT(size))
    network(*pair(32, 48), 0.4).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        # A norm follows each of the correlation encoder's convolutions but the last, and takes their biases away.
        if not (name.startswith("feat_encoder") and name.endswith("bias")) or name == "feat_encoder.conv2.bias":
            assert parameter.grad.abs().max() > 0, name


def test_overfits_one_batch() -> None:
    torch.manual_seed(0)
    network = AMT("S")
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


def test_loads_a_file_of_its_own_size_only(tmp_path: Path, network: AMT) -> None:
    from photoflow.weights.loading import WeightsError

    torch.save(network.state_dict(), tmp_path / "amt.pth")
    pictures = pair(32, 32)
    with torch.no_grad():
        loaded = AMT("S", weights=tmp_path / "amt.pth")
        assert largest(loaded(*pictures) - network(*pictures)) == 0
    with pytest.raises(WeightsError) as caught:
        AMT("L", weights=tmp_path / "amt.pth")
    assert "\n" not in str(caught.value)


def test_errors_name_what_is_wrong(network: AMT) -> None:
    img = waves(16, 16)
    for arguments, message in (
        ((img[0], img), r"AMT: img0: expected shape \(B, 3, H, W\), not empty, got \(3, 16, 16\)"),
        ((img, img, 0.0), "t: expected a time between 0 and 1, got 0"),
        ((img, img, 1), "t: expected a time between 0 and 1, got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            network(*arguments)
    with pytest.raises(ValueError, match="size: expected S, L, G, got 'XL'"):
        AMT("XL")
