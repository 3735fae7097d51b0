"""What is behind layers, from a clip that begins with the photo."""

import threading

import cv2
import numpy as np
import pytest

from photoflow import Animator, InputError, motion
from photoflow.errors import Cancelled
from photoflow.io import VideoWriter
from photoflow.segment import Segmenter
from photoflow.stage import Stage
from photoflow.stage.composition import hole_behind
from photoflow.stage.progress import Progress

WIDTH, HEIGHT = 160, 120
NEAR, FAR = 6, 12  # grey levels: from what is there, and from what is not or only looks alike
COLOURS = ((230, 200, 40), (40, 60, 240))


def wall(seed):
    """A texture of coarse and fine marks, which nothing around a hole tells, uint8 (HEIGHT, WIDTH, 3)."""
    draw = np.random.default_rng(seed)
    parts = [
        cv2.resize(draw.normal(0, size, (HEIGHT // step, WIDTH // step, 3)), (WIDTH, HEIGHT))
        for step, size in ((20, 45), (4, 20))
    ]
    return np.clip(128 + parts[0] + parts[1], 0, 255).astype(np.uint8)


def frame(background, *corners):
    """The background with squares of 30 pixels at these corners (x, y), uint8 (HEIGHT, WIDTH, 3)."""
    shown = background.copy()
    for (x, y), colour in zip(corners, COLOURS):
        shown[y : y + 30, x : x + 30] = colour
    return shown


def folder_of(path, frames):
    path.mkdir()
    for number, one in enumerate(frames):
        cv2.imwrite(str(path / f"{number:03}.png"), one[..., ::-1])
    return path


def square(x, y):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + 30, x : x + 30] = 255
    return mask


def behind(stage, names=None, report=lambda line: None):
    layers = [layer for layer in stage.layers if names is None or layer.name in names]
    others = [layer for layer in stage.layers if layer not in layers]
    return stage.compose(layers, others, Progress(report)).background


def off(picture, truth, hole):
    return float(np.abs(picture.astype(int) - truth)[hole].mean())


@pytest.fixture(scope="module")
def animator():
    return Animator(device="cpu", segmenter=Segmenter(offline=True, method="grabcut"))


@pytest.fixture(scope="module")
def truth():
    return wall(1)


@pytest.fixture(scope="module")
def clip(truth, tmp_path_factory):
    """A square that goes 48 pixels to the right."""
    frames = [frame(truth, (40 + 8 * number, 45)) for number in range(7)]
    return folder_of(tmp_path_factory.mktemp("clips") / "clip", frames)


@pytest.fixture(scope="module")
def photo(truth):
    return frame(truth, (40, 45))


@pytest.fixture(scope="module")
def prepared(animator, photo, clip):
    return animator.prepare(photo, mask=square(40, 45), behind=clip)


def test_what_is_hidden_is_what_later_frames_show(animator, prepared, photo, truth):
    hole = hole_behind([layer.alpha for layer in prepared.layers])
    guessed = behind(animator.prepare(photo, mask=square(40, 45)))
    assert off(prepared.plate.picture, truth, hole) < NEAR < FAR < off(guessed, truth, hole)
    inside = cv2.erode(square(40, 45), np.ones((9, 9), np.uint8)) > 0
    np.testing.assert_array_equal(behind(prepared)[inside], prepared.plate.picture[inside])
    np.testing.assert_array_equal(prepared.plate.picture[~hole], photo[~hole])
    np.testing.assert_array_equal(behind(prepared)[~hole], photo[~hole])


def test_a_stage_is_animated_with_it_and_stays_as_it_is(animator, photo, clip, truth):
    stage = animator.prepare(photo, mask=square(40, 45))
    move = motion.Translate(dx=60)
    clips = [animator.animate(stage, move, behind=path, seconds=1, fps=4, loop=False) for path in (str(clip), None)]
    left = cv2.erode(square(40, 45), np.ones((9, 9), np.uint8)) > 0
    assert off(clips[0][3], truth, left) < NEAR < FAR < off(clips[1][3], truth, left)
    assert stage.plate is None


@pytest.mark.parametrize("scale", [2, 0.5])
def test_photo_of_another_size_than_the_clip(animator, photo, clip, truth, scale):
    def resized(picture):
        method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)

    large = resized(photo)
    stage = animator.prepare(large, mask=resized(square(40, 45)), behind=clip)
    plate = stage.plate
    assert plate.picture.shape == large.shape and off(plate.picture, resized(truth), plate.known) < NEAR
    np.testing.assert_array_equal(plate.picture[~plate.known], large[~plate.known])


def test_a_darker_photo_has_a_darker_background(animator, photo, clip, truth):
    plate = animator.prepare(np.maximum(photo, 7) - 7, mask=square(40, 45), behind=clip).plate
    darker = np.mean((plate.picture.astype(int) - truth)[plate.known])
    assert abs(darker + 7) < 2


def test_a_video_serves_as_well(animator, photo, truth, tmp_path):
    with VideoWriter(tmp_path / "a.mp4", WIDTH, HEIGHT, 24, quality=95) as writer:
        for number in range(7):
            writer.write(frame(truth, (40 + 8 * number, 45)))
    plate = animator.prepare(photo, mask=square(40, 45), behind=tmp_path / "a.mp4").plate
    assert off(plate.picture, truth, plate.known) < 1.5 * NEAR


def test_a_subject_that_passes_later_is_not_what_was_hidden(animator, truth, tmp_path):
    frames = [frame(truth, (40, 45 - 6 * n), (110 - 10 * n, 45)) for n in range(7)]
    clip = folder_of(tmp_path / "clip", frames)
    two = {"one": {"mask": square(40, 45)}, "two": {"mask": square(110, 45)}}
    stage = animator.prepare(frames[0], layers=two, behind=clip)
    hole = hole_behind([stage.layer("one").alpha])
    assert off(stage.plate.picture, truth, hole) < NEAR
    one = cv2.erode(square(40, 45), np.ones((9, 9), np.uint8)) > 0
    assert off(behind(stage, ["one"]), truth, one) < NEAR


def test_a_stage_file_holds_it(prepared, tmp_path, truth):
    prepared.save(tmp_path / "a.stage")
    again = Stage.load(tmp_path / "a.stage")
    np.testing.assert_array_equal(again.plate.picture, prepared.plate.picture)
    np.testing.assert_array_equal(again.plate.known, prepared.plate.known)
    np.testing.assert_array_equal(behind(again), behind(prepared))
    assert again.fills()[0][2].tobytes() == prepared.fills()[0][2].tobytes()


def test_a_layer_that_is_added_later_is_looked_behind_too(animator, truth, tmp_path):
    frames = [frame(truth, (30 + 8 * n, 10), (100 - 8 * n, 80)) for n in range(5)]
    stage = animator.prepare(
        frames[0], layers={"one": {"mask": square(30, 10)}}, behind=folder_of(tmp_path / "c", frames)
    )
    stage.add("two", mask=square(100, 80))
    lines = []
    filled = behind(stage, report=lines.append)
    assert "completed behind: one, two" in lines
    assert off(filled, truth, stage.plate.known) < NEAR


def test_a_draft_looks_into_no_clip(photo, clip):
    stage = Stage.of(photo)
    stage.add("subject-1", mask=square(40, 45))
    stage.know_clip(clip)
    stage.compose(stage.layers, draft=True)
    assert stage.plate is None


def test_a_cut_ends_what_is_seen(animator, truth, photo, tmp_path):
    frames = [frame(truth, (40 + 8 * n, 45)) for n in range(4)] + [wall(9)] * 4
    lines = []
    plate = animator.prepare(
        photo, mask=square(40, 45), behind=folder_of(tmp_path / "c", frames), report=lines.append
    ).plate
    assert any(line.startswith("followed through 4 frames of") for line in lines)
    seen = np.s_[46:74, 41:61]  # by the fourth frame
    assert np.abs(plate.picture[seen].astype(int) - truth[seen]).mean() < NEAR


@pytest.mark.parametrize("later", [[], ["cut"]])
def test_one_frame_shows_nothing(animator, photo, tmp_path, later):
    frames = [photo, *(wall(9) for _ in later)]
    lines = []
    stage = animator.prepare(photo, mask=square(40, 45), behind=folder_of(tmp_path / "c", frames), report=lines.append)
    assert stage.plate is None and lines[-1] == f"nothing of {tmp_path / 'c'} shows what is behind: subject-1"
    np.testing.assert_array_equal(behind(stage), behind(animator.prepare(photo, mask=square(40, 45))))


def test_a_photo_without_subjects_needs_no_clip(clip, photo):
    stage = Stage.of(photo)
    stage.know_clip(clip)
    stage.look_behind()
    assert stage.plate is None


def test_it_ends_between_frames_when_cancelled(animator, photo, clip):
    cancel, lines = threading.Event(), []

    def report(line):
        lines.append(line)
        if line.startswith("followed"):
            cancel.set()

    with pytest.raises(Cancelled):
        animator.prepare(photo, mask=square(40, 45), behind=clip, report=report, cancel=cancel)
    assert lines[-1].startswith("followed")


def test_clips_that_do_not_begin_with_the_photo(animator, photo, clip, truth, tmp_path):
    def refused(picture, path):
        with pytest.raises(InputError) as error:
            animator.prepare(picture, mask=np.full(picture.shape[:2], 255, np.uint8), behind=path)
        return str(error.value)

    other = "behind: expected a clip that begins with the photo, got another first frame in"
    assert refused(wall(5), clip) == f"{other} {clip}"
    assert refused(frame(truth, (48, 45)), clip) == f"{other} {clip}"  # its second frame
    assert refused(photo[:, :-20], clip) == (
        f"behind: expected a clip of the photo's proportions, 140x120, got 160x120 in {clip}"
    )
    assert refused(photo, tmp_path / "no.mp4").endswith("no.mp4: no such file")
    (tmp_path / "text.mp4").write_text("no video")
    assert "text.mp4" in refused(photo, tmp_path / "text.mp4")
