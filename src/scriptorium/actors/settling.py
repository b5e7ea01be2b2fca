"""The merge queue's start: finishes what a landing of an earlier life had begun."""

from __future__ import annotations

from functools import partial
from typing import assert_never

import pygit2

from scriptorium.actors import events
from scriptorium.actors.health import Blocked
from scriptorium.actors.outcomes import Outcomes
from scriptorium.actors.world import View, World
from scriptorium.code.following import FOLLOWING
from scriptorium.code.landing import finish_landing
from scriptorium.code.repository import opened
from scriptorium.code.settle import Settled, SettledAs, settle
from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import TicketState
from scriptorium.plan.refs import RefLocked


async def settle_landings(world: World, outcomes: Outcomes, view: View) -> bool:
    """Bring landings that were cut short to their end; False when that has to wait a moment.

    Cancelled at any await it leaves what a crash there would leave; done again it leads to the same end.
    """
    blocked: tuple[Blocked, ...] = ()
    found = await world.offload(partial(settle, world.project, world.branch))
    if found:  # it may have moved the base, and a branch that it contains is done with
        world.base_is_at(await world.offload(world.read_tip))
    for settled in found:
        match settled.outcome:
            case SettledAs.CONTAINED | SettledAs.FINISHED:
                try:
                    await _complete_if_open(world, outcomes, view, settled)
                except RefLocked as error:  # `git gc` packs the refs, say
                    blocked = (*blocked, Blocked(settled.ticket, (str(error.path),)))
            case SettledAs.CHECK_AGAIN:
                what = f"{settled.ticket}: its landing was cut short and is called off; it is checked again"
                if settled.ticket == FOLLOWING:
                    what = "following the remote was cut short and is called off; it is looked at again"
                world.events.publish(events.Recovered(what))
            case SettledAs.BLOCKED:
                blocked = (*blocked, Blocked(settled.ticket, settled.files))
            case _:
                assert_never(settled.outcome)
    if blocked:
        outcomes.wait_for(blocked[0])
    elif world.conditions.blocked is not None:
        world.conditions.set_blocked(None)
    return not blocked


async def _complete_if_open(world: World, outcomes: Outcomes, view: View, settled: Settled) -> None:
    file = view.snapshot.tickets.get(settled.ticket)
    if file is None or file.state is not TicketState.IN_PROGRESS:
        await world.offload(partial(finish_landing, world.project, settled.ticket))
        return
    entry = view.snapshot.entry_of(settled.ticket)
    submission = await world.offload(partial(_submission, world, settled))
    if entry is not None and entry.commit != submission:
        # A person has had it handed in anew since: what has landed is not all that is to land.
        await world.offload(partial(finish_landing, world.project, settled.ticket))
        return
    await outcomes.complete(settled.ticket, settled.commit, submission)
    left = f"; changed meanwhile and left as they are: {', '.join(settled.files)}" if settled.files else ""
    world.events.publish(events.Recovered(f"{settled.ticket}: finished the landing that had begun{left}"))


def _submission(world: World, settled: Settled) -> Oid:
    """What the landing was of."""
    with opened(world.project) as project:
        return Oid(str(project.repo[settled.commit].peel(pygit2.Commit).parent_ids[-1]))
