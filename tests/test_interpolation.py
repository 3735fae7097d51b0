"""More frames for a video: which are drawn and when, what stays as it was, and the command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from photoflow import cli
from photoflow.interpolation import CutDetector, between, check_target, interpolate, open_frames
from photoflow.io import FolderReader, VideoReader, VideoWriter, write_image
from photoflow.models.amt import AMT
from photoflow.models.dis import DISInterpolation
from photoflow.models.frame_pair import Interpolated
from photoflow.models.ifnet import IFNet
from photoflow.models.networks import load_network
from photoflow.render.interpolated import FrameMaker


def plain(value: float) -> np.ndarray:
    return np.full((4, 6, 3), round(value), np.uint8)


def mixed(before: np.ndarray, after: np.ndarray, t: float) -> np.ndarray:
    assert 0 < t < 1
    return plain(float(before[0, 0, 0]) * (1 - t) + float(after[0, 0, 0]) * t)


def never(before: np.ndarray, after: np.ndarray) -> bool:
    return False


def values(frames: Iterator[np.ndarray]) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def even(*pictures: float, fps: int = 10) -> Iterator[tuple[float, np.ndarray]]:
    return ((index / fps, plain(value)) for index, value in enumerate(pictures))


def test_frames_stay_and_those_between_are_evenly_spaced() -> None:
    assert values(between(even(0, 40, 100), Fraction(40), 4, mixed, never)) == [
        0,
        10,
        20,
        30,
        40,
        55,
        70,
        85,
        *[100] * 4,
    ]
    assert values(between(even(7), Fraction(20), 2, mixed, never)) == [7, 7]
    assert values(between(even(), Fraction(20), 2, mixed, never)) == []


def test_a_rate_that_is_no_whole_number() -> None:
    rate = Fraction(30_000, 1001)
    frames = ((float(index / rate), plain(2 * index)) for index in range(100))
    assert values(between(frames, 2 * rate, 2, mixed, never)) == [*range(199), 198]


def test_an_uneven_video_comes_out_even_and_in_time() -> None:
    uneven = [(0.0, plain(0)), (0.11, plain(10)), (0.29, plain(30)), (0.4, plain(40))]
    assert values(between(iter(uneven), Fraction(20), 2, mixed, never)) == [0, 5, 10, 15, 20, 25, 30, 35, 40, 40]
    # Two frames at one place: the later one is shown. A picture that is held long moves at last.
    crowded = [(0.0, plain(9)), (0.01, plain(0)), (0.1, plain(8))]
    assert values(between(iter(crowded), Fraction(20), 2, mixed, never)) == [0, 4, 8, 8]
    held = values(between(iter([(0.0, plain(0)), (1.0, plain(8))]), Fraction(20), 2, mixed, never))
    assert held == [0] * 19 + [4, 8, 8]


def test_nothing_is_drawn_across_a_cut_or_between_equal_frames() -> None:
    drawn = []

    def noted(before: np.ndarray, after: np.ndarray, t: float) -> np.ndarray:
        drawn.append((int(before[0, 0, 0]), int(after[0, 0, 0])))
        return mixed(before, after, t)

    def cut(before: np.ndarray, after: np.ndarray) -> bool:
        return after[0, 0, 0] == 200

    assert values(between(even(0, 10, 200, 200, 202), Fraction(20), 2, noted, cut)) == [
        0, 5, 10, 10, 200, 200, 200, 201, 202, 202,
    ]  # fmt: skip
    assert drawn == [(0, 10), (200, 202)]


def test_frames_are_read_no_sooner_than_they_are_needed() -> None:
    read = []

    def counted() -> Iterator[tuple[float, np.ndarray]]:
        for index in range(10_000):
            read.append(index)
            yield index / 10, plain(index % 256)

    frames = between(counted(), Fraction(40), 4, mixed, never)
    for place in range(40):
        next(frames)
        assert len(read) <= place // 4 + 4


def scene(seed: int, shift: int = 0) -> np.ndarray:
    """Blobs of colour, seen `shift` pixels further right."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 24, 3)).astype(np.float32)
    whole = cv2.resize(noise, (480, 180), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    return whole[:, 40 + shift : 360 + shift]


def test_cuts_are_told_from_motion_flashes_and_fades() -> None:
    cuts = CutDetector()
    pan = [scene(1, 6 * index) for index in range(8)]
    assert not any(cuts(before, after) for before, after in pairwise(pan))
    assert not cuts(pan[-1], np.clip(pan[-1].astype(int) + 90, 0, 255).astype(np.uint8))
    fade = [(scene(1) * (1 - index / 10)).astype(np.uint8) for index in range(11)]
    assert not any(cuts(before, after) for before, after in pairwise(fade + fade[::-1]))
    assert not cuts(plain(0), plain(0)) and not cuts(plain(10), plain(30))
    assert cuts.found == 0
    for index in range(2, 8):
        assert cuts(scene(index - 1), scene(index))
    assert cuts(plain(0), scene(9)[:4, :6]) and cuts(scene(9), np.zeros_like(scene(9)))
    assert cuts.found == 8


def test_in_a_restless_scene_more_is_usual() -> None:
    cuts = CutDetector()
    cuts.LEAST = 0.05
    cuts._usual.extend([0.3, 0.3, 0.3])
    assert 0.3 < cuts.change(scene(1), scene(2)) < 2
    assert not cuts(scene(1), cv2.addWeighted(scene(1), 0.4, scene(2), 0.6, 0))
    cuts._usual.clear()
    assert cuts(scene(1), cv2.addWeighted(scene(1), 0.4, scene(2), 0.6, 0))


class Shifting(torch.nn.Module):
    """Takes the second image from x pixels further right, and mixes it with the first."""

    def __init__(self, x: float) -> None:
        super().__init__()
        self.x = x

    def forward(self, img0: torch.Tensor, img1: torch.Tensor, t: float, details: bool = False) -> object:
        assert img0.shape[1] == 3 and img0.dtype == torch.float32
        still = torch.zeros(1, 2, *img0.shape[2:])
        made = Interpolated(img0, still, still + torch.tensor([self.x, 0.0]).reshape(1, 2, 1, 1), still[:, :1] + 1 - t)
        frame = made.carry(img0, img1)
        return made._replace(frame=frame) if details else frame


def test_pictures_are_drawn_in_eight_bits() -> None:
    maker = FrameMaker(Shifting(0), "cpu")
    before, after = scene(1), scene(2)
    wanted = np.rint(before * 0.75 + after * 0.25)
    assert np.abs(maker(before, after, 0.25).astype(int) - wanted).max() <= 1


def test_opacity_moves_with_the_picture_and_colours_stay_pure() -> None:
    before = np.zeros((8, 16, 4), np.uint8)
    after = before.copy()
    before[:, 4:8] = after[:, 8:12] = (200, 100, 50, 255)
    drawn = FrameMaker(Shifting(4), "cpu")(before, after, 0.5)
    np.testing.assert_array_equal(drawn[..., 3], before[..., 3])
    np.testing.assert_array_equal(drawn[:, 4:8], before[:, 4:8])
    # Over nothing it fades; what colour nothing has does not matter.
    before[..., :3], after[:] = (200, 100, 50), (9, 255, 9, 0)
    faded = FrameMaker(Shifting(0), "cpu")(before, after, 0.5)
    assert np.abs(faded[:, 4:8].astype(int) - (200, 100, 50, 128)).max() <= 1
    assert (faded[:, :4, 3] == 0).all()


def still(network: torch.nn.Module) -> torch.nn.Module:
    """An IFNet that mixes both images half and half wherever they are."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lastconv" in name:
                parameter.zero_()
    return network


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, two videos of two scenes each, one with sound, and folders of frames."""
    folder = tmp_path_factory.mktemp("interpolation")
    save_file(still(IFNet("4.6")).state_dict(), folder / "rife.safetensors")
    save_file(AMT("S").state_dict(), folder / "amt.safetensors")
    film = [scene(1, 4 * index) for index in range(4)] + [scene(2, 4 * index) for index in range(3)]
    with VideoWriter(folder / "mute.mp4", 320, 180, 25, quality=95) as writer:
        for frame in film:
            writer.write(frame)
    (folder / "frames").mkdir()
    (folder / "clear").mkdir()
    for index, frame in enumerate(film):
        write_image(folder / "frames" / f"{index}.png", frame)
        alpha = np.full((*frame.shape[:2], 1), 40 * index, np.uint8)
        write_image(folder / "clear" / f"{index}.png", np.concatenate([frame, alpha], axis=2))
    with av.open(str(folder / "tone.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        tone = (np.sin(np.arange(13_440) / 17) * 9000).astype(np.int16)[None]
        sound = av.AudioFrame.from_ndarray(tone, "s16", "mono")
        sound.sample_rate, sound.pts = 48_000, 0
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with VideoWriter(folder / "film.mp4", 320, 180, 25, quality=95, sound=folder / "tone.wav") as writer:
        for frame in film:
            writer.write(frame)
    return folder


@pytest.fixture
def run(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command: exit code and what was said."""

    def called(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["photoflow", "interpolate", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out + captured.err

    return called


def test_a_video_gets_more_frames_and_keeps_cuts_length_and_sound(files: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "out.mp4"
    code, said = run(files / "film.mp4", out, "--factor", 4, "--weights", files / "rife.safetensors", "--quality", 95)
    assert code == 0 and "out.mp4: 28 frames at 100 fps, 1 scene cut kept" in said and "sound" not in said
    before, after = list(VideoReader(files / "film.mp4")), list(VideoReader(out))
    assert len(after) == 28 and VideoReader(out).fps == 100

    def far(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(one.astype(int) - other).mean())

    for index, frame in enumerate(before):
        assert far(after[4 * index], frame) < 3
    for index in (0, 1, 2, 4, 5):
        half = (before[index].astype(int) + before[index + 1]) // 2
        assert all(far(after[4 * index + step], half) < 3 for step in (1, 2, 3))
    assert all(far(after[12 + step], before[3]) < 3 for step in (1, 2, 3))  # the cut
    with av.open(str(files / "film.mp4")) as one, av.open(str(out)) as other:
        sounds = [[bytes(packet) for packet in film.demux(film.streams.audio[0])] for film in (one, other)]
        assert sounds[0] == sounds[1] and len(sounds[0]) > 5


def test_a_folder_keeps_its_alpha(files: Path, tmp_path: Path, run) -> None:
    code, said = run(files / "clear", tmp_path / "out", "--weights", files / "rife.safetensors", "--fps", 12)
    assert code == 0 and "14 frames at 24 fps, 1 scene cut kept" in said
    frames = list(FolderReader(tmp_path / "out", 24))
    assert len(frames) == 14
    assert [int(frame[..., 3].max()) for frame in frames][:8] == [0, 20, 40, 60, 80, 100, 120, 120]
    for index, original in enumerate(FolderReader(files / "clear", 24)):
        np.testing.assert_array_equal(frames[2 * index], original)


@pytest.mark.parametrize("named", [(), ("--network", "refined"), ("--network", "dis")])
def test_what_draws_without_other_weights(named: tuple[str, ...], files: Path, tmp_path: Path, run) -> None:
    code, said = run(files / "frames", tmp_path / "out", "--fps", 12, *named)
    assert code == 0 and "14 frames at 24 fps, 1 scene cut kept" in said
    first, second = list(FolderReader(files / "frames", 12))[:2]
    network = load_network("refined", None) if "refined" in named else DISInterpolation()
    drawn = FrameMaker(network, "cpu")(first, second, 0.5)
    np.testing.assert_array_equal(list(FolderReader(tmp_path / "out", 24))[1], drawn)


def test_other_formats_and_networks(files: Path, tmp_path: Path, run) -> None:
    code, _ = run(files / "mute.mp4", tmp_path / "a.webm", "--network", "amt", "--weights", files / "amt.safetensors")
    assert code == 0 and len(list(VideoReader(tmp_path / "a.webm"))) == 14
    code, said = run(files / "frames", tmp_path / "a.gif", "--weights", files / "rife.safetensors", "--fps", 10)
    assert code == 0 and len(list(VideoReader(tmp_path / "a.gif"))) == 14 and "sound" not in said
    code, said = run(files / "film.mp4", tmp_path / "b.gif", "--weights", files / "rife.safetensors")
    assert code == 0 and "without the sound (only .mp4 and .webm keep it)" in said


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["FILES/mute.mp4", "OUT/a.mp4", "--network", "rife"], "--weights with rife_v4.26, say, or a file"),
        (
            ["FILES/mute.mp4", "OUT/a.mp4", "--network", "dis", "RIFE"],
            "weights: expected them for refined, rife or amt alone",
        ),
        (["FILES/mute.mp4", "OUT/a.mp4", "--network", "amt"], "--weights with amt_s, say, or a file"),
        (
            ["FILES/mute.mp4", "OUT/a.mp4", "--network", "vfi", "RIFE"],
            "network: expected dis, refined, rife or amt, got 'vfi'",
        ),
        (["FILES/none.mp4", "OUT/a.mp4", "RIFE"], "none.mp4: no such file"),
        (["FILES/rife.safetensors", "OUT/a.mp4", "RIFE"], "rife.safetensors is not a video file"),
        (["OUT", "OUT/a.mp4", "RIFE"], "holds no pictures"),
        (["FILES/mute.mp4", "OUT/a.xyz", "RIFE"], "a.xyz"),
        (["FILES/mute.mp4", "FILES/mute.mp4", "RIFE"], "the output would replace the input"),
        (["FILES/clear", "OUT/a.mp4", "RIFE"], "keeps no transparency"),
        (["FILES/frames", "OUT/a.mp4", "RIFE", "--fps", "0"], "fps: expected a number from 0.1 to 240"),
        (
            ["FILES/mute.mp4", "OUT/a.mp4", "RIFE", "--factor", "10"],
            "factor: expected at most 9 for 25 frames a second",
        ),
        (["FILES/mute.mp4", "OUT/a.mp4", "--weights", "FILES/amt.safetensors"], "another network's"),
        (["FILES/mute.mp4", "OUT/a.mp4", "--weights", "rife_v4.26", "--offline"], "offline is set"),
        (["FILES/mute.mp4", "OUT/a.mp4", "--network", "amt", "--weights", "amt_s"], "forbids commercial use"),
        (["FILES/mute.mp4", "OUT/a.mp4", "RIFE", "--device", "abacus"], "device: expected auto, cpu"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, arguments: list[str], expected: str
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    film = (files / "mute.mp4").read_bytes()
    filled = [text.replace("FILES", str(files)).replace("OUT", str(tmp_path)) for text in arguments]
    if "RIFE" in filled:
        filled[filled.index("RIFE") : filled.index("RIFE") + 1] = ["--weights", str(files / "rife.safetensors")]
    code, said = run(*filled)
    assert code == 2 and said.startswith("photoflow: ") and said.count("\n") == 1 and expected in said
    assert list(tmp_path.iterdir()) == [] and (files / "mute.mp4").read_bytes() == film


def test_a_failure_leaves_what_was_there(files: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"precious")

    def broken(*_: object, **__: object) -> torch.Tensor:
        raise KeyboardInterrupt

    network = still(IFNet("4.6"))
    network.forward = broken  # type: ignore[method-assign]
    frames = open_frames(files / "mute.mp4")
    check_target(frames, tmp_path / "a.mp4")
    with pytest.raises(KeyboardInterrupt):
        interpolate(frames, tmp_path / "a.mp4", network, device="cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
