"""The page and its plots, and the command."""

from __future__ import annotations

import base64
import itertools
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from photoflow import cli
from photoflow.cli.evaluate import chosen_weights
from photoflow.errors import InputError
from photoflow.evaluation.pictures import WIDEST, embedded, heat
from photoflow.evaluation.plots import HEIGHT, WIDTH, bars, lines, ticks
from photoflow.evaluation.report import is_best, table
from photoflow.evaluation.training import training_figure
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.raft import RAFT


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Exit code and what was said."""
    monkeypatch.setattr(sys, "argv", ["photoflow", "evaluate", *map(str, arguments), "--device", "cpu", "--offline"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out + captured.err


def check_page(path: Path) -> str:
    """A page that needs nothing else: every picture decodes, every drawing is well formed."""
    text = path.read_text()
    assert "<script" not in text and "http" not in text and "url(" not in text
    sources = re.findall(r'src="([^"]*)"', text)
    assert sources
    for source in sources:
        kind, data = source.split(",", 1)
        assert kind == "data:image/webp;base64"
        assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR) is not None
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    return text


def test_render_writes_scores_and_page(chairs, tmp_path, monkeypatch, capsys):
    scores = tmp_path / "scores.json"
    code, said = run(monkeypatch, capsys, "render", chairs, "--json", scores, "--report", tmp_path / "page")
    assert code == 0 and "left out" not in said and "PSNR" in said  # the generator's weights are shipped
    document = json.loads(scores.read_text())
    assert document["task"] == "render" and document["samples"] == 2
    assert set(document["methods"]) == {"photoflow", "repeat", "backward_warp", "splat"}
    text = check_page(tmp_path / "page/render.html")
    best = max(scores["psnr"] for scores in document["methods"].values())
    assert f"<td class=best>{best:.2f}</td>" in text
    assert "colour wheel" in text and "image 1 (original)" in text and "error of splat" in text


def test_render_draws_neighbouring_frames_by_the_pyramid(frames, tmp_path, monkeypatch, capsys):
    scores = tmp_path / "scores.json"
    save_file(PyramidGenerator().state_dict(), tmp_path / "pyramid.safetensors")
    given = f"pyramid={tmp_path / 'pyramid.safetensors'}"
    code, said = run(monkeypatch, capsys, "render", frames, "--weights", given, "--json", scores, "--report", tmp_path)
    said = " ".join(said.split())
    assert code == 0 and "2 pairs (each 4th frame of a folder and the next one), measured by OpenCV's DIS" in said
    document = json.loads(scores.read_text())
    assert document["task"] == "render" and document["samples"] == 2
    methods = document["methods"]
    assert set(methods) == {"photoflow", "repeat", "backward_warp", "splat"}
    assert methods["photoflow"]["psnr"] > methods["repeat"]["psnr"] + 5
    text = check_page(tmp_path / "render.html")
    assert "(PyramidGenerator)" in text and "No flow is known of these frames" in text


def test_flow_with_weights_and_the_curves_of_a_training(chairs, tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    save_file(RAFT.small().state_dict(), tmp_path / "raft.safetensors")
    (tmp_path / "run.csv").write_text("step,minutes,loss,note\n1,0.1,3.5,a\n2,0.2,2.5,b\n3,0.3,2.0,c\n")
    code, _ = run(
        monkeypatch, capsys, "flow", chairs, "--json", tmp_path / "s.json", "--report", tmp_path,
        "--weights", tmp_path / "raft.safetensors", "--training", tmp_path / "run.csv",
    )  # fmt: skip
    assert code == 0
    methods = json.loads((tmp_path / "s.json").read_text())["methods"]
    assert next(iter(methods)) == "photoflow" and methods["photoflow"]["epe"] > 0
    text = check_page(tmp_path / "flow.html")
    assert (
        "Training" in text and "loss by step" in text and "note by step" not in text and "minutes by step" not in text
    )
    assert "pixels below an error" in text and "histogram of photoflow" in text


def test_animation_page_has_the_papers_figures(photos, tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "animation", photos, "--json", tmp_path / "s.json", "--report", tmp_path)
    assert code == 0 and "left out" not in said and "OpenCV's DIS" in said
    text = check_page(tmp_path / "animation.html")
    for part in ("Six frames", "Trajectories over the photo", "EPE within the subject", "histogram of", "colour wheel"):
        assert part in text
    assert json.loads((tmp_path / "s.json").read_text())["methods"]["photoflow"]["background_changed"] == 0


def test_weights_may_lie_in_a_folder_with_an_equals_sign():
    assert chosen_weights("render", "runs/a=b/w.safetensors") == ("gan", "runs/a=b/w.safetensors")
    assert chosen_weights("render", "pyramid=w.safetensors") == ("pyramid", "w.safetensors")
    assert chosen_weights("interpolation", "amt=runs/a=b/w.pth") == ("amt", "runs/a=b/w.pth")
    assert chosen_weights("interpolation", "w.safetensors") == ("rife", "w.safetensors")


def test_without_weights_those_that_ship_are_taken():
    assert chosen_weights("flow", None) == ("flow", None)
    assert chosen_weights("interpolation", None) == ("refined", None)
    assert chosen_weights("animation", None) == ("raft", None)  # none: said later


BAD = [
    (
        ["colour", "CHAIRS"],
        "task: expected one of render, flow, interpolation, animation, completion, dynamics, portraits, got 'colour'",
    ),
    (["render", "NONE"], "expected a folder with NNNNN_img1.ppm"),
    (["render", "PHOTOS"], "_flow.flo"),
    (["flow", "PHOTOS/plant.png"], "found a file"),
    (["interpolation", "PHOTOS"], "expected folders with frame10.png, frame10i11.png, frame11.png, or with three"),
    (["interpolation", "NONE"], "three pictures that follow each other"),
    (["animation", "NONE"], "expected a folder with a photo or a folder of photos, found nothing"),
    (["render", "CHAIRS", "--weights", "none.pth"], "none.pth: not found"),
    (
        ["render", "CHAIRS", "--weights", "raft=none.pth"],
        "render expects gan=FILE or pyramid=FILE, got 'raft=none.pth'",
    ),
    (["interpolation", "CHAIRS", "--weights", "gan=x"], "interpolation expects rife=FILE or amt=FILE or refined=FILE"),
    (["render", "CHAIRS", "--json", "OUT/scores.txt"], "expected a name that ends in .json"),
    (["render", "CHAIRS", "--json", "OUT/no/scores.json"], "does not exist"),
    (["render", "CHAIRS", "--report", "PHOTOS/plant.png"], "it is a file"),
    (["render", "CHAIRS", "--training", "run.csv"], "expected --report too"),
    (["render", "CHAIRS", "--report", "OUT", "--training", "none.csv"], "expected a CSV file of a training run"),
    (["animation", "PHOTOS", "--motion", "fly"], "unknown motion 'fly'"),
    (["flow", "CHAIRS", "--motion", "sway"], "motion: expected for the task animation alone, got it for flow"),
    (["render", "CHAIRS", "--weights", "runs/a=b/none.pth"], "runs/a=b/none.pth: not found"),
    (["render", "CHAIRS", "--weights", "gan="], "render expects gan=FILE or pyramid=FILE, got 'gan='"),
]


@pytest.mark.parametrize(("arguments", "expected"), BAD, ids=lambda value: " ".join(value)[:40])
def test_bad_input_gets_one_line_and_no_file(arguments, expected, chairs, photos, tmp_path, monkeypatch, capsys):
    names = {"CHAIRS": str(chairs), "PHOTOS": str(photos), "NONE": str(tmp_path / "none"), "OUT": str(tmp_path)}
    for name, path in names.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    code, said = run(monkeypatch, capsys, *arguments)
    assert code == 2 and said.startswith("photoflow: ") and said.count("\n") == 1 and expected in said, said
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_of_photos(tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "animation", tmp_path)
    assert code == 2 and "expected photos (.png" in said and said.count("\n") == 1


def test_a_photo_without_a_subject(tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64, 3), 128, np.uint8))
    code, said = run(monkeypatch, capsys, "animation", tmp_path)
    assert code == 2 and said.count("\n") == 1 and "Left out, no subject found: " in said and "grey.png" in said


def test_lines_go_where_the_numbers_are():
    drawing = lines({"a": ([0, 1, 2, 3], [0, 1, float("nan"), 4])}, "time", "height")
    path = re.search(r'class="line c0" d="([^"]*)"', drawing)
    assert path is not None
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", path[1])
    assert path[1].count("M") == 2 and len(points) == 3  # the line breaks where there is no number
    x, y = zip(*[(float(a), float(b)) for a, b in points])
    assert (x[1] - x[0]) * 3 == pytest.approx(x[2] - x[0], abs=0.3)
    assert (y[0] - y[1]) * 4 == pytest.approx(y[0] - y[2], abs=0.3) and y[2] < y[1] < y[0]
    assert min(x) >= 0 and max(x) <= WIDTH and min(y) >= 0 and max(y) <= HEIGHT


def test_long_lines_are_averaged():
    drawing = lines({"a": (range(100_000), [float(i % 2) for i in range(100_000)])}, "x", "y", low=0, high=1)
    assert len(drawing) < 12_000
    ElementTree.fromstring(drawing)


def test_bars_are_as_high_as_their_numbers():
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"', bars([0, 1, 2, 3], [1, 4, 0], "x", "y"))]
    assert heights[1] == pytest.approx(4 * heights[0], abs=0.2) and heights[2] == 0


def test_names_are_escaped_and_several_curves_have_a_legend():
    drawing = lines({"a<b": ([0], [1]), "c&d": ([0], [2])}, "x", "y")
    assert "a&lt;b" in drawing and "c&amp;d" in drawing and 'class="legend"' in drawing


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 1e5), (0.001, 0.0013), (99.99, 100)])
def test_ticks_are_round_and_inside(low, high):
    values = ticks(low, high)
    assert 2 <= len(values) <= 11 and low - 1e-9 <= values[0] and values[-1] <= high + (high - low) * 1e-6
    assert len({round(b - a, 9) for a, b in itertools.pairwise(values)}) == 1


def test_the_best_is_marked_where_methods_differ():
    means = {"a": {"psnr": 20.0, "epe": 1.0, "ssim": 1.0, "seconds": 1.0}, "b": {"psnr": None, "epe": 2.0, "ssim": 1.0}}
    assert is_best(means, "a", "epe") and not is_best(means, "b", "epe")
    assert not any(is_best(means, name, metric) for name in means for metric in ("ssim", "seconds", "psnr"))
    assert "<td>–</td>" in table(means) and "<td class=best>1.000</td>" in table(means)


def test_large_pictures_are_made_smaller():
    shown = re.search(r"base64,([^\"]*)", embedded(np.zeros((1000, 2000, 3), np.uint8), "a"))
    assert shown is not None
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(shown[1]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (WIDEST // 2, WIDEST, 3)


def test_heat_goes_from_black_to_white():
    picture = heat(np.array([[0, 0.5, 1, 7, np.inf, np.nan]]), 1)
    assert picture[0, 0].sum() == 0 and (picture[0, 2:5] == 255).all() and (picture[0, 5] == 128).all()
    assert picture[0, 0].sum() < picture[0, 1].sum() < picture[0, 2].sum()


def test_a_csv_without_numbers_is_refused(tmp_path):
    (tmp_path / "run.csv").write_text("step,name\n1,a\n")
    with pytest.raises(InputError, match="columns of numbers"):
        training_figure(tmp_path / "run.csv")
