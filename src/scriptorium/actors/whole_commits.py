"""Work that goes by what an agent has committed, and what is said when git has lost some of that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from scriptorium.actors.events import Trouble
from scriptorium.actors.world import World
from scriptorium.code.mending import Mended, Workplace, on_whole_commits
from scriptorium.plan.ids import Oid, TicketId

T = TypeVar("T")


async def on_whole(
    world: World, ticket: TicketId, worktree: Path, tip: Oid | None, work: Callable[[], T]
) -> T:
    """Do `work` in a thread by way of `on_whole_commits`, and say what was given up for it."""
    mended: list[Mended] = []
    place = Workplace(world.project, ticket, worktree, tip)
    try:
        return await world.offload(partial(on_whole_commits, place, work, mended.append))
    finally:
        for one in mended:
            world.events.publish(Trouble(f"{ticket}: {one}"))
