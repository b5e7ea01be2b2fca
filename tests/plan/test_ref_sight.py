"""A plan that stands still is known to by the stat of its files, and whatever moves it is noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest

from scriptorium.plan import reading, ref_sight
from scriptorium.plan.ids import AreaName
from scriptorium.plan.reading import PlanMissing, PlanReader
from scriptorium.plan.ref_sight import SETTLED_SECONDS, RefSight
from scriptorium.plan.refs import PLAN_REF, RefError
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec

from .plans import Plan

MORE = AreaName("more")


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settled(reader: PlanReader, clock: Clock) -> None:
    """Have the reader read when its files have long been as they are."""
    reader.read()
    clock.now += SETTLED_SECONDS
    reader.read()


def no_ref_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read_ref(*_arguments: object) -> None:
        raise AssertionError("the ref was read")

    monkeypatch.setattr(reading, "read_ref", read_ref)


@pytest.mark.parametrize("packed", [False, True])
def test_a_plan_that_stands_still_is_not_read_again(
    plan: Plan, clock: Clock, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    if packed:
        plan.git("pack-refs", "--all")
        assert not (plan.git_dir / PLAN_REF).exists()
    reader = PlanReader(plan.git_dir, clock=clock)
    settled(reader, clock)
    with monkeypatch.context() as nothing:
        no_ref_is_read(nothing)
        assert reader.read() is reader.read()
    plan.by_hand({"areas/more.md": b"More.\n"})
    assert MORE in reader.read().areas


def in_place(plan: Plan) -> None:
    """As an editor or a shell may, though neither git nor libgit2 would."""
    tip = plan.by_hand({"areas/more.md": b"More.\n"})
    before = plan.git("rev-parse", f"{tip}~1")
    plan.git("update-ref", PLAN_REF, before)
    (plan.git_dir / PLAN_REF).write_text(f"{tip}\n")


def packed_then_moved(plan: Plan) -> None:
    plan.git("pack-refs", "--all")
    plan.by_hand({"areas/more.md": b"More.\n"})


def moved_then_packed(plan: Plan) -> None:
    plan.by_hand({"areas/more.md": b"More.\n"})
    plan.git("pack-refs", "--all")


def moved_and_collected(plan: Plan) -> None:
    plan.by_hand({"areas/more.md": b"More.\n"})
    plan.git("gc", "--quiet")


def moved_twice(plan: Plan) -> None:
    plan.by_hand({"areas/other.md": b"Other.\n"})
    plan.by_hand({"areas/more.md": b"More.\n"})


@pytest.mark.slow
@pytest.mark.parametrize("first_packed", [False, True])
@pytest.mark.parametrize(
    "change", [in_place, packed_then_moved, moved_then_packed, moved_and_collected, moved_twice]
)
def test_whatever_moves_the_branch_is_noticed(
    plan: Plan, clock: Clock, change: Callable[[Plan], None], first_packed: bool
) -> None:
    if first_packed:
        plan.git("pack-refs", "--all")
    reader = PlanReader(plan.git_dir, clock=clock)
    settled(reader, clock)
    change(plan)
    assert MORE in reader.read().areas


@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_that_is_deleted_or_damaged_is_noticed(plan: Plan, clock: Clock, packed: bool) -> None:
    if packed:
        plan.git("pack-refs", "--all")
    tip = plan.repository.tip()
    assert tip is not None
    reader = PlanReader(plan.git_dir, clock=clock)
    settled(reader, clock)
    pygit2.Repository(str(plan.git_dir)).references.delete(PLAN_REF)
    with pytest.raises(PlanMissing):
        reader.read()
    plan.git("update-ref", PLAN_REF, tip)
    settled(reader, clock)
    (plan.git_dir / PLAN_REF).write_text("garbage\n")
    with pytest.raises(RefError):
        reader.read()


def test_packing_the_refs_is_no_news(plan: Plan, clock: Clock) -> None:
    reader = PlanReader(plan.git_dir, clock=clock)
    settled(reader, clock)
    before = reader.read()
    plan.git("pack-refs", "--all")
    assert reader.read() is before


def test_files_that_changed_a_moment_ago_are_not_trusted(
    plan: Plan, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced again within a tick of the file system's clock, they may look as they did."""
    monkeypatch.setattr(ref_sight, "_stat", lambda _path: (1, 2, 41, 3, 3))
    reader = PlanReader(plan.git_dir, clock=clock)
    reader.read()
    clock.now += SETTLED_SECONDS * 0.9
    reader.read()
    plan.by_hand({"areas/more.md": b"More.\n"})
    assert MORE in reader.read().areas
    clock.now += SETTLED_SECONDS * 0.1
    # Read now, they have been so for long enough; what comes later has a later time.
    before = reader.read()
    no_ref_is_read(monkeypatch)
    assert reader.read() is before


def test_what_we_commit_ourselves_is_not_taken_for_what_was_there(plan: Plan, clock: Clock) -> None:
    repository = PlanRepository(plan.git_dir, clock=clock)
    settled(repository, clock)
    after = repository.commit(UpdateSpec("New."))
    assert repository.read() is after
    settled(repository, clock)
    assert repository.read() is after
    assert PlanReader(plan.git_dir).read().commit == after.commit


def test_after_a_commit_of_our_own_the_files_are_not_trusted(
    plan: Plan, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ref_sight, "_stat", lambda _path: (1, 2, 41, 3, 3))
    repository = PlanRepository(plan.git_dir, clock=clock)
    settled(repository, clock)
    repository.commit(UpdateSpec("New."))
    plan.by_hand({"areas/more.md": b"More.\n"})
    assert MORE in repository.read().areas


def test_files_that_cannot_be_looked_at_are_not_trusted(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "loop").symlink_to("loop")
    sight = RefSight(tmp_path / "loop", PLAN_REF, clock)
    for _ in range(3):
        mark = sight.look()
        assert mark is None
        assert not sight.is_as_read(mark)
        sight.was_read(mark)
        clock.now += SETTLED_SECONDS
