"""A clip whose holes are filled from other frames: true where they show it, steady where none does."""

from itertools import islice

import cv2
import numpy as np
import pytest
from clips import HEIGHT, WIDTH, blanked, hole, panned, psnr, texture

from photoflow import InputError
from photoflow.completion import propagated, propagation


def filled(frames, masks, **more):
    return list(propagated(blanked(frames, masks), masks, **more))


def test_a_hole_is_filled_with_what_other_frames_show():
    frames, mask = panned(14), hole()
    masks = [mask] * len(frames)
    result = filled(frames, masks)
    assert len(result) == len(frames)
    for given, frame in zip(result, frames, strict=True):
        assert given.dtype == np.uint8 and (given[~mask] == frame[~mask]).all()
    telea = cv2.inpaint(blanked(frames, masks)[7], mask.astype(np.uint8), 5, cv2.INPAINT_TELEA)
    assert psnr(result[7], frames[7], mask) > psnr(telea, frames[7], mask) + 12


def test_a_hole_that_moves():
    frames = panned(14, step=0)
    masks = [hole(left=10 + 6 * number) for number in range(len(frames))]
    result = filled(frames, masks)
    assert min(psnr(*pair, mask) for *pair, mask in zip(result, frames, masks, strict=True)) > 28


def test_light_that_changes_leaves_no_seam():
    frames = [np.clip(frame.astype(int) * 0.7 + 3 * n, 0, 255).astype(np.uint8) for n, frame in enumerate(panned(12))]
    masks = [hole()] * len(frames)
    result = filled(frames, masks)
    assert psnr(result[6], frames[6], masks[6]) > 30


def test_what_no_frame_shows_is_painted_once_and_stays():
    frames = panned(8, step=0)
    masks = [hole(width=30, height=30)] * len(frames)
    result = filled(frames, masks)
    assert result[0][masks[0]].std() > 10  # texture, not a smear
    assert all(np.abs(one.astype(int) - result[0]).max() <= 2 for one in result)


def test_nothing_crosses_a_cut():
    before, after = panned(6), [255 - frame for frame in panned(6, seed=5)]
    masks = [hole()] * 12
    whole = filled(before + after, masks)
    apart = filled(before, masks[:6]) + filled(after, masks[6:])
    assert all((one == other).all() for one, other in zip(whole, apart, strict=True))


def test_frames_without_a_hole_stay_and_one_frame_is_enough():
    frames, nothing = panned(3), np.zeros((HEIGHT, WIDTH), bool)
    result = filled(frames, [nothing, hole(), nothing])
    assert (result[0] == frames[0]).all() and (result[2] == frames[2]).all()
    assert psnr(result[1], frames[1], hole()) > 30
    assert len(filled(frames[:1], [hole()])) == 1
    assert all((one == other).all() for one, other in zip(filled(frames, [nothing] * 3), frames, strict=True))


def test_parts_agree_with_the_whole(monkeypatch):
    frames = panned(12)
    masks = [hole()] * len(frames)
    whole = filled(frames, masks)
    monkeypatch.setattr(propagation, "PART", 3)
    parts = filled(frames, masks)
    assert all((one == other).all() for one, other in zip(whole, parts, strict=True))


def test_memory_and_files_do_not_grow_with_the_clip(monkeypatch, tmp_path):
    monkeypatch.setattr(propagation, "PART", 4)
    monkeypatch.setattr(propagation, "REACH", 4)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read = 0

    class Frames:
        def __iter__(self):
            for frame in panned(24, step=1):
                nonlocal read
                read += 1
                yield frame

    most = 0
    for number, _ in enumerate(propagated(Frames(), (hole() for _ in range(24)))):
        assert read <= 2 * (number + 1) + 4 + 4 + 2
        most = max(most, len(list(tmp_path.glob("*/frame_*"))))
    assert most <= 4 + 2 * 4 + 2
    assert not list(tmp_path.iterdir())


def test_work_goes_on_where_it_ended(tmp_path, monkeypatch):
    frames = panned(12)
    masks = [hole()] * len(frames)
    whole = filled(frames, masks)
    monkeypatch.setattr(propagation, "PART", 4)
    monkeypatch.setattr(propagation, "REACH", 2)
    first = list(islice(propagated(blanked(frames, masks), masks, folder=tmp_path), 5))
    measured = len(list(tmp_path.glob("frame_*")))
    assert 5 <= measured < 12
    monkeypatch.setattr(propagation, "REACH", 60)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("f*_*.npz")}
    again = filled(frames, masks, folder=tmp_path)
    assert all((one == other).all() for one, other in zip(first, again, strict=False))
    assert len(again) == 12 and psnr(again[11], whole[11], masks[11]) > 35
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


@pytest.mark.parametrize(
    ("frames", "masks", "said"),
    [
        (3, [hole()] * 2, "expected one for each frame, got more frames than masks"),
        (2, [hole()] * 3, "expected one for each frame, got more masks than frames"),
        (2, [hole(), np.ones((HEIGHT, WIDTH), bool)], "mask of frame 1: expected something around"),
        (2, [hole(), hole()[1:]], "mask of frame 1: expected bool"),
        (2, [hole().astype(np.uint8)] * 2, "mask of frame 0: expected bool"),
    ],
)
def test_bad_input(frames, masks, said):
    with pytest.raises(InputError, match=said):
        list(propagated(panned(frames), masks))


def test_frames_of_another_size_or_type():
    with pytest.raises(InputError, match="frame 1: expected uint8"):
        list(propagated([panned(1)[0], panned(1)[0][1:]], [hole()] * 2))
    with pytest.raises(InputError, match="frame 0: expected uint8"):
        list(propagated([texture(0, HEIGHT, WIDTH) / 255.0], [hole()]))
