"""The operators against their peers, one file an operator: `python -m benchmarks ops`.

Each `bench_X.py` has `cases(device, quick)`, which yields a `measure.Case` for every shape and dtype.
"""
