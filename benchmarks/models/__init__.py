"""Baselines for the networks of `python -m benchmarks models`."""
