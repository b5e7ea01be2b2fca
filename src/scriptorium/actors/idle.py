"""When `run --until-idle` ends, and what it says is left: pure."""

from __future__ import annotations

from collections.abc import Iterable

from scriptorium.actors.assignment import queued_tickets
from scriptorium.actors.health import Conditions
from scriptorium.actors.planning import areas_to_ticket, spec_to_split
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import AREAS_FROM, SPEC, TICKETED, TicketState, area_path
from scriptorium.plan.parked import area_is_parked, spec_is_parked
from scriptorium.plan.snapshot import Snapshot


def leftovers(snapshot: Snapshot, conditions: Conditions) -> tuple[str, ...]:
    """A line for each thing that is left to do; none when everything is done.

    Meant for a service in which nothing runs and nothing can be done without someone else.
    """
    return (
        *_planning(snapshot),
        *conditions.lines(),
        *_unreadable(snapshot),
        *_tickets(snapshot),
        *_queue(snapshot),
    )


def _planning(snapshot: Snapshot) -> Iterable[str]:
    if snapshot.problem_at(SPEC) is not None:
        return  # what is wrong with it is said with all that is unreadable
    if snapshot.spec is None or snapshot.spec.is_placeholder:
        yield "no spec: write one with `scriptorium plan`, or commit one with `scriptorium plan --from FILE`"
        return
    if spec_to_split(snapshot) is not None:
        yield "the spec has not been split into areas"
    elif spec_is_parked(snapshot):
        yield f"planning failed: no usable areas came back for this spec ({_again('the spec', 'spec')})"
    for area in areas_to_ticket(snapshot):
        yield f"area {area.name} has not been ticketed"
    for name in sorted(snapshot.areas):
        if area_is_parked(snapshot, name):
            yield f"planning failed: area {name} gave no usable tickets ({_again(area_path(name), name)})"


def _again(text: str, name: str) -> str:
    return f"to try again: change {text}, or scriptorium unpark {name}"


def _unreadable(snapshot: Snapshot) -> Iterable[str]:
    for problem in snapshot.problems:
        folder, _, name = problem.path.rpartition("/")
        if problem.path == AREAS_FROM:
            yield f"unreadable: {problem} (mend it, or plan afresh with `scriptorium unpark spec`)"
        elif folder == TICKETED:
            yield f"unreadable: {problem} (mend it, or plan afresh with `scriptorium unpark {name}`)"
        else:
            yield f"unreadable: {problem}"


def _tickets(snapshot: Snapshot) -> Iterable[str]:
    queued = queued_tickets(snapshot)
    for file in sorted(snapshot.tickets.values(), key=lambda file: int(file.id)):
        match file.state:
            case TicketState.DONE:
                continue
            case TicketState.STUCK:
                yield f"{file.id} stuck: {file.ticket.title} (to try again: scriptorium unpark {file.id})"
            case TicketState.IN_PROGRESS:
                where = "in the merge queue" if file.id in queued else "in progress"
                yield f"{file.id} {where}: {file.ticket.title}"
            case TicketState.OPEN:
                waits = [_dependency(snapshot, depends) for depends in file.ticket.depends]
                reasons = [reason for reason in waits if reason]
                waiting = f"waits for {', '.join(reasons)}" if reasons else "open"
                yield f"{file.id} {waiting}: {file.ticket.title}"


def _queue(snapshot: Snapshot) -> Iterable[str]:
    for entry in snapshot.pending:
        file = snapshot.tickets.get(entry.ticket)
        if file is None or file.state is not TicketState.IN_PROGRESS:
            state = "missing or unreadable" if file is None else str(file.state)
            yield f"{entry.path}: its ticket {entry.ticket} is {state}: remove the entry, or mend the ticket"


def _dependency(snapshot: Snapshot, depends: TicketId) -> str | None:
    file = snapshot.tickets.get(depends)
    if file is None:
        return f"{depends} ({'unreadable' if snapshot.is_set_aside(depends) else 'missing'})"
    if file.state is TicketState.DONE:
        return None
    return f"{depends} (stuck)" if file.state is TicketState.STUCK else depends
