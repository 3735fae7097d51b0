"""Videos as people have them: odd shapes, turned and mirrored, containers with faults."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from io_clips import Fade, corner_names, number_of, numbered, quarters, write_clip
from PIL import Image

from photoflow.errors import InputError
from photoflow.interpolation import interpolate, open_frames
from photoflow.io import VideoReader

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
