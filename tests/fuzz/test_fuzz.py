"""Some seconds of mutated inputs for each reader; the operators' are in tests/ops/test_drawn_calls.py."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.readers import READERS
from fuzz.target import Target

EXAMPLES = {"video": 150, "stage": 300, "weights": 300}  # of others 1000: each entry point takes a few seconds
RANDOM = st.randoms(use_true_random=False)


def quickly(count: int) -> settings:
    return settings(max_examples=count, derandomize=True, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck))  # fmt: skip


@pytest.mark.parametrize("kind", READERS, ids=lambda kind: kind.name)
def test_what_is_read_is_used_or_refused_in_one_line(kind: type[Target], tmp_path: Path) -> None:
    target, outcomes = kind(tmp_path), Counter[str]()

    @quickly(EXAMPLES.get(kind.name, 1000))
    @given(RANDOM)
    def run(rng: random.Random) -> None:
        outcomes[target.run_one(rng)] += 1

    run()
    assert outcomes["refused"] > 0, outcomes
