"""Processes of this machine that share the items of a batch."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from types import FrameType

import psutil

from photoflow.batch.items import Item
from photoflow.batch.record import Record
from photoflow.errors import InputError

Work = Callable[[Item], Record]

_LOOK = 0.2  # seconds between two looks at the memory
_PATIENCE = 5.0  # seconds that a process has to end by itself
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Processes:
    """Processes that do the items of a batch, each one after the other.

    A process that dies takes nothing with it: its item is tried again, once, by another one. Processes that together
    have more memory than they may lose the largest of them, whose item comes again at the end, by itself; what is then
    still too large fails. The processes end when the one that started them does, however it ends.

    Args:
        work: what is done with an item; it is pickled once for each process, and keeps there what it loads.
        jobs: how many at once.
        memory: bytes that all of them may have together.
        report: receives a line where a process died or was ended.
        cores: that all of them share; None: those of this machine.
    """

    def __init__(
        self, work: Work, jobs: int, memory: int, report: Callable[[str], None] = lambda line: None,
        cores: int | None = None,
    ) -> None:  # fmt: skip
        self._work, self._jobs, self._memory, self._report = work, jobs, memory, report
        self._cores = cores or _cores()
        self._workers: list[_Worker] = []
        self._again: deque[Item] = deque()  # their process died
        self._alone: deque[Item] = deque()  # they took too much beside others
        self._tried: set[str] = set()

    def records(self, items: Iterable[Item]) -> Generator[Record, None, None]:
        """Yield the record of each item as it is done; when it is closed, or interrupted, nothing half is left.

        Args:
            items: they are asked for one by one, as processes become free.

        Raises:
            InputError: the system starts no more processes.
        """
        coming = iter(items)
        try:
            while True:
                self._hand_out(coming)
                busy = [worker for worker in self._workers if worker.item is not None]
                if not busy:
                    break
                ready = connection.wait([worker.connection for worker in busy], timeout=_LOOK)
                for worker in busy:
                    if worker.connection in ready and (record := self._received(worker)) is not None:
                        yield record
                if (record := self._within_memory()) is not None:
                    yield record
        finally:
            self._end_all()

    def _hand_out(self, coming: Iterator[Item]) -> None:
        """Give every process that is free the next item; more are started while there are items for them."""
        while True:
            free = next((worker for worker in self._workers if worker.item is None), None)
            if free is None and len(self._workers) >= self._jobs:
                return
            item = self._again.popleft() if self._again else next(coming, None)
            if item is None:
                self._hand_out_alone()
                return
            (free or self._new()).give(item)

    def _hand_out_alone(self) -> None:
        """Give an item that needs the memory for itself to the only process, once nobody else is at work."""
        if self._alone and not any(worker.item is not None for worker in self._workers):
            self._end_all()
            self._jobs = 1
            self._new().give(self._alone.popleft())

    def _new(self) -> _Worker:
        try:
            worker = _Worker(self._work, max(1, self._cores // self._jobs))
        except OSError as error:
            raise InputError(f"jobs: no process starts beside {len(self._workers)} others: {error.strerror}; "
                             "expected fewer jobs") from error  # fmt: skip
        self._workers.append(worker)
        return worker

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.ask_to_end()
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _received(self, worker: _Worker) -> Record | None:
        """Return the record that a process sent; None where it died, and its item is tried again."""
        item = worker.item
        assert item is not None
        try:
            record: Record = worker.connection.recv()
        except (EOFError, OSError):
            return self._died(worker, item)
        worker.item = None
        return record

    def _died(self, worker: _Worker, item: Item) -> Record | None:
        self._workers.remove(worker)
        how = worker.end()
        if item.output in self._tried:
            return Record(item.photo, item.output, f"the process that made it ended twice ({how})")
        self._tried.add(item.output)
        self._again.append(item)
        self._report(f"{item.photo}: the process that made it ended ({how}); it is tried again")
        return None

    def _within_memory(self) -> Record | None:
        """End the largest process where all together have too much; return a record where that was the only one."""
        if sum(worker.memory() for worker in self._workers) <= self._memory:
            return None
        for worker in [worker for worker in self._workers if worker.item is None]:  # what they keep is not needed
            worker.end()
            self._workers.remove(worker)
        if not self._workers or sum(worker.memory() for worker in self._workers) <= self._memory:
            return None
        worker = max(self._workers, key=_Worker.memory)
        item = worker.item
        assert item is not None
        only, size = len(self._workers) == 1, worker.memory()
        worker.end()
        self._workers.remove(worker)
        if only:
            return Record(item.photo, item.output, f"it needs more memory than the {_gigabytes(self._memory)} of all "
                          "processes; a smaller size needs less")  # fmt: skip
        self._alone.append(item)
        self._report(f"{item.photo}: beside others it takes more memory ({_gigabytes(size)}) than there is for all "
                     f"({_gigabytes(self._memory)}); it comes at the end")  # fmt: skip
        if len(self._alone) % 3 == 0 and self._jobs > 1:  # not one large photo: there is no room for so many
            self._jobs -= 1
            self._report(f"on with {self._jobs} processes at once")
        return None


class _Worker:
    """A process at work, as the one that started it sees it."""

    def __init__(self, work: Work, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # not forked: threads of libraries do not survive that
        self.connection, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, work, threads), daemon=True)
        with _undisturbed(threads):
            self.process.start()
        far.close()
        self.item: Item | None = None
        self._seen = psutil.Process(self.process.pid)

    def give(self, item: Item) -> None:
        """Hand it an item; that it died meanwhile is seen when its record is waited for."""
        self.item = item
        with suppress(OSError):
            self.connection.send(item)

    def memory(self) -> int:
        """Return the bytes that it has in memory."""
        try:
            return int(self._seen.memory_info().rss)
        except psutil.Error:
            return 0

    def ask_to_end(self) -> None:
        """Ask it to leave nothing half and end; it is not waited for."""
        self.process.terminate()

    def end(self) -> str:
        """End it, by force where it does not end by itself; return how it ended."""
        self.ask_to_end()
        self.process.join(_PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.connection.close()
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextmanager
def _undisturbed(threads: int) -> Iterator[None]:
    """Start a process within: it does not hear the terminal's interrupt, and libraries in it find their threads."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(near: Connection, work: Work, threads: int) -> None:
    """Do items as they come, in a process of its own, until nobody sends any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process says when it ends
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup's is left alone
        signal.signal(signal.SIGHUP, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import cv2

    cv2.setNumThreads(threads)
    with suppress(EOFError, OSError):
        while True:
            near.send(work(near.recv()))


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once, and leave nothing half."""
    atomic = sys.modules.get("photoflow.io.atomic")  # not imported here, where an import may be under way
    if atomic is not None and hasattr(atomic, "remove_unfinished"):
        atomic.remove_unfinished()
    os._exit(128 + number)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, however that was."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        _leave(0, None)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_jobs() -> int:
    """Return how many processes make the most of this machine: one for each core."""
    return _cores()


def usual_memory() -> int:
    """Return the bytes that processes may have by themselves: three quarters of what is free, also of a container."""
    free = int(psutil.virtual_memory().available)
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError), open(limit) as file:  # "max": there is none
            free = min(free, int(file.read()))
    return free * 3 // 4


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB"
