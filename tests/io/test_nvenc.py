"""H.264 by a GPU: asked for only where a GPU draws, tried before it is used, and silently done without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from test_video import _clip, _write

from photoflow.io import VideoReader, encoders


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    encoders.has_nvenc.cache_clear()


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the codecs that are opened; NVENC is x264 in disguise, so that what it is given can be seen here."""
    codecs: list[str] = []
    real = encoders._Stream

    class Stream(real):  # type: ignore[misc, valid-type]
        def __init__(self, path: Path, container: str, codec: str, *rest: Any) -> None:
            codecs.append(codec)
            super().__init__(path, container, "libx264" if codec == "h264_nvenc" else codec, *rest)

    monkeypatch.setattr(encoders, "_Stream", Stream)
    return codecs


def test_a_gpu_encodes_what_a_gpu_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codecs = opened(monkeypatch)
    monkeypatch.setattr(encoders, "has_nvenc", lambda: True)
    monkeypatch.setattr(encoders, "nvenc_options", lambda quality: {"crf": "20"})
    frames = _clip(96, 130, 5)
    for number, gpu in enumerate((True, False)):
        _write(tmp_path / f"{number}.mp4", frames, gpu=gpu)
    _write(tmp_path / "2.webm", frames, gpu=True)
    assert codecs == ["h264_nvenc", "libx264", "libvpx-vp9"]
    for got, frame in zip(VideoReader(tmp_path / "0.mp4"), frames, strict=True):
        assert np.abs(got.astype(int) - frame).mean() < 3


def test_where_it_cannot_be_opened_the_cpu_encodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many encoders are in use, say: the real one is opened here, which has no GPU or is not allowed 16 pixels."""
    monkeypatch.setattr(encoders, "has_nvenc", lambda: True)
    frames = _clip(16, 16, 3)
    _write(tmp_path / "v.mp4", frames, gpu=True)
    _write(tmp_path / "w.mp4", frames)
    assert (tmp_path / "v.mp4").read_bytes() == (tmp_path / "w.mp4").read_bytes()


def test_it_is_tried_once_and_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def create(name: str, mode: str) -> None:
        tried.append(name)
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(encoders.av.CodecContext, "create", create)
    assert not encoders.has_nvenc() and not encoders.has_nvenc() and tried == ["h264_nvenc"]


def test_its_quality_is_on_the_scale_of_crf() -> None:
    assert [encoders.nvenc_options(quality)["cq"] for quality in (0, 80, 100)] == ["40", "20", "15"]


@pytest.mark.cuda
def test_a_real_gpus_file_is_as_good(tmp_path: Path) -> None:
    if not encoders.has_nvenc():
        pytest.skip("no GPU that encodes")
    frames = _clip(288, 512, 20)
    errors = []
    for gpu in (True, False):
        path = tmp_path / f"{gpu}.mp4"
        _write(path, frames, gpu=gpu)
        errors.append(np.mean([np.square(got.astype(float) - frame).mean()
                               for got, frame in zip(VideoReader(path), frames, strict=True)]))  # fmt: skip
    assert errors[0] < 2 * errors[1] + 1
