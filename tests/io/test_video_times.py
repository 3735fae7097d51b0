"""Times of videos as people have them: bursts, joined recordings, and what is held, begins late or is too fast."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from io_clips import Fade, number_of, numbered, write_clip
from PIL import Image

from photoflow.errors import InputError
from photoflow.interpolation import interpolate, open_frames
from photoflow.io import VideoReader
from photoflow.io.frame_times import Clock, evenly, frame_rate

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


def test_a_picture_that_is_held_at_the_end_is_no_missing_part(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(frame) for frame in numbered(4))
    for name in ("a.gif", "a.png", "a.webp"):
        first.save(tmp_path / name, save_all=True, append_images=others, duration=[50, 50, 50, 3000], loop=0)
        done = interpolate(open_frames(tmp_path / name), tmp_path / "out.mp4", Fade())
        assert done.notes == () and done.frames / done.fps == pytest.approx(3.15, abs=0.03), name


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_a_clip_that_begins_late_is_not_cut_off(name: str, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    write_clip(tmp_path / name, numbered(25), codec=codec, times=[125 + index for index in range(25)])
    reader = VideoReader(tmp_path / name)
    assert len(list(reader)) == 25 and reader.notes == [] and reader.seconds == pytest.approx(1, abs=0.01)


def test_what_twice_is_too_fast_is_written_as_fast_as_can_be(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", numbered(12), rate=144)
    done = interpolate(open_frames(tmp_path / "a.mp4"), tmp_path / "out.mp4", Fade())
    assert done.fps == 240 and done.frames == 20 and done.notes == ()
    with pytest.raises(InputError, match="factor: expected at most 9 for 25 frames a second"):
        write_clip(tmp_path / "b.mp4", numbered(3))
        interpolate(open_frames(tmp_path / "b.mp4"), tmp_path / "out.mp4", Fade(), factor=10)
