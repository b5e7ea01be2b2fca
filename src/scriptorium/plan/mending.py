"""Finds everything on the plan branch that can be put right in exactly one way, and puts it right."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from scriptorium.plan._audit_rules import MOVES
from scriptorium.plan._audit_tree import missing_keeps
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.layout import AUTHOR, TicketState
from scriptorium.plan.message import Kind, Trailer, parse_message
from scriptorium.plan.objects import GitObjects, ObjectMissing
from scriptorium.plan.repair import (
    DropCopies,
    PutKeep,
    Repair,
    RepairPlan,
    may_stay,
    queue_repairs,
    same_copies,
)
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot


def mend(git_dir: Path) -> tuple[Repair, ...]:
    """Commit what can be put right, as one commit beside whoever else is writing; returns what it did.

    Raises what `PlanRepository.commit` raises.
    """
    plan = PlanRepository(git_dir)
    objects = GitObjects(git_dir)
    before = plan.read()
    repairs = possible_repairs(objects, before)
    if not repairs:
        return ()
    after = plan.commit(RepairPlan(repairs))
    message = None if after is before else parse_message(objects.commit(after.commit).message)
    # What somebody else was faster with is not in our commit, or there is none.
    done = message.values(Trailer.REPAIRED) if message is not None and message.kind is Kind.REPAIR else ()
    return tuple(repair for repair in repairs if repair.path in done)


def possible_repairs(objects: GitObjects, snapshot: Snapshot) -> tuple[Repair, ...]:
    """What can be put right in the plan at `snapshot`. Raises `ObjectMissing`."""
    return (
        *(PutKeep(folder) for folder in missing_keeps(objects, snapshot)),
        *queue_repairs(snapshot),
        *_copies(objects, snapshot),
    )


def _copies(objects: GitObjects, snapshot: Snapshot) -> tuple[Repair, ...]:
    doubled = {ticket: files for ticket in snapshot.duplicates if (files := same_copies(snapshot, ticket))}
    put = _last_put(objects, snapshot.commit, doubled) if doubled else {}
    repairs: list[Repair] = []
    for ticket, files in sorted(doubled.items()):
        stays = [file for file in files if file.state is put.get(ticket)]
        if stays and may_stay(snapshot, stays[0]):
            goes = tuple(file.path for file in files if file is not stays[0])
            repairs.append(DropCopies(ticket, stays[0].path, goes, stays[0].blob))
    return tuple(repairs)


def _last_put(objects: GitObjects, tip: Oid, tickets: Collection[TicketId]) -> Mapping[TicketId, TicketState]:
    """Where the last transition of each of `tickets` put it, as far as the history is here."""
    found: dict[TicketId, TicketState] = {}
    here: Oid | None = tip
    while here is not None and len(found) < len(tickets):
        try:
            facts = objects.commit(here)
        except ObjectMissing:
            break  # a shallow clone ends here
        message = parse_message(facts.message) if facts.author == facts.committer == AUTHOR else None
        here = facts.parents[0] if facts.parents else None
        if message is None or message.kind not in {Kind.CREATE_TICKETS, Kind.CREATE_RECOVERY, *MOVES}:
            continue
        to = message.value(Trailer.TO) if message.kind in MOVES else TicketState.OPEN
        for name in message.values(Trailer.TICKET):
            if name in tickets and to in set(TicketState):
                found.setdefault(TicketId(name), TicketState(to))
    return found
