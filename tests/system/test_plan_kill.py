"""Killed at any step of any transition, the plan is as before or as after, and nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest

from scriptorium.code.locks import remove_stale_locks
from scriptorium.code.repository import discover
from scriptorium.plan.ids import Oid
from scriptorium.plan.init import PlanExists
from scriptorium.plan.message import Kind
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.transitions import PreconditionFailed

from .aftermath import assert_packs_are_tidy, assert_plan_is_sound, left_over, noting, plan_tip
from .kinds import PREPARE, Case, make_case
from .soak import chance, seeds
from .syscalls import Run, kill_at, watch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("syscalls")]


def test_each_kind_of_transition_is_among_those_that_are_killed() -> None:
    assert set(PREPARE) == set(Kind) - {Kind.INITIALIZE}


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("kind", Kind)
def test_killed_at_each_durable_step(kind: Kind, tmp_path: Path) -> None:
    for seed in seeds(soak=20):
        with noting("the seed is", seed):
            drawn = chance(seed)
            kill_at_each_call(make_case(kind, tmp_path / str(seed), drawn), tmp_path / "copy", drawn)


def kill_at_each_call(case: Case, copy: Path, drawn: Random | None) -> None:
    """Kill before each call; with `drawn`, the process that comes after it too."""
    before = plan_tip(case.root / ".git")
    outcomes: list[Oid | None] = []
    after: Oid | None = None
    was_killed = True
    while was_killed:
        shutil.copytree(case.root, copy)
        run = commit(case, copy, len(outcomes) + 1)
        with noting("killed before", *run.calls[-1:]):
            outcomes.append(plan_tip(copy / ".git"))
            if drawn is not None:
                remove_stale_locks(discover(copy), None)
                commit(case, copy, drawn.randrange(1, 1 + len(run.calls)))
            after = start_again(case, copy)
        shutil.rmtree(copy)
        was_killed = run.said is None
    assert after not in {None, before}
    changed = outcomes.index(after)
    assert 0 < changed < len(outcomes) - 1
    assert outcomes == [before] * changed + [after] * (len(outcomes) - changed)


def commit(case: Case, folder: Path, number: int) -> Run:
    """Make the transition in a process that is killed before its call of that number."""

    def work() -> str:
        enable_fsync()
        return attempt(case, folder)

    return watch(work, folder, kill_at(number))


def attempt(case: Case, folder: Path) -> str:
    """Make the transition, or find it made."""
    try:
        return case.begin(folder / ".git")()
    except (PreconditionFailed, PlanExists):
        return ""


def start_again(case: Case, folder: Path) -> Oid | None:
    """What the next start does: the same transition again, which is done, or is found done."""
    git_dir = folder / ".git"
    remove_stale_locks(discover(folder), None)
    assert [name for name in left_over(git_dir) if name.endswith(".lock")] == []
    attempt(case, folder)
    assert_plan_is_sound(git_dir, case.known)
    assert_packs_are_tidy(git_dir)
    return plan_tip(git_dir)
