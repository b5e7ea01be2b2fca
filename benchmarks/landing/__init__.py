"""Benchmarks of landing: what is measured, against whom, and the table."""
