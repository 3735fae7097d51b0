"""Benchmarks, one question per file: `python -m benchmarks animate`."""

import sys
from pathlib import Path

# `python -m` puts this folder's parent first on the path, where photoflow has no compiled
# operators unless it was installed in place; the installed package is what is measured.
_root = Path(__file__).resolve().parent.parent
if not list((_root / "photoflow").glob("_C*.so")):
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != _root]
