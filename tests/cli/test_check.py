"""``check``: what is wrong is named and counts in the exit code; ``--fix`` mends what it says it mends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest

from scriptorium.cli import main, progress
from scriptorium.cli.check import _look
from scriptorium.cli.place import find_project, read_config
from scriptorium.plan.ids import Oid, ticket_id
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import AssignTicket, CompleteTicket, Enqueue, UpdateSpec

from .conftest import Scriptorium
from .planned import WHO, plan_of
from .test_init import contents, git

PLAN = "refs/heads/scriptorium/plan"


@pytest.fixture
def planned(repo: Path) -> PlanRepository:
    """Three tickets: one has landed, one waits in the queue, one is open."""
    plan = plan_of(repo, 3)
    land(plan, 1, Oid(git(repo, "rev-parse", "main")))
    begin(plan, 2)
    return plan


def begin(plan: PlanRepository, number: int) -> None:
    ticket = ticket_id(number)
    branch = f"scriptorium/ticket-{ticket}"
    plan.commit(AssignTicket(ticket, branch, f".scriptorium/worktrees/tickets/{ticket}"))
    plan.commit(Enqueue(ticket, branch, Oid("1" * 40), "Did it."))


def land(plan: PlanRepository, number: int, landed: Oid) -> None:
    begin(plan, number)
    plan.commit(CompleteTicket(ticket_id(number), landed))


def by_hand(
    repo: Path, *, moves: dict[str, str] | None = None, writes: dict[str, bytes] | None = None
) -> str:
    """A commit on the plan branch by a person; a move to nothing removes."""
    made = pygit2.Repository(str(repo))
    tip = made.references[PLAN].target
    index = pygit2.Index()
    index.read_tree(made[tip].peel(pygit2.Tree))
    for source, target in (moves or {}).items():
        entry = index[source]
        index.remove(source)
        if target:
            index.add(pygit2.IndexEntry(target, entry.id, entry.mode))
    for path, content in (writes or {}).items():
        index.add(pygit2.IndexEntry(path, made.create_blob(content), pygit2.enums.FileMode.BLOB))
    return str(made.create_commit(PLAN, WHO, WHO, "by hand", index.write_tree(made), [tip]))


def checked(repo: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    code = main(["check", "-C", str(repo), *words])
    shown = capsys.readouterr()
    assert shown.err == ""
    return code, shown.out.splitlines()


def document(repo: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code, lines = checked(repo, capsys, "--json", *words)
    return code, json.loads("\n".join(lines))


BEGUN, STUCK = "tickets/in-progress/0002-ticket-1.md", "tickets/stuck/0002-ticket-1.md"
ENTRY = "queue/merge/pending/0002-0002.md"


def test_a_sound_plan(repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(repo, capsys) == (0, ["The plan branch is sound: 9 commits and 3 tickets looked at."])
    code, said = document(repo, capsys)
    assert code == 0
    assert said == {
        "commit": planned.tip(),
        "commits": 9,
        "tickets": 3,
        "errors": 0,
        "notes": 0,
        "complete": True,
        "mendable": 0,
        "mended": [],
        "findings": [],
    }


@pytest.mark.req("V1-33")
def test_a_move_by_hand_is_named_and_fails(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    made = by_hand(repo, moves={BEGUN: STUCK})
    assert checked(repo, capsys) == (
        1,
        [
            f"error: {ENTRY}: ticket 0002 is stuck, not in progress (queue-entry)",
            f"error: {made[:12]} {STUCK}: ticket 0002 was moved by hand, from in-progress to stuck"
            " (hand-made-move)",
            "2 errors, no notes; 10 commits and 3 tickets looked at.",
            "Of this, `scriptorium check --fix` can mend 1.",
        ],
    )
    code, said = document(repo, capsys)
    assert (code, said["errors"], said["mendable"]) == (1, 2, 1)
    assert said["findings"][1] == {
        "severity": "error",
        "rule": "hand-made-move",
        "commit": made,
        "path": STUCK,
        "message": "ticket 0002 was moved by hand, from in-progress to stuck",
    }


@pytest.mark.req("V1-32")
def test_a_planted_duplicate_is_named(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(repo, writes={"tickets/done/0003-other.md": b"# Other\n\n**Area:** core\n"})
    code, said = document(repo, capsys)
    assert code == 1
    paths = [found["path"] for found in said["findings"] if found["rule"] == "duplicate-ticket"]
    assert sorted(paths) == ["tickets/done/0003-other.md", "tickets/open/0003-ticket-2.md"]


def test_what_a_person_may_do_is_noted_and_does_not_fail(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    made = by_hand(repo, writes={"spec.md": b"Mine.\n"})
    assert checked(repo, capsys) == (
        0,
        [
            f"note: {made[:12]} spec.md: modified by hand (hand-edit)",
            "no errors, 1 note; 10 commits and 3 tickets looked at.",
        ],
    )


def test_fix_mends_in_one_commit_and_says_what_is_left(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    made = by_hand(repo, moves={BEGUN: STUCK, "decisions/.gitkeep": ""})
    code, lines = checked(repo, capsys, "--fix")
    assert code == 1  # the history keeps what was done
    assert lines == [
        "mended: decisions/.gitkeep: put back",
        f"mended: {ENTRY}: removed, as ticket 0002 is stuck, not in progress",
        f"error: {made[:12]} {STUCK}: ticket 0002 was moved by hand, from in-progress to stuck"
        " (hand-made-move)",
        f"error: {made[:12]} decisions/.gitkeep: removed by hand: only scriptorium writes here"
        " (hand-made-change)",
        "2 errors, no notes; 11 commits and 3 tickets looked at.",
    ]
    assert planned.read().pending == ()
    code, said = document(repo, capsys, "--fix")
    assert (said["mended"], said["mendable"], said["commits"]) == ([], 0, 11)


def test_fix_that_cannot_be_done_is_said_and_the_findings_follow(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scriptorium.cli import check
    from scriptorium.plan.repository import PlanBusy

    def busy(_git_dir: Path) -> None:
        raise PlanBusy("too many writers")

    monkeypatch.setattr(check, "mend", busy)
    by_hand(repo, moves={BEGUN: STUCK})
    assert main(["check", "--fix", "-C", str(repo)]) == 1
    shown = capsys.readouterr()
    assert shown.err == "scriptorium: nothing was mended: too many writers\n"
    assert "can mend 1." in shown.out


# ---------------------------------------------------------------- what has landed is in the base branch


def test_what_landed_and_is_not_in_the_base_branch_is_named(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    landed = git(repo, "rev-parse", "main")
    git(repo, "checkout", "-q", "--orphan", "other")
    git(repo, "-c", "user.name=P", "-c", "user.email=p@example.org", "commit", "-q", "-m", "other")
    (repo / "scriptorium.json").write_text('{"baseBranch": "other"}')
    code, said = document(repo, capsys)
    assert code == 1
    (found,) = said["findings"]
    assert found["rule"] == "landed-not-in-base"
    assert found["message"] == (
        f"ticket 0001 landed as {landed[:12]}, which the branch other does not contain"
    )
    subject = git(repo, "log", "-1", "--format=%s", found["commit"])
    assert subject == "scriptorium: complete ticket 0001"


@pytest.mark.parametrize("settings", ['{"baseBranch": "missing"}', None])
def test_a_base_that_cannot_be_told_is_a_note(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str], settings: str | None
) -> None:
    if settings is None:
        git(repo, "symbolic-ref", "HEAD", "refs/heads/unborn")
        git(repo, "update-ref", "-d", "refs/heads/main")
    else:
        (repo / "scriptorium.json").write_text(settings)
    code, lines = checked(repo, capsys)
    assert code == 0
    assert lines[0].startswith(
        "note: plan branch: whether the base branch contains what has landed cannot be told:"
    )


@pytest.mark.slow
def test_a_shallow_clone_says_what_it_cannot_tell(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    identity = ("-c", "user.name=P", "-c", "user.email=p@example.org")
    git(repo, *identity, "commit", "-q", "--allow-empty", "-m", "later")
    planned.commit(CompleteTicket(ticket_id(2), Oid("2" * 40)))
    planned.commit(UpdateSpec("More.\n"))
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "2", "--no-single-branch", f"file://{repo}", str(clone))
    git(clone, "branch", "scriptorium/plan", "origin/scriptorium/plan")
    git(clone, "fetch", "-q", "--depth", "1", "origin", "main")
    code, said = document(clone, capsys)
    rules = {found["rule"] for found in said["findings"]}
    assert rules == {"history-cut", "base-unknown"}
    assert (code, said["commits"]) == (0, 2)


# ---------------------------------------------------------------- as a command


def test_wrong_usage_bad_configuration_and_no_plan(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-C", str(repo)]) == 1
    assert capsys.readouterr().err.endswith("make it with: scriptorium --init\n")
    assert main(["check", "-C", str(repo), "--fix"]) == 1
    assert main(["check", "now", "-C", str(repo)]) == 2
    (repo / "scriptorium.json").write_text('{"checkz": 1}')
    assert main(["check", "-C", str(repo)]) == 78


def test_a_damaged_repository_is_said_with_what_helps(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / ".git" / PLAN).write_text("ref: refs/heads/main\n")
    assert main(["check", "-C", str(repo)]) == 1
    said = capsys.readouterr().err
    assert "symbolic ref" in said
    assert "git fsck" in said


@pytest.mark.slow
@pytest.mark.req("V1-00a")
def test_it_changes_nothing_and_waits_for_no_lock(
    scriptorium: Scriptorium, repo: Path, planned: PlanRepository
) -> None:
    (repo / ".scriptorium").mkdir()
    with (repo / ".scriptorium" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (repo / ".git" / f"{PLAN}.lock").touch()
        (repo / ".git" / "index.lock").touch()
        before = contents(repo)
        done = scriptorium("-C", str(repo), "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(repo) == before


def test_no_more_is_said_than_can_be_read(
    repo: Path, planned: PlanRepository, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scriptorium.cli import check

    monkeypatch.setattr(check, "MAX_FINDINGS", 3)
    by_hand(repo, writes={f"queue/x{number}": b"x" for number in range(9)})
    code, lines = checked(repo, capsys)
    assert (code, len(lines)) == (1, 5)
    assert lines[3] == "and more: these are the first 3"
    assert document(repo, capsys)[1]["complete"] is False


def test_a_terminal_shows_how_far_it_is_and_is_left_clean(
    repo: Path, planned: PlanRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setattr(progress, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(progress, "AGAIN_SECONDS", 0.0)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        project = find_project(str(repo))
        _look(project, read_config(project), ())
    said = "".join(_all_of(ours))
    os.close(ours)
    assert "\r0 of 9 commits" in said
    assert "\r8 of 9 commits" in said
    assert said.endswith(f"\r{' ' * len('9 of 9 commits')}\r")


def _all_of(terminal: int) -> Iterator[str]:
    """What was written to a terminal that is closed at the other end: it comes in pieces."""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 10_000):
            yield piece.decode()


@pytest.mark.slow
def test_the_help_has_examples(scriptorium: Scriptorium) -> None:
    done = scriptorium("check", "--help")
    assert done.returncode == 0
    assert "scriptorium check --fix" in done.stdout
