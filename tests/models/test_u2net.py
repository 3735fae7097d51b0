"""U²-Net-p: the file is checked; with the weights at hand a disc on a plain ground is salient."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from photoflow.models.u2net import U2NetP
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError


def test_another_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(b"no network at all")
    with pytest.raises(WeightsError, match=r"expected an ONNX network in .*, got another file") as caught:
        U2NetP(path)
    assert "\n" not in str(caught.value)


def test_a_disc_stands_out() -> None:
    path = weights.locate("u2netp")
    if path is None:
        pytest.skip("the weights u2netp are not in the cache folder")
    picture = np.full((240, 320, 3), (90, 120, 150), np.uint8)
    disc = np.zeros((240, 320), np.uint8)
    cv2.circle(disc, (180, 110), 60, 1, -1)
    picture[disc > 0] = (220, 60, 30)
    saliency = U2NetP(path)(picture)
    assert saliency.shape == (320, 320) and saliency.dtype == np.float32
    found = cv2.resize(saliency, (320, 240)) > 0.5
    assert (found & (disc > 0)).sum() / (found | (disc > 0)).sum() > 0.8


def test_the_same_look_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights.locate("u2netp")
    if path is None:
        pytest.skip("the weights u2netp are not in the cache folder")
    network, picture = U2NetP(path), np.full((64, 64, 3), (90, 120, 150), np.uint8)
    first = network(picture, 64)
    kept = first.copy()
    first[:] = 9  # whoever changes an answer changes no other one
    monkeypatch.setattr(U2NetP, "_answer", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(network(picture, 64), kept)
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        network(picture, 96)
