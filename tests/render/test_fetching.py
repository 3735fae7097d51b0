"""Pictures on their way from a GPU: in their order, copied while the next ones are drawn, each waited for once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pretended_cuda import PretendedCuda
from torch import Tensor

from photoflow.render.fetching import AHEAD, fetched, interleaved


class Streams:
    """In the place of torch.cuda's streams and events: notes what happens, in which order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[str] = []
        self.events = 0
        notes = self

        class Stream:
            def __init__(self, device: Any = None) -> None:
                notes.happened.append("stream")

            def wait_stream(self, other: Any) -> None:
                assert other == "main"
                notes.happened.append("after drawing")

            def __enter__(self) -> None:
                notes.happened.append("enter")

            def __exit__(self, *error: Any) -> None:
                notes.happened.append("leave")

        class Event:
            def __init__(self, blocking: bool) -> None:
                assert blocking
                self.number = notes.events
                notes.events += 1

            def record(self, stream: Stream) -> None:
                notes.happened.append(f"record {self.number}")

            def synchronize(self) -> None:
                notes.happened.append(f"wait {self.number}")

        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: "main")


def picture(number: int) -> Tensor:
    return torch.randint(0, 256, (3, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))


def test_frames_leave_while_the_next_ones_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    streams, counted = Streams(monkeypatch), PretendedCuda()

    def drawn() -> Iterator[Tensor]:
        for number in range(5):
            streams.happened.append(f"draw {number}")
            yield counted.put(picture(number))

    with counted:
        got = list(fetched(drawn()))
    for number, one in enumerate(got):
        np.testing.assert_array_equal(one, interleaved(picture(number)))
    assert len(got) == 5 and counted.pinned == 5
    assert not counted.waits  # no copy blocks
    order = streams.happened
    assert order.count("stream") == 1
    for number in range(5):
        assert order.index(f"record {number}") < order.index(f"wait {number}")
        if number + AHEAD < 5:
            assert order.index(f"draw {number + AHEAD}") < order.index(f"wait {number}")
        if number + AHEAD + 1 < 5:  # no more are on their way
            assert order.index(f"wait {number}") < order.index(f"draw {number + AHEAD + 1}")
    copies = "".join(one[0] for one in order if one in ("after drawing", "enter", "leave") or one.startswith("record"))
    assert copies == 5 * "aerl"  # each after its drawing, on the stream of copies


def test_what_is_on_the_cpu_keeps_its_place_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    Streams(monkeypatch)
    arrays, counted = [interleaved(picture(number)) for number in range(6)], PretendedCuda()
    mixed = [arrays[n] if n in (0, 2, 5) else counted.put(picture(n)) for n in range(6)]
    with counted:
        got = list(fetched(mixed))
    assert got[0] is arrays[0] and got[2] is arrays[2]
    np.testing.assert_array_equal(got, arrays)


def test_on_the_cpu_each_comes_before_the_next_is_drawn() -> None:
    drawn: list[int] = []

    def pictures() -> Iterator[Tensor]:
        for number in range(3):
            drawn.append(number)
            yield picture(number)

    for number, one in enumerate(fetched(pictures())):
        assert drawn == list(range(number + 1))
        np.testing.assert_array_equal(one, interleaved(picture(number)))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpus_pictures_arrive_whole() -> None:
    def drawn() -> Iterator[Tensor]:
        for number in range(20):
            there = torch.zeros((3, 2160, 3840), dtype=torch.uint8, device="cuda")
            for _ in range(40):
                there = there + number  # busy when the copy is asked for
            yield there

    for number, one in enumerate(fetched(drawn())):
        assert one.shape == (2160, 3840, 3) and (one == 40 * number % 256).all()
