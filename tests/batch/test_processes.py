"""Processes that share items: each is done once, whatever becomes of a process."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from batch_works import DiesAt, TakesMemory, echo

from photoflow import InputError
from photoflow.batch import Item, Processes, Record

GB = 10**9


def items(count):
    return [Item(f"{n}", f"{n}.mp4") for n in range(count)]


def test_every_item_is_done_once_by_several_processes():
    records = list(Processes(echo, 2, 100 * GB).records(items(40)))
    assert sorted(int(record.photo) for record in records) == list(range(40))
    workers = {record.made["process"] for record in records}
    assert len(workers) == 2 and os.getpid() not in workers
    assert not any(psutil.pid_exists(worker) for worker in workers)


def test_an_item_whose_process_dies_is_tried_again(tmp_path):
    said: list[str] = []
    records = list(Processes(DiesAt(tmp_path, {"3"}), 1, 100 * GB, said.append).records(items(6)))
    assert sorted(record.photo for record in records) == [str(n) for n in range(6)]
    assert all(record.error is None for record in records)
    assert said == ["3: the process that made it ended (signal 9); it is tried again"]


def test_an_item_whose_process_always_dies_fails_and_the_rest_is_done(tmp_path):
    records = {r.photo: r for r in Processes(DiesAt(tmp_path, {"1"}, always=True), 1, 100 * GB).records(items(3))}
    assert records["1"].error == "the process that made it ended twice (signal 9)"
    assert records["0"].error is None and records["2"].error is None


def test_memory_is_bounded():
    """What is too much beside others comes by itself, and what is too much by itself fails."""
    small, large, huge = (Item(str(n), f"{n}.mp4") for n in (10**7, 350 * 10**6, 12 * 10**8))
    said: list[str] = []
    records = {
        record.photo: record.error
        for record in Processes(TakesMemory(), 2, int(0.8 * GB), said.append).records([large, huge, small, small])
    }
    assert records[small.photo] is None and records[large.photo] is None
    assert "more memory than the 0.8 GB" in str(records[huge.photo])
    assert any("it comes at the end" in line for line in said)


def test_processes_end_with_who_closes_them():
    coming = Processes(echo, 2, 100 * GB).records(iter(items(10**6)))
    worker = next(coming).made["process"]
    coming.close()
    assert not psutil.pid_exists(worker)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_process_that_started_them(number, tmp_path):
    """Killed, it cannot tell them; they see it by themselves."""
    marks = [tmp_path / "a", tmp_path / "b"]
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # heard, also in the background
        "from batch_works import slow; from photoflow.batch import Item, Processes\n"
        f"if __name__ == '__main__': list(Processes(slow, 2, 10**12).records("
        f"[Item(name, name) for name in {[str(mark) for mark in marks]}]))"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    run = subprocess.Popen([sys.executable, script], env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.DEVNULL)
    wait_for(lambda: all(mark.exists() and mark.read_text() for mark in marks))
    workers = [int(mark.read_text()) for mark in marks]
    run.send_signal(number)
    run.wait(20)
    wait_for(lambda: not any(psutil.pid_exists(worker) for worker in workers))


def test_more_processes_than_the_system_starts_are_one_line(monkeypatch):
    def full(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", full)
    with pytest.raises(InputError, match="jobs: no process starts beside 0 others: Too many open files"):
        next(Processes(echo, 2, 100 * GB).records(items(2)))


def test_a_worker_sees_few_threads():
    """One for each core, over all processes: more would wait for each other."""
    from batch_works import threads

    found = [record.made["threads"] for record in Processes(threads, 2, 100 * GB).records(items(2))]
    cores = len(os.sched_getaffinity(0))
    assert found == [[str(max(1, cores // 2)), max(1, cores // 2)]] * 2


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_record_is_a_line_of_json():
    assert (
        Record("a", "a.mp4", "no", 1.23456).line()
        == '{"photo": "a", "output": "a.mp4", "error": "no", "seconds": 1.235}'
    )
