"""Landing moves the base to what passed, in an order that can be settled, or leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scriptorium.code import landing
from scriptorium.code.checkout import LOCK_MARK
from scriptorium.code.landing import (
    BaseMoved,
    Blocked,
    Landed,
    LandedUnproved,
    LandingRefused,
    finish_landing,
    land,
    make_landing_commit,
    tidy_branch,
)
from scriptorium.code.pins import read_landings
from scriptorium.plan.ids import TicketId
from tests.code.landings import CHANGES, TICKET, Git, prove, state, submit, try_landing

if TYPE_CHECKING:
    from tests.code.conftest import Fixture


@pytest.mark.req("V1-25", "V1-23")
def test_the_base_moves_to_a_child_of_its_tip_with_the_tree_that_passed(
    fixture: Fixture, run_git: Git
) -> None:
    start = fixture.tip()
    submission = fixture.commit({"theirs": "t\n"}, parents=[start])
    base = fixture.land({"ours": "o\n"})
    evidence = prove(fixture, submission)
    commit = make_landing_commit(fixture.project, evidence, "Land ticket 0001\n")
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert fixture.tip() == commit
    assert run_git(fixture.root, "rev-parse", "main^1", "main^2", "main^{tree}").split() == [
        base,
        submission,
        evidence.tree,
    ]
    assert run_git(fixture.root, "log", "-1", "--format=%an <%ae> %cn <%ce> %s").strip() == (
        "scriptorium <scriptorium@localhost> scriptorium <scriptorium@localhost> Land ticket 0001"
    )
    run_git(fixture.root, "fsck", "--strict")


@pytest.mark.req("V1-25")
def test_an_unmoved_base_gets_a_merge_commit_too(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    base = fixture.tip()
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    found = fixture.open()[commit]
    assert [str(parent) for parent in found.parent_ids] == [base, evidence.submission]  # type: ignore[attr-defined]


@pytest.mark.req("V1-25")
def test_the_users_checkout_moves_along(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert run_git(fixture.root, "status", "--porcelain", "--ignored") == "!! .scriptorium/\n"
    assert run_git(fixture.root, "diff-files") == ""
    assert run_git(fixture.root, "symbolic-ref", "HEAD").strip() == "refs/heads/main"
    assert {path.name for path in (fixture.root / "src").iterdir()} == {"lib", "new"}
    assert (fixture.root / "latest").readlink() == Path("src/new/file.py")
    assert not (fixture.project.git_dir / "index.lock").exists()
    # What is kept from one landing to the next is small and the same, and holds no file of the landing's.
    kept = {path.name for path in (fixture.root / ".scriptorium" / "landing").rglob("*") if path.is_file()}
    assert kept <= {"HEAD", "commondir", "gitdir", "index"}


def test_a_lock_that_a_landing_left_is_taken_over(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    (fixture.project.git_dir / "index.lock").write_bytes(LOCK_MARK)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert not (fixture.project.git_dir / "index.lock").exists()


def test_the_users_git_is_kept_out_while_files_move(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)
    seen: list[str] = []

    def step(name: str) -> None:
        seen.append(name)
        if name != "base":
            assert (
                "index.lock" in run_git(fixture.root, "add", "README.md", check=False)
                or (fixture.project.git_dir / "index.lock").exists()
            )

    assert try_landing(fixture, evidence, commit, step) == Landed(commit)
    assert seen[:2] == ["locked", "landing-ref"]
    assert seen[-2:] == ["index", "base"]


def test_the_landing_ref_comes_first_and_stays_until_it_is_finished(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    refs: dict[str, object] = {}
    outcome = try_landing(
        fixture,
        evidence,
        commit,
        lambda name: refs.update({name: (read_landings(fixture.open()), fixture.tip())}),
    )
    assert outcome == Landed(commit)
    landing = ((TICKET, commit),)
    assert refs["locked"] == ((), evidence.base)
    assert refs["placed"] == refs["index"] == (landing, evidence.base)
    assert refs["base"] == (landing, commit)
    finish_landing(fixture.project, TICKET)
    finish_landing(fixture.project, TICKET)
    assert read_landings(fixture.open()) == ()


def test_a_base_that_moved_before_is_seen_before_anything_is_touched(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    moved = fixture.land({"elsewhere": "x\n"})
    steps: list[str] = []
    assert try_landing(fixture, evidence, commit, steps.append) == BaseMoved(moved)
    assert steps == []


@pytest.mark.parametrize("where", ["before", "landing-ref", "placed", "index"])
def test_a_base_that_moved_meanwhile_is_not_landed_on(fixture: Fixture, run_git: Git, where: str) -> None:
    evidence, commit = submit(fixture, CHANGES)
    moved = fixture.commit({"elsewhere": "x\n"}, parents=[fixture.tip()])
    done: list[str] = []

    def move(name: str) -> None:
        if name == where and not done:
            done.append(name)
            run_git(fixture.root, "update-ref", "refs/heads/main", moved)

    move("before")
    assert try_landing(fixture, evidence, commit, move) == BaseMoved(moved)
    assert fixture.tip() == moved
    assert read_landings(fixture.open()) == ()
    # The checkout is as somebody's `update-ref` left it, and as it would be without the landing.
    assert run_git(fixture.root, "status", "--porcelain") == "D  elsewhere\n"
    assert run_git(fixture.root, "diff-files") == ""


def test_a_locked_base_is_blocked_and_the_files_are_put_back(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)
    lock = fixture.project.git_dir / "refs/heads/main.lock"
    lock.write_text("")
    assert try_landing(fixture, evidence, commit) == Blocked((".git/refs/heads/main.lock",))
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert fixture.tip() == evidence.base
    assert read_landings(fixture.open()) == ()
    lock.unlink()
    assert try_landing(fixture, evidence, commit) == Landed(commit)


@pytest.mark.parametrize("at", ["staged", "removed", "placed", "index"])
def test_an_error_in_the_middle_puts_everything_back(fixture: Fixture, run_git: Git, at: str) -> None:
    evidence, commit = submit(fixture, CHANGES)
    (fixture.root / "unrelated").write_text("x")
    before = state(fixture, run_git)
    failed: list[str] = []

    def fail(name: str) -> None:
        if name == at and not failed:
            failed.append(name)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        try_landing(fixture, evidence, commit, fail)
    after = state(fixture, run_git)
    assert after[:4] == before[:4]
    assert try_landing(fixture, evidence, commit) == Landed(commit)


def test_a_file_that_the_user_writes_in_the_last_moment_stays(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)

    def write(name: str) -> None:
        if name == "staged" and not (fixture.root / "src" / "new").exists():
            (fixture.root / "src" / "new").mkdir()
            (fixture.root / "src" / "new" / "file.py").write_text("mine\n")

    assert try_landing(fixture, evidence, commit, write) == Blocked(("src/new/file.py",))
    assert run_git(fixture.root, "status", "--porcelain") == "?? src/new/\n"
    assert (fixture.root / "src" / "new" / "file.py").read_text() == "mine\n"


@pytest.mark.req("V1-23")
def test_only_what_the_evidence_proves_lands(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    other, other_commit = submit(fixture, {"README.md": "other\n"})
    swapped = fixture.commit({}, parents=[evidence.submission, evidence.base])
    fast_forward = evidence.submission
    for wrong in (other_commit, swapped, fast_forward):
        with pytest.raises(LandingRefused):
            try_landing(fixture, evidence, wrong)
    with pytest.raises(LandingRefused):
        try_landing(fixture, other, commit)
    assert fixture.tip() == evidence.base


@pytest.mark.req("V1-23")
def test_after_a_landing_the_base_is_looked_at_again(
    fixture: Fixture, run_git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence, commit = submit(fixture, CHANGES)
    stray = fixture.commit({"README.md": "unproved\n"}, parents=[evidence.base])

    def moves_to(found: str) -> None:
        run_git(fixture.root, "update-ref", "refs/heads/main", found)

    monkeypatch.setattr(landing, "compare_and_swap", lambda *_words, **_named: moves_to(stray))
    with pytest.raises(LandedUnproved, match=f"main is at {stray} just after {commit} landed"):
        try_landing(fixture, evidence, commit)
    assert read_landings(fixture.open()) == ((TICKET, commit),)  # for `settle`


def test_work_on_top_of_what_has_just_landed_is_fine(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)
    later = fixture.commit({"more": "m\n"}, parents=[commit])

    def commits(name: str) -> None:
        if name == "base":
            run_git(fixture.root, "update-ref", "refs/heads/main", later)

    assert try_landing(fixture, evidence, commit, commits) == Landed(commit)
    assert fixture.tip() == later


def test_landing_twice_is_landed(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    fixture.land({"after": "x\n"})
    assert try_landing(fixture, evidence, commit) == Landed(commit)


@pytest.mark.req("V1-22")
def test_a_second_landing_waits_for_the_first_to_be_finished(fixture: Fixture) -> None:
    evidence, commit = submit(fixture, CHANGES)
    try_landing(fixture, evidence, commit)
    second, second_commit = submit(fixture, {"second": "x\n"})
    with pytest.raises(LandingRefused, match="0001"):
        land(fixture.project, "main", TicketId("0002"), second, second_commit)
    assert fixture.tip() == commit
    finish_landing(fixture.project, TICKET)
    assert land(fixture.project, "main", TicketId("0002"), second, second_commit) == Landed(second_commit)


def test_a_base_that_is_gone_has_moved(fixture: Fixture, run_git: Git) -> None:
    evidence, commit = submit(fixture, CHANGES)
    run_git(fixture.root, "update-ref", "-d", "refs/heads/main")
    assert try_landing(fixture, evidence, commit) == BaseMoved(None)


@pytest.mark.req("V1-19")
def test_a_ticket_branch_goes_when_the_base_contains_it(fixture: Fixture, run_git: Git) -> None:
    assert tidy_branch(fixture.project, TICKET, fixture.tip())
    fixture.commit({}, parents=[fixture.tip()], branch="scriptorium/ticket-0001")
    assert not tidy_branch(fixture.project, TICKET, fixture.tip())
    tip = fixture.tip("scriptorium/ticket-0001")
    path = fixture.project.worktrees_dir / "tickets" / "0001-x"
    run_git(fixture.root, "worktree", "add", "-q", str(path), "scriptorium/ticket-0001")
    assert not tidy_branch(fixture.project, TICKET, tip)
    run_git(fixture.root, "worktree", "remove", str(path))
    assert tidy_branch(fixture.project, TICKET, tip)
    assert "ticket-0001" not in run_git(fixture.root, "branch", "--list", "scriptorium/*")
