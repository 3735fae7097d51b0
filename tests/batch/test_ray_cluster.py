"""A Ray cluster of this machine that shares items: each is done once, whatever becomes of a worker."""

from __future__ import annotations

import logging
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import psutil
import pytest
from batch_works import DiesAt, echo

from photoflow import cli
from photoflow.batch import ClipWork, Item, Items, RayCluster
from photoflow.errors import InputError
from photoflow.io import VideoReader

ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "photoflow[ray]"')
QUICK = {"motion": ["drift direction=0 speed=0.02"], "seconds": 0.2, "fps": 10, "device": "cpu"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of a server on this machine that speaks S3."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "anything")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("photos-and-clips")
        yield "s3://photos-and-clips"
    server.stop()


@pytest.fixture(scope="module", autouse=True)
def cluster(bucket: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))  # where workers find the works of tests
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local", num_cpus=2, num_gpus=1, object_store_memory=80 << 20, include_dashboard=False,
            logging_level=logging.ERROR, log_to_driver=False,
        )  # fmt: skip
        yield
        ray.shutdown()


def workers() -> list[psutil.Process]:
    """Return the workers, without the process that each has."""
    return [one for one in psutil.Process().children(recursive=True) if one.name().startswith("ray::_Worker")]


def test_every_photo_comes_out_once_though_a_worker_is_killed(bucket: str, tmp_path: Path) -> None:
    photos, clips = f"{bucket}/photos", f"{bucket}/clips"
    files, rng = fsspec.filesystem("s3"), np.random.default_rng(0)
    names = [f"{folder}/{n}" for folder in "ab" for n in range(15)]
    for name in names:
        files.pipe(
            f"{photos}/{name}.png", cv2.imencode(".png", rng.integers(0, 255, (32, 48, 3), np.uint8))[1].tobytes()
        )
    files.pipe(f"{photos}/a/none.png", b"no photo")
    items = Items([photos], ".mp4", without=clips)
    records = []
    for record in RayCluster(ClipWork(clips, QUICK), 31, jobs=2, memory=4 << 30).records(items):
        records.append(record)
        if len(records) == 5:
            workers()[0].send_signal(signal.SIGKILL)
    made = {record.output: record for record in records}
    assert len(made) == len(records) == 31
    assert "not a JPEG" in str(made.pop("a/none.mp4").error)
    assert all(record.error is None and record.made["frames"] == 2 for record in made.values())
    assert sorted(name for name in files.find(clips) if name.endswith(".mp4")) == sorted(
        f"{clips[5:]}/{name}.mp4" for name in names
    )
    for name in names:
        assert files.size(f"{clips}/{name}.mp4") == made[f"{name}.mp4"].made["bytes"]
    files.get(f"{clips}/b/3.mp4", str(tmp_path / "3.mp4"))
    assert len(list(VideoReader(tmp_path / "3.mp4"))) == 2
    again = list(RayCluster(ClipWork(clips, QUICK), 31, jobs=1).records(items))
    assert sum(record.kept for record in again) == 30 and len(again) == 31


class Many:
    """Items that are made as they are asked for."""

    def __init__(self, count: int) -> None:
        self._count, self.asked = count, 0

    def __iter__(self) -> Iterator[Item]:
        for number in range(self._count):
            self.asked += 1
            yield Item(f"s3://bucket/photos/{number:08}.jpg", f"{number:08}.mp4")


def test_many_items_take_no_more_memory_or_time_each() -> None:
    count, tenth = 20_000, 2_000
    rates, held, ahead, last, seen, items = [], [], [], time.perf_counter(), set(), Many(count)
    for number, record in enumerate(RayCluster(echo, count, jobs=3).records(items), 1):  # there is room for two
        seen.add(record.photo)
        ahead.append(items.asked - number)
        if number % tenth == 0:
            now = time.perf_counter()
            rates.append((now - last) / tenth)
            held.append(psutil.Process().memory_info().rss)
            last = now
    assert len(seen) == count
    assert max(ahead) < 3 * 64  # what workers have in hand
    assert statistics.median(rates[5:]) < 3 * statistics.median(rates[1:5])  # others use this machine, too
    assert held[-1] - held[1] < 10 << 20  # with what is seen and ahead, two megabytes


def test_an_item_that_ends_its_process_fails_alone_and_workers_share_a_gpu(tmp_path: Path) -> None:
    said: list[str] = []
    items = [Item(f"{number}", f"{number}.mp4") for number in range(6)]
    cluster = RayCluster(DiesAt(tmp_path, {"2"}, always=True), 6, gpus=0.5, report=said.append)
    records = {record.photo: record for record in cluster.records(items)}
    assert records.pop("2").error == "the process that made it ended twice (signal 9)"
    assert said == ["2: the process that made it ended (signal 9); it is tried again"]
    assert len(records) == 5 and all(record.error is None for record in records.values())
    assert {record.made["gpu"] for record in records.values()} == {"0"}


def test_who_stops_early_leaves_no_worker() -> None:
    coming = RayCluster(echo, 100_000, jobs=2).records(Many(100_000))
    process = next(coming).made["process"]
    coming.close()
    deadline = time.monotonic() + 30
    while psutil.pid_exists(process):
        assert time.monotonic() < deadline, "its process goes on"
        time.sleep(0.1)


def test_items_that_cannot_be_listed_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^/.*none: no such file or folder$"):
        next(RayCluster(echo, 1, jobs=1).records(Items([str(tmp_path / "none")], ".mp4")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "spark"), "engine: expected local or ray, got 'spark'"),
        (("--gpus", "0.5"), "gpus: expected it with --engine ray alone, got 0.5; --device says where else"),
    ],
)
def test_what_the_command_line_refuses(
    options: tuple[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(sys, "argv", ["photoflow", "batch", str(tmp_path), "-o", str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2 and capsys.readouterr().err.strip() == f"photoflow: {message}"


def test_a_share_of_gpus_is_one() -> None:
    with pytest.raises(InputError, match=r"gpus: expected a share from 0 to 1 or a whole number, got 1\.5"):
        RayCluster(echo, 1, gpus=1.5)


def test_workers_that_no_machine_has_room_for_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that was begun here never grows; another one may."""
    small = RayCluster(echo, 1, gpus=2, memory=10**15)
    needs = r"a worker needs 1 CPU, 2 GPU, 1e\+06 GB; a machine of the cluster has at most 2 CPU, 1 GPU, .* GB$"
    with pytest.raises(InputError, match=f"^ray: {needs}"):
        next(small.records(Many(1)))

    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    monkeypatch.setattr("photoflow.batch.ray_cluster._is_begun_here", lambda: False)
    monkeypatch.setattr("photoflow.batch.ray_cluster._PATIENCE", 0.2)
    small = RayCluster(echo, 1, gpus=2, memory=10**15, report=stop)
    with pytest.raises(KeyboardInterrupt, match=rf"^ray: no worker has begun in 0.2 s, they are waited for; {needs}"):
        next(small.records(Many(1)))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "ray: RAY_ADDRESS: nobody answers at 127.0.0.1:1: "),
        ("ray://[::1]:1", "ray: RAY_ADDRESS: nobody answers at ray://[::1]:1: "),
        ("nonsense", "ray: Invalid address format: nonsense"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_one_line_at_once(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(InputError) as error:
        next(RayCluster(echo, 1).records(Many(1)))
    assert str(error.value).startswith(message)
