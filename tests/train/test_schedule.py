"""The learning rate, by steps and by minutes, in one go and in slices."""

from __future__ import annotations

import math

import pytest

from photoflow.train.schedule import Plan, Progress, Schedule


def test_cosine_by_steps() -> None:
    schedule = Schedule(steps=100, minutes=None, rate=1.0, last_rate=0.1)
    for step, share in ((0, 1.0), (25, (1 + math.cos(math.pi / 4)) / 2), (50, 0.5), (100, 0.0), (200, 0.0)):
        assert schedule.rate_at(schedule.progress(step, 1e9), step) == pytest.approx(0.1 + 0.9 * share)


def test_cosine_by_minutes_counts_time_alone() -> None:
    schedule = Schedule(steps=None, minutes=10, rate=1.0, last_rate=0.0)
    assert schedule.progress(10**6, 0) == 0
    assert schedule.progress(0, 300) == 0.5 and schedule.rate_at(0.5, 3) == pytest.approx(0.5)
    assert schedule.progress(0, 1200) == 1


def test_what_is_over_first_ends_it() -> None:
    schedule = Schedule(steps=10, minutes=1, rate=1.0, last_rate=0.0)
    assert schedule.progress(5, 6) == 0.5 and schedule.progress(1, 45) == 0.75


def test_warm_up_rises_from_the_first_update() -> None:
    schedule = Schedule(steps=1000, minutes=None, rate=1.0, last_rate=0.0, warmup=3)
    assert [schedule.rate_at(0, updates) for updates in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_slices_without_a_total_end_at_the_end_of_each() -> None:
    progress = Progress()
    Plan(minutes=9).extend(progress)
    assert (progress.minutes, progress.steps) == (9, None)
    progress.seconds = 540
    Plan(minutes=9).extend(progress)
    assert progress.minutes == 18


def test_an_interrupted_plan_is_kept() -> None:
    progress = Progress()
    Plan(steps=10).extend(progress)
    progress.step = 4
    for slice_of in (6, 3):
        Plan(steps=slice_of).extend(progress)
        assert progress.steps == 10
    Plan(steps=10).extend(progress)
    assert progress.steps == 14


def test_a_total_is_what_it_says() -> None:
    progress = Progress(seconds=60)
    Plan(minutes=1, total=30).extend(progress)
    assert progress.minutes == 30
    Plan(steps=5, total=20).extend(progress)
    assert (progress.minutes, progress.steps) == (None, 20)
    assert Plan(steps=4).share(1, 1e9) == 0.25 and Plan(minutes=2).share(10**6, 60) == 0.5
