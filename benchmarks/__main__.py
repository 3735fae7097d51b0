"""`python -m benchmarks NAME [options]` runs `bench_NAME.py`."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    names = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"usage: python -m benchmarks {{{','.join(names)}}} [options]")
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.bench_{name}").main()


main()
