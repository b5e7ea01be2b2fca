"""What each kind of transition may change, held against what a commit of that kind did change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from scriptorium.plan._audit_steps import Step, TicketChange, ticket_at
from scriptorium.plan.ids import AreaName, InvalidName, TicketId, parse_oid
from scriptorium.plan.layout import (
    ACTIVE,
    AREAS_FROM,
    KEEP,
    KEPT_FOLDERS,
    PENDING,
    SPEC,
    TicketState,
    parse_entry_name,
    ticketed_path,
)
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.recovery import is_recovery

_OPEN, _IN_PROGRESS = TicketState.OPEN, TicketState.IN_PROGRESS

MOVES: Final = {
    Kind.ASSIGN: {(_OPEN, _IN_PROGRESS)},
    Kind.COMPLETE: {(_IN_PROGRESS, TicketState.DONE)},
    Kind.REOPEN: {(_IN_PROGRESS, _OPEN)},
    Kind.PARK_TICKET: {(_IN_PROGRESS, TicketState.STUCK), (_OPEN, TicketState.STUCK)},
    Kind.UNPARK_TICKET: {(TicketState.STUCK, _OPEN)},
}
"""Every legal move of a ticket, by the transition that makes it."""


_CREATE: Final = frozenset({Kind.CREATE_TICKETS, Kind.CREATE_RECOVERY})


@frozen
class Fault:
    """One thing that is wrong with a commit, or (`note`) that is worth saying."""

    rule: str
    message: str
    path: str | None = None
    note: bool = False


def faults_of_transition(step: Step, message: Message) -> Iterator[Fault]:
    """What is wrong with a commit that scriptorium made as the transition `message` says."""
    if not step.changes:
        yield Fault("empty", "it changes nothing")
    if message.kind in MOVES:
        yield from _faults_of_move(step, message)
    else:
        yield from _faults_of_standing(step, message)
        yield from _faults_of_words(step, message)
    for path in sorted(step.changes.keys() - _allowed(step, message)):
        yield Fault("foreign-change", f'"{message.subject}" must not change this file', path)


def _faults_of_move(step: Step, message: Message) -> Iterator[Fault]:
    ticket = message.value(Trailer.TICKET) or ""
    change = step.tickets.get(TicketId(ticket), TicketChange())
    move = change.move
    if move is None:
        yield Fault(
            "no-move", f"ticket {ticket or '(no Ticket trailer)'} did not go from one state to another"
        )
        return
    if move not in MOVES[message.kind]:
        yield Fault("illegal-move", f"{message.kind}: {move[0]} to {move[1]}")
    if (message.value(Trailer.FROM), message.value(Trailer.TO)) != move:
        yield Fault("wrong-trailer", f"the trailers From and To do not say {move[0]} and {move[1]}")
    slug = next(iter(change.after)).slug
    if message.name != (f"{ticket}-{slug}" if message.kind is Kind.ASSIGN else ticket):
        yield Fault("wrong-subject", f"the subject names {message.name!a}, the trailer {ticket!a}")
    if message.kind is Kind.COMPLETE:
        try:
            parse_oid(message.value(Trailer.LANDED) or "")
        except InvalidName as error:
            yield Fault("wrong-trailer", f"Landed: {error}")


def _faults_of_standing(step: Step, message: Message) -> Iterator[Fault]:
    """What is wrong with the tickets of a commit that must not move any."""
    for ticket, change in step.tickets.items():
        if change.in_place or (message.kind in _CREATE and not change.before):
            continue
        if message.kind is Kind.REPAIR and not change.after:
            continue  # one of several copies; that the ticket is still there is looked at elsewhere
        yield Fault("illegal-move", f'"{message.subject}" must not move ticket {ticket}')


def _faults_of_words(step: Step, message: Message) -> Iterator[Fault]:
    """What is wrong with the subject and the trailers of a commit that moves no ticket."""
    named = message.values(Trailer.TICKET)
    match message.kind:
        case Kind.CREATE_TICKETS:
            if set(named) != set(step.tickets):
                yield Fault("wrong-trailer", f"the Ticket trailers name {', '.join(named) or 'none'}")
        case Kind.ENQUEUE | Kind.START_LANDING | Kind.CREATE_RECOVERY:
            if named != (message.name,):
                yield Fault("wrong-subject", f"the subject names {message.name!a}, the trailers {named}")
        case Kind.RECORD_RUN:
            if message.name.partition("-")[0] not in named or not message.value(Trailer.ATTEMPT):
                yield Fault("wrong-trailer", "Ticket and Attempt must say whose run it was")
        case Kind.PARK_AREA | Kind.UNPARK_AREA:
            if message.values(Trailer.AREA) != (message.name,):
                yield Fault("wrong-subject", f"the subject names {message.name!a}, the trailer another area")
        case Kind.REPAIR if set(message.values(Trailer.REPAIRED)) != set(step.changes):
            yield Fault("wrong-trailer", "the Repaired trailers do not name the files that were changed")
        case _:
            if message.name:
                yield Fault("wrong-subject", f"the subject goes on with {message.name[:80]!a}")


def _allowed(step: Step, message: Message) -> set[str]:
    """Those of the changed paths that a transition of this kind may change."""
    return {path for path in step.changes if _is_kept_again(path, step) or _may_change(path, step, message)}


def _may_change(path: str, step: Step, message: Message) -> bool:  # noqa: C901, PLR0911, PLR0912 - a table
    ticket = message.value(Trailer.TICKET)
    match message.kind:
        case Kind.INITIALIZE:
            return not step.facts.parents
        case Kind.UPDATE_SPEC | Kind.UPDATE_SPEC_FROM_ARCHITECT:
            return path == SPEC
        case Kind.UPDATE_AREAS:
            return path.startswith("areas/")
        case Kind.PARK_SPEC | Kind.UNPARK_SPEC:
            return path == AREAS_FROM
        case Kind.CREATE_TICKETS | Kind.PARK_AREA | Kind.UNPARK_AREA if path in _markers(message):
            return True
        case Kind.CREATE_TICKETS:
            return _is_ticket(path, message.values(Trailer.TICKET), _OPEN)
        case Kind.CREATE_RECOVERY:
            return _is_recovery_ticket(path, ticket)
        case Kind.PARK_AREA | Kind.UNPARK_AREA:
            return False
        case Kind.REPAIR:
            return _is_repair(path, step)
        case Kind.RECORD_RUN:
            return _is_ticket(path, (ticket,), None)
        case Kind.ENQUEUE:
            return is_entry(path, ticket)
        case Kind.START_LANDING:
            return path == ACTIVE
        case Kind.ASSIGN | Kind.COMPLETE | Kind.REOPEN | Kind.PARK_TICKET | Kind.UNPARK_TICKET:
            left_queue = step.changes[path].after is None and (path == ACTIVE or is_entry(path, ticket))
            return left_queue or _is_ticket(path, (ticket,), None)


def _markers(message: Message) -> set[str]:
    return {ticketed_path(AreaName(area)) for area in message.values(Trailer.AREA)}


def _is_repair(path: str, step: Step) -> bool:
    """What was too many: an entry, `active.md`, a ticket's copy."""
    folder = path.rpartition("/")[0]
    there = path == ACTIVE or folder == PENDING or ticket_at(path) is not None
    return step.changes[path].after is None and there and not path.endswith(f"/{KEEP}")


def _is_kept_again(path: str, step: Step) -> bool:
    """A `.gitkeep` that was missing: whatever runs a folder of the layout empty puts it back."""
    folder, _, name = path.rpartition("/")
    return name == KEEP and folder in KEPT_FOLDERS and step.changes[path].before is None


def _is_ticket(path: str, tickets: tuple[str | None, ...], state: TicketState | None) -> bool:
    found = ticket_at(path)
    return found is not None and found[0] in tickets and state in {None, found[1].state}


def _is_recovery_ticket(path: str, ticket: str | None) -> bool:
    found = ticket_at(path)
    return _is_ticket(path, (ticket,), _OPEN) and found is not None and is_recovery(found[1].slug)


def is_entry(path: str, ticket: str | None) -> bool:
    """Whether the path is that of a queue entry of that ticket."""
    folder, _, name = path.rpartition("/")
    try:
        return folder == PENDING and parse_entry_name(name.removesuffix(".md"))[1] == ticket
    except InvalidName:
        return False
