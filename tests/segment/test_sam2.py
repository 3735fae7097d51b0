"""SAM 2.1 through transformers: a tiny random one, and what is said where it cannot be had."""

import importlib.util

import numpy as np
import pytest

from photoflow.segment import Segmenter, sam2
from photoflow.segment.prompts import Prompts
from photoflow.weights import WeightsError

needed = pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
PICTURE = np.random.default_rng(0).integers(60, 90, (60, 90, 3), dtype=np.uint8)
PICTURE[15:45, 20:60] = (230, 200, 40)
POINTS = Prompts(add=(((40.0, 30.0),),), remove=(((5.0, 5.0), (9.0, 9.0)),))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a random SAM 2 that sees 128 pixels."""
    import torch
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2Processor,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
    )

    backbone = Sam2HieraDetConfig(
        hidden_size=8, image_size=[128, 128], blocks_per_stage=[1, 1, 1, 1], embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 1, 1], global_attention_blocks=[], window_size_per_stage=[4, 4, 4, 4],
    )  # fmt: skip
    config = Sam2Config(
        vision_config=Sam2VisionConfig(
            backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
            backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        ),
        prompt_encoder_config=Sam2PromptEncoderConfig(hidden_size=32, image_size=128),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=32, mlp_dim=32, num_hidden_layers=1, num_attention_heads=2, iou_head_hidden_dim=16
        ),
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("sam2")
    Sam2Model(config).save_pretrained(folder)
    size = {"height": 128, "width": 128}
    Sam2Processor(Sam2ImageProcessor(size=size, mask_size={"height": 32, "width": 32})).save_pretrained(folder)
    return folder


@needed
@pytest.mark.parametrize(
    "prompts",
    [Prompts(add=POINTS.add), POINTS, Prompts(box=(10, 10, 40, 30)), Prompts(box=(9, 9, 40, 30), add=POINTS.add)],
)
def test_prompts_give_a_mask_of_the_pictures_size(tiny, monkeypatch, prompts):
    monkeypatch.setattr(sam2, "SOURCE", str(tiny))
    mask = sam2.SAM2("cpu", offline=True)(PICTURE, prompts)
    assert mask.shape == (60, 90) and mask.dtype == np.float32 and 0 <= mask.min() < mask.max() <= 1


@needed
def test_another_point_or_box_gives_another_mask(tiny, monkeypatch):
    monkeypatch.setattr(sam2, "SOURCE", str(tiny))
    network = sam2.SAM2("cpu", offline=True)
    one, other = (network(PICTURE, Prompts(add=(((x, 30.0),),))) for x in (10.0, 80.0))
    beside = network(PICTURE, Prompts(add=(((10.0, 30.0),),), remove=(((80.0, 30.0),),)))
    assert np.abs(one - other).max() > 1e-6 and np.abs(one - beside).max() > 1e-6


@needed
def test_the_segmenter_takes_it_where_it_is_at_hand(tiny, monkeypatch):
    monkeypatch.setattr(sam2, "SOURCE", str(tiny))
    monkeypatch.setattr(sam2.SAM2, "__call__", lambda self, rgb, prompts: np.eye(*rgb.shape[:2], dtype=np.float32))
    assert sam2.at_hand()
    for method, taken in (("auto", True), ("sam2", True), ("grabcut", False)):
        found = Segmenter(offline=True, method=method).select(PICTURE, Prompts(box=(10, 10, 60, 40)))
        assert (found.method == "SAM 2.1") == taken


@needed
def test_weights_that_cannot_be_had_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(sam2, "SOURCE", str(tmp_path / "nowhere"))
    assert not sam2.at_hand()
    with pytest.raises(WeightsError, match="not at hand, offline") as caught:
        Segmenter(offline=True, method="sam2").select(PICTURE, POINTS)
    assert "\n" not in str(caught.value)
    found = Segmenter(offline=True).select(PICTURE, Prompts(box=(10, 10, 60, 40)))
    assert found.method != "SAM 2.1"  # nothing is fetched unasked


def test_without_transformers_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not sam2.at_hand()
    with pytest.raises(WeightsError, match=r"pip install 'photoflow\[segment\]'"):
        sam2.SAM2("cpu")
