"""A system call of a transition fails: the caller is told what is true, nothing is half, and all goes on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from scriptorium.plan.ids import Oid
from scriptorium.plan.init import PlanExists
from scriptorium.plan.message import Kind
from scriptorium.plan.reading import PlanMissing
from scriptorium.plan.refs import enable_fsync
from scriptorium.plan.transitions import PreconditionFailed

from .aftermath import assert_plan_is_sound, left_over, noting, plan_tip
from .kinds import Act, Case, make_case
from .one_fault import ERRORS, OneFault, first_try_is_over
from .soak import SOAKING, chance, seeds
from .syscalls import watch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("syscalls")]

IN_CI = (Kind.INITIALIZE, Kind.CREATE_TICKETS, Kind.COMPLETE)
"""The first commit, the longest, and the one that comes after a landing. Under `make soak` it is all."""


@pytest.mark.req("V1-34")
@pytest.mark.parametrize("kind", tuple(Kind) if SOAKING else IN_CI)
def test_each_call_that_changes_files_fails_once(kind: Kind, tmp_path: Path) -> None:
    fail_each_call(kind, tmp_path, ERRORS, reads=False)


@pytest.mark.parametrize("kind", tuple(Kind) if SOAKING else [Kind.COMPLETE])
def test_each_call_on_files_fails_once(kind: Kind, tmp_path: Path) -> None:
    fail_each_call(kind, tmp_path, ERRORS if SOAKING else [errno.EIO], reads=True)


def fail_each_call(kind: Kind, folder: Path, errors: Sequence[int], *, reads: bool) -> None:
    for seed in seeds(soak=2):
        with noting("the seed is", seed):
            case = make_case(kind, folder / str(seed), chance(seed))
            for error in errors:
                failed = 0
                while fail_once(case, folder / "copy", failed + 1, error, reads=reads):
                    failed += 1
                assert failed > 10


def fail_once(case: Case, copy: Path, number: int, error: int, *, reads: bool) -> bool:
    """Let the call of that number fail; False when there is none."""
    shutil.copytree(case.root, copy)
    git_dir = copy / ".git"
    between: list[Oid | None] = []

    def look() -> None:
        between.append(plan_tip(git_dir))
        assert left_over(copy) == []

    fault = OneFault(number, error, look)
    with noting(fault):
        before = plan_tip(git_dir)
        run = watch(lambda: try_twice(case, copy), copy, fault, reads=reads)
        after = plan_tip(git_dir)
        assert run.said is not None
        first, second = run.said.split("\n")
        assert after not in {None, before}
        assert between == [after if first == after else before], first
        assert second in {after, "made already"}
        assert_plan_is_sound(git_dir, case.known)
    shutil.rmtree(copy)
    return fault.failed is not None


def try_twice(case: Case, root: Path) -> str:
    """Make the transition twice in a row, as one process; what its caller is told each time, a line each."""
    enable_fsync()
    act: Act | None = None
    try:
        act = case.begin(root / ".git")
        first = str(act())
    except PlanMissing:
        raise  # it is there
    except Exception as error:
        first = repr(error).replace("\n", " ")
    first_try_is_over(root)
    act = act or case.begin(root / ".git")
    try:
        return f"{first}\n{act()}"
    except (PreconditionFailed, PlanExists):
        return f"{first}\nmade already"
