"""Every command and every Python block of README.md, CONTRIBUTING.md and docs/ is run, or checked for a stated reason.

A `photoflow` command runs as it stands, on small files of the names that the page uses, with the options of SMALLER
behind it. What needs weights that nobody has at hand ends in one line that says so (MISSING). What sets a machine up or
runs for minutes is checked in its parts (CHECKED). A command of any other kind fails here.
"""

from __future__ import annotations

import glob
import importlib
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import samples
from documented import ROOT, Block, Command, blocks, commands, without_repeats
from fastapi.testclient import TestClient
from fsspec.registry import _registry as fsspec_classes
from squares import TINY, narrow

from photoflow import Animator, Stage, cli
from photoflow.weights import WeightsError

TEN = "--size 96 --seconds 0.5 --fps 8 --offline"
SMALLER = {
    "animate": TEN,
    "batch": f"{TEN} --jobs 1",
    "poke": f"{TEN} --seconds 1 --fps 4",
    "optimise": f"{TEN} --steps 2",
    "prepare": "--size 96 --offline",
    "inpaint": "--offline",
    "evaluate completion": "--offline --size 108x60",
    "evaluate dynamics": "--offline --set steps=2",
    "train spectral": "--minutes 0 --batch 1 --device cpu --size 16x24 --set normalisation=size",
    "sample": "--steps 2 --offline",
    "flow": "--offline",
    "interpolate": "--offline",
    "onnx": "--offline",
    "export photo.jpg": TEN,
    "evaluate": "--offline",
    "studio": "--offline --no-browser",
    "train": "--minutes 0 --batch 1 --device cpu",
}
"""What is typed behind a command, by its first word: smaller, shorter, and without the network."""

MISSING = {
    r"batch s3://": "s3fs",
    r"photoflow portrait ": "stable-diffusion-xl",
    r"--motion (face|'face )": "blazeface",
    r"--weights (raft=)?raft_small": "raft_small",
    r"--weights (rife=)?rife_v4.26": "rife_v4.26",
    r"weights get raft_small": "raft_small",
    r"portrait-data all": "face",
    r"train photomaker": "portrait-data",  # which found no face before
}
"""Commands, by what is in them, that need weights or networks: the line they end with, and exit code 2, names these."""


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documented")
    with narrow():
        samples.make(folder)
    return folder


@pytest.fixture
def place(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the samples, in which commands run, on a machine without weights and without a network."""
    folder = tmp_path / "work"
    shutil.copytree(written, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(fsspec_classes, "s3", raising=False)  # where another test loaded it
    monkeypatch.setattr("photoflow.batch.Processes.records", in_this_process)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    return folder


@pytest.mark.parametrize("block", without_repeats(blocks("bash")), ids=str)
def test_commands(
    block: Block, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables: dict[str, str] = {}
    for command in commands(block.text):
        words = tuple(variables.get(word, word) for word in command.words)
        name = words[0].removeprefix(".venv/bin/")
        if name == "torchrun":  # of its processes one, without it
            words = words[words.index("-m") + 1 :]
            name = words[0]
        if name == "variable":
            variables[f"${words[1]}"] = printed(words[2])
        elif name == "photoflow":
            photoflow(words[1:], command, monkeypatch, capsys)
        else:
            check = next((check for start, check in CHECKED.items() if name == start), None)
            assert check is not None, f"{block}: nothing runs or checks {command}"
            check(command)


def photoflow(
    words: Sequence[str], command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run a command of photoflow in this process."""
    words = [filled_in(word) for word in words]
    smaller = SMALLER.get(" ".join(words[:2]), SMALLER.get(words[0], "")).split()
    if any(word.endswith(".stage") for word in words[1:2]):
        smaller = smaller[2:]  # a stage has its size
    if words[0] == "train":
        smaller += ["--out", f"trained/{'-'.join(words[1:]).replace('/', '-')}"]
        smaller += [option for name, value in TINY.get(words[1], {}).items() for option in ("--set", f"{name}={value}")]
    monkeypatch.setattr(sys, "argv", ["photoflow", *words, *smaller])
    if command.stdin:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(Path(command.stdin).read_bytes())))
    with ExitStack() as stack:
        stack.enter_context(mock.patch("photoflow.deploy.export", exported))
        stack.enter_context(narrow())
        stack.enter_context(mock.patch("photoflow.studio.server._Server.run", served))
        stopped = stack.enter_context(pytest.raises(SystemExit))
        cli.main()
    captured = capsys.readouterr()
    said = captured.out + captured.err
    missing = next((text for pattern, text in MISSING.items() if re.search(pattern, str(command))), None)
    if missing is None:
        assert (stopped.value.code or 0) == 0, f"{command}: {said}"
    else:
        assert stopped.value.code == 2 and missing in said and "Traceback" not in said, f"{command}: {said}"


def served(server: Any, sockets: Any = None) -> None:
    """Stand in for the studio's server: it has begun, and is stopped at once."""


def in_this_process(pool: Any, items: Any) -> Iterator[Any]:
    """Stand in for the processes of a batch, each of which loads torch anew; tests/batch has them."""
    for item in items:
        yield pool._work(item)


def exported(network: Any, path: Path, **_: Any) -> Path:
    """Stand in for the writing of an ONNX file, which takes ten seconds and more; tests/deploy has it."""
    path.touch()
    return path


def filled_in(word: str) -> str:
    """Return a word with what $(python -c '...') prints in its place."""
    code = re.search(r"\$\(\S*python -c '(.*)'\)", word)
    return word if code is None else word.replace(code[0], printed(code[1]))


def printed(code: str) -> str:
    """Return what Python code prints."""
    said = io.StringIO()
    with redirect_stdout(said):
        exec(code, {})
    return said.getvalue().strip()


def sets_up(command: Command) -> None:
    """Check the extras and options of a pip command."""
    assert command.words[1] == "install", command
    extras = (ROOT / "pyproject.toml").read_text()
    for word in command.words[2:]:
        named = re.fullmatch(r"(?:\.|photoflow)\[([\w,-]+)\]", word)
        for extra in named[1].split(",") if named else ():
            assert re.search(rf"^{extra} = \[", extras, re.MULTILINE), f"pyproject.toml has no extra {extra}"


def runs_python(command: Command) -> None:
    """Check that a module or the names in code exist; what takes minutes is not run."""
    words = tuple(word for word in command.words[1:] if word != "-P")
    if words[0] == "-c":
        compile(words[1], "documentation", "exec")
        for path in re.findall(r'run_path\("([^"]+)"\)', words[1]):
            assert (ROOT / path).is_file(), path
        return
    if words[0].endswith(".py"):
        assert (ROOT / words[0]).is_file(), words
        return
    assert words[0] == "-m", words
    if words[1] == "benchmarks":
        assert (ROOT / "benchmarks" / f"bench_{words[2]}.py").is_file(), words
    elif words[1] != "venv":
        assert (ROOT / words[1].replace(".", "/") / "__main__.py").is_file(), words


def runs_tests(command: Command) -> None:
    """Check the folders that pytest is given."""
    assert all((ROOT / word).exists() for word in command.words if word.startswith("tests/")), command


def links(command: Command) -> None:
    """Check that what is linked to is in the repository."""
    assert (ROOT / command.words[2].removeprefix("/path/to/photoflow/")).exists(), command


def has_its_file(command: Command) -> None:
    """Check that the file of settings which a tool is given is there."""
    whole_tree()
    for option, value in itertools.pairwise(command.words):
        assert option != "--config-file" or (ROOT / value).is_file(), command


def is_script(command: Command) -> None:
    """Check that a script is there and may be run."""
    whole_tree()
    assert os.access(ROOT / command.words[0], os.X_OK), command


def is_tool(command: Command) -> None:
    """Check that a tool comes with the extra for developers."""
    assert f'"{command.words[0]}"' in (ROOT / "pyproject.toml").read_text(), command


def whole_tree() -> None:
    """Skip where only the tests are, beside an installed package."""
    if not (ROOT / "setup.py").exists():
        pytest.skip("needs all of the source tree")


def runs_in_a_shell(command: Command) -> None:
    """Run a tool that nearly every system has on the samples."""
    if shutil.which(command.words[0]) is None:
        pytest.skip(f"there is no {command.words[0]}")
    names = [name for word in command.words[1:] for name in (sorted(glob.glob(word)) or [word])]
    done = subprocess.run([command.words[0], *names], check=True, capture_output=True)
    if command.stdout:
        Path(command.stdout).write_bytes(done.stdout)


def asks_the_service(command: Command) -> None:
    """Ask the serving example for what curl asks it."""
    pytest.importorskip("prometheus_client")
    with mock.patch.object(sys, "path", [str(ROOT / "examples" / "serve"), *sys.path]):
        serve = importlib.import_module("app")
    photo = command.words[command.words.index("--data-binary") + 1].removeprefix("@")
    (address,) = (word for word in command.words if word.startswith("http://"))
    with TestClient(serve.create_app(Animator("cpu", "grabcut", offline=True))) as client:
        for _ in range(600):
            if client.get("/health").status_code == 200:
                break
            time.sleep(0.1)
        answer = client.post(address.partition(":8000")[2], content=Path(photo).read_bytes())
    assert answer.status_code == 200, answer.text


def nothing(command: Command) -> None:
    """Leave out what only prepares the shell."""


CHECKED: dict[str, Callable[[Command], None]] = {
    "pip": sets_up,
    "python": runs_python,
    "python3": runs_python,
    "pytest": runs_tests,
    "ruff": is_tool,
    "mypy": is_tool,
    "scripts/build_wheels": is_script,
    "scripts/check_wheel": is_script,
    "scripts/gpu_check": is_script,
    "scripts/lint": is_script,
    "scripts/setup": is_script,
    "cibuildwheel": has_its_file,
    "ln": links,
    "cat": runs_in_a_shell,
    "curl": asks_the_service,
    "rm": runs_in_a_shell,
    "split": runs_in_a_shell,
    ".": nothing,
    "cd": nothing,
    "git": nothing,
    "export": nothing,
}
"""Commands that are not photoflow's, by their first word, and what is checked of them."""


@pytest.mark.parametrize("page", dict.fromkeys(block.page for block in blocks("python")))
def test_python(page: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after the other, with what the page says it has already."""
    smaller(monkeypatch)
    notebook = SimpleNamespace(Video=lambda path, embed: Path(path).stat())  # in place of IPython, which no test needs
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    names = given()
    with narrow():
        for block in [one for one in blocks("python") if one.page == page]:
            code = compile("\n" * (block.line - 1) + block.text, page, "exec")
            if page in UNFETCHED:
                with pytest.raises(WeightsError, match=UNFETCHED[page]):
                    exec(code, names)
            else:
                exec(code, names)


UNFETCHED = {"docs/howto/networks.md": "raft_large"}
"""Pages whose Python asks for weights that nobody has at hand."""


def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let animators find subjects without weights, and make small and short clips."""
    made, prepare, animate = Animator.__init__, Animator.prepare, Animator.animate

    def short(self: Animator, photo: Any, *arguments: Any, **options: Any) -> Any:
        size = {} if isinstance(photo, Stage) else {"size": 96}
        return animate(self, photo, *arguments, **options | {"seconds": 0.5, "fps": 8} | size)

    monkeypatch.setattr(Animator, "__init__", lambda self: made(self, segmenter="grabcut", offline=True))
    monkeypatch.setattr(Animator, "prepare", lambda *said, **options: prepare(*said, **options | {"size": 96}))
    monkeypatch.setattr(Animator, "animate", short)


def given() -> dict[str, Any]:
    """Return what a block of Python takes from the text around it."""
    import torch

    image = torch.rand(1, 3, 32, 48)
    flow = torch.rand(1, 2, 32, 48)
    frames = [np.full((48, 64, 3), 10 * index, np.uint8) for index in range(4)]
    mask = np.zeros((48, 64), bool)
    mask[10:20, 10:20] = True
    return {
        "__name__": "__main__", "image": image, "image1": image, "image2": image, "frames": frames, "masks": [mask] * 4,
        "flow": flow, "flow_ab": flow, "flow_ba": -flow, "metric": torch.rand(1, 1, 32, 48),
        "feature": torch.rand(1, 8, 32, 48), "fmap1": torch.rand(1, 8, 16, 16), "fmap2": torch.rand(1, 8, 16, 16),
        "coords": torch.rand(1, 2, 16, 16) * 15, "w1": torch.rand(8, 2, 3, 3), "b1": torch.rand(8),
        "w2": torch.rand(8, 8, 3, 3), "b2": torch.rand(8),
    }  # fmt: skip
