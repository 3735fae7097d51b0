"""The examples in the docstrings of the installed package do what they say."""

import doctest
import importlib
import pkgutil

import photoflow


def test_docstrings():
    names = [m.name for m in pkgutil.walk_packages(photoflow.__path__, "photoflow.") if "__main__" not in m.name]
    results = [doctest.testmod(importlib.import_module(n)) for n in names if not n.rpartition(".")[2].startswith("_")]
    assert sum(r.attempted for r in results) >= 4
    assert sum(r.failed for r in results) == 0
