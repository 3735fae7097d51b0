"""A mask carried through a clip: through motion, growth, a hiding place, the border, and up to a cut."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from photoflow.completion.carried import carried
from photoflow.io import read_mask, read_photo

SHAPE = (96, 160)
CLIPS = sorted(Path(os.environ.get("PHOTOFLOW_DATA", ".")).glob("davis/*"))


def texture(seed, shape, low, high):
    """A smooth coloured pattern between two levels."""
    noise = np.random.default_rng(seed).random((*shape, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (low + (high - low) * smooth).astype(np.uint8)


def clip(places, radius=lambda number: 16, bar=None, pan=0):
    """A disc before a panning background, behind a bar: frames, and the true mask of each."""
    height, width = SHAPE
    ground = texture(0, (height, width + 200), 20, 140)
    skin = texture(1, (120, 120), 110, 250)
    y, x = np.mgrid[:height, :width]
    frames, masks = [], []
    for number, (left, top) in enumerate(places):
        frame = ground[:, number * pan : number * pan + width].copy()
        bits = np.hypot(x - left, y - top) <= radius(number)
        scale = 16 / radius(number)
        moved = np.array([[scale, 0, 60 - scale * left], [0, scale, 60 - scale * top]])
        skinned = cv2.warpAffine(skin, moved, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        frame[bits] = skinned[bits]
        if bar is not None:
            frame[:, bar] = (40, 160, 60)
            bits[:, bar] = False
        frames.append(frame)
        masks.append(bits)
    return frames, masks


def overlap(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


def test_it_moves_and_grows_with_the_thing():
    frames, masks = clip([(40 + 4 * n, 48) for n in range(12)], radius=lambda n: 14 + n, pan=2)
    found = list(carried(frames, masks[0]))
    assert found[0] is masks[0] and len(found) == len(frames)
    assert all(bits.shape == SHAPE and bits.dtype == bool for bits in found)
    assert min(overlap(bits, mask) for bits, mask in zip(found, masks, strict=True)) > 0.9
    assert overlap(masks[0], masks[-1]) < 0.3  # it has to move to be right


def test_what_was_hidden_is_found_again():
    frames, masks = clip([(30 + 5 * n, 48) for n in range(22)], bar=np.s_[60:100])
    found = list(carried(frames, masks[0]))
    hidden = next(number for number, mask in enumerate(masks) if not mask.any())
    assert found[hidden].sum() < 30
    assert overlap(found[-1], masks[-1]) > 0.85


def test_what_comes_out_behind_a_pole_belongs_to_it():
    frames, masks = clip([(30 + 4 * n, 48) for n in range(16)], bar=np.s_[64:78])
    found = list(carried(frames, masks[0]))
    assert min(overlap(bits, mask) for bits, mask in zip(found, masks, strict=True)) > 0.8


def test_what_it_uncovers_is_left_behind():
    """A post of the disc's own colours, which it hides at first."""
    frames, masks = clip([(40, 48)] * 3 + [(40 + 8 * n, 48) for n in range(1, 14)])
    post = np.s_[36:60, 34:46]
    for frame, mask in zip(frames, masks, strict=True):
        frame[post] = np.where(mask[post][..., None], frame[post], texture(1, (24, 12), 110, 250))
    found = list(carried(frames, masks[0]))
    assert not found[-1][post].any()
    assert overlap(found[-1], masks[-1]) > 0.8


def test_small_pictures():
    frame = np.full((5, 9, 3), 90, np.uint8)
    frame[1:4, 2:5] = 200
    mask = frame[..., 0] == 200
    found = list(carried([frame, frame, frame], mask))
    assert all(bits.shape == mask.shape for bits in found) and overlap(found[-1], mask) > 0.5


def test_what_leaves_the_picture_leaves_nothing_behind():
    frames, masks = clip([(120 + 6 * n, 48) for n in range(14)])
    assert not masks[-1].any()
    found = list(carried(frames, masks[0]))
    assert not found[-1].any()
    assert min(overlap(bits, mask) for bits, mask in zip(found[:4], masks)) > 0.85


def test_nothing_is_removed_after_a_cut():
    frames, masks = clip([(60, 48)] * 3)
    other = [texture(9, SHAPE, 100, 255)] * 3
    cuts = []
    found = list(carried([*frames, *other], masks[0], on_cut=cuts.append))
    assert cuts == [3]
    assert all(bits.any() for bits in found[:3]) and not any(bits.any() for bits in found[3:])


def test_frames_are_read_one_by_one():
    frames, masks = clip([(40 + 2 * n, 48) for n in range(4)])
    read = []

    def reading():
        for number, frame in enumerate(frames):
            read.append(number)
            yield frame

    masks_of = carried(reading(), masks[0])
    for number in range(len(frames)):
        next(masks_of)
        assert read == list(range(number + 1))


@pytest.mark.skipif(not CLIPS, reason="PHOTOFLOW_DATA is not set")
def test_real_clip():
    clip_ = next(folder for folder in CLIPS if folder.name == "car-roundabout")
    numbers = range(0, 12, 3)
    frames = [read_photo(clip_ / f"{number:05d}.jpg").rgb for number in numbers]
    masks = [read_mask(clip_ / f"{number:05d}_mask.png") > 0.5 for number in numbers]
    found = list(carried(frames, masks[0]))
    assert np.mean([overlap(bits, mask) for bits, mask in zip(found[1:], masks[1:], strict=True)]) > 0.85
    assert overlap(masks[0], masks[-1]) < 0.9
