"""The stage of the actors' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A repository with a plan in which nothing is planned."""
    return Stage.build(tmp_path / "project")
