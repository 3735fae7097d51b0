"""Workers of a Ray cluster that share the items of a batch."""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from typing import Any

import psutil

from photoflow.batch.items import Item
from photoflow.batch.processes import Processes, Work, usual_memory
from photoflow.batch.record import Record
from photoflow.errors import InputError

_MOST = 64  # items of a task: handing out a task takes about a millisecond, whatever is in it
_PATIENCE = 30.0  # seconds without any worker before it is said
_ANSWER = 10.0  # seconds that the cluster's server has to answer
_SHARES = 20  # tasks for each worker, at least, so that the last one is not waited for long
_LOST = "^(A worker died|Raylet is terminated|Task _Worker.do failed)"  # of Ray's messages; what was lost is done again


class RayCluster:
    """Workers of a Ray cluster that do the items of a batch, each one after the other.

    The cluster is that of `RAY_ADDRESS`, or the one that runs on this machine; without either one is begun here, for as
    long as the items take. The items are iterated here, as workers become free, so that neither this process nor the
    cluster keeps more of them than are under way, however many there are. Each worker does its items in a process of
    its own, as `Processes` does, so that a photo that ends it fails alone. What a worker had in hand that was lost,
    with its machine or without, is done again by another one; work that passes over what is done already does each
    item once.

    Args:
        work: what is done with an item; it is pickled once for each worker, and keeps there what it loads.
        count: how many items there are, about.
        jobs: workers at once, each with a core; None: as many as the cluster has room for.
        memory: bytes that each worker may have, which Ray keeps for it; None: three quarters of what is free there.
        gpus: of a GPU, the share that each worker has.
        report: receives a line where a worker's process died or was ended, or no worker has begun.

    Raises:
        InputError: Ray is not installed, or the share is none.
    """

    def __init__(
        self, work: Work, count: int, jobs: int | None = None, memory: int | None = None, gpus: float = 0.0,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        if find_spec("ray") is None:
            raise InputError('ray: expected Ray; pip install "photoflow[ray]"')
        if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise InputError(f"gpus: expected a share from 0 to 1 or a whole number, got {gpus:g}")
        self._work, self._count, self._jobs, self._memory, self._gpus = work, count, jobs, memory, gpus
        self._report = report

    def records(self, items: Iterable[Item]) -> Generator[Record, None, None]:
        """Yield the record of each item as its task is done; when it is closed, or interrupted, the workers end.

        Args:
            items: they are asked for one by one, as workers become free.

        Raises:
            InputError: Ray cannot be reached or cannot go on, or a cluster that was begun here, and so never grows, is
                too small for a worker.
        """
        with _connected():
            import ray

            if not self._fits() and _is_begun_here():
                raise InputError(f"ray: {self._needs()}")
            jobs = self._jobs or self._room()
            tasks = _tasks(items, max(1, min(_MOST, self._count // (_SHARES * jobs))))
            workers = self._workers(jobs)
            # An empty task is answered once there is room for its worker: who never gets any is not waited for.
            asked = {worker.do.remote([]): worker for worker in workers}
            empty = set(asked)
            try:
                if not ray.wait([*asked], timeout=_PATIENCE)[0]:
                    self._report(f"ray: no worker has begun in {_PATIENCE:g} s, they are waited for; {self._needs()}")
                while asked:
                    answer = ray.wait([*asked])[0][0]
                    worker = asked.pop(answer)
                    records, reports = ray.get(answer)
                    if task := next(tasks, None):
                        asked[worker.do.remote(task)] = worker
                    else:  # whose room is for one that was lost and has a task
                        for free in (worker, *(asked.pop(one) for one in empty & asked.keys())):
                            ray.kill(free)
                    for line in reports:
                        self._report(line)
                    yield from records
            except ray.exceptions.RayError as error:
                raise InputError(f"ray: {_last_line(error)}") from error
            finally:
                for worker in workers:
                    ray.kill(worker)

    def _workers(self, jobs: int) -> list[Any]:
        """Ask for workers; who is lost is begun anew where there is room, and what it had in hand with it."""
        import ray

        worker = ray.remote(_Worker).options(
            num_cpus=1, num_gpus=self._gpus, memory=self._memory, max_restarts=-1, max_task_retries=-1,
            enable_task_events=False,  # which the cluster's server would remember
        )  # fmt: skip
        return [worker.remote(self._work, self._memory, os.getcwd()) for _ in range(jobs)]

    def _shares(self) -> dict[str, float]:
        """Return what each worker has, by the names that Ray has for it."""
        shares = {"CPU": 1.0, "GPU": self._gpus, "memory": float(self._memory or 0)}
        return {name: share for name, share in shares.items() if share}

    def _room(self) -> int:
        """Return how many workers the cluster has room for, as it is now."""
        import ray

        there = ray.cluster_resources()
        return max(1, min(int(there.get(name, 0) / share) for name, share in self._shares().items()))

    def _fits(self) -> bool:
        """Return whether a machine of the cluster, as it is now, is large enough for a worker."""
        return any(all(there.get(name, 0) >= share for name, share in self._shares().items()) for there in _machines())

    def _needs(self) -> str:
        """Say what a worker needs, and what machines have."""
        shares, machines = self._shares(), _machines()
        most = {name: max((there.get(name, 0.0) for there in machines), default=0.0) for name in shares}
        return f"a worker needs {_said(shares)}; a machine of the cluster has at most {_said(most)}"


class _Worker:
    """A worker, an actor of Ray: it gets tasks and returns what came of them."""

    def __init__(self, work: Work, memory: int | None, place: str) -> None:
        with suppress(OSError):  # a machine without it can do photos of an object store
            os.chdir(place)  # where relative paths begin
        self._next: deque[Item] = deque()
        self._said: list[str] = []
        pool = Processes(work, 1, memory or usual_memory(), self._said.append, cores=1)
        self._records = pool.records(iter(self._next.popleft, None))

    def do(self, task: list[Item]) -> tuple[list[Record], list[str]]:
        """Return the records of some items, and what is to be reported."""
        records = []
        for item in task:
            self._next.append(item)  # which is then the only one: its record is the next one
            records.append(next(self._records))
        said, self._said[:] = list(self._said), []
        return records, said


def _tasks(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """Yield the items in lists of at most so many."""
    coming = iter(items)
    while task := list(islice(coming, most)):
        yield task


def _last_line(error: BaseException) -> str:
    """Return the end of what Ray says, where the reason is."""
    return (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[-1]


def _machines() -> list[dict[str, float]]:
    """Return what each machine of the cluster has, used or not."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _said(resources: Mapping[str, float]) -> str:
    """Return shares of a machine in words."""
    return ", ".join(
        f"{much / 1e9:.3g} GB" if name == "memory" else f"{much:g} {name}" for name, much in resources.items()
    )


def _is_begun_here() -> bool:
    """Return whether this process has begun the cluster, whose server is then its child."""
    return any(child.name().startswith("gcs_server") for child in psutil.Process().children())


def _check_reachable(address: str) -> None:
    """Check that somebody listens at an address of Ray; its own patience is several minutes.

    Raises:
        InputError: nobody does.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():  # "auto", "local", or what Ray alone knows how to read
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER).close()
    except (OSError, OverflowError, ValueError) as error:
        raise InputError(f"ray: RAY_ADDRESS: nobody answers at {address}: {error}") from error


@contextmanager
def _connected() -> Iterator[None]:
    """Connect to the cluster, and leave it as it was.

    Raises:
        InputError: it cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent unasked
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", _LOST)
    import ray

    if ray.is_initialized():
        yield
        return
    _check_reachable(os.environ.get("RAY_ADDRESS", ""))
    try:
        ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"ray: {_last_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()
