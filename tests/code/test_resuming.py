"""Work in progress whose worktree is lost: the next attempt begins with it, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pygit2
import pytest

from scriptorium.code.capture import SubmissionRefused, capture
from scriptorium.code.pins import pin_work
from scriptorium.code.repository import open_repository
from scriptorium.code.work import snapshot_work
from scriptorium.code.worktrees import Prepared, prepare_worktree
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
Git = Callable[..., str]


def prepare(fixture: Fixture, *, merge_base: bool = True) -> Prepared:
    return prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=merge_base)


def pin(fixture: Fixture, prepared: Prepared, *, late: bool = False) -> Oid:
    """Keep what the worktree holds, as at the end of a run that was cut short."""
    work = snapshot_work(fixture.project, prepared.path, ONE, base=fixture.tip(), late=late)
    assert work is not None
    pin_work(open_repository(fixture.project), ONE, work.commit)
    return work.commit


def lose(prepared: Prepared) -> None:
    shutil.rmtree(prepared.path)


@pytest.mark.req("V1-18", "V1-19")
@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_what_was_pinned_is_in_the_next_worktree(
    request: pytest.FixtureRequest, kind: str, run_git: Git
) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    first = prepare(fixture)
    (first.path / "new.txt").write_text("half\n")
    (first.path / "README.md").unlink()
    work = pin(fixture, first)
    lose(first)

    again = prepare(fixture)

    assert (again.head, again.conflicts) == (work, ())
    assert (again.path / "new.txt").read_text() == "half\n"
    assert not (again.path / "README.md").exists()
    assert fixture.tip(BRANCH) == work
    assert run_git(again.path, "status", "--porcelain") == ""
    (again.path / "new.txt").write_text("whole\n")
    assert (
        fixture.tree(capture(fixture.project, again.path, ONE, fixture.tip()).commit)["new.txt"] == b"whole\n"
    )


def test_the_newest_of_several(fixture: Fixture) -> None:
    first = prepare(fixture)
    for number in range(12):
        (first.path / "new.txt").write_text(f"{number}\n")
        pin(fixture, first)
    lose(first)

    assert (prepare(fixture).path / "new.txt").read_text() == "11\n"


def test_the_base_is_merged_into_it(fixture: Fixture) -> None:
    first = prepare(fixture)
    (first.path / "new.txt").write_text("half\n")
    work = pin(fixture, first)
    lose(first)
    base = fixture.land({"theirs.txt": "theirs\n"})

    again = prepare(fixture)

    assert again.merged
    assert [str(parent) for parent in fixture.open()[again.head].peel(pygit2.Commit).parent_ids] == [
        work,
        base,
    ]
    assert (again.path / "theirs.txt").exists()
    assert (again.path / "new.txt").exists()


def test_what_was_written_after_a_submission_stays_out(fixture: Fixture) -> None:
    first = prepare(fixture)
    (first.path / "stray.txt").write_text("stray\n")
    pin(fixture, first, late=True)
    lose(first)

    assert not (prepare(fixture).path / "stray.txt").exists()


def test_what_the_branch_has_left_behind_stays_out(fixture: Fixture) -> None:
    first = prepare(fixture)
    (first.path / "old.txt").write_text("old\n")
    pin(fixture, first)
    lose(first)
    tip = fixture.commit({"submitted.txt": "x\n"}, parents=[fixture.tip(BRANCH)], branch=BRANCH)

    again = prepare(fixture)

    assert again.head == tip
    assert not (again.path / "old.txt").exists()


def test_a_person_who_deletes_the_branch_begins_anew(fixture: Fixture, run_git: Git) -> None:
    first = prepare(fixture)
    (first.path / "new.txt").write_text("half\n")
    pin(fixture, first)
    run_git(fixture.root, "worktree", "remove", "--force", str(first.path))
    run_git(fixture.root, "branch", "-D", BRANCH)

    assert prepare(fixture).head == fixture.tip()


def test_a_worktree_for_checks_is_not_gone_on_in(fixture: Fixture) -> None:
    first = prepare(fixture)
    (first.path / "new.txt").write_text("half\n")
    pin(fixture, first)
    lose(first)

    assert prepare(fixture, merge_base=False).head == first.head


def test_a_pin_that_is_damaged_is_passed_over(fixture: Fixture) -> None:
    first = prepare(fixture)
    (first.path / "new.txt").write_text("half\n")
    pin(fixture, first)
    lose(first)
    folder = fixture.project.git_dir / "refs/scriptorium/work/0001"
    (folder / "2").write_text("f" * 40 + "\n")
    (folder / "3").write_text("garbage\n")
    (folder / "4").write_text(f"{fixture.open().create_blob(b'x')}\n")

    assert (prepare(fixture).path / "new.txt").exists()


# ---- a merge of the base that was left open


def half_merged(fixture: Fixture) -> tuple[Prepared, Oid]:
    """Two files conflict with the base; the agent has resolved one of them when it is cut short."""
    ours = {"README.md": "# Ours\n", "src/app.py": "print('ours')\n"}
    fixture.commit(ours, parents=[fixture.tip()], branch=BRANCH)
    fixture.land({"README.md": "# Theirs\n", "src/app.py": "print('theirs')\n", "theirs.txt": "x\n"})
    first = prepare(fixture)
    assert first.conflicts == ("README.md", "src/app.py")
    (first.path / "README.md").write_text("# Ours and theirs\n")
    return first, pin(fixture, first)


def test_a_half_resolved_merge_is_gone_on_with(fixture: Fixture, run_git: Git) -> None:
    first, work = half_merged(fixture)
    lose(first)

    again = prepare(fixture)

    assert (again.head, again.conflicts) == (work, ("src/app.py",))
    assert (again.path / "README.md").read_text() == "# Ours and theirs\n"
    with pytest.raises(SubmissionRefused, match=r"conflict markers are left in src/app\.py"):
        capture(fixture.project, again.path, ONE, fixture.tip())
    (again.path / "src/app.py").write_text("print('both')\n")
    captured = capture(fixture.project, again.path, ONE, fixture.tip())
    assert fixture.tree(captured.commit)["src/app.py"] == b"print('both')\n"
    assert run_git(fixture.root, "merge-base", "--is-ancestor", fixture.tip(), captured.commit) == ""


def test_a_crash_before_the_sides_were_remembered_changes_nothing(fixture: Fixture) -> None:
    """The branch moves first; the start after that remembers them."""
    first, work = half_merged(fixture)
    lose(first)
    fixture.open().references.create(f"refs/heads/{BRANCH}", work, force=True)

    again = prepare(fixture)

    assert again.conflicts == ("src/app.py",)
    with pytest.raises(SubmissionRefused, match="conflict markers"):
        capture(fixture.project, again.path, ONE, fixture.tip())


def test_a_merge_of_something_else_is_not_gone_on_with(fixture: Fixture, run_git: Git) -> None:
    other = fixture.commit({"other.txt": "x\n"})
    first = prepare(fixture)
    run_git(first.path, "merge", "--no-commit", "--no-ff", other)
    pin(fixture, first)
    lose(first)

    assert prepare(fixture).head == first.head
