"""What the service does about a plan that a person has changed by hand: it says so, and obeys the tree."""

from __future__ import annotations

from functools import partial

import trio
from attrs import define, field

from scriptorium.actors.events import Trouble
from scriptorium.actors.world import World
from scriptorium.plan.by_hand import changed_by_hand
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.repair import RepairPlan, is_out_of_progress, queue_repairs
from scriptorium.plan.snapshot import Snapshot

MOST_LINES = 10
"""Of what was done by hand between two looks, so many lines are said; the rest is counted."""


@define(eq=False)
class Onlooker:
    """Says once of each commit of others that it moved tickets, or changed what only scriptorium changes.

    A new one begins with the commits that are newer than any of scriptorium's: those nobody has told of.
    """

    _seen: Oid | None = None
    _turn: trio.Lock = field(factory=trio.Lock)

    async def look(self, world: World, snapshot: Snapshot) -> None:
        """Tell of what came since the last look. Raises `ObjectMissing`; then the next look tells of it.

        Cancelled, it has told of nothing, and the next look does.
        """
        async with self._turn:
            if snapshot.commit == self._seen:
                return
            look = partial(changed_by_hand, world.project.git_dir, snapshot.commit, self._seen)
            findings = await world.offload(look)
            self._seen = snapshot.commit
        for finding in findings[:MOST_LINES]:
            where = f"{finding.path}: " if finding.path else ""
            said = f"commit {(finding.commit or '')[:12]} of the plan: {where}{finding.message}"
            world.events.publish(Trouble(f"{said}; what the plan says now is what counts"))
        if len(findings) > MOST_LINES:
            more = f"{len(findings) - MOST_LINES} more changes by hand; `scriptorium check` names them"
            world.events.publish(Trouble(more))


async def bring_queue_in_line(world: World, snapshot: Snapshot) -> bool:
    """Take from the queue what it holds of tickets that a person has moved; False when there is nothing.

    Cancelled, that is done or not, and the next look sees which.
    """
    repairs = queue_repairs(snapshot)
    if not repairs:
        return False
    await world.plan.commit(RepairPlan(repairs))
    for repair in repairs:
        world.events.publish(Trouble(repair.words))
    return True


async def taken_away(world: World, ticket: TicketId) -> None:
    """Wait until a person has moved the ticket out of in-progress, and say so."""
    while True:
        changed = world.news.next_change()
        plan = world.plan.latest
        if plan is not None and is_out_of_progress(plan, ticket):
            state = plan.state_of(ticket) or "not there any more"
            said = f"{ticket} is {state}, not in progress: its agent is stopped, and its work pinned"
            world.events.publish(Trouble(said))
            return
        await changed.wait()
