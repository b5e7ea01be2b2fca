"""What every commit on the plan branch keeps true, checked on the edited tree before the ref moves.

Only what a transition touches is looked at, and only what it would break counts: a file that a person
damaged by hand stops no other work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import InvalidName, TicketId
from scriptorium.plan.layout import ACTIVE, KEEP, KEPT_FOLDERS, PENDING, SPEC, TicketState, parse_ticket_name
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import Snapshot

_LAYOUT: Final = re.compile(
    rf"{re.escape(SPEC)}|areas/(\.spec|[^/]+\.md)|tickets/\.areas/[^/.][^/]*|decisions/[^/]+\.md"
    rf"|tickets/({'|'.join(TicketState)})/[^/]+\.md|{re.escape(PENDING)}/[^/]+\.md|{re.escape(ACTIVE)}"
)

_STATE_FOLDERS: Final = frozenset(state.folder for state in TicketState)


class Violation(NamedTuple):
    """A rule that does not hold, and where."""

    path: str
    rule: str


class InvariantBroken(Exception):
    """A transition would have damaged the plan: a defect of scriptorium's. Nothing was changed."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__("; ".join(f"{violation.path}: {violation.rule}" for violation in violations))
        self.violations = violations


def check_edits(edits: Edits) -> None:
    """Raise `InvariantBroken` if `edits` reach out of the layout, before anything of them is written."""
    broken = tuple(sorted(_wrong_edits(edits)))
    if broken:
        raise InvariantBroken(broken)


def check_invariants(before: Snapshot, after: Snapshot, edits: Edits) -> None:
    """Raise `InvariantBroken` if `edits`, which make `after` of `before`, break what held."""
    broken = set(_lost(after, edits))
    # A ticket in two places, a text that cannot be read, a dangling entry: each is a problem of `after`.
    new = set(after.problems) - set(before.problems)
    broken.update(Violation(problem.path, problem.reason) for problem in new)
    broken.update(_newly_wrong(before, after, edits))
    if broken:
        raise InvariantBroken(tuple(sorted(broken)))


def _wrong_edits(edits: Edits) -> Iterator[Violation]:
    for path in edits.paths:
        folder, _, name = path.rpartition("/")
        if name == KEEP:
            if folder not in KEPT_FOLDERS or edits.writes.get(path) != "":
                yield Violation(path, "the layout's folders are kept by this file")
        elif _LAYOUT.fullmatch(path) is None:
            yield Violation(path, "this path is not of the plan's layout")
    if SPEC in edits.removes:
        yield Violation(SPEC, "the spec may be replaced, not removed")


def _lost(after: Snapshot, edits: Edits) -> Iterator[Violation]:
    for path in edits.removes:
        ticket = _ticket_of(path)
        if ticket is not None and not any(ticket in folder.names for folder in after.folders.values()):
            yield Violation(path, f"ticket {ticket} would be lost")


def _ticket_of(path: str) -> TicketId | None:
    folder, _, name = path.rpartition("/")
    if folder not in _STATE_FOLDERS:
        return None
    try:
        return parse_ticket_name(name)[0]
    except InvalidName:
        return None


def _newly_wrong(before: Snapshot, after: Snapshot, edits: Edits) -> set[Violation]:
    """The queue entries whose ticket is not in progress any more; of the rest, none is looked at."""
    touched = {_ticket_of(path) for path in edits.paths}
    known = {entry.ticket: entry for entry in before.pending}
    looked_at = [e for e in after.pending if e.ticket in touched or known.get(e.ticket) is not e]
    earlier = [known[entry.ticket] for entry in looked_at if entry.ticket in known]
    return set(_wrong_among(after, looked_at)) - set(_wrong_among(before, earlier))


def wrong_entries(snapshot: Snapshot) -> Iterator[Violation]:
    """The queue entries whose ticket is not in progress."""
    return _wrong_among(snapshot, snapshot.pending)


def _wrong_among(snapshot: Snapshot, entries: Iterable[QueueEntry]) -> Iterator[Violation]:
    for entry in entries:
        state = snapshot.state_of(entry.ticket)
        if state is not TicketState.IN_PROGRESS:
            yield Violation(entry.path, f"ticket {entry.ticket} is {state or 'nowhere'}, not in progress")
