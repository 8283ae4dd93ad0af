"""Benchmarks: how fast each part is, over repeated runs, and how to repeat them: `make bench`."""
