"""What a submission that was just accepted will conflict with, in words for the agent that made it.

It is advice: without it, late or half of it, the submission is accepted all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio
from attrs import field, frozen

from scriptorium.actors.conflict_words import TICKETS_NAMED, of_tickets, paths_named
from scriptorium.actors.events import Trouble
from scriptorium.actors.queue_order import in_landing_order
from scriptorium.actors.world import World
from scriptorium.code.trial import Clash, Pending, clashes
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.snapshot import Snapshot

SECONDS: Final = 5.0
"""All trial merges together: the agent waits for its answer, and has 60 s to end."""
ENTRIES: Final = 20
"""Of the queue, from its head: what is further back lands long after this agent has ended."""

_COMES_BACK: Final = (
    "You need not do anything about it now: when a conflict comes about, the ticket comes back to you, with "
    "the files, the hunks, and the merge laid out in the worktree."
)
_AT_ONCE: Final = (
    "If a minute is enough to settle what conflicts with {branch}: run `git merge {tip}`, resolve it, and "
    "submit again. That replaces this submission, as long as it waits."
)


@frozen
class Waiting:
    """The queue as a submission finds it: the first entries of others, and which of them land before it."""

    others: tuple[Pending, ...] = ()
    ahead: frozenset[TicketId] = field(default=frozenset())


async def foresee(world: World, ticket: TicketId, submission: Oid, *, merges_with: Oid | None = None) -> str:
    """A paragraph on what `submission` will conflict with; empty when nothing is known to.

    That it merges with the commit `merges_with` is known: with nothing else to try, nothing is.

    Takes at most `SECONDS`. Nothing that goes wrong comes out: it is published. Cancelled, a merge that is
    under way goes on to its end alone; it changes nothing.
    """
    if world.stopping.is_set():
        return ""  # the agent is about to be stopped: what it needs is its answer
    found: list[Clash] = []
    over = threading.Event()
    waiting = Waiting()
    tip: Oid | None = None
    try:
        with trio.move_on_after(SECONDS):
            view = await world.look()
            tip, waiting = view.tip, waiting_beside(view.snapshot, ticket)
            if tip is not None and (waiting.others or tip != merges_with):
                coming = clashes(world.project, submission, tip, waiting.others, given_up=over.is_set)
                # One by one, so that what is known when the time is up is there.
                await world.background(partial(found.extend, coming))
    except Exception as error:  # the submission is accepted already, whatever this is
        world.events.publish(
            Trouble(f"{ticket}: what it will conflict with could not be found out: {error!r}")
        )
    finally:
        over.set()
    return told(tuple(found), world.branch, tip, waiting) if tip is not None else ""


def waiting_beside(snapshot: Snapshot, ticket: TicketId) -> Waiting:
    """The first entries in the queue that are not of `ticket`, the one being landed in front."""
    readable = [entry for entry in snapshot.pending if entry.ticket in snapshot.tickets]
    active = snapshot.active_ticket
    line = sorted(in_landing_order(snapshot, readable), key=lambda entry: entry.ticket != active)
    names = [entry.ticket for entry in line]
    ahead = names[: names.index(ticket)] if ticket in names else names
    others = [Pending(entry.ticket, entry.commit) for entry in line if entry.ticket != ticket]
    return Waiting(tuple(others[:ENTRIES]), frozenset(ahead))


def told(found: Sequence[Clash], branch: str, tip: Oid, waiting: Waiting) -> str:
    """The clashes in words; empty for none."""
    if not found:
        return ""
    lines = [f"- with {_told_one(clash, branch, waiting)}\n" for clash in found]
    parts = ["It will conflict:\n", *lines, "\n"]
    if any(clash.ticket is None or clash.ticket in waiting.ahead for clash in found):
        parts.append(f"{_COMES_BACK} ")
    if found[0].ticket is None:
        parts.append(_AT_ONCE.format(branch=branch, tip=tip[:12]))
    return "".join(parts).rstrip()


def _told_one(clash: Clash, branch: str, waiting: Waiting) -> str:
    paths = paths_named(clash.paths)
    if clash.ticket is None:
        tickets = dict.fromkeys(change.ticket for change in clash.changes if change.ticket is not None)
        return f"{branch} in {paths}, by the work{of_tickets(tuple(tickets)[:TICKETS_NAMED]) or ' of others'}"
    if clash.ticket in waiting.ahead:
        return f"ticket {clash.ticket}, which is before it in the queue, in {paths}"
    return f"ticket {clash.ticket}, which is after it in the queue and would come back, in {paths}"
