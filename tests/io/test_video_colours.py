"""Colours and transparency of videos as people have them: HDR, wide primaries, missing tags, alpha."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from io_clips import Fade, corner_names, discs, number_of, numbered, quarters, write_clip
from PIL import Image

from photoflow.errors import InputError
from photoflow.interpolation import interpolate, open_frames
from photoflow.io import VideoReader
from photoflow.io.wide_colour import nits_to_pq, pq_to_nits, to_srgb


def tagged(primaries: int, transfer: int, matrix: int) -> Any:
    def setup(_: Any, stream: Any) -> None:
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, matrix
        context.color_range = 1

    return setup


def test_hdr_curves() -> None:
    np.testing.assert_allclose(pq_to_nits(np.array([0, 0.508, 0.5807, 1])), [0, 100, 203, 10_000], rtol=2e-3)
    nits = np.array([0.1, 1, 100, 1000, 9000])
    np.testing.assert_allclose(pq_to_nits(nits_to_pq(nits)), nits, rtol=1e-6)

    def grey(transfer: int, value: float, peak: float | None = None) -> int:
        return int(to_srgb(np.full((1, 1, 3), round(65535 * value), np.uint16), transfer, 9, peak)[0, 0, 1])

    # PQ: 50 nits are the same share of SDR's white of 203 nits; 1000 nits are white, or 4000 where the file says so.
    expected = 255 * (1.055 * (50 / 203) ** (1 / 2.4) - 0.055)
    assert grey(16, float(nits_to_pq(np.array(50.0)))) == pytest.approx(expected, abs=1)
    bright = float(nits_to_pq(np.array(1000.0)))
    assert grey(16, bright) == 255 and 215 < grey(16, bright, 4000.0) < 252 and grey(16, 0) == 0
    # HLG: its reference white of 75 % is 203 nits, which the curve of BT.2390 takes to 159, 0.78 of white.
    assert grey(18, 1) in (254, 255) and grey(18, 0.75) == pytest.approx(229, abs=1)
    ramp = [grey(16, value) for value in np.linspace(0, 1, 40)]
    assert all(after >= before for before, after in pairwise(ramp))


def test_wide_primaries_become_those_of_srgb() -> None:
    # SDR with BT.2020's primaries: greys stay, a red of BT.709 (0.6274, 0.0691, 0.0164 linear) becomes pure.
    values = np.array([[[0.5] * 3, [0.6274 ** (1 / 2.4), 0.0691 ** (1 / 2.4), 0.0164 ** (1 / 2.4)]]])
    found = to_srgb(np.rint(65535 * values).astype(np.uint16), 1, 9)
    assert np.abs(found.astype(int) - [[[128] * 3, [255, 0, 0]]]).max() <= 6
    same = np.arange(0, 65536, 257, dtype=np.uint16)[None, :, None].repeat(3, 2)
    assert np.abs(to_srgb(same, 1, 1)[0, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_video_is_tone_mapped_and_says_so(transfer: int, name: str, tmp_path: Path) -> None:
    picture = np.full((64, 64, 3), 148, np.uint8)  # PQ: 203 nits; HLG: a little below
    write_clip(tmp_path / "a.mp4", [picture] * 3, codec="libx265", pixels="yuv420p10le",
               options={"x265-params": "log-level=0", "crf": "5"}, setup=tagged(9, transfer, 9))  # fmt: skip
    reader = VideoReader(tmp_path / "a.mp4")
    frame = next(iter(reader))
    assert frame.std() < 2
    assert reader.notes == [f"HDR ({name}): tone-mapped to SDR"]
    expected = to_srgb(np.full((1, 1, 3), 148 * 257, np.uint16), transfer, 9)[0, 0, 0]
    assert abs(float(frame.mean()) - float(expected)) < 4 and frame.mean() > 160
    done = interpolate(open_frames(tmp_path / "a.mp4"), tmp_path / "out.mp4", Fade())
    assert done.notes == (f"HDR ({name}): tone-mapped to SDR",)


@pytest.mark.parametrize(
    "said", ["max-cll=4000,400", "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(40000000,50)"]
)
def test_the_peak_that_a_film_names_is_its_white(said: str, tmp_path: Path) -> None:
    picture = np.full((64, 64, 3), 192, np.uint8)  # 1000 nits
    for name, more in (("usual.mp4", ""), ("bright.mp4", f":{said}")):
        write_clip(tmp_path / name, [picture] * 3, codec="libx265", pixels="yuv420p10le",
                   options={"x265-params": f"log-level=0{more}", "crf": "5"}, setup=tagged(9, 16, 9))  # fmt: skip
    usual, bright = (float(next(iter(VideoReader(tmp_path / name))).mean()) for name in ("usual.mp4", "bright.mp4"))
    expected = to_srgb(np.full((1, 1, 3), 192 * 257, np.uint16), 16, 9, 4000.0)[0, 0, 0]
    assert abs(bright - float(expected)) < 2 and bright < usual - 3


def test_wide_sdr_video_says_so(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", [quarters()] * 2, setup=tagged(9, 1, 9))
    reader = VideoReader(tmp_path / "a.mp4")
    assert reader.notes == ["wide colours: converted to those of BT.709"]
    assert corner_names(next(iter(reader))) == "RGBW"


@pytest.mark.parametrize(("size", "is_hd"), [((544, 1280), True), ((720, 960), True), ((576, 720), False)])
def test_untagged_video_counts_as_hd_from_1280_pixels_of_width_on(
    size: tuple[int, int], is_hd: bool, tmp_path: Path
) -> None:
    height, width = size
    luma, cb, cr = (np.full(shape, value, np.uint8) for shape, value in
                    ((size, 63), ((height // 2, width // 2), 102), ((height // 2, width // 2), 240)))  # fmt: skip
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(2):
            planes = np.concatenate([plane.reshape(-1) for plane in (luma, cb, cr)])
            frame = av.VideoFrame.from_ndarray(planes.reshape(height * 3 // 2, width), "yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    red = next(iter(VideoReader(tmp_path / "a.mp4")))[size[0] // 2, size[1] // 2]
    # Y, Cb, Cr of BT.709's pure red: by BT.601's matrix it would lack red and have none of green's 0 either.
    is_pure = np.abs(red.astype(int) - (255, 0, 0)).max() <= 4
    assert is_pure == is_hd, red


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_webm_keeps_its_alpha(codec: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.webm", discs(5), codec=codec, pixels="yuva420p", options={"auto-alt-ref": "0", "b": "2M"})
    reader = VideoReader(tmp_path / "a.webm")
    frames = list(reader)
    assert reader.alpha and len(frames) == 5
    for got, frame in zip(frames, discs(5), strict=True):
        assert ((got[..., 3] > 127) == (frame[..., 3] > 127)).mean() > 0.98


def test_the_tag_of_alpha_is_known_in_capitals_too(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.webm", discs(3), codec="libvpx-vp9", pixels="yuva420p", options={"b": "2M"},
               setup=lambda _, stream: stream.metadata.update(alpha_mode="1"))  # fmt: skip
    assert VideoReader(tmp_path / "a.webm").alpha


def test_an_opaque_clip_with_an_alpha_channel_needs_none(tmp_path: Path) -> None:
    opaque = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in numbered(3)]
    for pictures, is_clear in ((opaque, False), (discs(3), True)):
        write_clip(tmp_path / "a.mov", pictures, codec="qtrle", pixels="argb")
        assert VideoReader(tmp_path / "a.mov").alpha == is_clear


def test_animated_pictures_are_clips_and_keep_their_alpha(tmp_path: Path) -> None:
    durations = [100, 50, 200, 100, 300]
    first, *others = (Image.fromarray(frame) for frame in discs(5))
    for name in ("a.webp", "a.gif", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=others, duration=durations, loop=0, lossless=True,
                   **({"disposal": 2} if name == "a.gif" else {}))  # fmt: skip
        reader = VideoReader(tmp_path / name)
        frames = list(reader.timed())
        assert reader.alpha and len(frames) == reader.count == 5, name
        assert [time for time, _ in frames] == pytest.approx([0, 0.1, 0.15, 0.35, 0.45]), name
        assert reader.seconds == pytest.approx(0.75), name
        for (_, got), frame in zip(frames, discs(5)):
            np.testing.assert_array_equal(got[..., 3], frame[..., 3])
        for out in ("out.gif", "out.apng", "out.webm"):
            interpolate(open_frames(tmp_path / name), tmp_path / out, Fade())
            made = VideoReader(tmp_path / out)
            assert made.alpha and 0.15 < (next(iter(made))[..., 3] > 127).mean() < 0.22
            assert made.seconds == pytest.approx(0.75, abs=0.03)
        with pytest.raises(InputError, match="keeps no transparency, expected"):
            interpolate(open_frames(tmp_path / name), tmp_path / "out.mp4", Fade())


def test_opaque_animated_pictures_need_no_alpha(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(frame).convert("RGBA") for frame in numbered(4))
    for name in ("a.webp", "a.gif", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=others, duration=40, loop=0, lossless=True)
        reader = VideoReader(tmp_path / name)
        assert not reader.alpha and [number_of(frame) for frame in reader] == [0, 1, 2, 3]
        assert interpolate(open_frames(tmp_path / name), tmp_path / "out.mp4", Fade()).frames == 8
