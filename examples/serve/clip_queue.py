"""The queue of a service: so many clips are made at a time, so many wait, and none for longer than its patience."""

from __future__ import annotations

import asyncio
import math
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from photoflow import Animator, motion
from photoflow.errors import Cancelled, InputError
from photoflow.io import decode_photo
from photoflow.studio.memory import give_back
from photoflow.studio.refusal import Refusal

GLANCE = 0.2  # seconds between looks whether somebody still waits for the answer
OUTCOMES = {499: "gone", 503: "refused", 504: "timed_out"}  # other statuses are bad input
SECONDS = (0.5, 1, 2, 5, 10, 20, 40, 80, 160, math.inf)  # of the histograms


@dataclass(frozen=True)
class Limits:
    """Limits of what is taken: clips at once, clips that wait, seconds a request may take, bytes of a photo."""

    at_once: int = 1  # torch uses all cores for one clip already
    waiting: int = 8
    patience: float = 120.0
    upload: int = 32 << 20


@dataclass(frozen=True)
class Wish:
    """What is asked for besides the photo."""

    motion: motion.Motion
    seconds: float = 4.0
    fps: float = 30.0
    size: int = 1280
    form: str = "mp4"


class Metrics:
    """What Prometheus reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter("photoflow_answers", "Answers, by outcome.", ["outcome"], registry=self.registry)
        self.request = self._histogram("photoflow_request_seconds", "From the photo to the answer.")
        self.stage = self._histogram("photoflow_stage_seconds", "Of a clip, by stage.", "stage")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Measure a request, and count what comes of it."""
        outcome = "failed"
        try:
            with self.request.time():
                yield
            outcome = "done"
        except (Refusal, InputError) as error:
            outcome = OUTCOMES.get(getattr(error, "status", 400), "bad_input")
            raise
        finally:
            self.answers.labels(outcome).inc()

    def _histogram(self, name: str, about: str, *labels: str) -> Histogram:
        return Histogram(name, about, labels, buckets=SECONDS, registry=self.registry)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        Gauge(name, about, registry=self.registry).set_function(value)


class ClipQueue:
    """Clips in work and clips that wait.

    Args:
        animator: makes them; its networks are loaded once and shared.
        limits: how much is taken.
    """

    def __init__(self, animator: Animator, limits: Limits) -> None:
        self._animator, self._limits, self.metrics = animator, limits, Metrics()
        self._threads = ThreadPoolExecutor(limits.at_once, "clip")
        self._open: dict[Future[bytes], threading.Event] = {}
        self._usual = 10.0  # seconds that a clip takes; those of the last ones, once there are some
        self.metrics.watch("photoflow_busy", "Clips in work.", lambda: self.busy)
        self.metrics.watch("photoflow_waiting", "Clips that wait.", lambda: len(self._open) - self.busy)

    @property
    def busy(self) -> int:
        return min(len(self._open), self._limits.at_once)

    async def clip(self, photo: bytes, wish: Wish, gone: Callable[[], Awaitable[bool]]) -> bytes:
        """Return the bytes of a clip, when it was its turn.

        Args:
            photo: bytes of its file.
            wish: what is asked for.
            gone: whether nobody waits for it any more.

        Raises:
            Refusal: 503, too many wait; 504, it took too long; 499, nobody waits for it any more.
            InputError: bad input.
        """
        if len(self._open) >= self._limits.at_once + self._limits.waiting:
            raise Refusal(503, "too many clips wait at the moment; try again")
        cancel, deadline = threading.Event(), time.monotonic() + self._limits.patience
        work = self._threads.submit(self.made, photo, wish, cancel)
        self._open[work] = cancel
        answer = asyncio.wrap_future(work)
        work.add_done_callback(lambda _: self._open.pop(work, None))  # once its thread has let go of it
        try:
            while not answer.done():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Refusal(504, f"the clip was not there after {self._limits.patience:g} s")
                if await gone():
                    raise Refusal(499, "nobody waits for this clip any more")
                await asyncio.wait({answer}, timeout=min(GLANCE, left))
            return answer.result()
        except Cancelled as error:
            raise Refusal(503, "the service ends; try again") from error
        finally:  # where it is not done: what waits is dropped, what is in work ends after its present step
            cancel.set()
            answer.cancel()

    def made(self, photo: bytes, wish: Wish, cancel: threading.Event) -> bytes:
        """Return the bytes of a clip, made in the thread that asks.

        Raises:
            InputError: bad input.
            Cancelled: it was cancelled meanwhile.
        """
        began = time.monotonic()

        def check() -> None:
            if cancel.is_set():
                raise Cancelled("cancelled")

        try:
            check()
            with self.metrics.stage.labels("plan").time():
                picture = decode_photo(photo, "photo")
                size = min(wish.size, max(picture.rgb.shape[:2]))
                clip = self._animator.animate(
                    picture, wish.motion, seconds=wish.seconds, fps=wish.fps, size=size, cancel=cancel
                )
            with self.metrics.stage.labels("render").time(), tempfile.TemporaryDirectory() as folder:
                place = Path(folder, f"clip.{wish.form}")
                clip.save(place, progress=check)
                made = place.read_bytes()
            self._usual += (time.monotonic() - began - self._usual) / 4
            return made
        finally:
            give_back()  # a service runs for weeks

    def retry_after(self) -> int:
        """Return the seconds after which there is likely to be room."""
        return math.ceil(self._usual / self._limits.at_once)

    def stop(self) -> None:
        """Cancel everything, and wait until the present steps are done."""
        for cancel in list(self._open.values()):
            cancel.set()
        self._threads.shutdown()
