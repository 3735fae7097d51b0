"""Calls drawn at random, right and wrong: results of the right shape, or a refusal of one line; see tests/fuzz."""

from __future__ import annotations

import random
import runpy
from collections import Counter
from pathlib import Path

import pytest

DRAWN = runpy.run_path(str(Path(__file__).parents[1] / "fuzz" / "operators.py"))


@pytest.mark.parametrize("face", ["run_one", "run_raw"])
def test_drawn_calls_are_answered_or_refused(face: str) -> None:
    answers = Counter(DRAWN[face](random.Random(seed)) for seed in range(800))
    assert set(answers) == {"accepted", "refused"} and min(answers.values()) > 100
