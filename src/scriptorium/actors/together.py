"""Two things at once that do not depend on each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from scriptorium.runtime import sole_error

T = TypeVar("T")


async def together(beside: Callable[[], Awaitable[object]], wanted: Callable[[], Awaitable[T]]) -> T:
    """Do both, and return what `wanted` returns. An error of one cancels the other and is raised as it is."""

    async def run_beside() -> None:
        await beside()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_beside)
            return await wanted()
    except BaseExceptionGroup as group:
        error = sole_error(group)
        raise error from error.__cause__
