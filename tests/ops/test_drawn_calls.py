"""Calls drawn at random, right and wrong: results of the right shape, or a refusal of one line; see tests/fuzz."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from fuzz.operators import run_one, run_raw


@pytest.mark.parametrize("run", [run_one, run_raw])
def test_drawn_calls_are_answered_or_refused(run: Callable[[random.Random], str]) -> None:
    answers = Counter(run(random.Random(seed)) for seed in range(800))
    assert set(answers) == {"accepted", "refused"} and min(answers.values()) > 100
