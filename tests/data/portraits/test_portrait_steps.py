"""Arithmetic of the portrait pipeline, against closed forms and slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from photoflow.data.portraits.steps import are_consistent, best_mask, best_of_each, square_about, sum_scores, within


def test_scores_are_the_sums_of_a_slow_loop() -> None:
    embeddings = np.random.default_rng(0).normal(size=(9, 5)) * np.arange(1, 10)[:, None]
    scores = sum_scores(embeddings)
    for one in range(9):
        total = 0.0
        for other in range(9):
            if other != one:
                a, b = (vector / math.sqrt(sum(vector**2)) for vector in (embeddings[one], embeddings[other]))
                total -= math.sqrt(sum((a - b) ** 2))
        assert scores[one] == pytest.approx(total, abs=1e-12)


def test_scores_of_opposite_and_equal_faces_are_known() -> None:
    assert sum_scores(np.array([[1.0, 0], [2, 0], [0, 3]])) == pytest.approx([-math.sqrt(2)] * 2 + [-2 * math.sqrt(2)])
    assert sum_scores(np.array([[5.0, 1]])).tolist() == [0]


def test_the_best_face_of_each_picture_is_that_which_is_nearest_to_the_others() -> None:
    rng = np.random.default_rng(1)
    person, stranger = np.eye(8)[0], np.eye(8)[1]
    faces = np.stack([stranger, person, person, person, stranger]) + rng.normal(size=(5, 8)) * 0.01
    assert best_of_each(sum_scores(faces), [0, 0, 1, 2, 2]) == [1, 2, 3]
    assert best_of_each(np.array([1.0, 1.0]), [0, 0]) == [0]  # the first of equals


@pytest.mark.parametrize(("count", "is_cut"), [(65, False), (66, True), (100, True)])
def test_eight_deviations_drop_one_stranger_among_many_faces_and_never_one_among_few(count: int, is_cut: bool) -> None:
    """One among n that are alike lies sqrt(n - 1) deviations away: 8 of 65, 8.06 of 66, 9.95 of 100."""
    faces = np.tile([1.0, 0, 0], (count, 1))
    faces[7] = [0, 1, 0]
    scores = sum_scores(faces)
    deviations = (scores.mean() - scores[7]) / scores.std()
    assert deviations == pytest.approx(math.sqrt(count - 1))
    kept = are_consistent(scores, 8)
    assert kept.sum() == count - is_cut and kept[7] != is_cut


def test_all_are_kept_where_all_are_alike_and_none_for_being_too_alike() -> None:
    assert are_consistent(np.full(100, -0.1), 0).all() and are_consistent(np.zeros(1), 8).all()
    assert are_consistent(np.array([0.0] + [-10.0] * 99), 1).all()  # the first lies 9.95 deviations above the mean


@pytest.mark.parametrize(
    ("face", "size", "square"),
    [
        ((300, 300, 100, 100), (1000, 1000), (192, 192, 316)),  # 316² < 100² / 0.1 < 317²
        ((0, 0, 100, 100), (1000, 1000), (0, 0, 316)),  # moved into the picture
        ((900, 850, 100, 100), (1000, 1000), (684, 684, 316)),
        ((300, 10, 400, 400), (1000, 600), (200, 0, 600)),  # no larger than the picture
        ((-50, 300, 100, 100), (1000, 1000), (0, 238, 223)),  # the half of it that is in the picture
        ((2000, 0, 100, 100), (1000, 1000), (1000, 50, 0)),
    ],
)
def test_squares_about_faces(face: tuple[int, ...], size: tuple[int, int], square: tuple[int, int, int]) -> None:
    assert square_about(face, size, 0.1) == square  # type: ignore[arg-type]
    if square[2]:
        seen = within(face, size)  # type: ignore[arg-type]
        assert seen[2] * seen[3] / square[2] ** 2 > 0.1


def test_a_face_takes_more_than_its_share_wherever_it_is() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        size = (int(rng.integers(512, 3000)), int(rng.integers(512, 3000)))
        face = (*rng.uniform(-50, 400, 2), *rng.uniform(256, 500, 2))
        left, top, side = square_about(face, size, 0.1)
        x, y, width, height = within(face, size)
        assert 0 <= left <= size[0] - side and 0 <= top <= size[1] - side
        assert width * height > 0.1 * side**2
        assert side == min(size) or width * height <= 0.1 * (side + 1) ** 2  # no larger one would do
        if max(width, height) <= side:  # all of the face is in it
            assert left <= x + 1 and x + width <= left + side + 1 and top <= y + 1 and y + height <= top + side + 1


def test_the_mask_over_most_of_the_face_is_taken() -> None:
    masks = np.zeros((3, 40, 60), bool)
    masks[0, :, :12] = True  # covers 2 of the face's 20 columns
    masks[1, 5:, :40] = True  # covers all but 5 of its 10 rows
    masks[2, :, 40:] = True
    assert best_mask(masks, (10.0, 0.0, 20.0, 10.0)) == (1, pytest.approx(0.5))
    assert best_mask(masks[2:], (10.0, 0.0, 20.0, 10.0)) == (0, 0.0)
    assert best_mask(masks, (-99.0, 0.0, 20.0, 10.0)) == (0, pytest.approx(1.0))  # beside the picture: its border
