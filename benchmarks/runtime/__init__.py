"""Benchmarks of the actor runtime: one file for each figure, and what they share."""
