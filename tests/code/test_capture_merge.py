"""Submitting after scriptorium left a merge of the base open: both sides must be in what is submitted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from scriptorium.code.capture import Captured, SubmissionRefused, advance_branch, capture, follow_branch
from scriptorium.code.worktrees import prepare_worktree
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
Git = Callable[..., str]


@frozen
class Conflict:
    """A worktree with a merge left open: README.md conflicts, theirs.txt came in with it."""

    fixture: Fixture
    path: Path
    earlier: Oid
    base: Oid
    git: Git

    def capture(self) -> Captured:
        return capture(self.fixture.project, self.path, ONE, self.fixture.tip())

    def refused(self, match: str) -> None:
        with pytest.raises(SubmissionRefused, match=match):
            self.capture()

    def resolve(self, text: str = "# Both\n") -> None:
        (self.path / "README.md").write_text(text)

    def parents(self, captured: Captured) -> list[str]:
        return self.git(self.path, "log", "-1", "--format=%P", captured.commit).split()


def _conflict(fixture: Fixture, git: Git, **theirs: str) -> Conflict:
    earlier = fixture.commit(
        {"README.md": "# Ours\n", "work.txt": "work\n"}, parents=[fixture.tip()], branch=BRANCH
    )
    base = fixture.land({"README.md": "# Theirs\n", **theirs})
    prepared = prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True)
    assert prepared.conflicts == ("README.md",)
    return Conflict(fixture, prepared.path, earlier, base, git)


@pytest.fixture
def conflict(fixture: Fixture, run_git: Git) -> Conflict:
    return _conflict(fixture, run_git, **{"theirs.txt": "theirs\n"})


@pytest.fixture
def only_conflict(fixture: Fixture, run_git: Git) -> Conflict:
    """The same, with nothing but the conflicting file in the merge."""
    return _conflict(fixture, run_git)


def test_a_resolved_merge_that_is_still_open_has_both_parents(conflict: Conflict) -> None:
    conflict.resolve()

    captured = conflict.capture()

    assert conflict.parents(captured) == [conflict.earlier, conflict.base]
    tree = conflict.fixture.tree(captured.commit)
    assert (tree["README.md"], tree["theirs.txt"]) == (b"# Both\n", b"theirs\n")


def test_a_merge_that_the_agent_committed_is_the_submission(conflict: Conflict) -> None:
    conflict.resolve()
    conflict.git(conflict.path, "add", "-A")
    conflict.git(conflict.path, "commit", "-qm", "merged")

    captured = conflict.capture()

    assert not captured.changed
    assert conflict.parents(captured) == [conflict.earlier, conflict.base]


@pytest.mark.parametrize("kind", ["conflict", "only_conflict"])
def test_a_resolution_whose_merge_git_forgot_has_both_parents(
    request: pytest.FixtureRequest, kind: str
) -> None:
    conflict: Conflict = request.getfixturevalue(kind)
    conflict.resolve("# Ours\n# Theirs\n")
    conflict.git(conflict.path, "reset", "-q")
    conflict.git(conflict.path, "add", "-A")
    conflict.git(conflict.path, "commit", "-qm", "not a merge")
    head = conflict.git(conflict.path, "rev-parse", "HEAD").strip()

    captured = conflict.capture()

    assert conflict.parents(captured) == [head, conflict.base]
    advance_branch(conflict.fixture.project, ONE, captured.commit)
    follow_branch(conflict.fixture.project, ONE, captured.commit)
    assert conflict.capture().commit == captured.commit


@pytest.mark.parametrize("kind", ["conflict", "only_conflict"])
def test_a_merge_that_the_agent_gave_up_takes_nothing_of_the_base_back(
    request: pytest.FixtureRequest, kind: str
) -> None:
    conflict: Conflict = request.getfixturevalue(kind)
    conflict.git(conflict.path, "merge", "--abort")
    (conflict.path / "more.txt").write_text("more\n")

    assert conflict.parents(conflict.capture()) == [conflict.earlier]


def test_a_merge_that_was_half_undone_is_refused(conflict: Conflict) -> None:
    conflict.resolve()
    (conflict.path / "theirs.txt").unlink()

    conflict.refused(r"theirs\.txt is as it was before the base branch was merged.*git checkout")
    conflict.git(conflict.path, "checkout", conflict.base, "--", "theirs.txt")
    assert conflict.parents(conflict.capture()) == [conflict.earlier, conflict.base]


def test_a_file_that_the_base_removed_and_the_agent_put_back_is_refused(
    fixture: Fixture, run_git: Git
) -> None:
    earlier = fixture.commit({"README.md": "# Ours\n"}, parents=[fixture.tip()], branch=BRANCH)
    base = fixture.commit(
        {"README.md": "# Theirs\n", "src/app.py": None}, parents=[fixture.tip()], branch="main"
    )
    path = prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True).path
    conflict = Conflict(fixture, path, earlier, base, run_git)
    conflict.resolve()
    run_git(path, "checkout", "HEAD", "--", "src/app.py")

    conflict.refused(r"src/app\.py is as it was")


@pytest.mark.req("V1-21")
@pytest.mark.parametrize("committed", [True, False])
def test_conflict_markers_that_were_left_are_refused(conflict: Conflict, committed: bool) -> None:
    if committed:
        conflict.git(conflict.path, "add", "-A")
        conflict.git(conflict.path, "commit", "-qm", "markers and all")

    conflict.refused(r"conflict markers are left in README\.md")
    text = (conflict.path / "README.md").read_text()
    conflict.resolve(text.replace("<<<<<<< HEAD\n", "").replace("=======\n", ""))
    conflict.refused(r"conflict markers are left in README\.md")
    conflict.resolve()
    conflict.capture()


def test_markers_in_other_files_are_none_of_ours(conflict: Conflict) -> None:
    conflict.resolve()
    (conflict.path / "markers.txt").write_text("<<<<<<< HEAD\n=======\n>>>>>>> x\n")

    assert "markers.txt" in conflict.fixture.tree(conflict.capture().commit)


def test_a_base_that_moved_on_does_not_make_the_merge_somebody_elses(conflict: Conflict) -> None:
    conflict.resolve()
    conflict.fixture.land({"later.txt": "later\n"})

    assert conflict.parents(conflict.capture()) == [conflict.earlier, conflict.base]


def test_a_merge_of_the_base_that_the_agent_began_itself_counts_as_ours(
    fixture: Fixture, run_git: Git
) -> None:
    path = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path
    (path / "work.txt").write_text("work\n")
    run_git(path, "add", "-A")
    run_git(path, "commit", "-qm", "work")
    base = fixture.land({"theirs.txt": "theirs\n"})
    run_git(path, "merge", "--no-commit", "--no-ff", "main")
    conflict = Conflict(fixture, path, fixture.tip(BRANCH), base, run_git)

    assert conflict.parents(conflict.capture()) == [conflict.earlier, base]


def test_after_the_branch_moved_the_merge_is_no_longer_open(conflict: Conflict) -> None:
    conflict.resolve()
    captured = conflict.capture()

    advance_branch(conflict.fixture.project, ONE, captured.commit)

    follow_branch(conflict.fixture.project, ONE, captured.commit)

    assert conflict.git(conflict.path, "status", "--porcelain") == ""
    assert "merging" not in conflict.git(conflict.path, "status")
    assert conflict.git(conflict.path, "rev-parse", "-q", "--verify", "MERGE_HEAD", check=False) == ""
    assert conflict.capture().commit == captured.commit


def test_what_scriptorium_remembers_is_believed_only_where_the_commits_bear_it_out(
    conflict: Conflict,
) -> None:
    own = conflict.fixture.project.git_dir / "worktrees" / "scriptorium-0001"
    (own / "MERGE_HEAD").unlink()
    conflict.resolve("# Ours\n# Theirs\n")
    other = conflict.fixture.commit({"evil.txt": "x\n"})
    for memo in (f"{conflict.earlier} {other}", f"{other} {conflict.base}", "nonsense", "", "0" * 40):
        (own / "scriptorium-merge").write_text(memo)
        assert conflict.parents(conflict.capture()) == [conflict.earlier]


@pytest.mark.req("V1-26")
@pytest.mark.parametrize(
    ("ours", "theirs", "left"),
    [(b"\0ours", b"\0theirs", b"\0ours"), (None, "theirs\n", b"theirs\n"), ("ours\n", None, b"ours\n")],
)
def test_a_conflict_without_markers_has_to_be_decided(
    fixture: Fixture, run_git: Git, ours: str | bytes | None, theirs: str | bytes | None, left: bytes
) -> None:
    """Nothing in the file says that there is one: left alone, the change of one side would go unseen."""
    start = fixture.land({"thing": b"\0first"})
    earlier = fixture.commit({"thing": ours, "mine.txt": "mine\n"}, parents=[start], branch=BRANCH)
    base = fixture.land({"thing": theirs, "other.txt": "other\n"})
    prepared = prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True)
    conflict = Conflict(fixture, prepared.path, earlier, base, run_git)
    thing = prepared.path / "thing"
    assert prepared.conflicts == ("thing",)
    assert thing.read_bytes() == left
    conflict.refused(r"^thing: in conflict .* `git add` or `git rm`")
    run_git(prepared.path, "add", "thing")
    assert conflict.parents(conflict.capture()) == [earlier, base]


@pytest.mark.parametrize("decision", ["another content", "gone"])
def test_a_conflict_without_markers_is_decided_by_what_is_done_to_the_file(
    fixture: Fixture, run_git: Git, decision: str
) -> None:
    start = fixture.land({"thing": b"\0first"})
    earlier = fixture.commit({"thing": b"\0ours"}, parents=[start], branch=BRANCH)
    base = fixture.land({"thing": b"\0theirs"})
    thing = prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True).path / "thing"
    if decision == "gone":
        thing.unlink()
    else:
        thing.write_bytes(b"\0both")
    captured = capture(fixture.project, thing.parent, ONE, base)
    assert run_git(thing.parent, "log", "-1", "--format=%P", captured.commit).split() == [earlier, base]
