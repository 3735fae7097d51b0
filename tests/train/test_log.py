"""The table, the lines and the pictures of a training."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from rich.console import Console

from photoflow.errors import InputError
from photoflow.train import log
from photoflow.train.log import Journal
from photoflow.train.pictures import sheet


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_means_and_a_resumed_table_goes_on(tmp_path: Path) -> None:
    with Journal(tmp_path, 0, Console(quiet=True), every=2) as journal:
        for step in range(1, 6):
            journal.note(step, step / 10, step / 6, {"loss": float(step)})
    assert [(row["step"], row["loss"]) for row in rows(tmp_path)] == [("2", "1.5"), ("4", "3.5"), ("5", "5")]
    with open(tmp_path / "log.csv", "a") as file:
        file.write("6,0.6")  # a process was killed within a row
    with Journal(tmp_path, 4, Console(quiet=True), every=1) as journal:
        journal.note(5, 0.5, 1.0, {"loss": 9.0, "late": 1.0})
    assert [(row["step"], row["loss"], row["late"]) for row in rows(tmp_path)] == [
        ("2", "1.5", ""), ("4", "3.5", ""), ("5", "9", "1"),
    ]  # fmt: skip


def test_lines_say_how_long_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 10.0, 60.0, 60.0, 61.0])
    with Journal(tmp_path, 0, Console(width=200), lambda: next(seconds)) as journal:
        journal.note(1, 0.2, 0.1, {"loss": 2.0})
        journal.note(2, 1.0, 0.25, {"loss": 1.0})
        journal.note(3, 1.1, 0.3, {"loss": 1.0})
    said = capsys.readouterr().out
    assert "step 2, 1.0 min, 3.0 min left: loss 1" in said
    assert "step 1," not in said and "step 3," not in said


def test_that_tensorboard_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with Journal(tmp_path, 0, Console(width=300)):
        pass
    assert "tensorboard is not installed" in capsys.readouterr().out


def test_tensorboard_gets_losses_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Writer:
        def __init__(self) -> None:
            self.got: list[tuple[object, ...]] = []

        def add_scalar(self, *values: object) -> None:
            self.got.append(values)

        def add_image(self, name: str, rgb: np.ndarray, step: int, dataformats: str) -> None:
            self.got.append((name, rgb.shape, step, dataformats))

        def close(self) -> None:
            self.got.append(("closed",))

    writer = Writer()
    monkeypatch.setattr(log, "_tensorboard", lambda *_: writer)
    with Journal(tmp_path, 0, Console(quiet=True), every=1) as journal:
        journal.note(1, 0.1, 0.5, {"loss": 2.0})
        journal.picture(1, np.zeros((4, 5, 3), np.uint8))
    assert writer.got == [("loss", 2.0, 1), ("samples", (4, 5, 3), 1, "HWC"), ("closed",)]


def test_sheets_show_samples_as_rows(tmp_path: Path) -> None:
    red = torch.tensor([1.0, 0.0, 0.0])[:, None, None].expand(6, 3, 20, 30)
    flow = torch.zeros(6, 2, 20, 30)
    made = sheet([red, flow])
    assert made.shape == (4 * 26 - 6, 2 * 36 - 6, 3)  # four of the six, gaps of 6 between them
    assert made[0, 0].tolist() == [255, 0, 0] and made[0, -1].tolist() == [255, 255, 255]
    with Journal(tmp_path, 0, Console(quiet=True)) as journal:
        journal.picture(12, made)
    assert cv2.imread(str(tmp_path / "samples" / "0000012.png"))[0, 0].tolist() == [0, 0, 255]


def test_a_table_of_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("date,ship\n1842-01-02,Beagle\n")
    with pytest.raises(InputError, match=r"log\.csv: expected the table of a training, got another file"):
        Journal(tmp_path, 0, Console(quiet=True))
    assert (tmp_path / "log.csv").read_text() == "date,ship\n1842-01-02,Beagle\n"
