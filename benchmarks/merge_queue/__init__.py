"""Benchmarks of a whole queue with real checks: what is measured, against whom, and the table."""
