"""photoflow batch: a folder of photos, a run that is killed, a run that is interrupted."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import run

from photoflow.batch import Record
from photoflow.cli.batch import pace_of, parse_memory, report_file
from photoflow.cli.batch import run as do
from photoflow.errors import InputError

WORDS = ["--motion", "drift direction=0 speed=0.02", "--seconds", "0.3", "--fps", "10", "--offline"]


def pictures(folder, count):
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / ("sub" if number % 3 == 0 else ".") / f"p{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 255, (40, 56, 3), np.uint8))
    return folder


def clips(folder):
    """The bytes of every clip in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.mp4")}


def report(folder):
    """What the report says of each photo, without how long it took."""
    lines = [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]
    said = {line["photo"]: {name: line[name] for name in line if name != "seconds"} for line in lines}
    assert len(said) == len(lines)
    return said


def started(*arguments):
    # An interrupt is heard, also where the tests run in the background and ignore it.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; from photoflow.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "batch", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_batch_goes_on_and_ends_equal_to_an_undisturbed_one(tmp_path):
    photos, undisturbed, killed = pictures(tmp_path / "in", 60), tmp_path / "whole", tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
    batch = started(photos, "-o", killed, "--jobs", "2", *WORDS)
    wait_for(lambda: len(clips(killed)) >= 15)
    batch.kill()
    batch.wait()
    first = clips(killed)
    assert 15 <= len(first) < 60 and not (killed / "report.jsonl").exists()
    times = {name: (killed / name).stat().st_mtime_ns for name in first}
    said = started(photos, "-o", killed, "--jobs", "2", *WORDS).communicate(timeout=100)[1]
    assert "60 photos: " in said and "there already" in said
    whole = started(photos, "-o", undisturbed, "--jobs", "2", *WORDS)
    assert whole.wait(100) == 0
    assert clips(killed) == clips(undisturbed) and len(clips(killed)) == 60
    assert report(killed) == report(undisturbed) and len(report(killed)) == 60
    kept = sum((killed / name).stat().st_mtime_ns == time for name, time in times.items())
    assert kept >= len(first) - 2  # the record of those in hand was not written yet
    hidden = [path.name for path in killed.rglob("*") if path.name.endswith(".part")]
    assert not hidden


def test_an_interrupt_finishes_nothing_half(tmp_path):
    photos, out = pictures(tmp_path / "in", 40), tmp_path / "out"
    out.mkdir()
    batch = started(photos, "-o", out, "--jobs", "1", *WORDS)
    wait_for(lambda: clips(out))
    os.killpg(batch.pid, signal.SIGINT)  # as a terminal does
    said = batch.communicate(timeout=30)[1]
    assert "Traceback" not in said and batch.returncode == 130
    assert re.search(r"interrupted: \d+ of 40 are there; the same command goes on", said)
    left = [path.name for path in out.rglob("*") if path.is_file() and ".photoflow" not in path.parent.parent.name]
    assert set(left) <= {*(f"p{number:02}.mp4" for number in range(40)), "report.part.jsonl", "lock"}
    assert 0 < len(clips(out)) < 40


def test_one_bad_photo_does_not_stop_the_rest(tmp_path, monkeypatch, capsys):
    photos = pictures(tmp_path / "in", 2)
    (photos / "bad.jpg").write_text("no photo")
    (photos / "red\033[31m.jpg").write_text("no photo")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('motion = ["drift direction=0 speed=0.02"]\nseconds = 1\nfps = 10\n')
    words = [photos, "-o", tmp_path / "out", "--recipe", recipe, "--seconds", "0.2", "--jobs", "1", "--memory", "8GB"]
    code, said = run(monkeypatch, capsys, "batch", *words)
    assert code == 1 and "bad.jpg is not a JPEG" in said and "4 photos: 2 made, 2 failed; report.jsonl" in said
    assert said.count(r"red\x1b[31m.jpg") == 1 and "\033" not in said
    found = report(tmp_path / "out")
    assert found[str(photos / "p01.png")]["frames"] == 2 and found[str(photos / "bad.jpg")]["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none", "-o", "out"], "none: no such file or folder"),
        (["in", "-o", "in"], "expected another folder for the clips than that of the photos"),
        (["in", "-o", "out", "--format", "avi"], "format: expected mp4, webm, gif, apng, html, got 'avi'"),
        (["in", "-o", "out", "--memory", "much"], "memory: expected a size as 8GB, got 'much'"),
        (["in", "-o", "out", "--recipe", "none.toml"], "photoflow: none.toml: no such file"),
        (["in", "-o", "out", "--recipe", "bad.toml"], "expected a recipe in TOML"),
        (["in", "-o", "out", "--recipe", "odd.toml"], "'second': expected an option of photoflow animate"),
        (["in", "-o", "out", "--motion", "dance"], "dance"),
        (["in", "-o", "out", "--mask", "cat=none.png"], "none.png: no such file"),
        (["in", "-o", "out", "--renderer", "brush"], "renderer: expected one of splat, gan, pyramid, got 'brush'"),
        (["in", "-o", "out", "--alpha"], "mp4 keeps no transparency"),
        (["in", "-o", "out", "--size", "big"], "size: expected a number of pixels, WIDTHxHEIGHT or original"),
        (["in", "-o", "out", "--format", "html", "--renderer", "gan"], "html: expected the renderer splat"),
        (["in", "-o", "out", "--seconds", "0"], "seconds: expected a number above 0"),
        (["list.csv", "-o", "out"], "list.csv, line 3: 'motoin': expected an option of photoflow animate"),
        (["list.jsonl", "-o", "out"], "list.jsonl, line 2: 'second': expected an option of photoflow animate"),
        (["out/report.jsonl", "-o", "out"], "out/report.jsonl: expected a list of another name"),
        (["in", "-o", "no/out"], "does not exist"),
        (["in", "-o", "memory://out"], "memory://out: expected a folder or a store that outlasts the processes"),
        (["in", "-o", "nobody://out"], "expected a URL that an installed package of fsspec reads"),
    ],
)
def test_bad_input_gets_one_line_before_any_work(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    pictures(Path("in"), 1)
    Path("bad.toml").write_text("motion = sway")
    Path("odd.toml").write_text("second = 3")
    Path("list.csv").write_text("photo,all-subjects,motoin\na.png,,\nb.png,,sway\n")
    Path("list.jsonl").write_text('{"photo": "a.png", "seconds": 2}\n{"photo": "b.png", "second": 2}\n')
    code, printed = run(monkeypatch, capsys, "batch", *words)
    assert code == 2 and said in printed and printed.count("\n") == 1
    assert not Path("out/report.jsonl").exists()


def test_a_second_run_on_one_folder_is_told_to_wait(tmp_path):
    with report_file(str(tmp_path)) as write:
        write("1")
        with pytest.raises(InputError, match="another batch writes to it"), report_file(str(tmp_path)):
            pass
    with report_file(str(tmp_path)) as write:
        write(Record("bad\udcff.jpg", "bad.mp4").line())
    assert json.loads((tmp_path / "report.jsonl").read_text(encoding="utf-8"))["photo"] == "bad\udcff.jpg"


def test_a_report_replaces_no_file_of_somebody_else(tmp_path):
    (tmp_path / "report.jsonl").write_text("notes")
    with pytest.raises(InputError, match=r"report\.jsonl: the file there is not from a batch"):
        report_file(str(tmp_path)).__enter__()
    assert (tmp_path / "report.jsonl").read_text() == "notes"


def test_a_report_on_a_full_disk_is_one_line(tmp_path):
    (tmp_path / "report.part.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"report\.jsonl: the disk is full"), report_file(str(tmp_path)) as write:
        write("1")


def test_the_end_says_how_many_were_done_not_how_many_were_counted(tmp_path, capsys):
    records = [Record("a.jpg", "a.mp4"), Record("b.jpg", "b.mp4", kept=True), Record("c.jpg", "c.mp4", "no")]
    assert do([], 1, str(tmp_path), lambda items: (record for record in records)) == 1
    assert "3 photos: 1 made, 1 there already, 1 failed" in capsys.readouterr().err


def test_the_pace_is_that_of_what_was_made():
    assert pace_of(0, 10, 5.0) == ""
    assert pace_of(10, 700, 60.0) == "10 a minute, 1:10:00 left"


@pytest.mark.parametrize(("text", "size"), [("8GB", 8 * 10**9), ("512m", 512 * 10**6), ("1.5 GiB", 15 * 10**8)])
def test_memory_is_a_size(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "0", "GB", "-1GB"])
def test_memory_is_nothing_else(text):
    with pytest.raises(InputError, match="memory: expected a size as 8GB"):
        parse_memory(text)
