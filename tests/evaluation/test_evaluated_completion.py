"""Clips with holes whose truth is known, what is measured of them, and the command."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from moving import shifted
from test_evaluation_page import check_page, run
from torch import nn

from photoflow.errors import InputError
from photoflow.evaluation import Evaluation, completion
from photoflow.evaluation.clips import MOST, open_clips
from photoflow.evaluation.completion import evaluate_completion
from photoflow.evaluation.holes import KINDS, lasting, spots, strokes
from photoflow.evaluation.memory import peak_mb
from photoflow.io import VideoWriter, write_image

COUNT, SIZE = 5, (128, 96)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of textures that move, one of them with a square for its subject and its masks."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("one", "other"):
        (folder / name).mkdir()
        for number in range(COUNT):
            write_image(folder / name / f"{number:05}.png", shifted(number, len(name)))
    for number in range(COUNT):
        write_image(folder / f"one/{number:05}_mask.png", square(number))
    return folder


def square(number: int) -> np.ndarray:
    """The mask of a subject that moves to the right."""
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    mask[30:60, 20 + 8 * number : 50 + 8 * number] = 255
    return mask


class Grey(nn.Module):
    """A network that draws all in grey."""

    frame_size = (48, 64)

    def forward(self, frames, local_count):
        assert frames.shape[3:] == self.frame_size and 0 < local_count <= frames.shape[1]
        return torch.zeros_like(frames[0]), ()


@pytest.fixture(scope="module")
def result(clips: Path) -> Evaluation:
    return evaluate_completion(clips, Grey(), device="cpu", progress=lambda *_: None, size=SIZE)


def test_holes_depend_on_the_name_alone():
    for draw, least, most in ((strokes, 0.03, 0.2), (spots, 0.01, 0.08)):
        drawn = draw((240, 432), "swan")
        assert drawn.dtype == bool and drawn.shape == (240, 432) and least < drawn.mean() < most
        assert np.array_equal(drawn, draw((240, 432), "swan"))
        assert not np.array_equal(drawn, draw((240, 432), "cows"))
        twice = cv2.resize(draw((480, 864), "swan").astype(np.float32), (432, 240), interpolation=cv2.INTER_AREA) > 0.5
        assert (drawn ^ twice).sum() < 0.25 * drawn.sum()
    assert not np.array_equal(strokes((240, 432), "swan"), spots((240, 432), "swan"))


def test_masks_of_a_shorter_clip_go_to_and_fro():
    masks = [np.full((2, 2), number) for number in range(3)]
    assert [int(mask[0, 0]) for mask in lasting(masks, 7)] == [0, 1, 2, 1, 0, 1, 2]
    assert [int(mask[0, 0]) for mask in lasting(masks, 2)] == [0, 1]
    assert [int(mask[0, 0]) for mask in lasting(masks[2:], 3)] == [2, 2, 2]


def test_clips_are_folders_with_masks_beside_their_frames_and_videos(clips, tmp_path):
    folder = shutil.copytree(clips, tmp_path / "all")
    with VideoWriter(folder / "film.mp4", *SIZE, 10) as writer:
        for number in range(3):
            writer.write(shifted(number, 2))
    film, one, other = open_clips(folder)
    assert (film.name, one.name, other.name) == ("film", "one", "other")
    assert [len(clip.read((64, 48))) for clip in (film, one, other)] == [3, COUNT, COUNT]
    assert one.read((64, 48))[0].shape == (48, 64, 3) and np.array_equal(one.read(SIZE)[2], shifted(2, 3))
    assert film.masks == other.masks == () and len(one.masks) == COUNT
    assert np.array_equal(one.read_masks(SIZE)[3], square(3) > 0)
    (folder / "one/00002_mask.png").unlink()
    assert open_clips(folder)[1].masks == ()


def test_davis_keeps_masks_in_a_folder_of_their_own(clips, tmp_path):
    for part, pattern in (("JPEGImages", "[0-9]" * 5 + ".png"), ("Annotations", "*_mask.png")):
        (tmp_path / part / "480p/swan").mkdir(parents=True)
        for file in (clips / "one").glob(pattern):
            shutil.copy(file, tmp_path / part / "480p/swan" / file.name.replace("_mask", ""))
    (clip,) = open_clips(tmp_path)
    assert clip.name == "swan" and np.array_equal(clip.read_masks(SIZE)[1], square(1) > 0)


def test_long_clips_are_cut_off(tmp_path):
    with VideoWriter(tmp_path / "film.mp4", 32, 32, 25) as writer:
        for _ in range(MOST + 3):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    assert len(open_clips(tmp_path)[0].read((32, 32))) == MOST


def test_what_is_no_clip_is_named(tmp_path):
    with pytest.raises(InputError, match=r"expected a folder with clips: videos, or folders of frames, found nothing"):
        open_clips(tmp_path / "none")
    write_image(tmp_path / "1.png", shifted(0, 1))
    with pytest.raises(InputError, match=r"expected videos .* or folders of two frames; found none"):
        open_clips(tmp_path)
    write_image(tmp_path / "2.png", shifted(0, 1)[:50])
    with pytest.raises(InputError, match=r"2.png: expected 128x96 pixels, as the frames before have, got 128x50"):
        open_clips(tmp_path)[0].read(SIZE)


def test_other_frames_show_what_one_frame_hides(result):
    means = result.scores.means()
    assert list(means) == ["network", "propagation", "telea", "patches"] and result.scores.samples == 2
    ours = means["propagation"]
    for kind in ("strokes", "spots"):
        for method in ("network", "telea", "patches"):
            assert ours[f"{kind}_hole"] > means[method][f"{kind}_hole"] + 3
            assert ours[f"{kind}_psnr"] > means[method][f"{kind}_psnr"] + 3
            assert ours[f"{kind}_ssim"] > means[method][f"{kind}_ssim"]
            assert ours[f"{kind}_warp"] < means[method][f"{kind}_warp"] / 2
    assert math.isnan(result.scores.values["telea"]["objects_hole"][0]), "no other clip has masks"
    assert ours["objects_hole"] > means["telea"]["objects_hole"]
    assert "Objects are left out: expected two clips with masks" in result.notes[1]
    assert all(own["seconds_frame"] > 0 for own in means.values())


@pytest.mark.parametrize("off", [0, 10])
def test_what_is_off_by_so_much_is_scored_so(off):
    frames, masks = [np.full((96, 128, 3), 60, np.uint8)] * 3, [np.zeros((96, 128), bool) for _ in range(3)]
    masks[0][20:40, 30:70] = masks[2][20:40, 30:70] = True
    made = [np.where(mask[..., None], np.uint8(60 + off), frame) for mask, frame in zip(masks, frames)]
    values = completion._likeness(frames, made, masks, "cpu")
    inside = 20 * math.log10(255 / off) if off else 100
    whole = inside - 10 * math.log10(masks[0].mean()) if off else 100
    assert values["hole"] == pytest.approx(inside, abs=1e-4)
    assert values["psnr"] == pytest.approx((2 * whole + 100) / 3, abs=1e-4)  # a frame without a hole is the truth
    assert (values["ssim"] == pytest.approx(1)) == (off == 0)


def test_flicker_is_what_changes_along_the_flow_of_the_truth():
    frames = [shifted(number, 3) for number in range(3)]
    mask = np.zeros((96, 128), bool)
    mask[30:50, 40:70] = True
    still = [(torch.zeros(1, 2, 96, 128),) * 2] * 2
    flows = completion._flows(frames, "cpu")
    assert completion._flicker(frames, [mask] * 3, flows, "cpu") < 0.02
    assert completion._flicker(frames, [mask] * 3, still, "cpu") > 2
    flat = [np.full((96, 128, 3), 100 + 10 * (number % 2), np.uint8) for number in range(3)]
    assert completion._flicker(flat, [mask] * 3, still, "cpu") == pytest.approx(100 * (10 / 255) ** 2)
    assert math.isnan(completion._flicker(flat, [mask & False] * 3, still, "cpu"))
    assert math.isnan(completion._flicker(flat, None, still, "cpu"))


def test_the_page_shows_every_method_and_the_removal(result):
    methods = list(result.scores.values)
    page = result.figures[0]
    assert page.title == "one, strokes" and [name for name, _ in page.panels] == ["input", *methods, "truth"]
    titles = [figure.title for figure in result.figures]
    assert titles.count("one without its subject") == 1 and "other, objects" in titles and "one, objects" not in titles


def test_the_masks_of_objects_are_those_of_another_clip(clips, tmp_path):
    folder = shutil.copytree(clips, tmp_path / "all")
    for number in range(2):
        write_image(folder / f"other/{number:05}_mask.png", square(number)[:, ::-1])
    for number in range(2, COUNT):
        (folder / f"other/{number:05}.png").unlink()
    files = open_clips(folder)
    one, other = (completion._holes(files, number, SIZE, count) for number, count in ((0, COUNT), (1, 2)))
    assert list(one) == list(KINDS)
    assert np.array_equal(one["objects"][3], square(1)[:, ::-1] > 0) and len(one["objects"]) == COUNT
    assert np.array_equal(other["objects"][1], square(1) > 0) and len(other["objects"]) == 2


def test_the_peak_of_memory_is_that_of_the_call(device):
    def need() -> None:
        torch.ones(64 << 18, device=device).sum().item()

    peak = peak_mb(need, device)
    assert math.isnan(peak) or 60 < peak < 100


def test_the_command_writes_scores_and_page(clips, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "completion", clips, "--size", "96x64", "--json", tmp_path / "s.json", "--report", tmp_path
    )
    assert code == 0 and "resized to 96x64" in said
    document = json.loads((tmp_path / "s.json").read_text())
    assert document["task"] == "completion" and document["samples"] == 2
    assert list(document["methods"]) == ["propagation", "telea", "patches"]
    text = check_page(tmp_path / "completion.html")
    assert "spots: PSNR in the holes, dB" in text and "one without its subject" in text


@pytest.mark.parametrize(
    "task, size, message",
    [
        ("completion", "96", "size: expected WIDTHxHEIGHT, 32 to 2048 pixels each, got '96'"),
        ("completion", "0x96", "got '0x96'"),
        ("completion", "4096x96", "got '4096x96'"),
        ("flow", "96x64", "size: expected for the task completion alone, got it for flow"),
    ],
)
def test_sizes_that_cannot_be(task, size, message, clips, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, task, clips, "--size", size)
    assert code == 2 and message in " ".join(said.split())
