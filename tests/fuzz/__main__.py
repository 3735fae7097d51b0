"""Long runs: python -m tests.fuzz --minutes 10 [--only photo,video] [--seed 0] [--table].

Each entry point runs in a process of its own, so that a crash or a hang of one is seen and costs nothing else. An input
that fails is named by its seed: `--only photo --replay SEED` runs it again.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

HANG = 60  # seconds for one input
MEMORY = 12 << 30  # bytes of address space; torch maps some of it at once


def targets() -> dict[str, Callable[[Path], Callable[[random.Random], str]]]:
    """Return the entry points by name: given an empty folder, each returns a function that tries one input."""
    from . import operators
    from .readers import READERS

    made: dict[str, Callable[[Path], Callable[[random.Random], str]]] = {
        kind.name: (lambda folder, kind=kind: kind(folder).run_one) for kind in READERS
    }
    return made | {"operators": lambda _: operators.run_one, "raw operators": lambda _: operators.run_raw}


def work(name: str, minutes: float, seed: int, replay: int | None) -> None:
    """Try inputs of one entry point until the time is over; print a line of JSON every second, and at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def too_long(*_: object) -> None:
        raise TimeoutError(f"an input took more than {HANG} s")

    signal.signal(signal.SIGALRM, too_long)
    counts, failures, slowest = Counter[str](), list[str](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        run_one = targets()[name](Path(folder))
        start = told = time.monotonic()
        number = seed << 32 if replay is None else replay
        while time.monotonic() < start + 60 * minutes:
            began = time.monotonic()
            if began > told + 1:
                told = began
                print(json.dumps({"counts": counts, "slowest": slowest, "next": number}), flush=True)
            signal.alarm(HANG)
            try:
                counts[run_one(random.Random(number))] += 1
            except KeyboardInterrupt:
                raise
            except BaseException:
                counts["failed"] += 1
                failures.append(f"--replay {number}: {' | '.join(traceback.format_exc().splitlines()[-9:])}")
            signal.alarm(0)
            slowest = max(slowest, time.monotonic() - began)
            if replay is not None or len(failures) >= 20:
                break
            number += 1
    print(json.dumps({"counts": counts, "slowest": slowest, "next": number, "failures": failures}), flush=True)


def watch(name: str, arguments: argparse.Namespace) -> dict[str, object]:
    """Run one entry point in a process of its own, and return what became of it."""
    command = [sys.executable, "-m", __spec__.parent, "--work", name, "--minutes", str(arguments.minutes),
               "--seed", str(arguments.seed)]  # fmt: skip
    if arguments.replay is not None:
        command += ["--replay", str(arguments.replay)]
    with tempfile.TemporaryFile("w+") as out:
        # What decoders write to their own error output is no answer of ours.
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(60 * arguments.minutes + 4 * HANG)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        out.seek(0)
        lines = [line for line in out if line.startswith("{")]
    last = json.loads(lines[-1]) if lines else {"counts": {}, "slowest": 0, "next": None}
    if code != 0:
        last.setdefault("failures", []).append(f"the process ended with {code} after --replay {last['next']}")
    return last


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for each entry point  [10]")
    parser.add_argument("--only", help="entry points, with commas between them  [all]")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other inputs  [0]")
    parser.add_argument("--replay", type=int, help="a single input by its number")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.minutes, arguments.seed, arguments.replay)
        return 0
    names = arguments.only.split(",") if arguments.only else list(targets())
    failed = 0
    print("| entry point | inputs | accepted | refused | failed | slowest |\n|---|---|---|---|---|---|")
    for name in names:
        result = watch(name, arguments)
        counts, failures = result["counts"], result.get("failures", [])
        accepted, refused = counts.get("accepted", 0), counts.get("refused", 0)
        print(f"| {name} | {accepted + refused + len(failures)} | {accepted} | {refused} | {len(failures)} "
              f"| {result['slowest']:.1f} s |", flush=True)  # fmt: skip
        for failure in failures:
            print(failure, file=sys.stderr, flush=True)
        failed += len(failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
