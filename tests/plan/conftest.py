"""The fixtures of the plan's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .plans import Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A fresh repository with a plan branch of one commit."""
    return Plan(tmp_path / "project")
