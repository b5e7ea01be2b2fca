"""A transition that is committed twice makes one commit: the second time it is nothing new, or refused.

And whatever error a commit ends with, its outcome is known: landed, not landed, or superseded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pygit2
import pytest

from scriptorium.plan import repository as module
from scriptorium.plan import transitions
from scriptorium.plan.drafts import TicketDraft
from scriptorium.plan.ids import AreaName, Oid, Slug, TicketId
from scriptorium.plan.refs import RefError, compare_and_swap
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.staging import StagedObjects
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateRecoveryTicket,
    CreateTickets,
    Enqueue,
    ParkArea,
    ParkSpec,
    ParkTicket,
    PreconditionFailed,
    RecordRun,
    ReopenTicket,
    StartLanding,
    Transition,
    UnparkArea,
    UnparkSpec,
    UnparkTicket,
    UpdateAreas,
    UpdateSpec,
)

from .plans import CORE, DOCS, OID_A, OID_B, REOPENED, Plan, draft_text, red_base, run_note

ONE = TicketId("0001")
BRANCH, WORKTREE = "scriptorium/ticket-0001", ".scriptorium/worktrees/tickets/0001-first"


def spec_of(plan: Plan) -> Oid:
    spec = plan.snapshot.spec
    assert spec is not None
    return spec.oid


def area_of(plan: Plan, area: AreaName = DOCS) -> Oid:
    return plan.snapshot.areas[area].oid


def assigned(plan: Plan) -> None:
    plan.assign(ONE)


def queued(plan: Plan) -> None:
    assigned(plan)
    plan.enqueue(ONE)


def stuck(plan: Plan) -> None:
    plan.repository.commit(ParkTicket(ONE, REOPENED))


def changed_spec(plan: Plan) -> None:
    plan.repository.commit(UpdateSpec("Another.\n"))


def given_up(plan: Plan) -> None:
    changed_spec(plan)
    plan.repository.commit(ParkSpec(spec_of(plan)))
    plan.repository.commit(ParkArea(DOCS, area_of(plan)))


def nothing(_plan: Plan) -> None:
    return None


Made = tuple[Callable[[Plan], None], Callable[[Plan], Transition], str]
"""What comes before, the transition, and why the second time is refused; empty where it is nothing new."""

TRANSITIONS: dict[str, Made] = {
    "update spec": (nothing, lambda _: UpdateSpec("Another.\n"), ""),
    "update areas": (changed_spec, lambda plan: UpdateAreas(spec_of(plan), {CORE: "New.\n"}), ""),
    "park spec": (changed_spec, lambda plan: ParkSpec(spec_of(plan)), ""),
    "unpark spec": (given_up, lambda _: UnparkSpec(), "not given up"),
    "create tickets": (
        nothing,
        lambda plan: CreateTickets(DOCS, area_of(plan), (TicketDraft(Slug("x"), draft_text()),), 0),
        "are there",
    ),
    "create recovery ticket": (nothing, lambda _: CreateRecoveryTicket(red_base(), 0), "already"),
    "park area": (nothing, lambda plan: ParkArea(DOCS, area_of(plan)), ""),
    "unpark area": (given_up, lambda _: UnparkArea(DOCS), "not given up"),
    "assign": (nothing, lambda _: AssignTicket(ONE, BRANCH, WORKTREE), "not open"),
    "record run": (assigned, lambda _: RecordRun(ONE, run_note()), ""),
    "enqueue": (assigned, lambda _: Enqueue(ONE, BRANCH, OID_A, "Done."), ""),
    "start landing": (queued, lambda _: StartLanding(ONE), ""),
    "complete": (queued, lambda _: CompleteTicket(ONE, OID_B), "not in-progress"),
    "reopen": (queued, lambda _: ReopenTicket(ONE, REOPENED), "not in-progress"),
    "park ticket": (queued, lambda _: ParkTicket(ONE, REOPENED), "not in-progress or open"),
    "unpark ticket": (stuck, lambda _: UnparkTicket(ONE), "not stuck"),
}


@pytest.fixture
def ready(plan: Plan) -> Plan:
    """A plan with two areas, and ticket 0001 open in the first."""
    plan.areas(CORE, DOCS)
    plan.tickets(first=draft_text())
    return plan


def test_every_transition_is_here() -> None:
    exported = set(transitions.__all__) - {"PreconditionFailed", "Transition"}
    named = {name for _, made, _ in TRANSITIONS.values() for name in made.__code__.co_names}
    assert exported <= named


@pytest.mark.parametrize("name", TRANSITIONS)
def test_the_second_time_makes_no_commit(ready: Plan, name: str) -> None:
    prepare, make, reason = TRANSITIONS[name]
    prepare(ready)
    transition = make(ready)
    ready.repository.commit(transition)
    length = ready.length()
    if reason:
        with pytest.raises(PreconditionFailed, match=reason):
            ready.repository.commit(transition)
    else:
        ready.repository.commit(transition)
    assert ready.length() == length


# --------------------------------------------------------------------------- the outcome after an error


class _Broken(OSError):
    """What a file system says."""


@pytest.mark.parametrize("name", ["assign", "create tickets", "unpark ticket"])
def test_an_error_before_the_ref_moves_means_not_landed(
    ready: Plan, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, make, _ = TRANSITIONS[name]
    prepare(ready)
    tip = ready.repository.tip()

    def full(_staged: StagedObjects) -> None:
        raise _Broken("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(StagedObjects, "write", full)
        with pytest.raises(_Broken):
            ready.repository.commit(make(ready))
    assert ready.repository.tip() == tip
    ready.repository.commit(make(ready))
    assert ready.git("rev-parse", "scriptorium/plan~1") == tip


@pytest.mark.parametrize("name", TRANSITIONS)
def test_an_error_after_the_ref_moved_means_landed(
    ready: Plan, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be synced, say: the caller is told of no error, as there is none."""
    prepare, make, _ = TRANSITIONS[name]
    prepare(ready)
    transition, length = make(ready), ready.length()
    moving(monkeypatch, lambda move: move())
    after = ready.repository.commit(transition)
    assert (after.commit, ready.length()) == (ready.repository.tip(), length + 1)


@pytest.mark.parametrize("name", ["assign", "create tickets", "unpark ticket"])
def test_landed_is_known_when_somebody_built_on_it_before_we_looked(
    ready: Plan, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, make, _ = TRANSITIONS[name]
    prepare(ready)
    transition, length = make(ready), ready.length()

    def overtaken(move: Callable[[], None]) -> None:
        move()
        ready.by_hand({"decisions/one.md": b"Yes.\n"})

    moving(monkeypatch, overtaken)
    after = ready.repository.commit(transition)
    assert ready.git("rev-parse", "scriptorium/plan~1") == after.commit
    assert ready.length() == length + 2


def test_superseded_is_a_precondition_that_fails(ready: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ref could not be moved, as another writer had been here and done what this was about."""
    other = PlanRepository(ready.git_dir)

    def overtaken(repo: pygit2.Repository, name: str, **arguments: Any) -> None:
        monkeypatch.undo()
        other.commit(AssignTicket(ONE, BRANCH, WORKTREE))
        compare_and_swap(repo, name, **arguments)

    monkeypatch.setattr(module, "compare_and_swap", overtaken)
    length = ready.length()
    with pytest.raises(PreconditionFailed, match="0001 is in-progress, not open"):
        ready.repository.commit(AssignTicket(ONE, BRANCH, "elsewhere"))
    assert ready.length() == length + 1
    assert ready.snapshot.tickets[ONE].ticket.worktree == WORKTREE


def test_a_ref_that_cannot_be_written_stands_where_it_stood(
    ready: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = ready.repository.tip()
    moving(monkeypatch, lambda _move: None)
    with pytest.raises(RefError, match="input/output error"):
        ready.repository.commit(AssignTicket(ONE, BRANCH, WORKTREE))
    assert ready.repository.tip() == tip


def moving(monkeypatch: pytest.MonkeyPatch, act: Callable[[Callable[[], None]], object]) -> None:
    """Have the next update of a ref fail, after `act`, which may carry it out."""

    def swap(repo: pygit2.Repository, name: str, **arguments: Any) -> None:
        monkeypatch.undo()
        broken: Any = _BreaksOnce(repo, act)
        compare_and_swap(broken, name, **arguments)

    monkeypatch.setattr(module, "compare_and_swap", swap)


class _BreaksOnce:
    """A repository in which a ref cannot be moved without an error."""

    def __init__(self, repo: pygit2.Repository, act: Callable[[Callable[[], None]], object]) -> None:
        self._repo, self._act = repo, act
        self.path = repo.path

    def lookup_reference(self, name: str) -> pygit2.Reference:
        return self._repo.lookup_reference(name)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[_Moves]:
        moves = _Moves(self._repo)
        yield moves
        self._act(moves.carry_out)
        raise _Broken("input/output error")


class _Moves:
    """A transaction that moves nothing by itself."""

    def __init__(self, repo: pygit2.Repository) -> None:
        self._repo = repo
        self._wanted: list[tuple[str, Oid, str]] = []

    def lock_ref(self, name: str) -> None:
        pass

    def set_target(self, name: str, new: Oid, _who: None, message: str) -> None:
        self._wanted.append((name, new, message))

    def carry_out(self) -> None:
        for name, new, message in self._wanted:
            self._repo.lookup_reference(name).set_target(new, message)
