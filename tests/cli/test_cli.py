"""The command line, as a person uses it and misuses it."""

import errno
import signal
import subprocess
import sys

import av.error
import cv2
import numpy as np
import pytest
import torch
from command import run

from photoflow import cli, motion
from photoflow.motion.wind import PRESETS

STEPS = ("subject: ", "cut out: ", "filled behind: ")  # what is said before something turns out to be wrong


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a small photo, its mask, and things that are neither."""
    folder = tmp_path_factory.mktemp("photos")
    photo = np.full((90, 120, 3), 90, np.uint8)
    photo += np.random.default_rng(0).integers(0, 60, (90, 120, 1), dtype=np.uint8)
    cv2.circle(photo, (60, 45), 20, (20, 160, 240), -1, cv2.LINE_AA)
    mask = cv2.circle(np.zeros((90, 120), np.uint8), (60, 45), 20, 255, -1)
    cv2.imwrite(str(folder / "photo.jpg"), photo)
    cv2.imwrite(str(folder / "mask.png"), mask)
    cv2.imwrite(str(folder / "empty.png"), 0 * mask)
    cv2.imwrite(str(folder / "full.png"), 0 * mask + 255)
    (folder / "text.jpg").write_text("not an image")
    whole = (folder / "photo.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    for name, version, strength in (("nan", 1, "NaN"), ("later", 9, "1")):
        motion = f'{{"type": "sway", "strength": {strength}}}'
        text = f'{{"photoflow": "motion", "version": {version}, "motion": {motion}}}'
        (folder / f"{name}.json").write_text(text)
    return folder


def test_animate_writes_a_video_and_says_so(files, tmp_path, monkeypatch, capsys):
    code, said = run(
        monkeypatch, capsys, "animate", files / "photo.jpg", "-o", tmp_path / "a.mp4", "--mask", files / "mask.png",
        "--seconds", "0.5", "--fps", "10", "--motion", "sway strength=1", "--motion", "float", "--offline",
        "--explain", tmp_path / "why", "--save-motion", tmp_path / "m.json",
    )  # fmt: skip
    assert code == 0 and "a.mp4: 5 frames, 0.5 s at 10 fps" in said and "subject:" in said
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "m.json", "why"]


BAD = [
    (["text.jpg"], "text.jpg"),
    (["cut.jpg"], "cut.jpg"),
    (["none.jpg"], "none.jpg"),
    (["photo.jpg", "--mask", "empty.png"], "mask"),
    (["photo.jpg", "--mask", "full.png"], "mask"),
    (["photo.jpg", "--mask", "text.jpg"], "text.jpg"),
    (["photo.jpg", "--box", "100,50,80,80"], "box: expected"),
    (["photo.jpg", "--box", "1,2"], "box: expected"),
    (["photo.jpg", "--box", ""], "box: expected"),
    (["photo.jpg", "--point", "500,5"], "point: expected"),
    (["photo.jpg", "-o", "OUT/a.xyz"], "a.xyz"),
    (["photo.jpg", "-o", "OUT/no/such/a.mp4"], "a.mp4"),
    (["photo.jpg", "--alpha", "-o", "OUT/a.mp4"], "keeps no transparency"),
    (["photo.jpg", "--seconds", "0"], "seconds: expected"),
    (["photo.jpg", "--fps", "0"], "fps: expected"),
    (["photo.jpg", "--fps", "0.01"], "fps: expected"),
    (["photo.jpg", "--save-motion", "OUT/m.txt"], "ends in .json"),
    (["photo.jpg", "--save-motion", "OUT/m.json", "--mask", "empty.png"], "mask"),
    (["photo.jpg", "--save-motion", "OUT/no/m.json"], "does not exist"),
    (["photo.jpg", "--explain", "photo.jpg"], "is a file, expected a folder"),
    (["photo.jpg", "--explain", "OUT/one", "-o", "OUT/one"], "two outputs"),
    (["photo.jpg", "--explain", "OUT", "-o", "OUT/a.mp4"], "two outputs"),
    (["photo.jpg", "--size", "big"], "size: expected"),
    (["photo.jpg", "--motion", "dance"], "unknown motion 'dance'"),
    (["photo.jpg", "--motion", "nan.json"], "strength expects"),
    (["photo.jpg", "--motion", "later.json"], "version 9"),
    (["photo.jpg", "--device", "abacus", "--mask", "mask.png"], "device"),
    (["photo.jpg", "--segmenter", "oracle"], "oracle"),
]


@pytest.mark.parametrize(("arguments", "named"), BAD, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_gets_one_line_exit_code_2_and_no_file(arguments, named, files, tmp_path, monkeypatch, capsys):
    known = {p.name for p in files.iterdir()} | {"none.jpg"}
    arguments = [str(files / a) if a in known else a.replace("OUT", str(tmp_path)) for a in arguments]
    if "-o" not in arguments:
        arguments += ["-o", str(tmp_path / "a.mp4")]
    code, said = run(monkeypatch, capsys, "animate", *arguments, "--offline")
    lines = [line for line in said.splitlines() if not line.startswith(STEPS)]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("photoflow: ") and named in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["PHOTO", "-o", "PHOTO"], ["photo.jpg", "--mask", "PHOTO", "-o", "PHOTO"]])
def test_what_is_read_is_never_replaced(arguments, files, tmp_path, monkeypatch, capsys):
    photo = tmp_path / "frames.apng"
    photo.write_bytes((files / "mask.png").read_bytes())
    arguments = [{"PHOTO": photo, "photo.jpg": files / "photo.jpg"}.get(a, a) for a in arguments]
    code, said = run(monkeypatch, capsys, "animate", *arguments, "--offline")
    assert code == 2 and ("would replace its mask" if "--mask" in arguments else "would replace the photo") in said
    assert photo.read_bytes() == (files / "mask.png").read_bytes()


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("animate", ["--motion", "spectral:CLIP", "-o", "CLIP"]),
        ("animate", ["--motion", "sway", "--motion", "MOTION", "-o", "CLIP"]),
        ("animate", ["--motion", "MOTION", "-o", "a.mp4", "--save-motion", "MOTION"]),
        ("animate", ["--motion", "poke x=1 y=1 dx=2 dy=2 like=CLIP", "-o", "CLIP"]),
        ("poke", ["--drag", "20,20,5,5", "--volume", "CLIP", "-o", "CLIP"]),
    ],
)
def test_what_a_motion_is_read_from_is_never_replaced(command, options, files, tmp_path, monkeypatch, capsys):
    clip, described = tmp_path / "clip.mp4", tmp_path / "motion.json"
    clip.write_bytes(b"a clip")
    motion.save(0.5 * motion.Spectral(str(clip)), described)
    kept = described.read_bytes()
    options = [text.replace("CLIP", str(clip)).replace("MOTION", str(described)) for text in options]
    code, said = run(monkeypatch, capsys, command, files / "photo.jpg", *options, "--offline")
    assert code == 2 and "would replace" in said and len(said.splitlines()) == 1
    assert clip.read_bytes() == b"a clip" and described.read_bytes() == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subject", "2", "--all-subjects"], "expected it without --all-subjects, got 2"),
        (["--motion", "spectral:nowhere.mp4"], "nowhere.mp4: no such file"),
        (["-o", "-"], "a video needs a file"),
    ],
)
def test_what_can_be_said_at_once_is(options, message, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("photoflow.segment.Segmenter.__call__", lambda *_, **__: 1 / 0)
    code, said = run(monkeypatch, capsys, "animate", files / "photo.jpg", *options, "--offline")
    assert code == 2 and message in said and list(tmp_path.iterdir()) == []


def test_a_gif_says_how_many_frames_it_holds(files, tmp_path, monkeypatch, capsys):
    options = ("--mask", files / "mask.png", "--seconds", "0.2", "--fps", "100", "--offline")
    code, said = run(monkeypatch, capsys, "animate", files / "photo.jpg", "-o", tmp_path / "a.gif", *options)
    assert code == 0 and "10 frames, 0.2 s at 50 fps (of 20: a GIF has at most 50 a second)" in " ".join(said.split())


def test_a_closed_terminal_ends_as_an_interrupt_does(monkeypatch, capsys):
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}
    try:
        assert run(monkeypatch, capsys, "motions")[0] == 0
        for one in before:
            with pytest.raises(SystemExit) as ended:
                signal.raise_signal(one)
            assert ended.value.code == 128 + one
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def raised(call):
    """The error that a call ends in."""
    with pytest.raises(Exception) as error:
        call()
    return error.value


def lacks_of_memory():
    """Errors of every library, most of them asked for more than there can be."""
    on_a_gpu = torch.AcceleratorError("CUDA error: out of memory")
    on_a_gpu.error_code = 2
    return [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"),
        raised(lambda: np.empty(1 << 50)),
        raised(lambda: torch.empty(1 << 50)),
        raised(lambda: cv2.resize(np.zeros((9, 9), np.uint8), (2_000_000, 2_000_000))),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
        on_a_gpu,
    ]


def test_lack_of_memory_is_one_line(files, tmp_path, monkeypatch, capsys):
    for error in lacks_of_memory():
        monkeypatch.setattr("photoflow.segment.Segmenter.__call__", lambda *_, e=error, **__: (_ for _ in ()).throw(e))
        code, said = run(monkeypatch, capsys, "animate", files / "photo.jpg", "-o", tmp_path / "a.mp4", "--offline")
        assert code == 2 and said.splitlines() == [said.strip()] and "smaller --size needs less" in said
    assert list(tmp_path.iterdir()) == []


def other_errors():
    """Errors of which a text speaks of memory or has a number that is OpenCV's for it, and of others' kinds."""
    on_a_gpu = torch.AcceleratorError("CUDA error: an illegal memory access was encountered; out of memory is code 2")
    on_a_gpu.error_code = 700
    return [
        ZeroDivisionError("division by zero"),
        ValueError("expected 3 numbers, got 1:-4: and 7"),
        IndexError("slice -4: of 3 entries"),
        RuntimeError("cannot allocate memory map of 3 keys"),
        KeyError("out of memory"),
        OSError(errno.EIO, "cannot allocate memory"),
        raised(lambda: cv2.resize(np.zeros((9, 9), np.uint8), (0, 0))),
        on_a_gpu,
    ]


def test_other_errors_are_not_hidden(files, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["photoflow", "animate", str(files / "photo.jpg"), "-o", str(tmp_path / "a.mp4")])
    for error in other_errors():
        monkeypatch.setattr("photoflow.segment.Segmenter.__call__", lambda *_, e=error, **__: (_ for _ in ()).throw(e))
        with pytest.raises(type(error)) as seen:
            cli.main()
        assert seen.value is error


def test_a_failure_while_writing_keeps_what_was_there(files, tmp_path, monkeypatch, capsys):
    target = tmp_path / "a.mp4"
    target.write_bytes(b"precious")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("photoflow.render.layered.LayeredRenderer.planes", interrupted)
    code, _ = run(
        monkeypatch, capsys, "animate", files / "photo.jpg", "-o", target, "--mask", files / "mask.png", "--offline",
        "--motion", "sway",
    )  # fmt: skip
    assert code == 130
    assert target.read_bytes() == b"precious" and list(tmp_path.iterdir()) == [target]


def test_motions_are_listed(monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "motions")
    assert code == 0 and "sway" in said and "strength=0.5" in said and "drift" in said
    assert all(preset in said for preset in PRESETS)


def test_build_info_is_one_line(monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "build-info")
    assert code == 0 and len(said.splitlines()) == 1 and "5 operators: CPU (" in said and "CUDA" in said


def test_version_and_help_are_quick_and_load_nothing():
    for option, said in (("--version", "photoflow 0."), ("--help", "Bring a still photo to life")):
        code = f"import sys; sys.argv = ['photoflow', '{option}']; from photoflow.cli import main\ntry: main()\n"
        code += "except SystemExit: print(sorted({'torch', 'cv2', 'torchvision'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert said in done.stdout and done.stdout.rstrip().endswith("[]")
