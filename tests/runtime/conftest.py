"""Fixtures of the runtime's tests."""

import pytest

from .company import Company
from .kinds import KINDS, Makes, maker


@pytest.fixture
def company() -> Company:
    return Company()


@pytest.fixture(params=KINDS)
def actor(request: pytest.FixtureRequest) -> Makes:
    """Declares children, of each of the four kinds in turn."""
    return maker(request.param)
