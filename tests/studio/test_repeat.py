"""What repeats a render repeats it to the bit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import photoflow
from photoflow import Animator, motion
from photoflow.studio.preview import planned

DISC = "subject-1"
FILES = ("motion.json", "work.stage", "repeat.py", "repeat.sh")


@pytest.fixture
def kept(client, tmp_path):
    """A work with all sorts of layers and motions, and the folder with what repeats it."""
    client.edit("add", name="lake", points=[[20, 180]], region=True, kind="water")
    client.edit("add", name="twin", box=[100, 50, 100, 100])
    client.edit("refine", layer=DISC, add=[[150, 60]])
    client.edit("paint", layer=DISC, strokes=[[200, 60]], size=12)
    client.edit("hold", layer=DISC, pinned=[[150, 140]])
    client.edit("motion", layer=DISC, motions=[{"type": "sway", "strength": 0.7}])
    client.edit("motion", layer="lake", motions=[{"type": "drift", "direction": 20, "speed": 0.03}])
    client.edit("motion", layer="", motions=[{"type": "camera", "pan": 0.05}])
    client.edit("switch", layer="twin", on=False)
    client.edit("settings", seconds=0.7, fps=10)
    for name in FILES:
        answer = client.get(f"files/{name}")
        assert answer.status_code == 200 and name in answer.headers["content-disposition"]
        (tmp_path / name).write_bytes(answer.content)
    return client, tmp_path


def environment():
    folders = [str(Path(photoflow.__file__).parents[1]), str(Path(sys.executable).parent)]
    paths = os.pathsep.join([folders[1], os.environ["PATH"]])
    return {**os.environ, "PYTHONPATH": folders[0], "PATH": paths}


def test_the_frames_are_the_same(kept):
    client, folder = kept
    studio = client.http.app.state.studio
    rendered = planned(studio.animator, studio.works[client.state["id"]].state)
    again = Animator("cpu", offline=True).animate(
        str(folder / "work.stage"), motion.load(str(folder / "motion.json")), seconds=0.7, fps=10.0, loop=True
    )
    assert len(rendered) == len(again) == 7
    for one, other in zip(rendered, again):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("words", [[sys.executable, "repeat.py"], ["sh", "repeat.sh"]], ids=["python", "shell"])
def test_the_file_is_the_same(kept, words):
    if shutil.which(words[0]) is None:
        pytest.skip(f"there is no {words[0]}")
    client, folder = kept
    rendered = client.http.get(client.render(format="mp4")["url"]).content
    if words[0] == "sh" and not (Path(sys.executable).parent / "photoflow").exists():
        pytest.skip("the command is not installed")
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (folder / "wall.mp4").read_bytes() == rendered


def test_what_stands_still_has_no_motion_file(client):
    client.edit("motion", layer="", motions=[])
    client.edit("motion", layer=DISC, motions=[])
    assert client.get("files/motion.json").status_code == 400
    assert client.get("files/work.stage").status_code == 200
    assert client.get("files/../app.py").status_code == 404
    assert client.get("files/passwd").json()["error"].startswith("there is no such file; expected one of motion.json")
