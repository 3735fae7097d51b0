"""Videos as people have them: uneven times, odd shapes, HDR, transparency, containers with faults."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from io_clips import corner_names, number_of, numbered, quarters, write_clip
from PIL import Image
from torch import Tensor

from photoflow.errors import InputError
from photoflow.interpolation import interpolate, open_frames
from photoflow.io import VideoReader
from photoflow.io.frame_times import Clock, evenly, frame_rate
from photoflow.io.wide_colour import nits_to_pq, pq_to_nits, to_srgb
from photoflow.models.frame_pair import Interpolated


class Fade(torch.nn.Module):
    """The quickest interpolator: one picture is faded into the other."""

    def forward(self, first: Tensor, second: Tensor, t: float, details: bool = False) -> Tensor | Interpolated:
        frame = torch.lerp(first, second, t)
        still = first.new_zeros((1, 2, *first.shape[2:]))
        return Interpolated(frame, still, still, torch.full_like(first[:, :1], 1 - t)) if details else frame


BURST = [30 * index for index in range(10)] + [300 + index for index in range(60)]  # 60ths of a second


def write_burst(path: Path) -> None:
    """10 frames at 2 a second, then 60 at 60 a second (of a GIF: 50 a second)."""
    frames = numbered(70)
    if path.suffix != ".gif":
        write_clip(path, frames, times=BURST, rate=60, options={"crf": "4"})
        return
    delays = [500] * 10 + [20] * 60
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=delays, loop=0)


@pytest.mark.parametrize("name", ["burst.mp4", "burst.mkv", "burst.gif"])
def test_no_frame_of_a_burst_is_lost_and_each_keeps_its_time(name: str, tmp_path: Path) -> None:
    write_burst(tmp_path / name)
    reader = VideoReader(tmp_path / name)
    quick = 50 if name.endswith("gif") else 60
    expected = [0.5 * index for index in range(10)] + [5 + index / quick for index in range(60)]
    assert reader.count == 70 and reader.fps == quick
    assert np.abs(np.array(reader.times) - expected).max() < 0.001
    assert [time for time, _ in reader.timed()] == reader.times
    assert reader.seconds == pytest.approx(expected[-1] + 1 / quick, abs=0.005)

    interpolate(open_frames(tmp_path / name), tmp_path / "out.apng", Fade(), factor=2)
    shown = list(VideoReader(tmp_path / "out.apng").timed())
    assert VideoReader(tmp_path / "out.apng").fps == pytest.approx(2 * quick, rel=1e-3)
    assert len(shown) == round(reader.seconds * 2 * quick)
    for index, time in enumerate(expected):
        assert number_of(shown[round(time * 2 * quick)][1]) == index, index
    # Between slow frames the motion goes on for the whole time that they are apart.
    assert [number_of(frame) for _, frame in shown[: 2 * quick + 1 : quick // 4]] in (
        [0, 0, 0, 1, 1, 1, 1, 2, 2],
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        [0, 0, 1, 1, 1, 1, 2, 2, 2],
        [0, 0, 1, 1, 1, 1, 1, 2, 2],
    )


def test_rates_have_a_place_for_each_frame() -> None:
    def even(rate: Fraction, count: int) -> list[Fraction]:
        return [index / rate for index in range(count)]

    def in_milliseconds(times: list[Fraction]) -> list[Fraction]:
        return [Fraction(round(1000 * time), 1000) for time in times]

    film = Fraction(24_000, 1001)
    for count in (2, 3, 5, 30, 1000):
        assert frame_rate(even(Fraction(30), count), [Fraction(30)]) == 30
        assert frame_rate(in_milliseconds(even(film, count)), [film]) == film
    assert frame_rate(in_milliseconds(even(film, 300)), []) == film
    dropped = [time for index, time in enumerate(even(Fraction(30), 900)) if index % 10 != 3]
    assert frame_rate(dropped, [Fraction(27)]) == 30
    # One frame that is a millisecond late of its double is no reason for a thousand frames a second.
    assert frame_rate(sorted([*even(Fraction(30), 900), Fraction(5001, 1000)]), [Fraction(30)]) == 30
    assert frame_rate(even(Fraction(1000), 50), [Fraction(1000)]) == 240
    assert frame_rate([], []) == 25 and frame_rate([Fraction(0)], [Fraction(12)]) == 12


def test_clocks_go_forward() -> None:
    step = Fraction(1, 10)
    clock = Clock(step)
    times = [clock(None if t is None else Fraction(t)) for t in (7, 7.1, 7.05, None, 3, 3.1, 900)]
    assert [float(time) for time in times] == pytest.approx([0, 0.1, 0.1, 0.2, 0.3, 0.4, 897.3], abs=1e-6)
    jumpy = Clock(step, joints=True)
    assert [float(jumpy(Fraction(t))) for t in (0, 0.1, 900)] == pytest.approx([0, 0.1, 0.2])
    assert list(evenly([(0.0, "a"), (0.3, "b"), (0.31, "c"), (0.5, "d")], 10)) == ["a", "a", "a", "c", "c", "d"]


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_joined_recordings_go_on(codec: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.ts", numbered(10), codec=codec, options={"crf": "4", "b": "4M"})
    whole = (tmp_path / "a.ts").read_bytes()
    (tmp_path / "twice.ts").write_bytes(whole + whole)
    reader = VideoReader(tmp_path / "twice.ts")
    frames = list(reader.timed())
    assert len(frames) == reader.count == 20 and reader.fps == 25
    assert [time for time, _ in frames] == pytest.approx([index / 25 for index in range(20)])
    assert [number_of(frame) for _, frame in frames] == [*range(10)] * 2
    done = interpolate(open_frames(tmp_path / "twice.ts"), tmp_path / "out.mp4", Fade())
    assert done.frames == 40


OUTPUTS = ["out.mp4", "out.webm", "out.gif", "out.apng", "out"]


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(3, 4)])
def test_pixels_that_are_not_square_look_the_same_in_every_format(aspect: Fraction, tmp_path: Path) -> None:
    def stretched(_: Any, stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    picture = np.zeros((48, 64, 3), np.uint8)
    picture[12:36, 20:44] = 255  # square as stored: shown wider, or higher
    write_clip(tmp_path / "a.mp4", [picture, picture], setup=stretched)
    reader = VideoReader(tmp_path / "a.mp4")
    size = (85, 48) if aspect > 1 else (64, 64)
    assert (reader.width, reader.height) == size
    for name in OUTPUTS:
        interpolate(open_frames(tmp_path / "a.mp4"), tmp_path / name, Fade())
        out = open_frames(tmp_path / name)
        assert abs(out.width - size[0]) <= 1 and out.height == size[1]
        white = next(iter(out))[..., 0] > 128
        shape = white.any(axis=0).sum() / white.any(axis=1).sum()
        assert shape == pytest.approx(float(aspect), rel=0.06)


ONE = 1 << 16
# Display matrices (a, b, c, d), where a place (x, y) is shown at (a x + c y, b x + d y), and what is seen then.
MATRICES = {
    (1, 0, 0, 1): "RGBW", (-1, 0, 0, 1): "GRWB", (1, 0, 0, -1): "BWRG", (-1, 0, 0, -1): "WBGR",
    (0, 1, -1, 0): "BRWG", (0, -1, 1, 0): "GWRB", (0, 1, 1, 0): "RBGW", (0, -1, -1, 0): "WGBR",
}  # fmt: skip


@pytest.mark.parametrize(("matrix", "seen"), MATRICES.items())
def test_videos_are_turned_and_mirrored_as_their_matrix_says(
    matrix: tuple[int, ...], seen: str, tmp_path: Path
) -> None:
    a, b, c, d = (ONE * entry for entry in matrix)

    def turned(_: Any, stream: Any) -> None:
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])

    write_clip(tmp_path / "a.mp4", [quarters()] * 2, setup=turned)
    reader = VideoReader(tmp_path / "a.mp4")
    assert (reader.width, reader.height) == ((64, 48) if matrix[0] else (48, 64))
    assert corner_names(next(iter(reader))) == seen


def test_a_size_that_changes_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.ts", numbered(5))
    write_clip(tmp_path / "b.ts", numbered(5, 64, 80))
    (tmp_path / "both.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with pytest.raises(InputError, match=r"both\.ts: its frames change from 64x48 to 80x64 pixels"):
        list(VideoReader(tmp_path / "both.ts"))


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


def discs(count: int) -> list[np.ndarray]:
    """A square that moves, over nothing."""
    frames = []
    for index in range(count):
        frame = np.zeros((48, 64, 4), np.uint8)
        frame[..., :3] = (200, 60, 30)
        frame[12:36, 8 + 4 * index : 32 + 4 * index, 3] = 255
        frames.append(frame)
    return frames


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_webm_keeps_its_alpha(codec: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.webm", discs(5), codec=codec, pixels="yuva420p", options={"auto-alt-ref": "0", "b": "2M"})
    reader = VideoReader(tmp_path / "a.webm")
    frames = list(reader)
    assert reader.alpha and len(frames) == 5
    for got, frame in zip(frames, discs(5), strict=True):
        assert ((got[..., 3] > 127) == (frame[..., 3] > 127)).mean() > 0.98


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


def test_a_picture_that_is_held_at_the_end_is_no_missing_part(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(frame) for frame in numbered(4))
    for name in ("a.gif", "a.png", "a.webp"):
        first.save(tmp_path / name, save_all=True, append_images=others, duration=[50, 50, 50, 3000], loop=0)
        done = interpolate(open_frames(tmp_path / name), tmp_path / "out.mp4", Fade())
        assert done.notes == () and done.frames / done.fps == pytest.approx(3.15, abs=0.03), name


def test_names_in_other_encodings_do_no_harm(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.avi", numbered(5), codec="mpeg4",
               setup=lambda container, stream: container.metadata.update(title="Cafe au lait"))  # fmt: skip
    data = (tmp_path / "a.avi").read_bytes()
    assert b"Cafe au" in data
    (tmp_path / "a.avi").write_bytes(data.replace(b"Cafe au", "Caf\xe9 \xe0\xfc".encode("latin-1")))
    reader = VideoReader(tmp_path / "a.avi")
    assert len(list(reader)) == 5
    assert interpolate(open_frames(tmp_path / "a.avi"), tmp_path / "out.mp4", Fade()).frames == 10


def test_covers_and_single_pictures_are_no_video(tmp_path: Path) -> None:
    def cover(container: Any, stream: Any) -> None:
        stream.disposition = av.stream.Disposition.attached_pic

    write_clip(tmp_path / "cover.mp4", numbered(1), codec="mjpeg", pixels="yuvj420p", setup=cover)
    write_clip(tmp_path / "one.mkv", numbered(1), setup=lambda container, _: container.add_stream("aac", rate=8000))
    write_clip(tmp_path / "short.mkv", numbered(1))
    assert [number_of(frame) for frame in VideoReader(tmp_path / "short.mkv")] == [0]  # a video all the same
    Image.fromarray(numbered(1)[0]).save(tmp_path / "photo.jpg")
    Image.fromarray(numbered(1)[0]).save(tmp_path / "photo.webp")
    for name, said in (("cover.mp4", "holds no video"), ("one.mkv", "single picture"),
                       ("photo.jpg", "single picture"), ("photo.webp", "single picture")):  # fmt: skip
        with pytest.raises(InputError, match=said):
            VideoReader(tmp_path / name)


def test_the_moving_one_of_several_tracks_is_the_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        sizes = ((32, 32), (64, 48))
        streams = [container.add_stream("mpeg4", rate=25, width=w, height=h, pix_fmt="yuv420p") for w, h in sizes]
        for stream, count, size in zip(streams, (1, 6), sizes):
            for index, pixels in enumerate(numbered(count, *size[::-1])):
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    reader = VideoReader(tmp_path / "a.mp4")
    assert (reader.width, reader.height, reader.count) == (64, 48, 6)


def test_interlaced_video_is_made_whole(tmp_path: Path) -> None:
    moving = []
    for index in range(20):  # a bar that moves by 3 pixels between the fields of a frame
        fields = [np.full((96, 128, 3), 30, np.uint8) for _ in range(2)]
        for field, picture in enumerate(fields):
            left = 10 + 3 * (2 * index + field) % 90
            picture[:, left : left + 16] = 220
        woven = fields[0].copy()
        woven[1::2] = fields[1][1::2]
        moving.append(woven)
    write_clip(tmp_path / "a.mp4", moving, options={"x264-params": "interlaced=1:tff=1", "crf": "4"})
    reader = VideoReader(tmp_path / "a.mp4")
    frames = list(reader)
    assert len(frames) == 20 and reader.notes == ["interlaced: its fields are made into whole frames (bwdif)"]

    def comb(frame: np.ndarray) -> float:
        rows = frame[..., 1].astype(float)
        return float(np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean())

    assert np.mean([comb(frame) for frame in frames]) < 0.25 * np.mean([comb(frame) for frame in moving])


def test_a_file_that_ends_early_says_how_much_is_there(tmp_path: Path) -> None:
    for name, options, of in (("a.mp4", {"movflags": "faststart"}, "of 2 seconds"), ("a.mkv", {}, "of 2 seconds"),
                              ("a.avi", {}, "seconds are there")):  # fmt: skip
        noise = [np.random.default_rng(index).integers(0, 255, (96, 128, 3)).astype(np.uint8) for index in range(50)]
        path = tmp_path / name
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("mpeg4", rate=25, options={"qscale": "2"})
            stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
            for index, pixels in enumerate(noise):
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        reader = VideoReader(path)
        count = len(list(reader))
        assert 15 < count < 35, name
        (said,) = [note for note in reader.notes if note.startswith("cut off")]
        assert f"{count} frames" in said and of in said, said
        done = interpolate(open_frames(path), tmp_path / "out.mp4", Fade())
        assert said in done.notes and done.frames >= 2 * count - 2


def test_a_film_without_its_index_says_that_it_is_cut_off(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", numbered(40))
    data = (tmp_path / "a.mp4").read_bytes()
    half = data[: data.index(b"moov") - 500]
    (tmp_path / "a.mp4").write_bytes(half)
    with pytest.raises(InputError, match=rf"it is cut off: {len(half)} of at least \d+ bytes are there") as caught:
        VideoReader(tmp_path / "a.mp4")
    assert "\n" not in str(caught.value)


def test_damage_in_the_middle_costs_what_is_damaged(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", numbered(40), codec="mpeg4", options={"g": "1"})
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    with av.open(str(tmp_path / "a.mkv")) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    at, size = places[20]
    data[at + 8 : at + 4 + size] = bytes(size - 4)
    (tmp_path / "a.mkv").write_bytes(data)
    frames = list(VideoReader(tmp_path / "a.mkv").timed())
    assert len(frames) >= 38 and frames[-1][0] == pytest.approx(39 / 25, abs=0.002)


def test_frames_of_more_than_100_megapixels_are_refused(tmp_path: Path) -> None:
    def wide(_: Any, stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(8)

    write_clip(tmp_path / "wide.mkv", [np.zeros((3600, 3600, 3), np.uint8)] * 2, codec="mjpeg", pixels="yuvj420p",
               setup=wide)  # fmt: skip
    with pytest.raises(InputError, match=r"wide\.mkv is 28800x3600, more than 100 megapixels"):
        VideoReader(tmp_path / "wide.mkv")
    # A GIF of 120 bytes whose header says 60000x60000.
    first, other = (Image.fromarray(frame) for frame in numbered(2))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[other], duration=50)
    data = bytearray((tmp_path / "a.gif").read_bytes())
    data[6:10] = (60_000).to_bytes(2, "little") * 2
    (tmp_path / "a.gif").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.gif"):
        VideoReader(tmp_path / "a.gif")


def test_what_is_no_file_is_no_video(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match=r"pipe\.mp4 is no file on a disk"):
        VideoReader(tmp_path / "pipe.mp4")


def test_sound_of_joined_recordings_stays_with_its_pictures(tmp_path: Path) -> None:
    """Each part has a click in its middle; the first begins at 20 s, the second at 5 s, as broadcasts do."""
    parts = []
    for start in (20, 5):
        path = tmp_path / "part.ts"
        with av.open(str(path), "w") as container:
            video, sound = container.add_stream("mpeg2video", rate=25), container.add_stream("mp2", rate=48_000)
            video.width, video.height, video.pix_fmt, sound.layout = 64, 48, "yuv420p", "mono"
            for index, pixels in enumerate(numbered(25)):
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
                frame.pts, frame.time_base = start * 25 + index, Fraction(1, 25)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            click = np.zeros(48_000, np.int16)
            click[24_000:24_480] = 20_000
            for at in range(0, 48_000, 1152):
                part = av.AudioFrame.from_ndarray(click[None, at : at + 1152], "s16", "mono")
                part.sample_rate, part.pts, part.time_base = 48_000, start * 48_000 + at, Fraction(1, 48_000)
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
        parts.append(path.read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    interpolate(open_frames(tmp_path / "both.ts"), tmp_path / "out.mp4", Fade())
    with av.open(str(tmp_path / "out.mp4")) as container:
        track = container.streams.audio[0]
        heard = []
        for frame in container.decode(track):
            loud = np.abs(frame.to_ndarray()).max(axis=0) > 0.2
            heard += [frame.time + place / 48_000 for place in np.flatnonzero(loud)]
    assert len(heard) > 300
    assert {round(time, 1) for time in heard} <= {0.5, 1.5} and min(heard) < 0.52 and max(heard) > 1.48


def test_the_tag_of_alpha_is_known_in_capitals_too(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.webm", discs(3), codec="libvpx-vp9", pixels="yuva420p", options={"b": "2M"},
               setup=lambda _, stream: stream.metadata.update(alpha_mode="1"))  # fmt: skip
    assert VideoReader(tmp_path / "a.webm").alpha


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_clip_that_begins_late_is_not_cut_off(name: str, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    write_clip(tmp_path / name, numbered(25), codec=codec, times=[125 + index for index in range(25)])
    reader = VideoReader(tmp_path / name)
    assert len(list(reader)) == 25 and reader.notes == [] and reader.seconds == pytest.approx(1, abs=0.01)


def test_an_opaque_clip_with_an_alpha_channel_needs_none(tmp_path: Path) -> None:
    opaque = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in numbered(3)]
    for pictures, is_clear in ((opaque, False), (discs(3), True)):
        write_clip(tmp_path / "a.mov", pictures, codec="qtrle", pixels="argb")
        assert VideoReader(tmp_path / "a.mov").alpha == is_clear


def test_what_twice_is_too_fast_is_written_as_fast_as_can_be(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", numbered(12), rate=144)
    done = interpolate(open_frames(tmp_path / "a.mp4"), tmp_path / "out.mp4", Fade())
    assert done.fps == 240 and done.frames == 20 and done.notes == ()
    with pytest.raises(InputError, match="factor: expected at most 9 for 25 frames a second"):
        write_clip(tmp_path / "b.mp4", numbered(3))
        interpolate(open_frames(tmp_path / "b.mp4"), tmp_path / "out.mp4", Fade(), factor=10)
