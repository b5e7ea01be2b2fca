"""What a person changed by hand: what is theirs to change, what was scriptorium's alone, what was undone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from scriptorium.plan._audit_rules import Fault, is_entry
from scriptorium.plan._audit_steps import Place, Step, TicketChange, ticket_at
from scriptorium.plan._audit_undone import Past, Undone, what_it_undid
from scriptorium.plan._tree_changes import Change
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import ACTIVE, KEEP, SPEC, TicketState
from scriptorium.plan.message import PREFIX

NAMED: Final = 5
"""How many of the transitions that a commit undid are named; the others are counted."""

_THEIRS: Final = re.compile(rf"{re.escape(SPEC)}|areas/[^/]+\.md|decisions(/.*)?|tickets/open/[^/]+\.md")
_LAYOUT: Final = re.compile(r"(areas|tickets|queue|decisions)(/.*)?")


def faults_by_hand(step: Step, earlier: Iterable[Past]) -> Iterator[Fault]:
    """What is wrong with, or worth saying about, a commit that somebody else made.

    `earlier` are the commits before it, the newest first; it is read as far as is needed.
    """
    if step.message is not None:
        yield Fault("wrong-author", f"it has a subject of scriptorium's, but is by {step.facts.author}")
    undone = what_it_undid(step.changes, earlier)
    paths_of = _by_ticket(step.changes)
    said: set[str] = set()
    if undone is not None:
        yield from _fault_of_undoing(undone)
        said.update(undone.paths)
    for ticket, change in step.tickets.items():
        paths = paths_of[ticket]
        if not said.issuperset(paths) and _is_move(change):
            yield _fault_of_move(ticket, change)
            said |= paths | _left_queue(step, ticket)
    for path, edit in step.changes.items():
        if path not in said:
            yield _fault_of_edit(path, edit)


def is_theirs(path: str) -> bool:
    """Whether a person may change the file at this path: spec, areas, open tickets, and what is no plan."""
    return path.rpartition("/")[2] != KEEP and bool(_THEIRS.fullmatch(path) or not _LAYOUT.fullmatch(path))


def _fault_of_undoing(undone: Undone) -> Iterator[Fault]:
    path = min(undone.paths, key=lambda path: (is_theirs(path), ticket_at(path) is None, path))
    count = len(undone.transitions)
    if not count:
        what = ", ".join(commit.commit[:12] for commit in undone.commits[:NAMED])
        yield Fault("undone-by-hand", f"takes back what was done by hand in {what}", path, note=True)
        return
    shown = [f"{_words(commit)} ({commit.commit[:12]})" for commit in undone.transitions[:NAMED]]
    rest = f", and {count - NAMED} before" if count > NAMED else ""
    number = "1 transition" if count == 1 else f"{count} transitions"
    yield Fault(
        "undoes-transitions",
        f"undoes {number}, as a commit in an old checkout of this branch does: {', '.join(shown)}{rest}",
        path,
        note=all(is_theirs(path) for path in undone.paths),
    )


def _words(commit: Past) -> str:
    return commit.subject.removeprefix(PREFIX)[:80]


def _is_move(change: TicketChange) -> bool:
    """Whether the ticket went from one place to another; an open one that got another name did not."""
    sides = change.before | change.after
    if not change.before or not change.after or change.before == change.after:
        return False
    return any(place.state is not TicketState.OPEN for place in sides)


def _fault_of_move(ticket: TicketId, change: TicketChange) -> Fault:
    before, after = (_states(side) for side in (change.before, change.after))
    path = min(place.path(ticket) for place in change.after)
    return Fault("hand-made-move", f"ticket {ticket} was moved by hand, from {before} to {after}", path)


def _states(side: frozenset[Place]) -> str:
    return "+".join(sorted(place.state for place in side))


def _fault_of_edit(path: str, change: Change) -> Fault:
    what = f"{change.word} by hand"
    if is_theirs(path):
        return Fault("hand-edit", what, path, note=True)
    return Fault("hand-made-change", f"{what}: only scriptorium writes here", path)


def _left_queue(step: Step, ticket: TicketId) -> set[str]:
    """What was removed of the queue with a ticket that was moved: that is one change, and not several."""
    removed = (path for path, change in step.changes.items() if change.after is None)
    return {path for path in removed if path == ACTIVE or is_entry(path, ticket)}


def _by_ticket(paths: Iterable[str]) -> dict[TicketId, set[str]]:
    """The paths of each ticket: gathered once, as a person may have moved ten thousand."""
    gathered: dict[TicketId, set[str]] = {}
    for path in paths:
        found = ticket_at(path)
        if found is not None:
            gathered.setdefault(found[0], set()).add(path)
    return gathered
