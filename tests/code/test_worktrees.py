"""Making a ticket's worktree, continuing it, and healing what a crash or a person did to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest

from scriptorium.code import preparing
from scriptorium.code.pins import ref_names
from scriptorium.code.repository import open_repository
from scriptorium.code.worktrees import (
    list_worktrees,
    prepare_base_worktree,
    prepare_worktree,
    remove_worktree,
    ticket_branch,
    ticket_worktree,
)
from scriptorium.plan.ids import InvalidName, Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
Git = Callable[..., str]


def _make(fixture: Fixture, *, base: Oid | None = None, merge_base: bool = True) -> Path:
    return prepare_worktree(fixture.project, ONE, "fix-it", base or fixture.tip(), merge_base=merge_base).path


def _work_pins(fixture: Fixture) -> tuple[str, ...]:
    return ref_names(fixture.open(), "refs/scriptorium/work/")


def _listed(fixture: Fixture, run_git: Git) -> dict[str, str]:
    """Path -> branch of every worktree that git lists, the main one left out."""
    blocks = run_git(fixture.root, "worktree", "list", "--porcelain").strip().split("\n\n")[1:]
    found = {}
    for block in blocks:
        lines = dict(line.partition(" ")[::2] for line in block.splitlines())
        found[lines["worktree"]] = lines.get("branch", "detached")
    return found


@pytest.mark.req("V1-18")
@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_a_new_worktree_is_at_the_base_tip_and_git_knows_it(
    request: pytest.FixtureRequest, kind: str, run_git: Git
) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    tip = fixture.land({"later.txt": "later\n"})

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", tip, merge_base=True)

    assert prepared.path == fixture.root / ".scriptorium" / "worktrees" / "tickets" / "0001-fix-it"
    assert (prepared.branch, prepared.head) == (BRANCH, tip)
    assert (prepared.merged, prepared.conflicts) == (False, ())
    assert _listed(fixture, run_git) == {str(prepared.path): f"refs/heads/{BRANCH}"}
    assert fixture.tip(BRANCH) == tip
    assert run_git(prepared.path, "status", "--porcelain") == ""
    assert (prepared.path / "later.txt").read_text() == "later\n"
    assert os.access(prepared.path / "tools" / "run.sh", os.X_OK)
    assert (prepared.path / "latest").is_symlink()
    assert run_git(fixture.root, "fsck") == ""


@pytest.mark.req("V1-18")
def test_the_users_checkout_is_not_touched(fixture: Fixture, run_git: Git) -> None:
    (fixture.root / "README.md").write_text("# mine, not committed\n")
    index = (fixture.root / ".git" / "index").read_bytes()

    _make(fixture)

    assert (fixture.root / ".git" / "index").read_bytes() == index
    assert run_git(fixture.root, "status", "--porcelain") == " M README.md\n"
    assert run_git(fixture.root, "symbolic-ref", "HEAD").strip() == "refs/heads/main"


@pytest.mark.req("V1-18")
def test_the_branch_of_an_earlier_try_is_kept_and_continued(fixture: Fixture, run_git: Git) -> None:
    earlier = fixture.commit({"earlier.txt": "kept\n"}, parents=[fixture.tip()], branch=BRANCH)

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.head == earlier == fixture.tip(BRANCH)
    assert (prepared.path / "earlier.txt").read_text() == "kept\n"
    assert run_git(prepared.path, "status", "--porcelain") == ""


@pytest.mark.req("V1-18")
@pytest.mark.parametrize("merge_base", [True, False])
def test_a_sound_worktree_is_continued_with_what_is_in_it(fixture: Fixture, merge_base: bool) -> None:
    path = _make(fixture)
    (path / "new.txt").write_text("not committed\n")
    (path / "x.log").write_text("ignored\n")

    again = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=merge_base)

    assert again.path == path
    assert (path / "new.txt").read_text() == "not committed\n"
    assert (path / "x.log").exists()
    assert _work_pins(fixture) == ()


def test_it_is_made_in_a_linked_worktrees_main_checkout(
    fixture: Fixture, tmp_path: Path, run_git: Git
) -> None:
    run_git(fixture.root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")

    path = _make(fixture)

    assert path.is_relative_to(fixture.root)
    assert run_git(tmp_path / "linked", "worktree", "list").count("\n") == 3


def test_ids_and_slugs_that_lead_elsewhere_are_refused(fixture: Fixture) -> None:
    for ticket, slug in (("../1", "x"), ("0001", ".."), ("0001", "a/b"), ("0001", "-rf"), ("0001\n", "x")):
        with pytest.raises(InvalidName):
            prepare_worktree(fixture.project, TicketId(ticket), slug, fixture.tip())
    assert ticket_branch(ONE) == BRANCH
    assert ticket_worktree(fixture.project, ONE, "fix-it").name == "0001-fix-it"


# ---- HEAD


@pytest.mark.parametrize("how", [("checkout", "-q", "-b", "mine"), ("checkout", "-q", "--detach")])
def test_commits_that_an_agent_made_beside_its_branch_are_taken_over(
    fixture: Fixture, how: tuple[str, ...], run_git: Git
) -> None:
    path = _make(fixture)
    run_git(path, *how)
    (path / "README.md").write_text("# changed\n")
    run_git(path, "commit", "-qam", "beside")
    (path / "new.txt").write_text("not committed\n")
    beside = run_git(path, "rev-parse", "HEAD").strip()

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.head == beside == fixture.tip(BRANCH)
    assert run_git(path, "symbolic-ref", "HEAD").strip() == f"refs/heads/{BRANCH}"
    assert run_git(path, "status", "--porcelain") == "?? new.txt\n"


def test_commits_on_another_line_are_pinned_and_the_branch_is_continued(
    fixture: Fixture, run_git: Git
) -> None:
    earlier = fixture.commit({"earlier.txt": "kept\n"}, parents=[fixture.tip()], branch=BRANCH)
    path = _make(fixture)
    run_git(path, "checkout", "-q", "--detach", fixture.tip())
    (path / "other.txt").write_text("another line\n")

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.head == earlier == fixture.tip(BRANCH)
    assert not (path / "other.txt").exists()
    (pin,) = _work_pins(fixture)
    pinned = run_git(fixture.root, "rev-parse", pin).strip()
    assert fixture.tree(pinned)["other.txt"] == b"another line\n"


def test_for_checks_head_stays_where_it_is(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    run_git(path, "checkout", "-q", "--detach")

    prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=False)

    assert run_git(path, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD"


def test_the_merge_that_was_checked_is_not_taken_for_the_agents_work(fixture: Fixture, run_git: Git) -> None:
    submission = fixture.commit({"work.txt": "w\n"}, parents=[fixture.tip()], branch=BRANCH)
    path = _make(fixture)
    base = fixture.land({"theirs.txt": "t\n"})
    checked = fixture.commit({"work.txt": "w\n"}, parents=[base, submission])
    run_git(path, "checkout", "-q", "--detach", checked)

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True)

    assert _work_pins(fixture) == ()
    assert prepared.head != checked
    assert run_git(path, "symbolic-ref", "HEAD").strip() == f"refs/heads/{BRANCH}"


# ---- healing


@pytest.mark.req("V1-18")
def test_a_folder_deleted_by_hand_is_made_anew(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    run_git(fixture.root, "-c", "safe.directory=*", "worktree", "list")
    os.rename(path, path.with_name("elsewhere"))  # noqa: PTH104

    assert _make(fixture) == path
    assert _listed(fixture, run_git) == {str(path): f"refs/heads/{BRANCH}"}
    assert run_git(path, "status", "--porcelain") == ""


@pytest.mark.req("V1-18", "V1-19")
def test_a_folder_that_git_forgot_is_pinned_and_made_anew(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    (path / "new.txt").write_text("work\n")
    (path / ".git").unlink()
    run_git(fixture.root, "worktree", "prune")
    assert _listed(fixture, run_git) == {}

    assert _make(fixture) == path

    assert _listed(fixture, run_git) == {str(path): f"refs/heads/{BRANCH}"}
    assert not (path / "new.txt").exists()
    (pin,) = _work_pins(fixture)
    assert fixture.tree(run_git(fixture.root, "rev-parse", pin).strip())["new.txt"] == b"work\n"


def _git_file_gone(path: Path, fixture: Fixture) -> None:
    (path / ".git").unlink()


def _git_file_elsewhere(path: Path, fixture: Fixture) -> None:
    (path / ".git").write_text(f"gitdir: {fixture.project.git_dir}\n")


def _git_file_a_link(path: Path, fixture: Fixture) -> None:
    (path / ".git").rename(path / "kept")
    (path / ".git").symlink_to(path / "kept")


def _git_file_a_repository(path: Path, fixture: Fixture) -> None:
    (path / ".git").unlink()
    pygit2.init_repository(str(path))


def _git_file_a_pipe(path: Path, fixture: Fixture) -> None:
    (path / ".git").unlink()
    os.mkfifo(path / ".git")


def _commondir_elsewhere(path: Path, fixture: Fixture) -> None:
    (fixture.project.git_dir / "worktrees" / "scriptorium-0001" / "commondir").write_text("/tmp\n")  # noqa: S108


def _head_broken(path: Path, fixture: Fixture) -> None:
    (fixture.project.git_dir / "worktrees" / "scriptorium-0001" / "HEAD").write_text("nonsense\n")


@pytest.mark.req("V1-18")
@pytest.mark.parametrize(
    "damage",
    [
        _git_file_gone,
        _git_file_elsewhere,
        _git_file_a_link,
        _git_file_a_repository,
        _git_file_a_pipe,
        _commondir_elsewhere,
        _head_broken,
    ],
)
def test_a_damaged_worktree_is_pinned_and_made_anew(
    fixture: Fixture, damage: Callable[[Path, Fixture], None], run_git: Git
) -> None:
    path = _make(fixture)
    (path / "new.txt").write_text("work\n")
    damage(path, fixture)

    assert _make(fixture) == path

    assert _listed(fixture, run_git) == {str(path): f"refs/heads/{BRANCH}"}
    assert run_git(path, "status", "--porcelain") == ""
    (pin,) = _work_pins(fixture)
    assert fixture.tree(run_git(fixture.root, "rev-parse", pin).strip())["new.txt"] == b"work\n"


def test_a_link_in_the_worktrees_place_is_not_followed(fixture: Fixture, tmp_path: Path) -> None:
    path = _make(fixture)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine\n")
    os.rename(path, path.with_name("aside"))  # noqa: PTH104
    path.symlink_to(tmp_path / "precious")

    assert _make(fixture) == path

    assert not path.is_symlink()
    assert (tmp_path / "precious" / "file").read_text() == "mine\n"


def test_a_link_in_place_of_the_folder_of_worktrees_is_not_followed(fixture: Fixture, tmp_path: Path) -> None:
    path = _make(fixture)
    (tmp_path / "precious").mkdir()
    os.rename(path.parent, path.parent.with_name("aside"))  # noqa: PTH104
    path.parent.symlink_to(tmp_path / "precious")

    assert _make(fixture) == path

    assert not path.parent.is_symlink()
    assert list((tmp_path / "precious").iterdir()) == []


def test_a_worktree_under_an_earlier_slug_goes(fixture: Fixture, run_git: Git) -> None:
    old = prepare_worktree(fixture.project, ONE, "old-name", fixture.tip(), merge_base=True).path

    path = _make(fixture)

    assert not old.exists()
    assert _listed(fixture, run_git) == {str(path): f"refs/heads/{BRANCH}"}


def test_locks_and_a_broken_index_of_a_killed_agent_do_not_matter(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    own = fixture.project.git_dir / "worktrees" / "scriptorium-0001"
    (own / "index").write_bytes(b"DIRC nonsense")
    (own / "index.lock").touch()
    (own / "HEAD.lock").touch()
    (fixture.project.git_dir / "refs/heads/scriptorium/ticket-0001.lock").touch()
    base = fixture.land({"later.txt": "later\n"})

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", base, merge_base=True)

    assert prepared.head == base
    assert run_git(path, "status", "--porcelain") == ""


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the code's own clean-up may run on the way out."""


@pytest.mark.req("V1-18")
@pytest.mark.parametrize("step", ["register", "check_out", "finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_while_it_is_made_leaves_nothing_that_the_next_start_cannot_heal(
    fixture: Fixture, step: str, when: str, monkeypatch: pytest.MonkeyPatch, run_git: Git
) -> None:
    real: Callable[..., object] = getattr(preparing, step)

    def killed(*arguments: object) -> object:
        if when == "after":
            real(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(preparing, step, killed)
        with pytest.raises(Killed):
            _make(fixture)

    path = _make(fixture)

    assert run_git(path, "status", "--porcelain") == ""
    assert _listed(fixture, run_git) == {str(path): f"refs/heads/{BRANCH}"}
    assert _work_pins(fixture) == ()
    assert [row.problem for row in list_worktrees(fixture.project)] == [None]


def test_half_written_files_of_a_crash_are_not_taken_for_work(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    own = fixture.project.git_dir / "worktrees" / "scriptorium-0001"
    (own / "locked").write_text("scriptorium is preparing this worktree\n")
    (path / "README.md").unlink()

    assert [row.problem for row in list_worktrees(fixture.project)] == ["it is not complete yet"]
    _make(fixture)

    assert (path / "README.md").exists()
    assert _work_pins(fixture) == ()
    assert not (own / "locked").exists()


def test_a_name_that_the_users_own_worktree_has_is_not_taken(
    fixture: Fixture, tmp_path: Path, run_git: Git
) -> None:
    theirs = tmp_path / "scriptorium-0001"
    run_git(fixture.root, "worktree", "add", "-q", str(theirs), "-b", "theirs")

    path = _make(fixture)

    assert _listed(fixture, run_git) == {str(theirs): "refs/heads/theirs", str(path): f"refs/heads/{BRANCH}"}
    remove_worktree(fixture.project, path)
    assert _listed(fixture, run_git) == {str(theirs): "refs/heads/theirs"}


# ---- the base's worktree


@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_the_base_is_checked_in_a_worktree_of_its_own(
    request: pytest.FixtureRequest, kind: str, run_git: Git
) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    path = prepare_base_worktree(fixture.project, fixture.tip())
    assert path == fixture.project.worktrees_dir / "base"
    (path / "README.md").write_text("left by a check\n")
    (path / "x.log").write_text("left by a check\n")
    tip = fixture.land({"later.txt": "later\n"})

    assert prepare_base_worktree(fixture.project, tip) == path

    assert run_git(path, "status", "--porcelain", "--ignored") == ""
    assert run_git(path, "rev-parse", "HEAD").strip() == tip
    assert _listed(fixture, run_git) == {str(path): "detached"}
    (path / ".git").unlink()
    prepare_base_worktree(fixture.project, tip)
    assert run_git(path, "status", "--porcelain", "--ignored") == ""


# ---- listing


@pytest.mark.req("V1-30")
def test_the_list_is_what_disk_and_git_say(fixture: Fixture, tmp_path: Path, run_git: Git) -> None:
    assert list_worktrees(fixture.project) == ()
    one = _make(fixture)
    two = prepare_worktree(fixture.project, TicketId("0002"), "other", fixture.tip()).path
    three = prepare_worktree(fixture.project, TicketId("10003"), "gone", fixture.tip()).path
    base = prepare_base_worktree(fixture.project, fixture.tip())
    run_git(fixture.root, "worktree", "add", "-q", str(tmp_path / "users"), "-b", "users")
    run_git(one, "checkout", "-q", "--detach")
    run_git(two, "checkout", "-q", "-b", "mine")
    os.rename(three, tmp_path / "moved")  # noqa: PTH104
    stray = one.with_name("0009-stray")
    stray.mkdir()

    rows = {row.path: row for row in list_worktrees(fixture.project)}

    assert set(rows) == {one, two, three, base, stray}
    assert [(row.ticket, row.branch) for row in (rows[one], rows[two], rows[base])] == [
        ("0001", None),
        ("0002", "mine"),
        (None, None),
    ]
    assert (rows[three].ticket, rows[three].branch) == ("10003", "scriptorium/ticket-10003")
    assert rows[three].problem == "its folder is gone"
    assert (rows[stray].ticket, rows[stray].branch) == ("0009", None)
    assert rows[stray].problem == "git does not know it"


@pytest.mark.req("V1-30")
def test_listing_changes_nothing(fixture: Fixture) -> None:
    _make(fixture)
    before = {path: path.lstat().st_mtime_ns for path in fixture.root.rglob("*")}

    assert [row.branch for row in list_worktrees(fixture.project)] == [BRANCH]

    assert {path: path.lstat().st_mtime_ns for path in fixture.root.rglob("*")} == before


def test_the_branch_that_a_person_deleted_starts_at_the_base_again(fixture: Fixture) -> None:
    path = _make(fixture)
    open_repository(fixture.project).references.delete(f"refs/heads/{BRANCH}")

    prepared = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True)

    assert prepared.path == path
    assert fixture.tip(BRANCH) == prepared.head == fixture.tip()
