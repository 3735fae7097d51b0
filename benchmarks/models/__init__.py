"""What `python -m benchmarks models` compares the networks with."""
