"""Depth of a photo: from files of 8 and 16 bits, arrays, and a tiny random network."""

import importlib.util

import cv2
import numpy as np
import pytest

from photoflow import Animator, InputError
from photoflow.motion import Camera
from photoflow.segment import depth
from photoflow.weights import WeightsError

needed = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
RAMP = np.tile(np.arange(90, dtype=np.uint8), (60, 1))
PHOTO = np.random.default_rng(0).integers(60, 90, (60, 90, 3), dtype=np.uint8)


def test_files_of_8_and_16_bits_and_colours_say_the_same(tmp_path):
    pictures = {"a.png": RAMP, "b.png": RAMP.astype(np.uint16) * 257, "c.png": np.dstack([RAMP] * 3)}
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / name), picture)
        read = depth.read_depth(tmp_path / name, (180, 120))
        assert read.dtype == np.uint16 and np.array_equal(read, RAMP.astype(np.uint16) * 257)
    fine = np.arange(5400, dtype=np.uint16).reshape(60, 90)
    cv2.imwrite(str(tmp_path / "d.png"), fine)
    assert np.array_equal(depth.read_depth(tmp_path / "d.png", (90, 60)), fine)
    assert np.array_equal(depth.read_depth(tmp_path / "d.png", (90, 60), far_bright=True), 65535 - fine)


def test_arrays_of_any_range_are_taken():
    assert np.array_equal(depth.read_depth(RAMP, (90, 60)), RAMP.astype(np.uint16) * 257)
    near = depth.read_depth(RAMP / 7.0 - 3, (90, 60))
    assert near[0, 0] == 0 and near[0, -1] == 65535


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (RAMP.T, "expected a picture of the photo's shape, 90x60, got 60x90"), (PHOTO, "expected a path, or an array"),
        (np.full((60, 90), np.nan), "of numbers"), (np.zeros((0, 0)), "of numbers"), (RAMP.astype(str), "of numbers"),
        ("no-such-file.png", "no such file"),
    ],
)  # fmt: skip
def test_what_is_no_depth_is_refused_in_a_line(source, named):
    with pytest.raises(InputError, match=named) as caught:
        depth.read_depth(source, (90, 60))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a random Depth Anything that sees 56 pixels."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14, mlp_ratio=2,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=8,
        head_hidden_size=8,
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("depth")
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True).save_pretrained(
        folder
    )
    return folder


@needed
def test_a_network_at_hand_measures_what_a_camera_sees(tiny, monkeypatch):
    monkeypatch.setattr(depth, "SOURCE", str(tiny))
    said = []
    stage = Animator("cpu", offline=True).prepare(PHOTO, report=said.append)
    assert "depth: Depth Anything V2" in " ".join(said)
    assert stage.depth.shape == (60, 90) and stage.depth.dtype == np.uint16 and stage.depth.std() > 0
    clip = Animator("cpu", offline=True).animate(PHOTO, Camera(push=0.1), seconds=1, fps=4)
    assert np.abs(clip[0].astype(int) - PHOTO).max() <= 1 and np.abs(clip[2].astype(int) - PHOTO).max() > 3


@needed
def test_nothing_is_fetched_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(depth, "SOURCE", str(tmp_path))
    assert not depth.at_hand()
    assert Animator("cpu").prepare(PHOTO).depth is None
    with pytest.raises(WeightsError, match="not at hand"):
        depth.DepthAnything()


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not depth.at_hand()
    with pytest.raises(WeightsError, match=r"photoflow\[depth\]"):
        depth.DepthAnything()
