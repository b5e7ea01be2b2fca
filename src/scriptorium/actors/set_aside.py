"""Says once of each file of the plan that it cannot be read, and once that it can be again."""

from __future__ import annotations

from collections.abc import Mapping

from scriptorium.actors.events import Event, Mended, SetAside
from scriptorium.actors.world import World


async def tell_what_is_set_aside(world: World) -> None:
    """Publish `SetAside` and `Mended` events as the plan changes. Runs until cancelled."""
    told: Mapping[str, str] = {}
    while True:
        changed = world.news.next_change()
        plan = world.plan.latest
        if plan is not None:
            found = {problem.path: problem.reason for problem in plan.problems}
            for event in news_of(told, found):
                world.events.publish(event)
            told = found
        await changed.wait()


def news_of(before: Mapping[str, str], now: Mapping[str, str]) -> list[Event]:
    """What is to be said, given the reasons by path: a new reason is news as a new file is."""
    events: list[Event] = [
        SetAside(path, reason) for path, reason in now.items() if before.get(path) != reason
    ]
    return [*events, *(Mended(path) for path in before if path not in now)]
