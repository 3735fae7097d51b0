"""Scores on real data: the baselines', as they are known from elsewhere, and what comes without training.

Needs the folder of the environment variable PHOTOFLOW_DATA, with `flying_chairs` and `middlebury_other` in it.
"""

import os
from pathlib import Path

import pytest

from photoflow.evaluation.flow import evaluate_flow
from photoflow.evaluation.interpolation import evaluate_interpolation
from photoflow.evaluation.render import evaluate_render
from photoflow.models.networks import load_network

DATA = Path(os.environ.get("PHOTOFLOW_DATA", ""))
pytestmark = pytest.mark.skipif(not os.environ.get("PHOTOFLOW_DATA"), reason="PHOTOFLOW_DATA is not set")


def means(evaluate, folder, kind=None):
    """The mean scores of every method; of the network of a kind with the weights that come with photoflow, too."""
    network = load_network(kind, None, offline=True) if kind else None
    return evaluate(DATA / folder, network, device="cpu", progress=lambda *_: None).scores.means()


def test_render():
    scores = means(evaluate_render, "flying_chairs", "gan")
    assert scores["repeat"]["psnr"] == pytest.approx(16.4, abs=0.1)
    assert scores["splat"]["psnr"] == pytest.approx(24.8, abs=0.3)
    assert scores["splat"]["ssim"] == pytest.approx(0.90, abs=0.01)
    assert scores["photoflow"]["psnr"] > 26.4 and scores["photoflow"]["ssim"] > 0.91  # as the README has it


def test_flow():
    scores = means(evaluate_flow, "flying_chairs")
    assert scores["dis_medium"]["epe"] == pytest.approx(3.45, abs=0.1)
    assert scores["photoflow"]["epe"] < 1.5  # px, what was asked for
    assert scores["dis_medium"]["epe_visible"] < scores["farneback"]["epe_visible"] < scores["zero"]["epe_visible"]


def test_interpolation():
    scores = means(evaluate_interpolation, "middlebury_other", "refined")
    assert scores["average"]["ie"] == pytest.approx(6.51, abs=0.05)
    assert scores["dis_warp"]["psnr"] == pytest.approx(31.96, abs=0.2)
    assert scores["dis_warp"]["ie"] == pytest.approx(3.18, abs=0.1)
    assert scores["dis_interpolation"]["psnr"] == pytest.approx(33.01, abs=0.1)
    assert scores["photoflow"]["psnr"] > 33.0 and scores["photoflow"]["ie"] < 2.8  # as the README has it
