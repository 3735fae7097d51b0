"""From a photo to a clip."""

import subprocess
import sys
from fractions import Fraction

import cv2
import numpy as np
import pytest

from photoflow import Animator, InputError, motion
from photoflow.clip import frame_count
from photoflow.io import VideoReader
from photoflow.segment import Segmentation, Segmenter, Subject
from photoflow.stage.working_size import resize_photo


@pytest.fixture(scope="module")
def animator():
    return Animator(device="cpu", offline=True)


@pytest.fixture(scope="module")
def scene():
    """A textured wall with a bright disc before it, and the disc's mask."""
    draw = np.random.default_rng(1)
    wall = cv2.resize(draw.integers(60, 140, (30, 40, 3), dtype=np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    mask = cv2.circle(np.zeros((120, 160), np.uint8), (80, 60), 26, 255, -1, cv2.LINE_AA)
    disc = np.full_like(wall, (230, 200, 40))
    share = mask[..., None].astype(np.float32) / 255
    return (disc * share + wall * (1 - share)).astype(np.uint8), mask


def test_the_subject_moves_and_nothing_else_does(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, motion.Translate(dx=20), mask=mask, seconds=1, fps=10)
    assert (len(clip), clip.width, clip.height, clip.seconds) == (10, 160, 120, 1.0)
    middle = clip[5]
    assert np.abs(middle[60, 125].astype(int) - (230, 200, 40)).max() < 12  # the disc has come here
    assert np.abs(middle[60, 56].astype(int) - (230, 200, 40)).max() > 40  # and has left its old place
    far = np.ones((120, 160), bool)
    far[25:95, 45:135] = False
    np.testing.assert_array_equal(middle[far], photo[far])


def test_the_first_frame_is_nearly_the_photo(animator, scene):
    photo, mask = scene
    first = animator.animate(photo, motion.Sway(), mask=mask, seconds=1, fps=10)[0]
    assert np.abs(first.astype(int) - photo).mean() < 0.7
    inside = cv2.erode(mask, np.ones((9, 9), np.uint8)) > 254
    np.testing.assert_allclose(first[inside], photo[inside], atol=1)


def test_what_rests_all_the_time_is_the_photo(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, motion.Sway(strength=0), mask=mask, seconds=1, fps=10)
    assert np.abs(clip[3].astype(int) - photo).max() <= 8 and (clip[3] != photo).any(2).mean() < 0.02
    outside = cv2.dilate(mask, np.ones((3, 3), np.uint8)) == 0  # the filled rim, too
    np.testing.assert_array_equal(clip[3][outside], photo[outside])


def test_what_touches_a_foot_that_rests_is_not_cut_off_there(animator, scene):
    """A pot below a plant that sways, and a shadow beside it: they are not the subject's."""
    photo, mask = scene[0].copy(), scene[1]
    photo[84:110, 76:84] = (20, 20, 160)
    photo[80:84, 84:150] = 10
    photo[mask > 250] = (230, 200, 40)
    swaying = animator.animate(photo, motion.Sway(strength=1), mask=mask, seconds=1, fps=20)
    changed = np.mean([np.abs(frame.astype(int) - photo)[86:96, 70:90].max(2) for frame in swaying], axis=0)
    assert changed.max() <= 8
    shaken = animator.animate(photo, motion.Translate(dx=0, dy=-9), mask=mask, seconds=1, fps=20)
    assert np.abs(shaken[10].astype(int) - photo)[86:90, 70:90].max() > 30  # it has left


def test_no_ghost_is_left_behind(animator, scene):
    """Where the disc was, there is wall: nothing as bright and yellow as the disc."""
    photo, mask = scene
    away = animator.animate(photo, motion.Translate(dx=70), mask=mask, seconds=1, fps=10, loop=False)
    frame = away.renderer.frame(1.0)[30:90, 54:90].astype(int)
    assert (frame[..., 0] - frame[..., 2]).max() < 110


def test_a_rate_may_be_a_fraction(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, motion.Spectral("plant"), mask=mask, seconds=0.2, fps=Fraction(30000, 1001))
    plain = animator.animate(photo, motion.Spectral("plant"), mask=mask, seconds=0.2, fps=30000 / 1001)
    assert len(clip) == 6 and type(clip.seconds) is float
    assert all(np.array_equal(*frames) for frames in zip(clip, plain, strict=True))


def test_slicing_and_iteration_agree(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, mask=mask, seconds=0.5, fps=8)
    frames = list(clip)
    assert len(frames) == 4
    np.testing.assert_array_equal(frames[3], clip[-1])
    np.testing.assert_array_equal(frames[1], clip[1:3][0])
    with pytest.raises(IndexError, match="has 4 frames"):
        clip[4]


def test_sizes_and_coordinates_are_the_photos(animator, scene):
    photo, mask = scene
    clip = animator.animate(photo, motion.Translate(dx=40), mask=mask, seconds=1, fps=4, size=80)
    assert clip[0].shape == (60, 80, 3)
    assert np.abs(clip[2][30, 58].astype(int) - (230, 200, 40)).max() < 12  # 40 px of the photo are 20 here


def test_transparency_of_the_photo_is_its_mask(animator, scene):
    photo, mask = scene
    clip = animator.animate(np.dstack([photo, mask]), motion.Translate(dx=20), seconds=1, fps=4)
    assert 0.8 * (mask > 127).sum() < (clip.mask > 0.5).sum() < 1.2 * (mask > 127).sum()


def test_drift_without_a_selection_flows_everywhere(animator, scene):
    clip = animator.animate(scene[0], motion.Drift(arrows=((20, 60, 40, 60),)), seconds=1, fps=4)
    assert clip.mask.min() == 1 and np.abs(clip[1].astype(int) - scene[0]).mean() > 3


def test_saved_clip_plays_and_explains_itself(animator, scene, tmp_path):
    av = pytest.importorskip("av")
    photo, mask = scene
    clip = animator.animate(photo, mask=mask, seconds=1, fps=10)
    clip.save(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as video:
        frames = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(frames) == 10 and np.abs(frames[4].astype(int) - clip[4]).mean() < 6
    clip.explain(tmp_path / "why")
    names = {"mask.png", "flow.png", "trajectories.png", "strip.png", "xt.png"}
    assert {p.name for p in (tmp_path / "why").iterdir()} == names
    assert all(cv2.imread(str(p)) is not None for p in (tmp_path / "why").iterdir())
    assert clip._repr_html_().startswith("<video")


def test_cutouts_are_transparent_around_the_subject(animator, scene):
    photo, mask = scene
    first = next(animator.animate(photo, mask=mask, seconds=1, fps=4).cutouts())
    assert first.shape == (120, 160, 4) and first[5, 5, 3] == 0 and first[60, 80, 3] == 255


def test_sizes_may_be_any_numbers():
    photo = np.zeros((100, 200, 3), np.uint8)
    assert resize_photo(photo, np.int64(100))[0].shape == resize_photo(photo, 100.0)[0].shape == (50, 100, 3)


def test_sizes():
    photo = np.zeros((1000, 3000, 3), np.uint8)
    assert resize_photo(photo, None)[0].shape[:2] == (640, 1920)
    assert resize_photo(photo, "original")[0] is photo
    assert resize_photo(photo, 600)[0].shape[:2] == (200, 600)
    assert resize_photo(photo, (6000, 500))[0].shape[:2] == (500, 1500)
    for size in (0, "huge", (5, 5), (1, 2, 3), 10**6, "640x480", ("64", "48")):
        with pytest.raises(InputError, match="size: expected"):
            resize_photo(photo, size)


@pytest.mark.parametrize(
    ("seconds", "fps"),
    [(0, 30), (-1, 30), (4000, 30), (float("nan"), 30), (1, 0), (1, 500), (0.01, 10), (1, 0.01), ("4", 30), (4, None)],
)
def test_lengths_out_of_range(seconds, fps):
    with pytest.raises(InputError, match="expected"):
        frame_count(seconds, fps)


@pytest.mark.parametrize(
    ("selection", "named"),
    [
        ({"box": (100, 10, 100, 20)}, "box: expected X,Y,W,H inside the 160x120"),
        ({"box": (1, 2, 3)}, "box: expected"),
        ({"points": [(200, 5)]}, "point: expected X,Y inside"),
        ({"points": []}, "point: expected"),
        ({"mask": np.zeros((120, 160), np.uint8)}, "mask"),
        ({"mask": np.full((120, 160), 255, np.uint8)}, "mask"),
        ({"mask": np.ones((10, 10), np.uint8)}, "mask: expected 160x120"),
        ({"box": (1, 2, 30, 40), "mask": np.ones((120, 160), bool)}, "only one of"),
        ({"subject": 3}, "subject: expected a number from 1"),
        ({"size": "big"}, "size: expected"),
    ],
)
def test_bad_selections_are_named(animator, scene, selection, named):
    photo, mask = scene
    if "subject" in selection or "size" in selection:
        selection = {**selection, "mask": mask}
    with pytest.raises(InputError, match=named) as caught:
        animator.animate(photo, **selection)
    assert "\n" not in str(caught.value)


def test_a_subject_that_vanishes_is_named(animator, scene):
    mask = np.zeros((120, 160), np.uint8)
    mask[50, 50] = 255
    with pytest.raises(InputError, match="too small to be cut out"):
        animator.animate(scene[0], mask=mask, size=16)


def test_a_small_subject_of_a_large_photo_is_named_too(animator):
    photo = np.random.default_rng(0).integers(0, 255, (400, 2400, 3), dtype=np.uint8)
    mask = np.zeros(photo.shape[:2], bool)
    mask[200, 1201] = True
    with pytest.raises(InputError, match="too small to be cut out"):
        animator.animate(photo, mask=mask, size=600)


def test_a_mask_that_leaves_a_thin_margin_is_enough(animator, scene):
    mask = np.zeros((120, 160), bool)
    mask[3:-3, 3:-3] = True
    clip = animator.animate(scene[0], motion.Translate(dx=30), mask=mask, seconds=1, fps=4)
    assert len(list(clip)) == 4 and clip.mask.mean() > 0.8


@pytest.fixture(scope="module")
def two():
    """A textured wall with two discs, and the mask of both, which are two subjects."""
    draw = np.random.default_rng(2)
    wall = cv2.resize(draw.integers(60, 140, (30, 60, 3), dtype=np.uint8), (240, 120), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((120, 240), np.uint8)
    for x, colour in ((70, (230, 200, 40)), (180, (40, 60, 240))):
        cv2.circle(wall, (x, 60), 24, colour, -1, cv2.LINE_AA)
        cv2.circle(mask, (x, 60), 24, 255, -1, cv2.LINE_AA)
    return wall, mask


class TwoDiscs(Segmenter):
    """Finds both discs of `two`, the left one first."""

    def __call__(self, rgb, **_):
        whole = np.zeros(rgb.shape[:2], np.float32)
        subjects = []
        for x in (70, 180):
            one = cv2.circle(whole.copy(), (x, 60), 24, 1.0, -1, cv2.LINE_AA)
            subjects.append(Subject(one, (x - 24, 36, 49, 49), "disc", 1.0))
        return Segmentation(tuple(subjects), "known")


def test_each_subject_has_its_own_motion(two):
    photo, _ = two
    animator = Animator(device="cpu", segmenter=TwoDiscs(offline=True))
    moves = motion.Translate(dx=-20).on(1) + motion.Translate(dx=20).on(2)
    frame = animator.animate(photo, moves, seconds=1, fps=4)[2].astype(int)
    assert np.abs(frame[60, 30] - (230, 200, 40)).max() < 12 and np.abs(frame[60, 220] - (40, 60, 240)).max() < 12
    assert (frame[40:80, 86:156, 2] - frame[40:80, 86:156, 0]).max() < 100  # neither disc was copied
    for subject, untouched in ((1, 180), (2, 70)):
        one = animator.animate(photo, motion.Translate(dx=10), subject=subject, seconds=1, fps=4)[2]
        window = np.s_[30:90, untouched - 26 : untouched + 27]
        np.testing.assert_array_equal(one[window], photo[window])
    everything = animator.animate(photo, motion.Translate(dx=10), subject="all", seconds=1, fps=4)
    assert everything.mask[60, 70] == everything.mask[60, 180] == 1


def test_what_flows_lies_behind_what_stands_in_it(two):
    """A drift over the whole picture and a disc that moves before it: the disc's colours do not flow."""
    photo, _ = two

    class DiscInWater(TwoDiscs):
        def __call__(self, rgb, **_):
            found = super().__call__(rgb).subjects
            water = Subject(np.ones(rgb.shape[:2], np.float32), (0, 0, 240, 120), "water", 1.0)
            return Segmentation((found[0], water), "known")

    animator = Animator(device="cpu", segmenter=DiscInWater(offline=True))
    flowing = motion.Drift(arrows=((10, 60, 60, 60),), period=1).on(2)
    clip = animator.animate(photo, flowing + motion.Translate(dx=-40).on(1), seconds=1, fps=4)
    frame = clip[2].astype(int)
    assert np.abs(frame[60, 30] - (230, 200, 40)).max() < 12  # in front
    assert (frame[40:80, 60:120, 0] - frame[40:80, 60:120, 2]).max() < 110  # nothing yellow flows


@pytest.mark.parametrize("name", ["a.webm", "a.apng", "frames"])
def test_the_subject_alone_is_saved_with_alpha(animator, scene, tmp_path, name):
    photo, mask = scene
    clip = animator.animate(photo, motion.Translate(dx=20), mask=mask, seconds=0.5, fps=4)
    clip.save(tmp_path / name, alpha=True)
    if name == "frames":
        paths = sorted((tmp_path / name).iterdir())
        frames = [cv2.cvtColor(cv2.imread(str(p), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA) for p in paths]
    else:
        frames = list(VideoReader(tmp_path / name))
    assert len(frames) == 2 and frames[0].shape == (120, 160, 4)
    for frame, cutout in zip(frames, clip.cutouts(), strict=True):
        assert np.abs(frame[..., 3].astype(int) - cutout[..., 3]).mean() < 1.5
        solid = cutout[..., 3] == 255
        assert np.abs(frame[solid].astype(int) - cutout[solid]).mean() < 8


@pytest.mark.parametrize(("name", "fps", "kept"), [("a.mp4", 23.976, 12), ("a.gif", 70, 25), ("a.webm", 0.5, 1)])
def test_odd_rates(animator, scene, tmp_path, name, fps, kept):
    photo, mask = scene
    animator.animate(photo, mask=mask, seconds=0.5 if fps > 1 else 2, fps=fps, size=60).save(tmp_path / name)
    reader = VideoReader(tmp_path / name)
    assert abs(len(list(reader)) - kept) <= 1 and reader.width == 60


def test_one_frame_explains_itself_too(animator, scene, tmp_path):
    photo, mask = scene
    called = []
    clip = animator.animate(photo, mask=mask, seconds=0.1, fps=10)
    clip.explain(tmp_path / "why", progress=lambda: called.append(1))
    assert cv2.imread(str(tmp_path / "why" / "xt.png")).shape == (1, 160, 3) and called == [1]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        clip.explain(tmp_path / "file")


def test_weights_of_what_is_not_used_are_refused():
    for weights, message in (({"gan": "a.pth"}, "gan are for renderer gan, got 'splat'"), ({"dog": "a"}, "raft, gan")):
        with pytest.raises(InputError, match=message):
            Animator(offline=True, weights=weights)


def test_a_motion_is_expected(animator, scene):
    with pytest.raises(InputError, match="motion: expected one of"):
        animator.animate(scene[0], "sway", mask=scene[1])


def test_devices(monkeypatch, scene):
    for device in ("abacus", "cuda:x", 3):
        with pytest.raises(InputError, match="device: expected auto, cpu, cuda"):
            Animator(device=device, offline=True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(InputError, match="'cuda:1' is not available"):
        Animator(device="cuda:1", offline=True).animate(scene[0], mask=scene[1])
    monkeypatch.setattr("photoflow.ops._library._CUDA_MISSING", "photoflow was built without CUDA")
    with pytest.raises(InputError, match=r"'cuda' cannot be used, .*: photoflow was built without CUDA"):
        Animator(device="cuda", offline=True).animate(scene[0], mask=scene[1])


# Waits until a thread has begun to import torch, or for no longer than that would take, and imports a part of it.
PART_OF_TORCH = """
import sys, time
import numpy as np
from photoflow import Animator, InputError
animator = Animator(offline=True)
try:
    {call}
except InputError as error:
    print("refused", end=" ")
until = time.monotonic() + 1
while "torch" not in sys.modules and time.monotonic() < until:
    time.sleep(0.001)
from torch.nn import functional
print(functional.relu.__name__)
"""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("pass", "relu"),
        ("animator.prepare('absent.jpg')", "refused relu"),
        ("animator.prepare(np.zeros((20, 30, 3), np.uint8), points=[(90, 90)])", "refused relu"),
    ],
    ids=["made", "no photo", "nothing at a point"],
)
def test_a_callers_own_import_of_torch_meets_no_other(call, said):
    """It would see half of a torch that another thread is loading, and break that, too."""
    code = PART_OF_TORCH.format(call=call)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip() == said, done.stderr
