import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.viz import spectrum_plot, xt_slice


def frames() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8))


def test_a_row_over_time_runs_down_and_a_column_to_the_right() -> None:
    clip = frames()
    down, right = xt_slice(iter(clip), row=2), xt_slice(iter(clip), column=7)
    assert down.shape == (5, 8, 3) and right.shape == (6, 5, 3)
    np.testing.assert_array_equal(down[3], clip[3][2])
    np.testing.assert_array_equal(right[:, 4], clip[4][:, 7])


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ({}, "expected a row or a column"),
        ({"row": 1, "column": 1}, "expected a row or a column"),
        ({"row": 6}, "expected a line from 0 to 5, got 6"),
        ({"column": -1}, "expected a line from 0 to 7, got -1"),
    ],
)
def test_lines_that_are_not_there(line: dict[str, int], named: str) -> None:
    with pytest.raises(InputError, match=named):
        xt_slice(frames(), **line)
    with pytest.raises(InputError, match="at least one frame"):
        xt_slice([], row=0)


def drawn(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of a colour left of the curves' names, (N, 2)."""
    points: np.ndarray = np.argwhere((picture == colour).all(axis=2))
    return points[points[:, 0] >= 50]


def test_a_spectrum_that_falls_is_drawn_falling() -> None:
    frequencies = [0.2, 1.0, 2.0, 3.0]
    picture = spectrum_plot(
        {"real": (frequencies, [1, 0.1, 0.01, 0.001]), "ours": (frequencies, [0.01, 0, 0.01, 0.01])}
    )
    assert picture.shape == (320, 640, 3) and picture.dtype == np.uint8
    falling, level = drawn(picture, (31, 90, 160)), drawn(picture, (205, 92, 20))
    ends = [falling[falling[:, 1] == column][:, 0].mean() for column in (falling[:, 1].min(), falling[:, 1].max())]
    assert ends[1] - ends[0] > 150 and np.ptp(level[:, 0]) < 10
    # A straight line of powers of ten: the logarithm is drawn.
    middle = falling[abs(falling[:, 1] - falling[:, 1].mean()) < 2][:, 0].mean()
    assert abs(middle - np.mean(ends)) < 12


def test_a_spectrum_without_power() -> None:
    for curves, size in (({}, (640, 320)), ({"a": ([1], [0])}, (640, 320)), ({"a": ([1], [1])}, (100, 320))):
        with pytest.raises(InputError, match="spectrum: expected powers above 0"):
            spectrum_plot(curves, *size)
