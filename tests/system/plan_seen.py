"""A snapshot in the model's words, and all that a snapshot says."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from scriptorium.plan.area import Marker
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot

from .plan_model import Entry, Made, ModelTicket, Tree


def everything(snapshot: Snapshot) -> dict[str, Any]:
    """All that a snapshot says."""
    return {
        "commit": snapshot.commit,
        "tree": snapshot.tree,
        "spec": snapshot.spec,
        "areas": dict(snapshot.areas),
        "made": (snapshot.areas_from, dict(snapshot.ticketed)),
        "queue": (snapshot.pending, snapshot.active, snapshot.active_ticket),
        "tickets": {ticket: (file, file.ticket) for ticket, file in snapshot.tickets.items()},
        "states": {state: snapshot.in_state(state) for state in TicketState},
        "twice": dict(snapshot.duplicates),
        "problems": snapshot.problems,
        "numbers": (snapshot.ticket_high, snapshot.queue_high),
        "folders": {
            state: (folder.tree, dict(folder.names), folder.doubled, folder.highest, folder.kept)
            for state, folder in snapshot.folders.items()
        },
    }


def seen(snapshot: Snapshot) -> Tree:
    """The plan that a snapshot shows, in the model's words."""
    assert snapshot.spec is not None
    tickets: dict[TicketId, ModelTicket] = {}
    for state, folder in snapshot.folders.items():
        for ticket, file in folder.tickets.items():
            text = file.ticket
            copies = tickets[ticket].places if ticket in tickets else frozenset()
            tickets[ticket] = ModelTicket(
                slug=file.slug,
                area=text.area,
                depends=text.depends,
                places=copies | {state},
                runs=tuple(run.attempt for run in text.runs),
                reopens=len(text.reopens),
                has_worktree=text.worktree is not None,
            )
    shown = {ticket for ticket, found in tickets.items() if len(found.places) == 1}
    assert set(snapshot.tickets) == shown
    assert set(snapshot.duplicates) == tickets.keys() - shown
    active = snapshot.active
    return Tree(
        spec=snapshot.spec.text,
        areas={name: area.text for name, area in snapshot.areas.items()},
        areas_from=_made(snapshot.areas_from),
        ticketed={name: made for name, marker in snapshot.ticketed.items() if (made := _made(marker))},
        tickets=tickets,
        queue=frozenset(Entry(entry.number, entry.ticket, entry.commit) for entry in snapshot.pending),
        named=None if active is None else (active.number, active.ticket),
        bare=frozenset(state.folder for state, folder in snapshot.folders.items() if not folder.kept),
    )


def as_seen(tree: Tree) -> Tree:
    """What a snapshot shows of the model's plan: not a landing of nothing, nor every folder that is kept."""
    states = {state.folder for state in TicketState}
    named = None if tree.active is None else tree.named
    return evolve(tree, named=named, bare=tree.bare & states)


def _made(marker: Marker | None) -> Made | None:
    return None if marker is None else Made(marker.oid, marker.failed)
