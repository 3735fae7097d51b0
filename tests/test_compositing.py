"""A clip taken apart for other programs: flow, motion vectors, masks, and noise that moves along."""

from __future__ import annotations

import json
import tracemalloc

import cv2
import numpy as np
import pytest
import scipy.stats
import torch

from photoflow import Animator, InputError, motion
from photoflow.compositing import vector_channels
from photoflow.io import read_flow
from photoflow.render.noise import WarpedNoise
from photoflow.render.parts import Background, motion_vectors, owners, parts_of

SIZE = (144, 192)


@pytest.fixture(scope="module")
def animator():
    return Animator(device="cpu", offline=True, segmenter="grabcut")


@pytest.fixture(scope="module")
def photo():
    """A textured wall, a disc before it, and their colours."""
    draw = np.random.default_rng(1)
    wall = cv2.resize(draw.integers(60, 140, (18, 24, 3), dtype=np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    disc = np.random.default_rng(2).integers(170, 250, (*SIZE, 3), dtype=np.uint8)
    mask = disc_mask()
    return np.where(mask[..., None] > 127, cv2.blur(disc, (5, 5)), wall)


def disc_mask(radius=34):
    return cv2.circle(np.zeros(SIZE, np.uint8), (96, 76), radius, 255, -1)


def clip_of(animator, photo, what, **options):
    given = {"seconds": 1.0, "fps": 10, "mask": disc_mask(), **options}
    return animator.animate(photo, what, **given)


def normal(noise):
    """Whether numbers look like independent N(0, 1): moments, neighbours and Kolmogorov-Smirnov's test.

    Bounds are at some five standard errors, so that chance does not break a test whose seed is fixed.
    """
    count = noise.size
    flat = noise.ravel().astype(np.float64)
    assert abs(flat.mean()) < 5 / np.sqrt(count)
    assert abs(flat.var() - 1) < 5 * np.sqrt(2 / count)
    assert abs(scipy.stats.skew(flat)) < 5 * np.sqrt(6 / count)
    assert abs(scipy.stats.kurtosis(flat)) < 5 * np.sqrt(24 / count)
    assert scipy.stats.kstest(flat, "norm").pvalue > 1e-4
    # At each place, too: the squares of its channels add up as they should, also along edges and the border.
    sums = np.square(noise.astype(np.float64)).sum(axis=0).ravel()
    assert scipy.stats.kstest(sums, scipy.stats.chi2(len(noise)).cdf).pvalue > 1e-4
    for axis in (0, 1, 2):  # channels, rows, columns
        one = np.take(noise, range(noise.shape[axis] - 1), axis)
        other = np.take(noise, range(1, noise.shape[axis]), axis)
        assert abs((one * other).mean()) < 5 / np.sqrt(one.size), axis
    return True


class Moved(Background):
    """A picture that moves as a whole, by so many pixels a second."""

    def __init__(self, size, way):
        super().__init__(size)
        self._way = torch.tensor(way, dtype=torch.float32)[:, None, None]

    def displacement(self, t):
        return super().displacement(t) + t * self._way


def test_vectors_of_a_subject_are_those_of_its_motion(animator, photo):
    """A disc goes right by 40 pixels and back: between two frames as far as its displacement changes."""
    clip = clip_of(animator, photo, motion.Translate(dx=40), seconds=2.0)
    parts, t, later = parts_of(clip.renderer), 0.4, 0.5
    owner, opacity = owners(parts, t, SIZE), parts[1].opacity(t, alone=True)
    vectors = motion_vectors(parts, t, later, owner).numpy()
    before, after = (clip.renderer.flow(time)[0, 76, 96] for time in (t, later))
    moving = cv2.erode((opacity.numpy() > 0.5).astype(np.uint8), np.ones((3, 3))) > 0
    columns = np.flatnonzero(moving.any(axis=0))
    assert columns.mean() == pytest.approx(96 + before, abs=1)  # they are where the disc is by now
    np.testing.assert_allclose(vectors[0][moving], after - before, atol=0.05)
    np.testing.assert_allclose(vectors[1][moving], 0, atol=0.05)
    assert not vectors[:, owner == 0].any() and (vectors[0][owner == 1] > 0).all()


@pytest.mark.parametrize(
    "what",
    [motion.Sway(strength=2), motion.Camera(push=0.4, pan=0.1), motion.Swing(angle=20)],
    ids=lambda one: one.name,
)
def test_vectors_lead_to_the_next_frame(animator, photo, what):
    """The next frame read along them is this frame, but where something is covered meanwhile."""
    clip = clip_of(animator, photo, what, seconds=2.0)
    parts, number = parts_of(clip.renderer), 7
    owner, opacity = owners(parts, clip.time(number), SIZE), parts[-1].opacity(clip.time(number), alone=True)
    vectors = motion_vectors(parts, clip.time(number), clip.time(number + 1), owner).numpy()
    x, y = np.meshgrid(np.arange(SIZE[1], dtype=np.float32), np.arange(SIZE[0], dtype=np.float32))
    read = cv2.remap(
        clip[number + 1], x + vectors[0], y + vectors[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    disc = cv2.erode((opacity.numpy() > 0.99).astype(np.uint8), np.ones((5, 5))) > 0
    inner = disc if what.name != "camera" else np.s_[12:-12, 12:-12]
    along = np.abs(read.astype(float) - clip[number])[inner].mean()
    still = np.abs(clip[number + 1].astype(float) - clip[number])[inner].mean()
    assert along < 0.35 * still, (along, still)


def test_vectors_of_what_flows_in_place(animator, photo):
    """A region that drifts to the right stays where it is, and its material goes on evenly, also when it restarts."""
    clip = clip_of(animator, photo, motion.Drift(direction=0, speed=0.1, period=1.0), mask=None, fps=20)
    parts = parts_of(clip.renderer)
    steps = []
    for number in (2, 9, 10, 15):
        t, later = clip.time(number), clip.time(number + 1)
        vectors = motion_vectors(parts, t, later, owners(parts, t, SIZE))
        steps.append(float(vectors[0, 60:80, 80:110].mean()))
    np.testing.assert_allclose(steps, steps[0], atol=0.05)
    assert steps[0] > 0.4


def test_whole_pixels_carry_the_noise_exactly():
    size = (40, 56)
    still, moved = ([Moved(size, way)] for way in ((0, 0), (5, -3)))
    owner = torch.zeros(size, dtype=torch.int64)
    first = WarpedNoise(still, size, cell=1, channels=3).frame(0.0, owner)
    after = WarpedNoise(moved, size, cell=1, channels=3).frame(2.0, owner)
    np.testing.assert_array_equal(after[:, :-6, 10:], first[:, 6:, :-10])
    assert normal(first) and normal(after)
    coarse, cells = (WarpedNoise([Moved(size, (8, 16))], size, channels=3).frame(t, owner) for t in (0.0, 1.0))
    np.testing.assert_array_equal(cells[:, 2:, 1:], coarse[:, :-2, :-1])


@pytest.mark.parametrize(
    "what",
    [motion.Sway(strength=2), motion.Drift(direction=20, speed=0.1), motion.Camera(push=0.5, pan=0.15)],
    ids=lambda one: one.name,
)
def test_noise_stays_gaussian_to_the_last_moment(animator, photo, what):
    """On the first frame, in the middle and on the last of a clip of a minute, fine and as latents."""
    clip = clip_of(animator, photo, what, seconds=60.0, loop=False)
    parts = parts_of(clip.renderer)
    for cell, channels in ((2, 4), (8, 64)):
        noise = WarpedNoise(parts, SIZE, cell=cell, channels=channels, seed=3)
        drawn = []
        for number in (0, 299, 599):
            t = clip.time(number)
            drawn.append(noise.frame(t, owners(parts, t, SIZE)))
            assert drawn[-1].shape == (channels, SIZE[0] // cell, SIZE[1] // cell) and normal(drawn[-1])
        over_time = np.concatenate([one.reshape(channels, -1, 1) for one in drawn]).ravel()
        assert abs(over_time.var() - 1) < 0.05


@pytest.mark.parametrize("what", [motion.Swing(angle=20), motion.Camera(push=0.4, pan=0.1)], ids=lambda one: one.name)
def test_noise_goes_where_the_vectors_point(animator, photo, what):
    """Of what moves by a pixel and more, the next frame's noise is alike along the vectors, and not in place."""
    clip = clip_of(animator, photo, what, seconds=2.0)
    parts, times = parts_of(clip.renderer), (clip.time(6), clip.time(7))
    noise = WarpedNoise(parts, SIZE, cell=1, channels=8)
    seen = [owners(parts, t, SIZE) for t in times]
    before, after = (noise.frame(t, owner) for t, owner in zip(times, seen))
    vectors = motion_vectors(parts, *times, seen[0]).numpy()
    y, x = np.nonzero(np.hypot(*vectors) > 1)
    to_x = np.rint(x + vectors[0, y, x]).astype(int).clip(0, SIZE[1] - 1)
    to_y = np.rint(y + vectors[1, y, x]).astype(int).clip(0, SIZE[0] - 1)
    along, still = (float((before[:, y, x] * after[:, b, a]).mean()) for b, a in ((to_y, to_x), (y, x)))
    assert along > 0.28 and along > still + 0.1


def test_noise_of_what_rests_rests_and_what_is_hidden_comes_back(animator, photo):
    clip = clip_of(animator, photo, motion.Translate(dx=48), seconds=2.0)
    parts = parts_of(clip.renderer)
    noise = WarpedNoise(parts, SIZE, cell=4, channels=4)
    first, away, back = (noise.frame(t, owners(parts, t, SIZE)) for t in (0.0, 1.0, 2.0))
    np.testing.assert_array_equal(first, back)
    np.testing.assert_array_equal(first[:, :8], away[:, :8])  # above the disc
    on_the_disc = np.s_[:, 16:22, 22:26]
    assert not np.allclose(first[on_the_disc], away[on_the_disc])
    shift = round(float(clip.renderer.flow(1.0)[0, 76, 96]) / 4)
    moved = np.corrcoef(first[on_the_disc].ravel(), away[:, 16:22, 22 + shift : 26 + shift].ravel())[0, 1]
    assert moved > 0.7


def test_a_folder_holds_what_its_description_says(animator, photo, tmp_path):
    clip = clip_of(animator, photo, motion.Translate(dx=30, dy=-12), fps=6)
    seen = []
    clip.export(tmp_path / "out", frames=True, noise=True, progress=lambda: seen.append(1))
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (told["width"], told["height"], told["frames"], told["fps"], told["loop"]) == (192, 144, 6, 6.0, True)
    assert len(seen) == 6 and [one["layer"] for one in told["masks"]] == ["subject-1"]
    for number in range(6):
        for what in (told["flow"], told["vectors"], told["masks"][0], told["pictures"]):
            assert (tmp_path / "out" / (what["files"] % number)).is_file()
    flow = read_flow(tmp_path / "out" / (told["flow"]["files"] % 2))
    np.testing.assert_array_equal(flow, clip.renderer.flow(clip.time(2)))
    forward = read_flow(tmp_path / "out" / (told["vectors"]["files"] % 5))  # to the first frame: it loops
    assert forward[0, 76, 96] < -1 and forward[1, 76, 96] > 0.5
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "out/frames/frame_00003.png"))[..., ::-1], clip[3])
    mask = cv2.imread(str(tmp_path / "out" / (told["masks"][0]["files"] % 3)), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(
        cv2.imread(str(tmp_path / "out" / told["masks"][0]["at rest"]), 0) > 127, disc_mask() > 127
    )
    assert mask.shape == SIZE and np.argwhere(mask > 127).mean(0)[1] == pytest.approx(96 + 30, abs=2)
    noises = np.load(tmp_path / "out" / told["noise"]["file"])
    assert noises.shape == (6, 18, 24, 16) and noises.dtype == np.float16
    assert all(normal(one.astype(np.float32).transpose(2, 0, 1)) for one in noises)
    assert (tmp_path / "out" / told["noise"]["video"]).stat().st_size > 1000
    with pytest.raises(InputError, match="the folder is not empty"):
        clip.export(tmp_path / "out")


def test_motion_vectors_of_other_programs(animator, photo, tmp_path):
    openexr = pytest.importorskip("OpenEXR")
    clip = clip_of(animator, photo, motion.Translate(dx=30, dy=-12), fps=6, loop=False)
    clip.export(tmp_path / "out", format="exr")
    with openexr.File(str(tmp_path / "out/vectors/frame_00002.exr"), separate_channels=True) as file:
        read = {name: channel.pixels for name, channel in file.channels().items()}
    owner = owners(parts := parts_of(clip.renderer), clip.time(2), SIZE)
    forward, backward = (motion_vectors(parts, clip.time(2), clip.time(n), owner).numpy() for n in (3, 1))
    assert read.keys() == vector_channels(forward, backward).keys()
    np.testing.assert_array_equal(read["forward.u"], forward[0])
    np.testing.assert_array_equal(read["forward.v"], -forward[1])  # y up
    np.testing.assert_array_equal(read["Vector.Y"], read["backward.v"])
    np.testing.assert_array_equal(read["Vector.Z"], -forward[0])  # from the next frame back to this one
    with openexr.File(str(tmp_path / "out/vectors/frame_00000.exr"), separate_channels=True) as file:
        assert not file.channels()["backward.u"].pixels.any() and file.channels()["forward.u"].pixels.any()
    with openexr.File(str(tmp_path / "out/flow/frame_00002.exr"), separate_channels=True) as file:
        assert file.channels()["flow.v"].pixels[76, 96] == -clip.renderer.flow(clip.time(2))[1, 76, 96]


def test_blenders_vectors_have_the_signs_of_cycles():
    """Blender 5.0.1 rendered a plane that comes by 2 px right and 1 px up, and goes on by 3 px right and 1 px up."""
    forward, backward = (np.array(way, np.float32)[:, None, None] for way in ((3, -1), (-2, 1)))
    channels = vector_channels(forward, backward)
    cycles = {"Vector.X": -2, "Vector.Y": -1, "Vector.Z": -3, "Vector.W": -1}
    assert {name: float(channels[name].item()) for name in cycles} == cycles


def test_nothing_is_left_where_it_cannot_be_done(animator, photo, tmp_path, monkeypatch):
    clip = clip_of(animator, photo, motion.Translate(dx=30), fps=4)
    with pytest.raises(InputError, match="format: expected flo or exr, got 'tiff'"):
        clip.export(tmp_path / "out", format="tiff")
    with pytest.raises(InputError, match="expected the name of a folder"):
        clip.export(tmp_path / "out.exr")
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    with pytest.raises(InputError, match=r'pip install "photoflow\[exr\]"'):
        clip.export(tmp_path / "out", format="exr")

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clip.export(tmp_path / "out", noise=True, progress=interrupt)
    assert not list(tmp_path.iterdir())
    between = Animator(device="cpu", offline=True, interpolate="dis").animate(photo, motion.Sway(), mask=disc_mask())
    with pytest.raises(InputError, match="export: expected the renderer splat"):
        between.export(tmp_path / "out")


def test_memory_does_not_grow_with_the_clip(animator, photo, tmp_path):
    """Arrays that are kept would be: 40 frames more are 9 MB of flow alone."""
    peaks = []
    for fps in (4, 24):
        clip = clip_of(animator, photo, motion.Translate(dx=10), fps=fps)
        clip.export(tmp_path / f"warm{fps}") if fps == 4 else None
        tracemalloc.start()
        clip.export(tmp_path / str(fps))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000
