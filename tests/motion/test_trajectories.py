"""Trajectories of clips whose motion is known, and what is said of clips that have none."""

import cv2
import numpy as np
import pytest
import torch
from io_clips import write_clip
from PIL import Image
from swaying import moved, swaying, texture

from photoflow.errors import InputError
from photoflow.io import VideoWriter
from photoflow.motion import trajectories as module
from photoflow.motion.looped import with_closed_end
from photoflow.motion.spectral import SpectralVolume
from photoflow.motion.trajectories import Footage, evenly_sampled, fidelity, measure, trajectories


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with a clip that loops, one that goes away, one that stands still, one frame, and what is no clip."""
    folder = tmp_path_factory.mktemp("clips")
    picture = texture(72, 96)
    for name, frames in {
        "loop.mp4": swaying()[0], "away.mp4": [moved(picture, 0.3 * i, 0) for i in range(30)],
        "still.mp4": [picture] * 5, "one.mp4": [picture],
    }.items():  # fmt: skip
        with VideoWriter(folder / name, 96, 72, 10, quality=100) as out:
            for frame in frames:
                out.write(frame)
    (folder / "text.mp4").write_text("not a video")
    return folder


def test_follows_the_whole_picture():
    frames, ways = swaying()
    found = trajectories(iter(frames))
    assert found.shape == (30, 2, 72, 96) and found.dtype == np.float32 and (found[0] == 0).all()
    inner = found[:, :, 12:-12, 12:-12]  # what leaves the picture cannot be followed
    assert np.hypot(*(inner - ways[:, :, None, None]).swapaxes(0, 1)).mean() < 0.05
    assert np.hypot(*inner[7]).mean() > 3


def test_what_stands_still_beside_what_moves_stays_still():
    """A flow that is too smooth moves the ground with the subject: that of the preset does by 0.2 pixels here."""
    ground, subject = texture(96, 128, 1), texture(96, 128, 2)
    disc = cv2.circle(np.zeros((96, 128), np.float32), (64, 48), 22, 1, -1)[..., None]
    frames = []
    for i in range(12):
        alpha, over = moved(disc[..., 0], 0.3 * i, 0)[..., None], moved(subject, 0.3 * i, 0)
        frames.append((ground * (1 - alpha) + over * alpha + 0.5).clip(0, 255).astype(np.uint8))
    last = trajectories(frames)[-1]
    around = cv2.circle(np.zeros((96, 128), np.uint8), (64, 48), 34, 1, -1) - cv2.dilate(
        disc[..., 0].astype(np.uint8), np.ones((13, 13), np.uint8)
    )
    assert np.hypot(*last)[around > 0].mean() < 0.1
    assert abs(last[0][disc[..., 0] > 0].mean() - 3.3) < 0.2


def test_a_network_measures_instead():
    seen = []

    def network(first, second):
        seen.append((first, second))
        return torch.full((1, 2, 72, 96), float(len(seen)))

    frames, _ = swaying(count=4)
    found = trajectories(frames, network)
    assert [flow.mean() for flow in found] == [0, 1, 2, 3]
    torch.testing.assert_close(seen[2][0][0], torch.from_numpy(frames[0]).permute(2, 0, 1) / 255)
    torch.testing.assert_close(seen[2][1][0], torch.from_numpy(frames[3]).permute(2, 0, 1) / 255)


@pytest.mark.parametrize(
    ("frames", "named"),
    [
        ([], "at least 2 frames to see motion, got 0"),
        ([texture(40, 40)], "at least 2 frames to see motion, got 1"),
        ([texture(40, 40)] * 3, "nothing moves by more than 0.1 pixels in its 3 frames"),
        ([texture(12, 40)] * 3, "at least 16 pixels a side, got 40x12"),
        ([texture(40, 40)] * 8, "at most 7 frames"),
    ],
)
def test_frames_without_motion_are_refused(frames, named, monkeypatch):
    monkeypatch.setattr(module, "MOST", 7)
    with pytest.raises(InputError, match=named):
        trajectories(frames)


def test_footage_is_a_part_of_a_video_made_small(clips):
    whole, part = Footage(clips / "loop.mp4"), Footage(clips / "loop.mp4", size=48, start=1.0, seconds=0.5)
    assert whole.full == (96, 72) and whole.fps == 10 and len(list(whole)) == 30 and whole.left_out == 0
    frames = list(whole)
    assert [frame.shape for frame in part] == [(36, 48, 3)] * 5
    small = cv2.resize(frames[10], (48, 36), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(next(iter(part)), small)


def test_a_long_video_is_cut_and_says_so(clips, monkeypatch):
    monkeypatch.setattr(module, "MOST", 20)
    footage = Footage(clips / "loop.mp4", start=0.5)
    assert len(list(footage)) == 20 and footage.left_out == 5
    assert Footage(clips / "loop.mp4", seconds=1).left_out == 0
    assert measure(footage).frames == 20 and measure(footage).left_out == 5
    assert measure(footage).volume.count == 11  # all that 20 frames have


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("none.mp4", {}, r"none\.mp4: no such file"),
        ("text.mp4", {}, r"text\.mp4 is not a video file"),
        ("one.mp4", {}, r"one\.mp4: expected at least 2 frames"),
        ("still.mp4", {}, r"still\.mp4: expected motion"),
        ("loop.mp4", {"start": 9}, r"loop\.mp4: expected a start within its 3 seconds, got 9"),
        ("loop.mp4", {"start": -1}, "start: expected at least 0 seconds, got -1"),
        ("loop.mp4", {"seconds": 0}, "seconds: expected more than 0 and at most 30 "),
        ("loop.mp4", {"seconds": 31}, "seconds: expected more than 0 and at most 30 "),
        ("loop.mp4", {"size": 8}, "size: expected a longest side of at least 16 pixels, got 8"),
    ],
)
def test_clips_that_cannot_be_measured_are_named_in_one_line(name, options, named, clips):
    with pytest.raises(InputError, match=named) as caught:
        measure(Footage(clips / name, **options))
    assert "\n" not in str(caught.value)


def test_a_loop_keeps_its_trajectories_and_a_clip_that_goes_away_is_closed(clips):
    loop, away = measure(Footage(clips / "loop.mp4")), measure(Footage(clips / "away.mp4"))
    assert not loop.closed and away.closed
    assert loop.volume.count == 16 and loop.volume.size == (72, 96) and loop.volume.seconds == 3 and loop.frames == 30
    assert loop.error < 0.02 and loop.kept > 0.999
    found = trajectories(Footage(clips / "away.mp4"))
    made = SpectralVolume.from_trajectories(with_closed_end(found), 3.0)
    np.testing.assert_array_equal(away.volume.coefficients, made.coefficients)


def test_fidelity_counts_what_is_left_out():
    t = 2 * np.pi * np.arange(40) / 40
    way = np.zeros((40, 2, 3, 4), np.float32)
    way[:, 0] = (3 * np.cos(t) + 4 * np.cos(15 * t))[:, None, None]
    kept = SpectralVolume.from_trajectories(way, 2.0, count=4)
    error, share = fidelity(kept, way)
    assert share == pytest.approx(9 / 25, rel=1e-5)
    assert error == pytest.approx(np.abs(4 * np.cos(15 * t)).mean(), rel=1e-4)
    error, share = fidelity(SpectralVolume.from_trajectories(way, 2.0), way)
    assert error < 1e-5 and share == pytest.approx(1)


def test_frequencies_are_those_of_the_clock_where_frames_come_unevenly(tmp_path):
    """A swing of 1 Hz, filmed for 2 s at 10 frames a second and for 2 s at 30."""
    times = [3 * index for index in range(20)] + [60 + index for index in range(60)]  # 30ths of a second
    rng = np.random.default_rng(3)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (96, 160), np.uint8), (0, 0), 2.0)
    texture = np.clip(128 + 3.0 * (texture.astype(np.float32) - 128), 0, 255)
    frames = []
    for time in times:
        shift = np.array([[1, 0, 4 * np.sin(2 * np.pi * time / 30)], [0, 1, 0]], np.float64)
        moved = cv2.warpAffine(texture, shift, (160, 96), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        frames.append(np.repeat(np.clip(moved, 0, 255).astype(np.uint8)[..., None], 3, axis=2))
    write_clip(tmp_path / "swing.mp4", frames, times=times, rate=30, options={"crf": "8"})
    footage = Footage(tmp_path / "swing.mp4")
    measured = measure(footage)
    volume = measured.volume
    assert measured.frames == 80 and volume.seconds == pytest.approx(4, abs=0.02)
    strongest = 1 + int(np.argmax(volume.power[1:]))
    assert volume.frequencies[strongest] == pytest.approx(1, abs=0.02)
    assert volume.power[strongest] > 0.97 * volume.power[1:].sum()
    assert volume.power[1:].sum() == pytest.approx(8, rel=0.1)  # half of 4 pixels squared, all of it in x
    # A part is chosen by its time, too: the last 2 seconds have 60 of the 80 frames.
    assert len(list(Footage(tmp_path / "swing.mp4", start=2.0))) == 60
    assert len(list(Footage(tmp_path / "swing.mp4", seconds=2.0))) == 20
    assert len(list(footage.evenly())) == 120


def test_even_sampling_is_exact_for_parabolas_and_leaves_even_times_alone():
    times = np.array([0, 0.1, 0.2, 0.3, 0.7, 0.8, 1.5, 1.6])
    flow = (2 * times**2 - 3 * times + 1)[:, None, None, None] * np.ones((1, 2, 3, 4))
    even, seconds = evenly_sampled(flow.astype(np.float32), times)
    grid = seconds * np.arange(len(even)) / len(even)
    assert len(even) == 17 and seconds == pytest.approx(1.7)
    inner = (grid >= 0.1) & (grid <= 1.5)  # at the ends a slope has one side only
    np.testing.assert_allclose(even[inner, 0, 0, 0], (2 * grid**2 - 3 * grid + 1)[inner], atol=1e-4)
    same, seconds = evenly_sampled(flow, np.arange(8) / 10)
    assert same is flow and seconds == 0.8


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.png"])
def test_animated_pictures_are_measured_as_other_clips(name, tmp_path):
    frames, _ = swaying()
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(tmp_path / name, save_all=True, append_images=others, duration=100, loop=0, lossless=True)
    measured = measure(Footage(tmp_path / name))
    assert measured.frames == 30 and measured.volume.seconds == pytest.approx(3) and not measured.closed
    assert measured.kept > 0.99
