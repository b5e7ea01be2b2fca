"""Keeps the number of the plan's packs bounded while a service runs."""

from __future__ import annotations

from scriptorium.actors.events import Trouble
from scriptorium.actors.world import World


async def keep_packed(world: World) -> None:
    """Roll up the plan's packs when commits have left many; a failure costs nothing but another try later."""
    while True:
        changed = world.news.next_change()
        try:
            if world.plan.repository.wants_packing:
                await world.background(world.plan.repository.roll_up)
        except Exception as error:  # nobody restarts this task, and nothing waits for it
            world.events.publish(Trouble(f"cannot pack the plan: {error!r}"))
        await changed.wait()
