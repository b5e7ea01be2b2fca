"""A landing that was cut short anywhere is finished or called off at the next start, without a human."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from scriptorium.code.checkout import LOCK_MARK
from scriptorium.code.landing import Blocked
from scriptorium.code.locks import remove_stale_locks
from scriptorium.code.pins import read_landings, set_landing
from scriptorium.code.settle import Settled, SettledAs, settle
from scriptorium.plan.ids import Oid, TicketId
from tests.code.landings import CHANGES, TICKET, Git, submit, try_landing

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

Make: TypeAlias = "Callable[..., Fixture]"


class Stopped(BaseException):
    """Like a kill it is not handled, but for the locks, by what it comes out of."""


def stop_at(place: str, count: int = 1) -> Callable[[str], None]:
    left = count

    def step(name: str) -> None:
        nonlocal left
        left -= name == place
        if left == 0 and name == place:
            raise Stopped

    return step


def cut_short(fixture: Fixture, place: str, count: int = 1) -> tuple[Oid, Oid]:
    """A landing that was stopped after a step; returns the base and the commit."""
    evidence, commit = submit(fixture, CHANGES)
    with pytest.raises(Stopped):
        try_landing(fixture, evidence, commit, stop_at(place, count))
    return evidence.base, commit


def test_nothing_to_settle(fixture: Fixture) -> None:
    assert settle(fixture.project, "main") == ()


def test_a_base_past_the_landing_contains_it(fixture: Fixture) -> None:
    _, commit = cut_short(fixture, "base")
    fixture.land({"after": "x\n"})
    assert settle(fixture.project, "main") == (Settled(TICKET, SettledAs.CONTAINED, commit),)


def test_a_bare_repository_is_settled(bare: Fixture) -> None:
    _, commit = cut_short(bare, "landing-ref")
    assert settle(bare.project, "main") == (Settled(TICKET, SettledAs.FINISHED, commit),)
    assert bare.tip() == commit


def test_a_file_that_was_changed_while_we_were_away_is_left(fixture: Fixture, run_git: Git) -> None:
    base, commit = cut_short(fixture, "placed", 2)
    assert fixture.tip() == base
    (fixture.root / "tools" / "run.sh").write_text("mine\n")
    assert settle(fixture.project, "main") == (
        Settled(TICKET, SettledAs.FINISHED, commit, ("tools/run.sh",)),
    )
    assert run_git(fixture.root, "status", "--porcelain") == " M tools/run.sh\n"
    assert (fixture.root / "tools" / "run.sh").read_text() == "mine\n"


def test_what_was_staged_while_we_were_away_is_left(fixture: Fixture, run_git: Git) -> None:
    _, commit = cut_short(fixture, "placed", 2)
    (fixture.root / "tools" / "run.sh").write_text("mine\n")
    run_git(fixture.root, "add", "tools/run.sh")
    (settled,) = settle(fixture.project, "main")
    assert settled == Settled(TICKET, SettledAs.FINISHED, commit, ("tools/run.sh",))
    assert run_git(fixture.root, "status", "--porcelain") == "M  tools/run.sh\n"


def test_before_any_file_moved_work_in_the_way_calls_it_off(fixture: Fixture, run_git: Git) -> None:
    base, commit = cut_short(fixture, "staged")
    (fixture.root / "README.md").write_text("mine\n")
    assert settle(fixture.project, "main") == (
        Settled(TICKET, SettledAs.CHECK_AGAIN, commit, ("README.md",)),
    )
    assert fixture.tip() == base
    assert run_git(fixture.root, "status", "--porcelain") == " M README.md\n"
    assert read_landings(fixture.open()) == ()
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Blocked(("README.md",))


def test_files_that_the_user_committed_are_not_taken_back(fixture: Fixture, run_git: Git) -> None:
    """The user found the moved files in their checkout and committed some of them."""
    _, commit = cut_short(fixture, "index")
    run_git(fixture.root, "commit", "-q", "-m", "mine", "README.md")
    mine = fixture.tip()
    assert settle(fixture.project, "main") == (Settled(TICKET, SettledAs.CHECK_AGAIN, commit),)
    assert fixture.tip() == mine
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert (fixture.root / "README.md").read_text() == "# Changed\n"
    assert (fixture.root / "tools" / "run.sh").read_text() == "#!/bin/sh\necho run\n"


def test_work_on_top_of_a_moved_file_survives_a_calling_off(fixture: Fixture, run_git: Git) -> None:
    cut_short(fixture, "index")
    moved = fixture.commit({"elsewhere": "x\n"}, parents=[fixture.tip()])
    run_git(fixture.root, "update-ref", "refs/heads/main", moved)
    (fixture.root / "README.md").write_text("mine\n")
    (settled,) = settle(fixture.project, "main")
    assert settled.outcome is SettledAs.CHECK_AGAIN
    assert run_git(fixture.root, "status", "--porcelain") == " M README.md\nD  elsewhere\n"
    assert (fixture.root / "README.md").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["index.lock", "refs/heads/main.lock"])
def test_a_lock_of_the_users_git_is_waited_for(fixture: Fixture, run_git: Git, name: str) -> None:
    _, commit = cut_short(fixture, "placed")
    lock = fixture.project.git_dir / name
    lock.write_bytes(b"DIRC")
    assert settle(fixture.project, "main") == (Settled(TICKET, SettledAs.BLOCKED, commit, (f".git/{name}",)),)
    lock.unlink()
    assert settle(fixture.project, "main") == (Settled(TICKET, SettledAs.FINISHED, commit),)
    assert run_git(fixture.root, "status", "--porcelain") == ""


@pytest.mark.parametrize("what", ["blob", "root"])
def test_a_landing_ref_that_no_landing_made_is_dropped(fixture: Fixture, what: str) -> None:
    planted = Oid(str(fixture.open().create_blob(b"x"))) if what == "blob" else fixture.commit({}, parents=[])
    tip = fixture.tip()
    set_landing(fixture.open(), TICKET, planted, fixture.tip())
    assert settle(fixture.project, "main") == (Settled(TICKET, SettledAs.CHECK_AGAIN, planted),)
    assert read_landings(fixture.open()) == ()
    assert fixture.tip() == tip


def test_stale_locks_that_are_ours_are_removed_and_no_other(
    fixture: Fixture, run_git: Git, tmp_path: Path
) -> None:
    git_dir = fixture.project.git_dir
    folders = (fixture.project.worktrees_dir / "tickets" / "w", tmp_path / "theirs", tmp_path / "locked")
    for folder in folders:
        run_git(fixture.root, "worktree", "add", "-q", "-b", folder.name, str(folder))
    ours = [
        "refs/heads/scriptorium/plan.lock",
        "refs/heads/scriptorium/ticket-0001.lock",
        "refs/scriptorium/work/0001/3.lock",
        "worktrees/w/index.lock",
        "worktrees/w/HEAD.lock",
    ]
    theirs = [
        "index.lock",
        "HEAD.lock",
        "packed-refs.lock",
        "config.lock",
        "refs/heads/main.lock",
        "refs/heads/topic.lock",
        "worktrees/theirs/index.lock",
    ]
    for name in (*ours, *theirs, "worktrees/locked/index.lock"):
        (git_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (git_dir / name).write_bytes(b"DIRC")
    (git_dir / "worktrees/locked/index.lock").write_bytes(LOCK_MARK)
    removed = remove_stale_locks(fixture.project, "main")
    assert removed == tuple(sorted(git_dir / name for name in [*ours, "worktrees/locked/index.lock"]))
    assert all((git_dir / name).exists() for name in theirs)
    assert remove_stale_locks(fixture.project, "main") == ()


def test_the_lock_of_the_base_is_ours_while_it_is_being_landed_on(fixture: Fixture) -> None:
    lock = fixture.project.git_dir / "refs/heads/main.lock"
    lock.write_bytes(b"")
    assert remove_stale_locks(fixture.project, "main") == ()
    set_landing(fixture.open(), TicketId("0007"), fixture.tip(), fixture.tip())
    assert remove_stale_locks(fixture.project, None) == ()
    assert remove_stale_locks(fixture.project, "main") == (lock,)
