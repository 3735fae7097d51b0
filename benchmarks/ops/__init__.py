"""Benchmarks of the operators against other implementations, one file per operator: `python -m benchmarks ops`.

Each `bench_X.py` has `cases(device, quick)`, which yields a `measure.Case` for every shape and dtype.
"""
