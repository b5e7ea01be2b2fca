"""Benchmarks of the plan branch: what is measured, against whom, and the table."""
