"""``recheck``: has what waits for a time, or for a changed text, be tried again now.

The running service checks a base branch that is red again at once, and submissions that could not be checked;
a spec or an area that was given up is planned again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from scriptorium.cli.committing import commit, open_plan
from scriptorium.cli.failure import Failure, printable
from scriptorium.cli.place import find_project, read_config
from scriptorium.cli.standing import Base, base_of
from scriptorium.code.recheck_request import ask_for_recheck
from scriptorium.code.repository import Project
from scriptorium.harness.records import read_service_record
from scriptorium.plan.parked import parked
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import Transition, UnparkArea, UnparkSpec


def recheck(at: str) -> int:
    """Ask for everything to be looked at again; raises Failure when that cannot be asked for.

    Asked twice it is asked once. Without a service it says so: the next start checks a red base again.
    """
    project = find_project(at)
    base = base_of(project, read_config(project))
    plan, snapshot = open_plan(project)
    service = read_service_record(project.state_dir / "service.json")
    running = service is not None and service.alive
    if running:
        _ask(project)
    for transition, what, said in _given_up(snapshot):
        commit(project, plan, transition, f"{what} is not to be planned again")
        sys.stdout.write(f"{said}\n")
    sys.stdout.write(f"{printable(_base_line(base, running=running))}\n")
    if not running:
        sys.stdout.write("Next: scriptorium run\n")
    return 0


def _ask(project: Project) -> None:
    try:
        ask_for_recheck(project.state_dir)
    except OSError as error:
        raise Failure(f"the running service cannot be asked: {error}") from error


def _given_up(snapshot: Snapshot) -> Iterator[tuple[Transition, str, str]]:
    """What scriptorium gave up on planning: the transition, its name, and what is said of it."""
    given_up = parked(snapshot)
    if given_up.spec:
        yield UnparkSpec(), "the spec", "The spec is to be split into areas again."
    for area in given_up.areas:
        yield UnparkArea(area), f"the area {area}", f"Tickets are to be made from the area {area} again."


def _base_line(base: Base, *, running: bool) -> str:
    if base.branch is None:
        return f"The base branch is not known: {base.problem}"
    if base.oid is None:
        return f"The base branch {base.branch} has no commit yet."
    here = f"The base branch {base.branch} at {base.oid[:12]}"
    if base.health == "green":
        return f"{here} is green; a tree that is green once is not checked again."
    if running:
        return f"{here} is {base.state}. The running service checks it again now."
    return f"{here} is {base.state}. No service is running; the next one checks it as it starts."
