"""Tests of the plan branch."""
