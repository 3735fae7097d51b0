"""Natural motion compared as sets of clips: the measures, the switches, and the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from moving import texture
from priors import tiny
from test_evaluation_page import check_page, run
from torch import Tensor, nn

from photoflow.errors import InputError
from photoflow.evaluation import Evaluation, dynamics
from photoflow.evaluation import moving_clips as reading
from photoflow.evaluation.clip_features import Features, FeatureSet, open_features, over_time, set_distances
from photoflow.evaluation.dynamics import DynamicsSettings, evaluate_dynamics
from photoflow.evaluation.moving_clips import centre, moving_clips
from photoflow.evaluation.photo_motion import RENDERS, photo_frames
from photoflow.io import VideoWriter
from photoflow.models.spectral import SpectralPrior
from photoflow.motion import SpectralVolume

RATE, SECONDS, CLIPS = 8, 4, 2
FRAMES = RATE * SECONDS
WIDE, HIGH = 108, 60  # pixels of the clips
CENTRE = (96, 48)
QUICK = DynamicsSettings(seconds=SECONDS, steps=2)


class Pooled(nn.Module):
    """Random convolutions, small, and the mean and deviation of what they give."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        make = nn.Conv2d if dimensions == 2 else nn.Conv3d
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.layers = nn.Sequential(make(3, 8, 3, stride=2), nn.ReLU(), make(8, 12, 3, stride=2))

    def forward(self, seen: Tensor) -> Tensor:
        found = self.layers(seen).flatten(2)
        return torch.cat([found.mean(2), found.std(2)], 1)


NETWORKS = Features(Pooled(2), Pooled(3), Pooled(3))


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    """Frames that are soon measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "SIZE", CENTRE)
        yield


def freely() -> np.ndarray:
    """How far each pixel of a clip goes, as a share."""
    x, y = np.meshgrid(np.arange(WIDE, dtype=np.float32), np.arange(HIGH, dtype=np.float32))
    return np.asarray(np.exp(-(((x - 54) / 25) ** 2) - ((y - 30) / 15) ** 2))


def swaying_frames(seed: int, reach: float = 3.0) -> list[np.ndarray]:
    """A texture of which a part sways twice."""
    photo = texture(HIGH, WIDE, seed)
    x, y = np.meshgrid(np.arange(WIDE, dtype=np.float32), np.arange(HIGH, dtype=np.float32))
    turns = 4 * np.pi * np.arange(FRAMES) / FRAMES
    return [cv2.remap(photo, x - reach * freely() * np.float32(np.sin(t)), y, cv2.INTER_LINEAR) for t in turns]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(CLIPS):
        with VideoWriter(folder / f"clip{number}.mp4", WIDE, HIGH, RATE, quality=95) as writer:
            for frame in swaying_frames(number):
                writer.write(frame)
    with VideoWriter(folder / "short.mp4", WIDE, HIGH, RATE) as writer:
        for frame in swaying_frames(9)[:5]:
            writer.write(frame)
    return folder


@pytest.fixture(scope="module")
def prior() -> SpectralPrior:
    with tiny():
        network = SpectralPrior().eval()
    network.vae.scales.copy_(torch.tensor([0.5, 1.0, 0.5, 0.25]))
    return network


@pytest.fixture(scope="module")
def result(clips: Path, prior: SpectralPrior) -> Evaluation:
    quiet = {"device": "cpu", "progress": lambda *_: None}
    return evaluate_dynamics(clips, prior, settings=QUICK, features=NETWORKS, **quiet)


def test_true_motion_is_nearer_than_the_repeated_photo(result: Evaluation) -> None:
    means = result.scores.means()
    assert list(means) == ["photoflow", "measured", "repeat"] and result.scores.samples == CLIPS
    for metric in ("fvd", "fvd32", "dtfvd", "spectrum"):
        assert means["measured"][metric] < 0.5 * means["repeat"][metric]
    assert means["repeat"]["moved"] == 0 and means["photoflow"]["moved"] > 0
    assert {"fid", "kid", "fid_begin", "fid_end", "dtfvd32", "dtfvd_begin", "dtfvd_end"} <= set(means["photoflow"])
    assert any("Left out, shorter than 4 seconds: short" in note for note in result.notes)


def test_the_motion_of_the_true_clips_is_that_they_were_made_with(result: Evaluation) -> None:
    (said,) = (float(note.split(": ")[1].split()[0]) for note in result.notes if note.startswith("The motion of"))
    cut = cv2.resize(freely(), (CENTRE[0], 53), interpolation=cv2.INTER_AREA)[2:50]
    wanted = 3 * CENTRE[0] / WIDE * np.sqrt(np.square(cut).mean() / 2)
    assert said == pytest.approx(wanted, rel=0.2)


def test_a_folder_is_compared_with_itself(clips: Path) -> None:
    quiet = {"device": "cpu", "progress": lambda *_: None}
    means = evaluate_dynamics(clips, None, settings=QUICK, features=NETWORKS, against=clips, **quiet).scores.means()
    assert list(means) == ["given", "repeat"]
    assert means["given"]["fid"] == pytest.approx(0, abs=1e-6) and means["given"]["spectrum"] < 0.1
    assert means["given"]["kid"] < 0 < means["repeat"]["fvd"]


def test_each_switch_changes_what_it_should(clips: Path, prior: SpectralPrior) -> None:
    (_, _, clip), *_ = moving_clips(clips, SECONDS, "all", [])
    motion = dynamics.motion_of(clip.frames)

    def volumes(**changed: object) -> dict[str, SpectralVolume]:
        makers = dynamics._makers(prior, DynamicsSettings(seconds=SECONDS, steps=2, **changed), 0, "cpu")
        return {name: make(clip, motion) for name, make in makers.items()}

    plain, fewer = volumes(), volumes(frequencies=3)
    for name in plain:
        assert fewer[name].count == 3
        assert np.array_equal(fewer[name].coefficients, plain[name].coefficients[:3])
    with torch.no_grad():
        for weight in (prior.unet.leave[2].weight, prior.coordination.layers[-1].attention.out.weight):
            weight.normal_(0, 0.3)
        coordinated, independent = volumes(), volumes(denoising="independent")
        for weight in (prior.unet.leave[2].weight, prior.coordination.layers[-1].attention.out.weight):
            weight.zero_()
    assert not np.allclose(coordinated["photoflow"].coefficients, independent["photoflow"].coefficients, atol=1e-3)
    assert np.array_equal(coordinated["measured"].coefficients, independent["measured"].coefficients)


def test_renders_differ_where_pixels_meet() -> None:
    photo = np.zeros((32, 64, 3), np.uint8)
    photo[:, :32] = 200
    coefficients = np.zeros((2, 2, 32, 64), np.complex64)
    coefficients[1, 0, :, :32] = 5  # the bright half sways over the dark one, by 10 pixels to each side
    volume = SpectralVolume(coefficients, 1.0)
    front = {render: photo_frames(photo, volume, [0.0, 0.25], render)[0] for render in RENDERS}
    covered = {render: int(frame[16, 36, 0]) for render, frame in front.items()}
    assert covered["softmax"] > 190 and 80 < covered["average"] < 120
    assert front["softmax"][16, 2, 0] > 150  # what is left open is filled from beside it


def test_frames_are_cut_to_their_centre(clips: Path) -> None:
    (_, _, clip), *_ = moving_clips(clips, SECONDS, "all", [])
    assert clip.frames[0].shape[:2] == (53, 96) and len(clip.times) == FRAMES and clip.times[RATE] == 1
    assert np.array_equal(centre(clip.frames)[0], clip.frames[0][2:50])


def test_windows_follow_each_other() -> None:
    seen: list[Tensor] = []

    def network(clips: Tensor) -> Tensor:
        seen.extend(clips)
        return clips.mean((2, 3, 4))

    features = FeatureSet(Features(video=network))
    features.add([np.full((2, 4, 3), number, np.uint8) for number in range(40)])
    found = features.all_of("video", 16)
    assert found is not None and np.allclose(found[:, 0] * 255, [7.5, 23.5])
    assert len(features.all_of("video", 32)) == 1 and features.all_of("texture", 16) is None
    assert seen[0].shape == (3, 16, 2, 4) and float(seen[0].max()) == pytest.approx(15 / 255)


def test_drift_shows_over_time() -> None:
    def still(brightness: np.ndarray) -> FeatureSet:
        found = FeatureSet(NETWORKS)
        for seed in range(2):
            noise = np.random.default_rng(seed).integers(0, 40, (96, 16, 16, 3))
            found.add([np.uint8(one + add) for one, add in zip(noise, brightness)])
        return found

    true, drifting = still(np.zeros(96)), still(np.linspace(0, 200, 96))
    curves = over_time(drifting, true)
    assert len(curves["fid"]) == 3 and len(curves["dtfvd"]) == 6
    for curve in curves.values():
        assert all(after > before for before, after in pairwise(curve))
    found = set_distances(drifting, true)
    assert found["fid_begin"] == curves["fid"][0] and found["dtfvd_end"] == curves["dtfvd"][-1]


def test_what_is_not_at_hand_is_said_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    notes: list[str] = []
    assert open_features([], notes) == Features()
    assert [note.split(" left out")[0] for note in notes] == ["FID and KID are", "FVD is", "DTFVD is"]
    with pytest.raises(InputError, match="features: expected picture=FILE or video=FILE or texture=FILE, got 'i3d=a'"):
        open_features(["i3d=a"], notes)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"frequency": "4"}, "set: expected one of seconds, part, frequencies, denoising, render, .*, got 'frequency'"),
        ({"seconds": "many"}, "seconds: expected a number, got 'many'"),
        ({"steps": "2.5"}, "steps: expected a whole number, got '2.5'"),
        ({"seconds": "nan"}, r"seconds: expected 0\.5 to 20, got nan"),
        ({"frequencies": "40"}, "frequencies: expected 2 to 38, got 40"),
        ({"render": "best"}, "render: expected layers or softmax or average, got 'best'"),
        ({"denoising": "none"}, "denoising: expected coordinated or independent, got 'none'"),
    ],
)
def test_what_is_wrong_is_said(texts: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DynamicsSettings.of(texts)


def test_folders_without_clips_that_last_are_said(clips: Path) -> None:
    quiet = {"device": "cpu", "progress": lambda *_: None}
    with pytest.raises(InputError, match="expected clips of at least 5 seconds"):
        evaluate_dynamics(clips, None, settings=DynamicsSettings(), **quiet)
    with pytest.raises(InputError, match="expected at least 10 videos, of which the tenth is held out"):
        evaluate_dynamics(clips, None, settings=DynamicsSettings(part="held_out"), **quiet)


def test_the_command_writes_scores_and_a_page(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = ["--json", str(tmp_path / "scores.json"), "--report", str(tmp_path / "page")]
    small = ["--set", "seconds=2", "--set", "frequencies=4", "--against", str(clips)]
    code, said = run(monkeypatch, capsys, "dynamics", str(clips), *place, *small)
    assert (
        not code
        and "FVD is left out: expected weights of a video ResNet" in said
        and "With seconds=2.0, frequencies=4" in said
    )
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["samples"] == CLIPS and scores["methods"]["given"]["spectrum"] < 0.1
    page = check_page(tmp_path / "page" / "dynamics.html")
    assert "Energy spectra" in page and "row " in page
