"""The one ticket that has a red base branch mended (`recovery` in the config): when it is made, when it is
let go, when it lands. Everything is decided from the snapshot, so that a crash in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from scriptorium.actors.events import Parked, RecoveryBegun, Trouble
from scriptorium.actors.merging import NextEntry
from scriptorium.actors.run_notes import not_needed
from scriptorium.actors.used_ids import highest_used_id
from scriptorium.actors.world import World
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.recovery import (
    RedBase,
    is_recovery,
    is_wanted_anyway,
    recovery_slug,
    recovery_tickets,
)
from scriptorium.plan.snapshot import Snapshot, TicketFile
from scriptorium.plan.transitions import CreateRecoveryTicket, ParkTicket, PreconditionFailed

_UNFINISHED = (TicketState.OPEN, TicketState.IN_PROGRESS)
_FINISHED = (TicketState.STUCK, TicketState.DONE)


def is_to_be_mended(snapshot: Snapshot, red: Oid) -> bool:
    """Whether a ticket is to be made for this red commit: none is there to work on, and none was for it."""
    if any(True for _ in recovery_tickets(snapshot, *_UNFINISHED)):
        return False
    return all(slug != recovery_slug(red) for _, slug in recovery_tickets(snapshot, *_FINISHED))


def superfluous(snapshot: Snapshot) -> tuple[TicketFile, ...]:
    """The open tickets that a green base branch needs no more, unless a person has asked for one."""
    return tuple(
        file
        for file in snapshot.in_state(TicketState.OPEN)
        if is_recovery(file.slug) and not is_wanted_anyway(file)
    )


def mending_entry(
    snapshot: Snapshot, held: Collection[TicketId], resting: Collection[TicketId]
) -> NextEntry | None:
    """The entry that may land on a red base branch, once the last process of its agent is gone."""
    for entry in snapshot.pending:
        file = snapshot.find(entry.ticket)
        if file is None or file.state is not TicketState.IN_PROGRESS or not is_recovery(file.slug):
            continue
        started = entry == snapshot.active
        if file.id not in resting and (started or file.id not in held):
            return NextEntry(entry, started=started)
    return None


def mending_only(snapshot: Snapshot, resting: Mapping[TicketId, float]) -> dict[TicketId, float]:
    """Those of the resting tickets that are to mend the base branch, each with its time."""
    found = ((snapshot.find(ticket), until) for ticket, until in resting.items())
    return {file.id: until for file, until in found if file is not None and is_recovery(file.slug)}


async def ask_for_mending(world: World, snapshot: Snapshot, red: RedBase) -> bool:
    """Open the ticket, if one is to be made. True when the plan was changed."""
    if not is_to_be_mended(snapshot, red.commit):
        return False
    floor = await world.offload(partial(highest_used_id, world.project))
    try:
        after = await world.plan.commit(CreateRecoveryTicket(red, floor))
    except PreconditionFailed as changed:
        world.events.publish(Trouble(f"no ticket was made to mend the base branch: {changed}"))
        return False
    for ticket, _ in recovery_tickets(after, TicketState.OPEN):
        world.events.publish(RecoveryBegun(ticket, world.branch))
    return True


async def let_mending_go(world: World, snapshot: Snapshot) -> bool:
    """The base branch is green: park what was to mend it. True when the plan was changed."""
    parked = False
    for file in superfluous(snapshot):
        note = not_needed(world.branch)
        try:
            await world.plan.commit(ParkTicket(file.id, note))
        except PreconditionFailed:
            continue  # somebody moved the ticket by hand: the plan branch says what is
        parked = True
        world.events.publish(Parked(file.id, note.detail))
    return parked
