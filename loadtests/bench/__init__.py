"""Benchmarks: ratios between things measured in one run on one machine; see docs/benchmarks.md."""
