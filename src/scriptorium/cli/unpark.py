"""``unpark``: lets what scriptorium has given up be tried again: stuck tickets, areas, the spec."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from attrs import frozen

from scriptorium.cli.committing import commit, open_plan
from scriptorium.cli.failure import Failure
from scriptorium.cli.place import find_project
from scriptorium.harness.records import read_service_record
from scriptorium.plan.ids import AreaName, InvalidName, TicketId, parse_area_name, ticket_id
from scriptorium.plan.layout import AREAS, SPEC, area_path
from scriptorium.plan.parked import parked
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import (
    PreconditionFailed,
    Transition,
    UnparkArea,
    UnparkSpec,
    UnparkTicket,
)

_TICKETS, _AREAS = "tickets/", f"{AREAS}/"


@frozen
class _Subject:
    """What a word may mean: its transition, the words that mean nothing else, and what is said of it then."""

    transition: Transition
    plainly: str
    said: str


def unpark(at: str, words: Sequence[str], *, everything: bool) -> int:
    """Unpark what the words name, or all that is parked; raises Failure when one of them cannot be.

    A word that cannot be unparked is told before anything is changed.
    """
    project = find_project(at)
    plan, snapshot = open_plan(project)
    subjects = _chosen(parked(snapshot).paths if everything else words, snapshot)
    for subject in subjects:
        commit(project, plan, subject.transition, f"{subject.plainly} was not unparked")
        sys.stdout.write(f"{subject.said}\n")
    if not subjects:
        sys.stdout.write("Nothing is parked; nothing was changed.\n")
        return 0
    service = read_service_record(project.state_dir / "service.json")
    running = service is not None and service.alive
    sys.stdout.write("The running service goes on with it.\n" if running else "Next: scriptorium run\n")
    return 0


def _chosen(words: Sequence[str], snapshot: Snapshot) -> list[_Subject]:
    chosen: dict[str, _Subject] = {}
    failures: list[str] = []
    for word in words:
        try:
            subject = _meant(word, snapshot)
        except Failure as failure:
            failures.append(str(failure))
        else:
            chosen[subject.plainly] = subject
    if failures:
        names = parked(snapshot).names
        failures.append(f"parked is: {', '.join(names)}" if names else "nothing is parked")
        raise Failure("\n".join(failures))
    return list(chosen.values())


def _meant(word: str, snapshot: Snapshot) -> _Subject:
    """The one subject of that name that can be unparked."""
    fitting: list[_Subject] = []
    reasons: list[str] = []
    for subject in _possible(word, snapshot):
        try:
            subject.transition.apply(snapshot)
        except PreconditionFailed as failed:
            reasons.append(failed.reason)
        else:
            fitting.append(subject)
    if len(fitting) > 1:
        choices = " or ".join(subject.plainly for subject in fitting)
        raise Failure(f"{word} can mean two things: say {choices}")
    if not fitting:
        raise Failure(f"{word}: {reasons[0] if reasons else 'there is no such ticket and no such area'}")
    return fitting[0]


def _possible(word: str, snapshot: Snapshot) -> Iterator[_Subject]:
    """What a word may mean. A path, as it is on the plan branch, means one thing."""
    ticket = _ticket(word, snapshot)
    if ticket is not None:
        file = snapshot.find(ticket)
        yield _Subject(
            UnparkTicket(ticket),
            ticket if file is None else file.path,
            f"Ticket {ticket} is open again, and its tries start anew.",
        )
    if word in {"spec", SPEC}:
        yield _Subject(UnparkSpec(), SPEC, "The spec is to be split into areas again.")
    area = _area(word)
    if area is not None and (area in snapshot.areas or snapshot.problem_at(area_path(area)) is not None):
        said = f"Tickets are to be made from the area {area} again."
        yield _Subject(UnparkArea(area), area_path(area), said)


def _ticket(word: str, snapshot: Snapshot) -> TicketId | None:
    """The ticket of an id (zeros before it may be left out), a name `NNNN-slug`, or a path."""
    name = word.rpartition("/")[2].removesuffix(".md") if word.startswith(_TICKETS) else word
    number, dash, _ = name.partition("-")
    if not (number.isascii() and number.isdecimal()) or len(number) > 9:
        return None
    ticket = ticket_id(int(number))
    file = snapshot.find(ticket)
    return None if dash and file is not None and file.name != name else ticket


def _area(word: str) -> AreaName | None:
    try:
        return parse_area_name(
            word.removeprefix(_AREAS).removesuffix(".md") if word.startswith(_AREAS) else word
        )
    except InvalidName:
        return None
