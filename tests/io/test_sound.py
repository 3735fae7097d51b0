"""Sound goes along: copied where the format takes its codec, else encoded anew, at its time, whatever its length."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.io import VideoReader, VideoWriter
from photoflow.io.sound import has_sound


def write_film(path: Path, codec: str | None, seconds: float = 1.0, fps: int = 10, picture_from: float = 0.0) -> None:
    """A grey video with a tone of 440 Hz that grows louder; the picture may begin later than the sound."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        sound = container.add_stream(codec, rate=48_000, layout="stereo") if codec else None
        for index in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * index % 256, np.uint8), "rgb24")
            frame.pts = index + round(picture_from * fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is None:
            return
        for start in range(0, round(seconds * 48_000), 960):
            time = np.arange(start, start + 960) / 48_000
            tone = (np.sin(440 * 2 * np.pi * time) * time / seconds * 12_000).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.repeat(tone[None, :], 2, axis=1), "s16", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.pts is not None and p.size]


def loudness(path: Path) -> np.ndarray:
    """Root mean square of each tenth of a second."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("flt", "mono", 48_000)
        samples = [part.to_ndarray()[0] for f in container.decode(stream) for part in resampler.resample(f)]
    whole = np.concatenate(samples)
    return np.array([np.sqrt(np.mean(whole[i : i + 4800] ** 2)) for i in range(0, len(whole) - 4800, 4800)])


def rewrite(source: Path, target: Path, fps: int = 10) -> None:
    """The same pictures in another file, with the sound."""
    reader = VideoReader(source)
    with VideoWriter(target, reader.width, reader.height, fps, sound=source) as writer:
        for frame in reader:
            writer.write(frame)


@pytest.mark.parametrize(("codec", "target"), [("aac", "b.mp4"), ("libopus", "b.webm")])
def test_sound_that_fits_is_copied(codec: str, target: str, tmp_path: Path) -> None:
    write_film(tmp_path / "a.mkv", codec)
    rewrite(tmp_path / "a.mkv", tmp_path / target)
    before, after = packets(tmp_path / "a.mkv"), packets(tmp_path / target)
    assert [data for _, data in after] == [data for _, data in before]
    times = np.array([[b, a] for (b, _), (a, _) in zip(before, after)])
    assert np.abs(np.diff(times - times[0], axis=1)).max() < 0.002
    assert len(list(VideoReader(tmp_path / target))) == 10


@pytest.mark.parametrize(("codec", "target", "name"), [("aac", "b.webm", "opus"), ("pcm_s16le", "b.mp4", "aac")])
def test_other_sound_is_encoded_anew(codec: str, target: str, name: str, tmp_path: Path) -> None:
    write_film(tmp_path / "a.mkv", codec)
    rewrite(tmp_path / "a.mkv", tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == name
    before, after = loudness(tmp_path / "a.mkv")[:9], loudness(tmp_path / target)[:9]
    assert np.abs(before - after).max() < 0.15 * before.max()


def test_sound_is_muxed_beside_the_pictures_and_may_last_longer(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mkv", "aac", seconds=3.0)
    with VideoWriter(tmp_path / "b.mp4", 32, 32, 10, sound=tmp_path / "a.mkv") as writer:
        for _ in range(15):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(packets(tmp_path / "b.mp4")) == len(packets(tmp_path / "a.mkv"))
        order = [packet.stream.type for packet in container.demux() if packet.size]
    assert order.index("video") < 20 and "audio" in order[:20]


def test_the_picture_begins_at_zero_and_takes_the_sound_along(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mkv", "libopus", picture_from=0.4)
    rewrite(tmp_path / "a.mkv", tmp_path / "b.webm")
    # What sounded with the first picture, four tenths into the tone, now is at the start.
    before, after = packets(tmp_path / "a.mkv"), packets(tmp_path / "b.webm")
    times = {data: time for time, data in before}
    assert 30 <= len(after) <= 32 and [data for _, data in after] == [data for _, data in before][-len(after) :]
    assert np.allclose([time - times[data] for time, data in after], -0.4, atol=0.002)


def test_files_without_sound_and_formats_without_it(tmp_path: Path) -> None:
    write_film(tmp_path / "mute.mp4", None)
    write_film(tmp_path / "a.mkv", "aac")
    assert not has_sound(tmp_path / "mute.mp4") and has_sound(tmp_path / "a.mkv")
    rewrite(tmp_path / "mute.mp4", tmp_path / "b.mp4")
    rewrite(tmp_path / "a.mkv", tmp_path / "c.gif")
    rewrite(tmp_path / "a.mkv", tmp_path / "frames")
    assert not has_sound(tmp_path / "b.mp4") and len(list((tmp_path / "frames").iterdir())) == 10


def test_an_interrupted_job_leaves_nothing(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mkv", "aac")
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "b.mp4", 32, 32, 10, sound=tmp_path / "a.mkv") as out:
        out.write(np.zeros((32, 32, 3), np.uint8))
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_a_lying_video_is_turned_upright(tmp_path: Path) -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32] = 255  # top left
    with VideoWriter(tmp_path / "a.mp4", 64, 32, 10) as writer:
        writer.write(picture)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    matrix = data.index(b"tkhd") + 44
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)  # a quarter turn clockwise
    (tmp_path / "a.mp4").write_bytes(data)
    reader = VideoReader(tmp_path / "a.mp4")
    assert (reader.width, reader.height) == (32, 64)
    frame = next(iter(reader))
    assert frame[:30, 18:].min() > 200 and frame[:, :14].max() < 50 and frame[34:].max() < 50


def test_times_of_frames(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mkv", None, picture_from=0.4)
    reader = VideoReader(tmp_path / "a.mkv")
    assert reader.count in (0, 10, 14) and not reader.alpha
    assert np.allclose([seconds for seconds, _ in reader.timed()], np.arange(10) / 10, atol=0.002)


def test_damaged_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no film")
    with (
        pytest.raises(InputError, match=r"a.mp4: its sound cannot be read"),
        VideoWriter(tmp_path / "b.mp4", 32, 32, 10, sound=tmp_path / "a.mp4") as writer,
    ):
        writer.write(np.zeros((32, 32, 3), np.uint8))
