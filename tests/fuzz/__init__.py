"""Mutation tests of everything that is read: `python -m tests.fuzz --minutes N` runs them for longer than the suite."""
