"""The fixtures of the server's tests."""

import pytest
import trio

from .service import Service, start


@pytest.fixture
async def service(nursery: trio.Nursery) -> Service:
    """A server on a free port, ended with the test."""
    return await start(nursery)
