"""Carrying out `retention`: looks what is pinned and what became of it, and lets go of what has served its
time. A crash anywhere leaves some pins more, for the next sweep.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen
from pygit2.enums import SortMode

from scriptorium.code.pins import SUBMITTED, WORK, ref_names
from scriptorium.code.repository import Project, branch_tip, common_dir, open_repository
from scriptorium.code.retention import (
    LANDED_KEPT_SECONDS,
    OTHERS_KEPT_SECONDS,
    Pin,
    Plans,
    decide_retention,
)
from scriptorium.plan.ids import InvalidName, Oid, parse_ticket_id, ticket_number
from scriptorium.plan.past import States, states_before
from scriptorium.plan.refs import PLAN_REF, RefError, RefMoved, delete_ref, read_ref

PINS_A_SWEEP: Final = 200
"""A ref that git has packed costs a rewrite of all packed refs, so they go a few at a time."""

COMMITS_A_SWEEP: Final = 200_000
"""Of the base's history, about a second. What landed in a longer history since the oldest pin is kept on."""

_CLOCK_SLACK_SECONDS: Final = 24 * 3600
"""A commit's time is that of the machine it was made on: an ancestor may seem this much younger."""


@frozen
class Swept:
    """What a sweep let go of: `names` of pins, of how many tickets, and whether there are `more`."""

    names: tuple[str, ...]
    tickets: int
    more: bool


def sweep_pins(project: Project, branch: str, now: float) -> Swept:
    """Let go of pins that have served their time, at most `PINS_A_SWEEP` of them; `now` in seconds since
    the epoch. Costs a look at the folders of pins when none is old enough.

    Raises `OSError`, `KeyError`, `ValueError`, `pygit2.GitError` or `RefError` when something cannot be read
    or deleted; what was deleted until then had served its time.
    """
    repo = open_repository(project)
    old = [pin for pin in _pins(repo) if pin.made_at <= now - LANDED_KEPT_SECONDS]
    tip, plan = branch_tip(repo, branch), read_ref(repo, PLAN_REF)
    if not old or tip is None or plan is None:
        return Swept((), 0, more=False)
    plans = _plans(project, plan, now)
    if plans is None:
        return Swept((), 0, more=False)
    contained = contained_in(repo, tip, old)
    going = decide_retention(old, plans, contained, now)
    gone = [pin for pin in going[:PINS_A_SWEEP] if _delete(repo, pin)]
    tickets = len({pin.ticket for pin in gone})
    return Swept(tuple(pin.name for pin in gone), tickets, more=len(going) > PINS_A_SWEEP)


def _pins(repo: pygit2.Repository) -> Iterator[Pin]:
    for kind in (SUBMITTED, WORK):
        for name in ref_names(repo, f"{kind}/"):
            try:
                ticket = parse_ticket_id(name.removeprefix(f"{kind}/").partition("/")[0])
                commit = read_ref(repo, name)
            except (InvalidName, RefError):
                continue  # nobody's pin, or a damaged one: both are left to a person
            if commit is not None and isinstance(repo.get(commit), pygit2.Commit):
                made_at = repo[commit].peel(pygit2.Commit).commit_time
                yield Pin(name, ticket, commit, float(made_at))


def _plans(project: Project, plan: Oid, now: float) -> Plans | None:
    times = (now - LANDED_KEPT_SECONDS, now - OTHERS_KEPT_SECONDS)
    present, landed_span, others_span = states_before(project.git_dir, plan, (float("inf"), *times))
    if present is None or landed_span is None:
        return None
    return Plans(present, landed_span, others_span, _highest(present))


def _highest(states: States) -> int:
    return max((ticket_number(ticket) for ticket in states), default=0)


def contained_in(repo: pygit2.Repository, tip: Oid, pins: Sequence[Pin]) -> frozenset[Oid]:
    """Which of the pinned commits `tip` contains, as far as its newest `COMMITS_A_SWEEP` commits tell."""
    wanted: set[Oid] = {pin.commit for pin in pins}
    oldest = min(pin.made_at for pin in pins) - _CLOCK_SLACK_SECONDS
    found: set[Oid] = set()
    for number, commit in enumerate(repo.walk(pygit2.Oid(hex=tip), SortMode.TIME)):
        oid = Oid(str(commit.id))
        if oid in wanted:
            found.add(oid)
        if found == wanted or commit.commit_time < oldest or number >= COMMITS_A_SWEEP:
            break
    return frozenset(found)


def _delete(repo: pygit2.Repository, pin: Pin) -> bool:
    try:
        delete_ref(repo, pin.name, old=pin.commit)
    except RefMoved:
        return False
    # libgit2 leaves the folder, which costs as much as the ref did. One that is not empty stays.
    with contextlib.suppress(OSError):
        (common_dir(Path(repo.path)) / pin.name).parent.rmdir()
    return True
