"""`photoflow animate` through its networks, with untrained weights from files: every way runs, none is a default."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from photoflow import cli
from photoflow.models.amt import AMT
from photoflow.models.dis import DISInterpolation
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.networks import load_network
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.raft import RAFT
from photoflow.render.interpolated import STILL, FrameMaker


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo, its mask, and the weights of untrained networks."""
    folder = tmp_path_factory.mktemp("networks")
    photo = np.random.default_rng(0).integers(60, 200, (48, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "photo.png"), cv2.circle(photo, (32, 24), 10, (20, 160, 240), -1))
    cv2.imwrite(str(folder / "mask.png"), cv2.circle(np.zeros((48, 64), np.uint8), (32, 24), 10, 255, -1))
    torch.manual_seed(0)
    networks = {
        "raft": RAFT.small(), "gan": FlowGuidedGenerator(), "pyramid": PyramidGenerator(), "rife": IFNet("4.6"),
        "amt": AMT("S"),
    }  # fmt: skip
    for name, network in networks.items():
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    return folder


@pytest.fixture
def animate(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command on the photo: exit code, what was said, and the frames that came out."""

    def run(*options: object) -> tuple[int, str, list[np.ndarray]]:
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        arguments = [
            "photoflow", "animate", files / "photo.png", "--mask", files / "mask.png", "-o", output, "--fps",
            "8", "--seconds", "0.5", "--motion", "translate dx=12", "--no-loop", "--offline", *options,
        ]  # fmt: skip
        monkeypatch.setattr(sys, "argv", [*map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        frames = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(output.glob("*.png"))]
        return int(stopped.value.code or 0), captured.out + captured.err, frames

    return run


def given(files: Path, *names: str) -> list[str]:
    return [option for name in names for option in ("--weights", f"{name}={files / name}.safetensors")]


@pytest.mark.parametrize("interpolation", ["rife", "amt"])
def test_the_whole_pipeline_runs_on_weights_from_files(files, animate, interpolation):
    code, said, frames = animate(
        "--blueprint", "raft", "--renderer", "gan", "--interpolate", interpolation, "--keyframe-fps", "4",
        *given(files, "raft", "gan", interpolation),
    )  # fmt: skip
    assert code == 0 and "4 frames" in said
    photo = cv2.imread(str(files / "photo.png"))
    assert len(frames) == 4 and all(frame.shape == photo.shape for frame in frames)
    np.testing.assert_array_equal(frames[0], photo)  # nothing has moved yet
    assert (frames[2] != photo).any()


def test_a_generated_clip_keeps_its_background(files, animate):
    code, _, frames = animate("--renderer", "gan", *given(files, "gan"))
    photo = cv2.imread(str(files / "photo.png"))
    assert code == 0
    np.testing.assert_array_equal(frames[3][:, 61:], photo[:, 61:])
    assert (frames[3][16:32, 24:40] != photo[16:32, 24:40]).mean() > 0.9


def test_the_pyramid_draws_what_moves_and_nothing_else(files, animate):
    code, _, frames = animate("--renderer", "pyramid", *given(files, "pyramid"))
    photo, plain = cv2.imread(str(files / "photo.png")), animate()[2]
    assert code == 0 and len(frames) == 4
    np.testing.assert_array_equal(frames[0], photo)
    np.testing.assert_array_equal(frames[3][:, 61:], photo[:, 61:])
    drawn, splat = frames[3][16:32, 30:50].astype(int), plain[3][16:32, 30:50]
    assert (drawn != photo[16:32, 30:50]).mean() > 0.3 and np.abs(drawn - splat).mean() < 25


def test_the_generator_needs_no_weights(files, animate):
    code, _, frames = animate("--renderer", "gan")
    photo, plain = cv2.imread(str(files / "photo.png")), animate()[2]
    assert code == 0
    np.testing.assert_array_equal(frames[3][:, 61:], photo[:, 61:])
    drawn, splat = frames[3][16:32, 24:40].astype(int), plain[3][16:32, 24:40]
    assert (drawn != photo[16:32, 24:40]).mean() > 0.3 and np.abs(drawn - splat).mean() < 25


def test_keyframes_are_those_without_interpolation(files, animate):
    plain = animate()[2]
    code, _, filled = animate("--interpolate", "rife", "--keyframe-fps", "4", *given(files, "rife"))
    assert code == 0
    np.testing.assert_array_equal(filled[0], plain[0])
    np.testing.assert_array_equal(filled[2], plain[2])
    assert (filled[1] != plain[1]).any()  # an untrained network is no good


def test_dis_draws_between_keyframes_without_weights(animate):
    plain = animate()[2]
    code, _, filled = animate("--interpolate", "dis", "--keyframe-fps", "4")
    assert code == 0 and len(filled) == 4
    np.testing.assert_array_equal(filled[2], plain[2])
    drawn = FrameMaker(DISInterpolation(), "cpu")(filled[0][..., ::-1].copy(), filled[2][..., ::-1].copy(), 0.5)
    assert np.abs(filled[1][..., ::-1].astype(int) - drawn).max() <= STILL
    assert (filled[1] != filled[0]).any() and (filled[1] != filled[2]).any()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--blueprint", "raft"], "raft: expected weights for it: raft=raft_large or raft_small or a file"),
        (["--renderer", "pyramid"], "pyramid: expected weights for it: pyramid=a file"),
        (["--renderer", "pyramid", "--weights", "pyramid=FOLDER/gan.safetensors"], "weights of PyramidGenerator, got"),
        (["--interpolate", "rife"], "rife: expected weights for it: rife=rife_v4.26 or rife_v4.6 or a file"),
        (["--interpolate", "amt"], "amt: expected weights for it: amt=amt_s or amt_l or amt_g or a file"),
        (["--interpolate", "amt", "--weights", "amt=amt_s"], "forbids commercial use"),
        (["--interpolate", "rife", "--weights", "rife=rife_v4.26"], "offline is set"),
        (["--interpolate", "rife", "--weights", "rife=FOLDER/gan.safetensors"], "another network's"),
        (["--interpolate", "rife", "--weights", "rife=none.pth"], "none.pth: not found"),
        (
            ["--weights", "vae=x.pth"],
            "weights: expected weights of one of raft, gan, pyramid, refined, rife, amt, got 'vae'",
        ),
        (["--weights", "rife"], "weights: expected NETWORK=NAME or NETWORK=FILE, got 'rife'"),
        (["--blueprint", "flow"], "blueprint: expected one of exact, raft, got 'flow'"),
        (["--renderer", "x"], "renderer: expected one of splat, gan, pyramid, got 'x'"),
        (["--interpolate", "x"], "interpolate: expected one of none, dis, refined, rife, amt, got 'x'"),
        (["--keyframe-fps", "4"], "keyframe-fps: expected only where frames are interpolated"),
        (["--interpolate", "rife", "--keyframe-fps", "9"], "keyframe-fps: expected a number above 0 and at most 8"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(files, animate, monkeypatch, tmp_path, options, expected):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    code, said, frames = animate(*[option.replace("FOLDER", str(files)) for option in options])
    assert code == 2 and expected in said and said.startswith("photoflow: ") and said.count("\n") == 1
    assert not frames


@pytest.mark.parametrize(
    ("kind", "network"),
    [("raft", RAFT.large), ("flow", RAFT.small), ("rife", lambda: IFNet("4.26")), ("amt", lambda: AMT("L"))],
)
def test_the_variant_is_seen_from_the_weights(kind, network, tmp_path):
    made = network()
    save_file(made.state_dict(), tmp_path / "weights.safetensors")
    loaded = load_network(kind, tmp_path / "weights.safetensors")
    assert loaded.config == made.config and not loaded.training
    for name, tensor in made.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor)
