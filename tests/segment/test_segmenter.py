"""The segmenter: prompts, the last resort, no subject, and with the weights at hand the network."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import disc_photo, iou

from photoflow.errors import InputError
from photoflow.segment import NoSubjectError, Segmenter
from photoflow.segment.automatic import is_scenery, salient
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError


@pytest.fixture
def without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.fixture
def network() -> Segmenter:
    if weights.locate("u2netp") is None:
        pytest.skip("the weights u2netp are not in the cache folder")
    return Segmenter(offline=True, method="u2netp")


def test_a_given_mask_is_the_subject() -> None:
    rgb, disc = disc_photo()
    found = Segmenter(offline=True)(rgb, mask=disc)
    (subject,) = found.subjects
    assert np.array_equal(subject.mask, disc.astype(np.float32))
    assert subject.box == (80, 35, 81, 81)
    assert found.method == "the given mask"


def test_box_and_points_without_a_network(without_weights: None) -> None:
    rgb, disc = disc_photo()
    segmenter = Segmenter(offline=True)
    for found in (segmenter(rgb, box=(75, 30, 92, 92)), segmenter(rgb, points=[(120, 75), (110, 60)])):
        (subject,) = found.subjects
        assert iou(subject.mask > 0.5, disc) > 0.9
        assert "GrabCut" in found.method and "U²-Net-p not at hand, offline" in found.method
        assert subject.mask.dtype == np.float32 and subject.mask.shape == disc.shape


def test_the_last_resort_is_said_and_repeats(without_weights: None) -> None:
    rgb, disc = disc_photo(centre=(110, 80))
    found = Segmenter(offline=True)(rgb)
    assert iou(found.subjects[0].mask > 0.5, disc) > 0.85
    assert "a guess without a network" in found.method
    again = Segmenter(offline=True)(rgb)
    assert np.array_equal(found.subjects[0].mask, again.subjects[0].mask)


def test_a_method_asked_for_has_to_be_at_hand(without_weights: None) -> None:
    rgb, _ = disc_photo()
    for method in ("u2netp", "mask_rcnn"):
        with pytest.raises(WeightsError, match="offline is set"):
            Segmenter(offline=True, method=method)(rgb)


def test_bad_calls() -> None:
    rgb, disc = disc_photo()
    with pytest.raises(
        InputError, match="one of auto, mask_rcnn, u2netp, grabcut, sam2, or a file of weights, got 'magic'"
    ):
        Segmenter(method="magic")
    segmenter = Segmenter(offline=True, method="grabcut")
    with pytest.raises(InputError, match="got more than one"):
        segmenter(rgb, mask=disc, box=(1, 1, 5, 5))
    with pytest.raises(InputError, match="expected uint8"):
        segmenter(rgb.astype(np.float32))
    with pytest.raises(InputError, match="inside the 220x160 picture"):
        segmenter(rgb, box=(200, 0, 50, 50))


def test_tiny_photos_do_not_break_it() -> None:
    rgb, _ = disc_photo((12, 16), (8, 6), 3)
    found = Segmenter(offline=True, method="grabcut")(rgb, box=(4, 2, 9, 9))
    assert found.subjects[0].mask.shape == (12, 16)


def test_a_large_photo_gets_its_mask_at_its_own_size() -> None:
    rgb, disc = disc_photo((1500, 2200), (1200, 700), 380)
    found = Segmenter(offline=True, method="grabcut")(rgb, box=(800, 300, 800, 800))
    assert found.subjects[0].mask.shape == (1500, 2200)
    assert iou(found.subjects[0].mask > 0.5, disc) > 0.97


class Sees:
    """Stands in for the network: as sure of every bright pixel as `sure` says of a look that shows so much of it."""

    def __init__(self, sure: Callable[[float], float]) -> None:
        self.sure = sure

    def __call__(self, rgb: np.ndarray, size: int) -> np.ndarray:
        bright = rgb[..., 0] > 128
        return np.where(bright, self.sure(float(bright.mean())), 0.0).astype(np.float32)


def test_what_counts_as_no_subject() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[90:110, 140:170] = 255
    confidence = salient(Sees(lambda share: 0.95), photo)
    np.testing.assert_allclose(confidence, np.where(photo[..., 0] > 0, 0.95, 0), atol=1e-6)
    with pytest.raises(NoSubjectError, match=r"stands out.*--mask FILE, --box X,Y,W,H or --point X,Y"):
        salient(Sees(lambda share: 0.0), photo)
    with pytest.raises(NoSubjectError, match="stands out"):
        salient(Sees(lambda share: 0.72), photo)
    with pytest.raises(NoSubjectError, match="fills the picture"):
        salient(Sees(lambda share: 0.99), np.full((100, 150, 3), 255, np.uint8))


def test_something_small_gets_a_second_look() -> None:
    """From afar the network is not sure, and less so in the first closer look; from close by it is."""
    photo = np.zeros((600, 900, 3), np.uint8)
    photo[290:310, 440:470] = 255

    def sure(share: float) -> float:
        return next(value for most, value in ((0.003, 0.7), (0.1, 0.97), (0.28, 0.72), (1.0, 1.0)) if share < most)

    assert salient(Sees(sure), photo)[300, 455] > 0.8
    with pytest.raises(NoSubjectError, match="stands out"):
        salient(Sees(lambda share: min(sure(share), 0.8)), photo)


def test_a_band_across_is_scenery_and_a_thing_on_the_ground_is_not() -> None:
    band = np.zeros((100, 150), bool)
    band[20:60] = True
    assert is_scenery(band)
    band[20:] = True
    assert not is_scenery(band)


def test_the_network_finds_the_disc(network: Segmenter) -> None:
    rgb, disc = disc_photo((320, 440), (240, 150), 80)
    for prompt in ({}, {"box": (160, 70, 161, 161)}, {"points": [(240, 150)]}):
        found = network(rgb, **prompt)  # type: ignore[arg-type]
        assert iou(found.subjects[0].mask > 0.5, disc) > 0.9, prompt
        assert found.method.startswith("U²-Net-p")
        assert 0.5 < found.subjects[0].score <= 1.0


def test_the_network_sees_no_subject_in_a_plain_gradient(network: Segmenter) -> None:
    rgb = np.repeat(np.linspace(60, 200, 240)[:, None, None], 320, 1).repeat(3, 2).astype(np.uint8)
    with pytest.raises(NoSubjectError):
        network(rgb)


@pytest.mark.skipif("PHOTOFLOW_DATA" not in os.environ, reason="PHOTOFLOW_DATA names no data folder")
def test_mean_iou_on_real_photos(network: Segmenter) -> None:
    automatic, boxed = [], []
    for path in sorted(Path(os.environ["PHOTOFLOW_DATA"], "davis").glob("*/00000.jpg")):
        rgb = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        truth = cv2.imread(str(path.with_name("00000_mask.png")), cv2.IMREAD_GRAYSCALE) > 127
        box = cv2.boundingRect(truth.astype(np.uint8))
        automatic.append(iou(network(rgb).subjects[0].mask > 0.5, truth))
        boxed.append(iou(network(rgb, box=box).subjects[0].mask > 0.5, truth))
    assert np.mean(automatic) > 0.80
    assert np.mean(boxed) > 0.85
