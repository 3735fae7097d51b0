"""Training: one loop (`loop`), and one recipe a file (`gan`, `raft`, `interpolation`)."""
