"""Fixtures of the harness tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .worlds import RealWorld, VirtualWorld, World


@pytest.fixture(params=["virtual", "real"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Children in memory on virtual time, and real ones."""
    return VirtualWorld(tmp_path) if request.param == "virtual" else RealWorld(tmp_path)


@pytest.fixture(params=["virtual", pytest.param("real", marks=pytest.mark.slow)])
def patient_world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """The same, for tests in which a clock has to run out."""
    return VirtualWorld(tmp_path) if request.param == "virtual" else RealWorld(tmp_path)
