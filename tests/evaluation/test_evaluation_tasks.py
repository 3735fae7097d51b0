"""Each task on data whose truth is known: who is right scores best, and by how much is known too."""

from __future__ import annotations

import math
import shutil
import weakref

import numpy as np
import pytest
import torch
from moving import SHIFT

from photoflow.data.flying_chairs import SPLIT_FILE
from photoflow.errors import InputError
from photoflow.evaluation import Scores
from photoflow.evaluation.animation import evaluate_animation
from photoflow.evaluation.baselines import inverse, middle_by_flow
from photoflow.evaluation.comparison import compare, network_or_none, spread
from photoflow.evaluation.flow import evaluate_flow, visible
from photoflow.evaluation.folders import open_pairs_or_frames
from photoflow.evaluation.interpolation import evaluate_interpolation
from photoflow.evaluation.render import drawn, evaluate_render
from photoflow.io import write_image
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.splat_generator import SIZES, SplatGenerator
from photoflow.motion import Sway
from photoflow.weights.registry import WeightsError

CALLS: list[tuple[int, int]] = []


@pytest.fixture
def progress():
    CALLS.clear()
    return lambda done, total: CALLS.append((done, total))


@pytest.mark.parametrize("evaluate", [evaluate_interpolation, evaluate_render])
def test_frames_too_small_to_compare_are_named(evaluate, tmp_path, progress):
    for number in range(3):
        write_image(tmp_path / f"{number}.png", np.zeros((12, 10, 3), np.uint8))
    with pytest.raises(InputError, match=r"0.png: expected at least 11 pixels a side, got 10x12"):
        evaluate(tmp_path, None, device="cpu", progress=progress)


def test_render_baselines_move_the_picture_to_the_bit(chairs, device, progress):
    result = evaluate_render(chairs, None, device=device, progress=progress)
    means = result.scores.means()
    assert set(means) == {"repeat", "backward_warp", "splat"} and result.scores.samples == 2
    assert CALLS == [(1, 2), (2, 2)]
    for method in ("backward_warp", "splat"):
        assert means[method]["psnr_visible"] > 60 > means[method]["psnr_holes"]
    assert means["repeat"]["psnr"] < 18 and means["splat"]["psnr"] > means["repeat"]["psnr"] + 5
    assert means["splat"]["l1_paper"] == pytest.approx(2 * means["splat"]["l1"])
    assert means["splat"]["ssim"] > 0.85 > means["repeat"]["ssim"]


def test_render_scores_what_the_network_draws(chairs, progress):
    seen = []

    def network(image, mask, flow, warped, occlusion):
        seen.append((tuple(mask.shape), flow[0, :, 0, 0].tolist(), mask.min().item()))
        return torch.full_like(image, 0.5)

    result = evaluate_render(chairs, network, device="cpu", progress=progress)
    assert seen[0] == ((1, 1, 96, 128), list(map(float, SHIFT)), 1.0)
    means = result.scores.means()
    assert next(iter(means)) == "photoflow" and means["photoflow"]["psnr"] < means["splat"]["psnr"]
    assert "photoflow" in result.figures[1].panels[0][0]


def test_the_papers_generator_gets_the_moved_picture(device):
    torch.manual_seed(0)
    network = FlowGuidedGenerator().eval().to(device)
    image = torch.rand(1, 3, 24, 32, device=device)
    flow = torch.zeros(1, 2, 24, 32, device=device)
    flow[:, 0, :, :16] = 4
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    with torch.inference_mode():
        assert drawn(network, image, flow).shape == image.shape
    _, _, _, warped, occlusion = seen[0]
    assert occlusion[..., :4].min() == 1 and occlusion[..., 4:].max() == 0
    torch.testing.assert_close(warped[..., 4:20], image[..., :16], rtol=0, atol=0.03)  # what it covers shines through


def test_the_splat_generator_is_not_told_what_moves(device):
    network = SplatGenerator(**SIZES["small"]).eval().to(device)
    image = torch.rand(1, 3, 32, 32, device=device)
    flow = torch.zeros(1, 2, 32, 32, device=device)
    flow[:, 0, :, :16] = 4
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    with torch.inference_mode():
        made = drawn(network, image, flow)
    assert made.shape == image.shape and made.dtype == torch.float32
    assert len(seen[0]) == 3 and (seen[0][1] == 1).all() and torch.equal(seen[0][2], flow)


def test_the_pyramid_orders_by_the_flow_of_the_pair(device):
    network = PyramidGenerator().eval().to(device)
    image = torch.rand(1, 3, 32, 32, device=device)
    flow = torch.zeros(1, 2, 32, 32, device=device)
    flow[:, 0, :, :16] = 4
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    with torch.inference_mode():
        made = drawn(network, image, flow)
    assert made.shape == image.shape and made.dtype == torch.float32
    assert len(seen[0]) == 3 and torch.equal(seen[0][1], flow) and seen[0][2] is None


def test_neighbouring_frames_get_the_flow_that_is_measured(frames, progress):
    notes = []
    pairs = open_pairs_or_frames(frames / "clip", notes)
    assert len(pairs) == 1 and len(notes) == 1  # frames 0 and 1 of five: 4 has none after it
    assert [path.name for path in pairs.files[0]] == ["8.png", "9.png"]
    sample = pairs[0]
    assert sample["image1"].shape == sample["image2"].shape == (1, 3, 96, 128)
    moved = sample["flow"][0].flatten(1).median(1).values
    torch.testing.assert_close(moved, torch.tensor(SHIFT).float(), atol=0.1, rtol=0)
    scores = evaluate_render(frames / "clip", None, device="cpu", progress=progress).scores.means()
    assert scores["splat"]["psnr"] > scores["repeat"]["psnr"] + 5


@pytest.mark.parametrize("evaluate", [evaluate_render, evaluate_flow])
def test_pairs_that_a_training_may_know_are_told(evaluate, chairs, tmp_path, progress):
    whole = evaluate(chairs, None, device="cpu", progress=progress)
    assert [note for note in whole.notes if "all 2 pairs are measured, also those that photoflow train" in note]
    shutil.copytree(chairs, tmp_path / "split")
    (tmp_path / "split" / SPLIT_FILE).write_text("1\n2\n")
    test = evaluate(tmp_path / "split", None, device="cpu", progress=progress)
    assert test.scores.samples == 1 and not [note for note in test.notes if "photoflow train" in note]


def test_flow_baselines(chairs, progress):
    result = evaluate_flow(chairs, None, device="cpu", progress=progress)
    means = result.scores.means()
    assert means["zero"]["epe"] == pytest.approx(math.hypot(*SHIFT)) and means["zero"]["above_5px"] == 1
    assert means["dis_medium"]["epe_visible"] < 0.5 and means["dis_medium"]["above_3px"] < 0.1
    assert {"dis_ultrafast", "dis_fast", "farneback"} < set(means) and means["photoflow"]["epe_visible"] < 0.5
    assert result.notes[0] == "photoflow is RefinedDIS."
    assert result.figures[0].title == "Endpoint error of all pixels"


def test_flow_of_a_network_that_knows_it(chairs, progress):
    def network(image1, image2):
        return torch.tensor(SHIFT, dtype=torch.float32).reshape(1, 2, 1, 1).expand(1, 2, *image1.shape[2:])

    means = evaluate_flow(chairs, network, device="cpu", progress=progress).scores.means()
    assert next(iter(means)) == "photoflow" and means["photoflow"]["epe"] == 0


def test_what_leaves_the_picture_or_is_covered_is_not_visible(device):
    flow = torch.zeros(1, 2, 20, 30, device=device)
    flow[:, 0, 5:15, 5:15] = 10  # a square moves onto what lies to its right
    flow[:, 1, :, 25:] = -8
    seen = visible(flow)[0, 0]
    assert seen[6:14, 6:14].min() == 1 and seen[6:14, 17:24].max() == 0
    assert seen[:7, 25:].max() == 0 and seen[16:, :24].min() == 1


def test_the_inverse_of_a_shift_is_the_shift_back(device):
    flow = torch.zeros(1, 2, 12, 16, device=device)
    flow[:, 0] = 3
    back, hole = inverse(flow)
    assert (back[:, 0] == -3).all() and (back[:, 1] == 0).all()
    assert hole[..., :3].min() == 1 and hole[..., 3:].max() == 0


def test_interpolation_baselines(frames, progress):
    result = evaluate_interpolation(frames, None, device="cpu", progress=progress)
    means = result.scores.means()
    assert result.scores.samples == 3  # two in the clip of five frames, and Middlebury's
    assert set(means) == {"photoflow", "repeat", "average", "dis_warp"}
    assert means["photoflow"]["psnr"] > means["average"]["psnr"] + 3
    assert result.notes == ["photoflow is DIS interpolation, without weights."]
    assert means["repeat"]["psnr"] < means["average"]["psnr"] < means["dis_warp"]["psnr"] - 3
    assert means["dis_warp"]["ie"] < means["average"]["ie"]


def test_a_middle_by_the_true_flow_is_the_middle():
    image1 = torch.rand(1, 3, 20, 40, generator=torch.Generator().manual_seed(4))
    image2, middle = image1.roll(4, dims=3), image1.roll(2, dims=3)

    def measure(one, other):
        flow = torch.zeros(1, 2, 20, 40)
        flow[:, 0] = 4 if one is image1 else -4
        return flow

    made = middle_by_flow(image1, image2, measure)
    torch.testing.assert_close(made[..., 2:-2], middle[..., 2:-2])


def test_interpolation_scores_what_the_network_draws(frames, progress):
    class Network(torch.nn.Module):
        def forward(self, img0, img1, t, details=False):
            assert t == 0.5
            return torch.lerp(img0, img1, t)

    means = evaluate_interpolation(frames, Network(), device="cpu", progress=progress).scores.means()
    assert means["photoflow"]["psnr"] == pytest.approx(means["average"]["psnr"], abs=0.1)


def test_animation_keeps_the_background_and_closes_the_loop(photos, progress):
    result = evaluate_animation(photos, None, Sway(strength=1), device="cpu", offline=True, progress=progress)
    means = result.scores.means()
    assert set(means) == {"photoflow", "paste", "warp"} and result.scores.samples == 1 and CALLS == [(1, 1)]
    ours = means["photoflow"]
    assert ours["background_psnr"] == 100 and ours["background_changed"] == 0
    assert means["warp"]["background_psnr"] < 100 and means["warp"]["background_changed"] > 0
    assert ours["epe"] < 0.5 < means["paste"]["epe"]
    assert ours["seam_motion"] <= 1.3 and 0 < ours["seam_intensity"] <= 1.3
    assert any("DIS" in note for note in result.notes)


def test_a_clip_that_does_not_close_has_a_seam():
    from photoflow.evaluation.clip_measures import ClipMeasures

    photo, everywhere = np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool)
    measures = ClipMeasures(photo, everywhere, everywhere)
    for number in range(5):
        flow = np.full((2, 8, 8), float(number), np.float32)
        measures.add(photo + np.uint8(10 * number), flow, flow + 0.5)
    metrics = measures.metrics()
    assert metrics["seam_motion"] == pytest.approx(4) and metrics["seam_intensity"] == pytest.approx(4)
    assert metrics["epe"] == pytest.approx(math.sqrt(0.5)) and math.isnan(metrics["background_psnr"])


def test_one_sample_is_in_memory_at_a_time():
    alive, most = weakref.WeakSet(), []

    class Samples:
        def __len__(self):
            return 30

        def __getitem__(self, number):
            sample = torch.zeros(1, 3, 16, 16)
            alive.add(sample)
            most.append(len(alive))
            return sample

    def show(name, sample, predictions):
        return [name]

    def method(sample):
        made = sample + 1
        alive.add(made)
        return made

    scores, figures = compare(Samples(), {"one": method, "two": method}, lambda *_: {"x": 1.0}, show, lambda *_: None)
    assert scores.samples == 30 and figures == ["sample 1", "sample 11", "sample 21"]
    assert max(most) <= 6 and most[-1] <= 6


def test_samples_that_are_shown_lie_evenly():
    assert spread(2, 3) == {0, 1} and spread(9, 3) == {0, 3, 6} and spread(1000, 3) == {0, 333, 666}


def test_without_weights_a_note_says_what_is_left_out(tmp_path):
    notes: list[str] = []
    assert network_or_none("amt", None, notes, offline=True) is None
    assert notes == ["photoflow is left out: amt: expected weights for it: amt=amt_s or amt_l or amt_g or a file"]
    with pytest.raises(WeightsError, match="not found"):
        network_or_none("gan", str(tmp_path / "none.pth"), notes, offline=True)


def test_means_leave_out_what_is_not_there():
    scores = Scores()
    for value in (1.0, math.nan, 4.0):
        scores.add("one", {"x": value, "y": math.nan, "z": math.inf})
    assert scores.means() == {"one": {"x": 2.5, "y": None, "z": None}}
