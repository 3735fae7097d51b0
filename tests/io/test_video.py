import errno
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from photoflow.errors import InputError
from photoflow.io import VideoReader, VideoWriter, check_output, encoders, read_photo, video

FORMATS = ["v.mp4", "v.webm", "v.gif", "v.apng", "frames"]


def _clip(height: int, width: int, count: int, channels: int = 3) -> list[np.ndarray]:
    """Smooth colours that move."""
    y, x = np.mgrid[:height, :width]
    phases = np.arange(channels) * 2.1
    waves = [np.stack([np.sin(x / 17 + y / 23 + 0.2 * t + phase) for phase in phases], axis=2) for t in range(count)]
    return [np.rint(127.5 + 110 * wave).astype(np.uint8) for wave in waves]


def _write(path: Path, frames: list[np.ndarray], fps: float = 30, **options: object) -> None:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, fps, **options) as writer:
        for frame in frames:
            writer.write(frame)


@pytest.mark.parametrize("height", [96, 98, 97])  # 98 is even and no multiple of 4
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_lossy_formats(tmp_path: Path, suffix: str, height: int) -> None:
    frames = _clip(height, 131, 5)
    _write(tmp_path / f"v{suffix}", frames, quality=100)
    reader = VideoReader(tmp_path / f"v{suffix}")
    decoded = list(reader)
    assert (reader.width, reader.height, reader.fps, len(decoded)) == (130, height // 2 * 2, 30, 5)
    for got, frame in zip(decoded, frames, strict=True):
        error = np.abs(got.astype(int) - frame[: height // 2 * 2, :130])
        assert error.mean() < 2 and error.max() <= 20


WRITES = """
import sys
import numpy as np
from photoflow.io import VideoWriter

y, x = np.mgrid[:98, :130]
for name in ("v.mp4", "v.webm", "v.gif", "v.apng"):
    with VideoWriter(f"{sys.argv[1]}/{name}", 130, 98, 30) as writer:
        for t in range(20):
            wave = [np.sin(x / 3 + np.sin(y / 5 + 0.3 * t + phase)) for phase in range(3)]
            writer.write(np.rint(127.5 + 110 * np.stack(wave, axis=2)).astype(np.uint8))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone fills memory")
def test_a_file_does_not_depend_on_what_was_in_memory_before(tmp_path: Path) -> None:
    for byte in ("85", "170"):  # which glibc fills memory with that is asked for, and that is freed
        (tmp_path / byte).mkdir()
        environment = {**os.environ, "MALLOC_PERTURB_": byte}
        subprocess.run([sys.executable, "-c", WRITES, tmp_path / byte], env=environment, check=True, timeout=120)
    for name in ("v.mp4", "v.webm", "v.gif", "v.apng"):
        assert (tmp_path / "85" / name).read_bytes() == (tmp_path / "170" / name).read_bytes(), name


def test_colours_survive_and_are_tagged(tmp_path: Path) -> None:
    colours = [
        (0, 0, 0),
        (255, 255, 255),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (200, 30, 90),
        (90, 160, 40),
    ]
    _write(tmp_path / "v.mp4", [np.full((64, 64, 3), colour, np.uint8) for colour in colours])
    for frame, colour in zip(VideoReader(tmp_path / "v.mp4"), colours, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3
    with av.open(str(tmp_path / "v.mp4")) as container:
        context = container.streams.video[0].codec_context
        tags = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        assert tags == (1, 1, 1, 1) and context.pix_fmt == "yuv420p"
    data = (tmp_path / "v.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")  # plays before it is loaded


@pytest.mark.parametrize("name", ["v.apng", "frames"])
@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_formats_keep_odd_sizes(tmp_path: Path, name: str, channels: int) -> None:
    frames = _clip(33, 47, 4, channels)
    _write(tmp_path / name, frames, alpha=channels == 4)
    if name == "frames":
        paths = sorted((tmp_path / name).iterdir())
        assert [path.name for path in paths] == [f"frame_{index:05d}.png" for index in range(4)]
        photos = [read_photo(path) for path in paths]
        decoded = [photo.rgb if channels == 3 else np.dstack([photo.rgb, photo.alpha]) for photo in photos]
    else:
        decoded = list(VideoReader(tmp_path / name))
    np.testing.assert_array_equal(decoded, frames)


def test_webm_alpha(tmp_path: Path) -> None:
    frames = _clip(64, 80, 4, 4)
    _write(tmp_path / "v.webm", frames, alpha=True, quality=100)
    decoded = list(VideoReader(tmp_path / "v.webm"))
    assert len(decoded) == 4 and decoded[0].shape == (64, 80, 4)
    assert np.abs(np.array(decoded).astype(int) - np.array(frames)).mean() < 3


@pytest.mark.parametrize("fps, count, kept", [(30, 30, 30), (12.5, 10, 10), (24, 24, 24), (100, 100, 50), (60, 60, 50)])
def test_gif_timing_and_loop(tmp_path: Path, fps: float, count: int, kept: int) -> None:
    _write(tmp_path / "v.gif", [np.full((9, 11, 3), 2 * index, np.uint8) for index in range(count)], fps)
    with Image.open(tmp_path / "v.gif") as gif:
        assert gif.info["loop"] == 0 and gif.n_frames == kept and gif.size == (11, 9)
        delays = [gif.seek(index) or gif.info["duration"] for index in range(kept)]
    assert sum(delays) == pytest.approx(1000 * count / fps) and min(delays) >= 20 and max(delays) - min(delays) <= 10
    assert fps <= 50 or set(delays) == {20}
    assert video.output_frames_and_rate(tmp_path / "v.gif", count, fps) == (
        kept,
        min(fps, 50),
    ) and video.output_frames_and_rate("v.mp4", 7, 90) == (7, 90)


def test_gif_does_not_tremble(tmp_path: Path) -> None:
    """Where nothing moves, no pixel changes; and the palette samples are used."""
    still = _clip(60, 80, 1)[0]
    frames = [still.copy() for _ in range(6)]
    for index, frame in enumerate(frames):
        frame[20:40, 10 + 5 * index : 30 + 5 * index] = (250, 10, 10)
    frames[0][:] = still
    _write(tmp_path / "v.gif", frames, palette=frames)
    decoded = np.array(list(VideoReader(tmp_path / "v.gif")))
    assert decoded.shape == (6, 60, 80, 3)
    assert (decoded[:, :20] == decoded[0, :20]).all() and (decoded[:, 40:] == decoded[0, 40:]).all()
    assert np.abs(decoded.astype(int) - np.array(frames)).mean() < 6
    assert np.abs(decoded[3, 30, 35].astype(int) - (250, 10, 10)).max() < 12


@pytest.mark.parametrize("fps", [29.97, 240, 0.5, Fraction(24000, 1001)])
def test_frame_rates(tmp_path: Path, fps: float) -> None:
    _write(tmp_path / "v.mp4", _clip(32, 32, 6), fps)
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(6 / fps, rel=1e-3)


def test_the_callers_buffer_may_be_reused(tmp_path: Path) -> None:
    frames = _clip(33, 47, 4)
    buffer = frames[0].copy()
    with VideoWriter(tmp_path / "v.apng", 47, 33, 30) as writer:
        for frame in frames:
            buffer[:] = frame
            writer.write(buffer)
            buffer[:] = 0
    np.testing.assert_array_equal(list(VideoReader(tmp_path / "v.apng")), frames)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(5, "of the caller"), RuntimeError("x")])
def test_an_interrupted_job_leaves_nothing(tmp_path: Path, name: str, error: BaseException) -> None:
    if name != "frames":
        (tmp_path / name).write_bytes(b"what existed")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(type(error)) as caught, VideoWriter(tmp_path / name, 32, 32, 30) as writer:
        writer.write(np.zeros((32, 32, 3), np.uint8))
        raise error
    assert caught.value is error
    assert {path.name for path in tmp_path.iterdir()} == before
    assert name == "frames" or (tmp_path / name).read_bytes() == b"what existed"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("method", ["write", "finish"])
def test_a_full_disk(tmp_path: Path, name: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with VideoWriter(tmp_path / name, 32, 32, 30) as probe:
        probe.write(np.zeros((32, 32, 3), np.uint8))
        encoder = type(probe._encoder)
    for path in (tmp_path / name).glob("*") if name == "frames" else [tmp_path / name]:
        path.unlink()
    before = sorted(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise av.error.OSError(errno.ENOSPC, "No space left on device")

    owner = encoders._Stream if method == "finish" and name != "frames" else encoder
    monkeypatch.setattr(owner, method, full)
    with pytest.raises(InputError, match="disk is full"):
        _write(tmp_path / name, _clip(32, 32, 3))
    assert sorted(tmp_path.iterdir()) == before


def test_check_output(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "dir.mp4").mkdir()
    for name in ("a.mp4", "a.MP4", "a.webm", "a.gif", "a.apng", "new", "new/", "empty", "b.c/"):
        assert check_output(f"{tmp_path}/{name}") == tmp_path / name
    cases = [("a.mov", False, "expected .mp4"), ("a.png", False, "expected .mp4"),
             ("no/a.mp4", False, "not exist"),
             ("dir.mp4", False, "is a folder"), ("taken", False, "not empty"),
             ("taken/file", False, "is a file"),
             ("a.mp4", True, "no transparency")]  # fmt: skip
    for name, alpha, message in cases:
        with pytest.raises(InputError, match=message):
            check_output(tmp_path / name, alpha)
    assert (tmp_path / "taken" / "file").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="not writable"):
        check_output(tmp_path / "a.mp4")
    tmp_path.chmod(0o700)


def test_bad_arguments(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    for args, message in [((1, 9, 30), "2x2"), ((9, 1, 30), "2x2"), ((9, 9, 0), "0.1 to 240"),
                          ((9, 9, 0.01), "0.1 to 240"), ((9, 9, 241), "240"),
                          ((9, 9, float("nan")), "0.1 to 240")]:  # fmt: skip
        with pytest.raises(InputError, match=message):
            VideoWriter(path, *args)
    with pytest.raises(InputError, match="quality"):
        VideoWriter(path, 9, 9, 30, quality=101)
    with pytest.raises(InputError, match="20000x20"), VideoWriter(path, 20000, 20, 30):
        raise AssertionError("refused before the first frame")
    with pytest.raises(InputError, match="no frames"), VideoWriter(path, 16, 16, 30):
        pass
    bad = (np.zeros((16, 17, 3), np.uint8), np.zeros((16, 16, 3)), np.zeros((16, 16, 4), np.uint8))
    for frame in bad:
        with pytest.raises(InputError, match="a frame"), VideoWriter(path, 16, 16, 30) as writer:
            writer.write(frame)
    assert list(tmp_path.iterdir()) == []


def test_reader_errors(tmp_path: Path) -> None:
    _write(tmp_path / "v.mp4", _clip(64, 64, 9))
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "v.mp4").read_bytes()[:300])
    (tmp_path / "text.mp4").write_text("hello")
    for name, message in (("no.mp4", "no such file"), ("", "is a folder"), ("text.mp4", "not a video"),
                          ("cut.mp4", "not a video|damaged|truncated|no video")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            list(VideoReader(tmp_path / name))
