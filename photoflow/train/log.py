"""Output of a training while it runs: a table of losses, TensorBoard, a bar with the time that is left, pictures."""

from __future__ import annotations

import csv
import importlib.util
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photoflow.errors import InputError
from photoflow.io import write_image
from photoflow.io.atomic import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

TABLE = "log.csv"
_EVERY_STEPS = 20  # a row of the table is the mean over as many
_EVERY_SECONDS = 30.0  # between two lines where nobody watches a bar


class Journal:
    """Losses of a training as they come.

    Rows of the table are means over 20 steps. TensorBoard's files are written where its package is installed.

    Args:
        folder: of the training; rows of an earlier slice stay, but for those after `step`.
        step: steps done before.
        console: where the bar is shown; lines where nobody watches it.
        clock: seconds, for the time between two lines.
        every: steps of a row; 0: 20.

    Raises:
        InputError: the table cannot be written.
    """

    def __init__(
        self, folder: Path, step: int, console: Console, clock: Callable[[], float] = time.monotonic,
        every: int = 0,
    ) -> None:  # fmt: skip
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._folder, self._console, self._clock, self._every = folder, console, clock, every or _EVERY_STEPS
        check_table(folder)
        self._table = folder / TABLE
        self._columns, rows = _read_table(self._table, step)
        self._write_table(rows)
        self._sums: dict[str, tuple[float, int]] = {}
        self._place = {"step": float(step)}
        self._tensorboard = _tensorboard(folder, step, self.say)
        columns = (TextColumn("step {task.fields[step]}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[said]}"), console=console, transient=True,
                             disable=not console.is_terminal)  # fmt: skip
        self._task = self._bar.add_task("", total=1.0, step=step, said="")
        self._began = self._said = clock()

    def __enter__(self) -> Journal:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._finish_row()
        self._bar.stop()
        if self._tensorboard is not None:
            self._tensorboard.close()

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False, soft_wrap=True)

    def note(self, step: int, minutes: float, share: float, values: Mapping[str, float]) -> None:
        """Note a step.

        Args:
            step: its number, from 1.
            minutes: of training so far.
            share: of this slice that is done, in [0, 1].
            values: losses and measures by name.
        """
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1
        self._place = {"step": step, "minutes": round(minutes, 4)}
        told = {name: value for name, value in values.items() if name != "rate" and not name.endswith("/gradient")}
        shown = "  ".join(f"{name} {value:.4g}" for name, value in told.items())
        self._bar.update(self._task, completed=share, step=step, said=shown)
        if not self._console.is_terminal and self._clock() - self._said >= _EVERY_SECONDS:
            self._said = self._clock()
            left = (self._said - self._began) * (1 - share) / max(share, 1e-9) / 60
            self.say(f"step {step}, {minutes:.1f} min, {left:.1f} min left: {shown}")
        if step % self._every == 0:
            self._finish_row()

    def picture(self, step: int, rgb: NDArray[np.uint8]) -> None:
        """Keep a picture of what the network makes: `samples/STEP.png` in the folder.

        Args:
            step: steps done.
            rgb: uint8 (H, W, 3).
        """
        (self._folder / "samples").mkdir(exist_ok=True)
        write_image(self._folder / "samples" / f"{step:07d}.png", rgb)
        if self._tensorboard is not None:
            self._tensorboard.add_image("samples", rgb, step, dataformats="HWC")

    def _finish_row(self) -> None:
        """Write the means since the last row."""
        if not self._sums:
            return
        row: dict[str, Any] = self._place | {name: f"{total / n:.6g}" for name, (total, n) in self._sums.items()}
        if self._tensorboard is not None:
            for name, (total, count) in self._sums.items():
                self._tensorboard.add_scalar(name, total / count, int(self._place["step"]))
        self._sums = {}
        new = [name for name in row if name not in self._columns]
        if new:  # losses that begin later, too
            rows = _read_table(self._table, None)[1]
            self._columns += new
            self._write_table(rows)
        with open(self._table, "a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def _write_table(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(self._table, text.getvalue().encode())


def check_table(folder: Path) -> None:
    """Check that what is in the place of a training's table is one.

    Raises:
        InputError: it is another file, which would be lost.
    """
    path = folder / TABLE
    if not path.is_file():
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        head = file.readline(200)
    if head.strip() and not head.startswith("step,minutes"):
        raise InputError(f"{path}: expected the table of a training, got another file; another --out keeps it")


def _read_table(path: Path, until: int | None) -> tuple[list[str], list[dict[str, str]]]:
    """Read columns and rows of a table that may not exist; rows after a step are left out."""
    if not path.is_file():
        return ["step", "minutes"], []
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        # A process that was killed may have left half a row.
        rows = [row for row in reader if (row.get("step") or "").isdigit() and None not in row.values()]
        columns = list(reader.fieldnames or ["step", "minutes"])
    return columns, [row for row in rows if until is None or int(row["step"]) <= until]


def _tensorboard(folder: Path, step: int, say: Callable[[str], None]) -> Any:
    """Make TensorBoard's writer; where its package is not installed, say so and return None."""
    if importlib.util.find_spec("tensorboard") is None:
        say(f"tensorboard is not installed: the losses are in {folder / TABLE} alone")
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
