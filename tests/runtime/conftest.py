"""Fixtures of the runtime's tests."""

import pytest

from .company import Company


@pytest.fixture
def company() -> Company:
    return Company()
