"""Workers of a Ray cluster that share the items of a batch."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from itertools import islice
from typing import Any

from photoflow.batch.items import Item
from photoflow.batch.processes import Processes, Work, usual_memory
from photoflow.batch.record import Record
from photoflow.errors import InputError

_MOST = 64  # items of a task: handing out a task takes some milliseconds, whatever is in it
_SHARES = 20  # tasks for each worker, at least, so that the last one is not waited for long
_AHEAD, _IN_HAND = 2 << 20, 64 << 10  # bytes of tasks and records between the workers: of all, and for each of them


class RayCluster:
    """Workers of a Ray cluster that do the items of a batch, each one after the other.

    The cluster is that of `RAY_ADDRESS`, or the one that runs on this machine; without either one is begun here, for as
    long as the items take. Ray Data streams the items, from where this is called, and their records: none of them is
    listed anywhere. Each worker does its items in a process of its own, as `Processes` does, so that a photo that ends
    it fails alone. What a worker had in hand that was lost, with its machine or without, is done again by another one;
    work that passes over what is done already does each item once.

    Args:
        work: what is done with an item; it is pickled once for each worker, and keeps there what it loads.
        count: how many items there are, about.
        jobs: workers at once, each with a core; None: as many as the cluster has room for.
        memory: bytes that each worker may have, which Ray keeps for it; None: three quarters of what is free there.
        gpus: of a GPU, the share that each worker has.
        report: receives a line where a worker's process died or was ended.

    Raises:
        InputError: Ray is not installed, or the share is none.
    """

    def __init__(
        self, work: Work, count: int, jobs: int | None = None, memory: int | None = None, gpus: float = 0.0,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        if find_spec("ray") is None or find_spec("pyarrow") is None:
            raise InputError('ray: expected Ray Data; pip install "photoflow[ray]"')
        if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise InputError(f"gpus: expected a share from 0 to 1 or a whole number, got {gpus:g}")
        self._work, self._count, self._jobs, self._memory, self._gpus = work, count, jobs, memory, gpus
        self._report = report

    def records(self, items: Iterable[Item]) -> Generator[Record, None, None]:
        """Yield the record of each item as its task is done; when it is closed, or interrupted, the workers end.

        Args:
            items: to be pickled, and iterated anew where a node was lost.

        Raises:
            InputError: the items cannot be listed, or Ray cannot go on.
        """
        import ray

        with _connected(), ExitStack() as settings:
            jobs = self._jobs or self._room()
            settings.enter_context(_small_blocks(_AHEAD + jobs * _IN_HAND))
            tasks = ray.data.read_datasource(
                _source(items, max(1, min(_MOST, self._count // (_SHARES * jobs))), os.getcwd()),
                override_num_blocks=1,
                # Here, where the paths that a person says lead somewhere.
                num_cpus=0,
                resources={f"node:{ray.util.get_node_ip_address()}": 0.001},
            )
            share: dict[str, Any] = {"num_gpus": self._gpus} if self._gpus else {}
            if self._memory is not None:
                share["memory"] = self._memory
            done = tasks.map_batches(
                _Worker,
                fn_constructor_args=(self._work, self._memory, os.getcwd()),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=jobs),
                num_cpus=1,
                **share,
            )
            try:
                for batch in done.iter_batches(batch_size=None, prefetch_batches=0):
                    for text in batch["records"]:
                        said = json.loads(text)
                        for line in said["reports"]:
                            self._report(line)
                        yield from (Record(**record) for record in said["records"])
            except ray.exceptions.RayError as error:
                raise InputError(_said(str(error))) from error

    def _room(self) -> int:
        """Return how many workers the cluster has room for, as it is now."""
        import ray

        there = ray.cluster_resources()
        asked = {"CPU": 1.0, "GPU": self._gpus, "memory": float(self._memory or 0)}
        return max(1, min(int(there.get(name, 0) / share) for name, share in asked.items() if share))


class _Worker:
    """A worker, as Ray Data keeps one: it gets tasks and returns what came of them."""

    def __init__(self, work: Work, memory: int | None, place: str) -> None:
        with suppress(OSError):  # a machine without it can do photos of an object store
            os.chdir(place)  # where relative paths begin
        self._next: deque[Item] = deque()
        self._said: list[str] = []
        pool = Processes(work, 1, memory or usual_memory(), self._said.append, cores=1)
        self._records = pool.records(iter(self._next.popleft, None))

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        return {"records": [self._done(json.loads(task)) for task in batch["items"]]}

    def _done(self, task: list[dict[str, Any]]) -> str:
        records = []
        for values in task:
            self._next.append(Item(**values))  # which is then the only one: its record is the next one
            records.append(dataclasses.asdict(next(self._records)))
        said, self._said[:] = list(self._said), []
        return json.dumps({"records": records, "reports": said})


def _source(items: Iterable[Item], most: int, place: str) -> Any:
    """Return a data source of one read task, that yields a row for each task of a worker."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Source(Datasource):
        def get_name(self) -> str:
            return "Items"

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *_: Any, **__: Any) -> list[ReadTask]:
            about = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [ReadTask(lambda: _tasks(items, most, place), about)]

    return Source()


def _tasks(items: Iterable[Item], most: int, place: str) -> Iterator[Any]:
    """Yield tables of one row, which has at most so many items."""
    import pyarrow

    os.chdir(place)

    coming = iter(items)
    while task := [dataclasses.asdict(item) for item in islice(coming, most)]:
        yield pyarrow.table({"items": [json.dumps(task)]})


def _said(traceback: str) -> str:
    """Return what an error says whose text is the traceback of another process."""
    lines, own = traceback.strip().splitlines(), f"{InputError.__name__}: "
    return next((line.partition(own)[2] for line in reversed(lines) if own in line), f"ray: {lines[-1]}")


@contextmanager
def _connected() -> Iterator[None]:
    """Connect to the cluster, and leave it as it was."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent unasked
    import ray
    import ray.data

    if ray.is_initialized():
        yield
        return
    ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _small_blocks(ahead: int) -> Iterator[None]:
    """Let Ray Data hand out row by row, and read `ahead` so many bytes; it is made for few, large blocks."""
    from ray.data import DataContext, ExecutionResources

    context = DataContext.get_current().copy()
    context.target_max_block_size = 1
    context.execution_options.resource_limits = ExecutionResources.for_limits(object_store_memory=ahead)
    context.enable_progress_bars = False
    with DataContext.current(context):
        logger = logging.getLogger("ray.data")
        before = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(before)
