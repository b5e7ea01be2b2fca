"""What a submission is: HEAD, plus tracked and untracked files that are not ignored."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import FileMode

from scriptorium.code.blobs import BlobWriter
from scriptorium.code.capture import SubmissionRefused, advance_branch, capture, follow_branch, snapshot_work
from scriptorium.code.nofollow import open_folder
from scriptorium.code.pins import pin_submitted, ref_names
from scriptorium.code.repository import open_repository
from scriptorium.code.worktrees import prepare_worktree
from scriptorium.plan.ids import TicketId
from scriptorium.plan.refs import RefError

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
Git = Callable[..., str]


@pytest.fixture
def worktree(fixture: Fixture) -> Path:
    return prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path


def _own_dir(fixture: Fixture) -> Path:
    return fixture.project.git_dir / "worktrees" / "scriptorium-0001"


@pytest.mark.req("V1-21")
def test_everything_but_ignored_files_is_taken(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    base = fixture.tip()
    (worktree / "src" / "app.py").write_text("print('two')\n")
    (worktree / "new folder").mkdir()
    (worktree / "new folder" / "déjà.txt").write_text("new\n")
    (worktree / "tools" / "new.sh").write_text("#!/bin/sh\n")
    (worktree / "tools" / "new.sh").chmod(0o755)
    (worktree / "tools" / "run.sh").chmod(0o644)
    (worktree / "src" / "lib" / "words.txt").unlink()
    (worktree / "latest").unlink()
    (worktree / "latest").symlink_to("README.md")
    (worktree / "noise.log").write_text("ignored\n")
    (worktree / "build").mkdir()
    (worktree / "build" / "out").write_text("ignored\n")

    captured = capture(fixture.project, worktree, ONE, base)

    run_git(worktree, "add", "--all")
    assert captured.tree == run_git(worktree, "write-tree").strip()
    assert captured.changed
    assert fixture.modes(captured.commit) == {
        ".gitignore": 0o100644,
        "README.md": 0o100644,
        "latest": 0o120000,
        "new folder/déjà.txt": 0o100644,
        "src/app.py": 0o100644,
        "tools/new.sh": 0o100755,
        "tools/run.sh": 0o100644,
    }
    assert fixture.tree(captured.commit)["latest"] == b"README.md"
    commit = open_repository(fixture.project)[captured.commit].peel(pygit2.Commit)
    assert (commit.author.name, commit.author.email) == ("scriptorium", "scriptorium@localhost")
    assert (commit.committer.name, commit.committer.email) == ("scriptorium", "scriptorium@localhost")
    assert [str(parent) for parent in commit.parent_ids] == [base]


@pytest.mark.req("V1-21")
def test_what_the_agent_committed_itself_is_the_submission(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    (worktree / "new.txt").write_text("new\n")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "-qm", "mine")
    (worktree / "noise.log").write_text("ignored\n")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    assert captured.commit == run_git(worktree, "rev-parse", "HEAD").strip()
    assert not captured.changed


@pytest.mark.parametrize("how", [("checkout", "-q", "--detach"), ("checkout", "-q", "-b", "mine")])
def test_head_may_be_anywhere(fixture: Fixture, worktree: Path, how: tuple[str, ...], run_git: Git) -> None:
    run_git(worktree, *how)
    (worktree / "new.txt").write_text("new\n")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "-qm", "mine")
    (worktree / "newer.txt").write_text("newer\n")
    head = run_git(worktree, "rev-parse", "HEAD").strip()

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    assert run_git(worktree, "rev-parse", f"{captured.commit}^").strip() == head
    assert {"new.txt", "newer.txt"} <= fixture.tree(captured.commit).keys()


def test_capturing_changes_nothing_of_the_agents(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    (worktree / "staged.txt").write_text("staged\n")
    run_git(worktree, "add", "staged.txt")
    (worktree / "new.txt").write_text("new\n")
    own = _own_dir(fixture)
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    refs = run_git(fixture.root, "for-each-ref")

    capture(fixture.project, worktree, ONE, fixture.tip())

    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before
    assert run_git(fixture.root, "for-each-ref") == refs


def test_tracked_files_that_are_ignored_are_taken(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """Committed before, added with force, inside an ignored folder; and one that git was told to forget."""
    for name in ("kept.log", "build/kept", "forgotten.log", "forced.log"):
        (worktree / name).parent.mkdir(exist_ok=True)
        (worktree / name).write_text("one\n")
    run_git(worktree, "add", "-f", "kept.log", "build/kept", "forgotten.log")
    run_git(worktree, "commit", "-qm", "ignored, but tracked")
    run_git(worktree, "add", "-f", "forced.log")
    run_git(worktree, "rm", "-q", "--cached", "forgotten.log")
    for name in ("kept.log", "build/kept"):
        (worktree / name).write_text("two\n")
    (worktree / "build" / "untracked").write_text("x")

    tree = fixture.tree(capture(fixture.project, worktree, ONE, fixture.tip()).commit)

    assert tree["kept.log"] == tree["build/kept"] == b"two\n"
    assert tree["forced.log"] == b"one\n"
    assert not {"forgotten.log", "build/untracked"} & tree.keys()


def test_ignore_rules_of_the_worktree_the_repository_and_the_user_hold(
    fixture: Fixture, worktree: Path, tmp_path: Path, run_git: Git
) -> None:
    (fixture.project.git_dir / "info").mkdir(exist_ok=True)
    (fixture.project.git_dir / "info" / "exclude").write_text("by-repository\n")
    (tmp_path / "user ignore").write_text("by-user\n")
    run_git(fixture.root, "config", "core.excludesFile", str(tmp_path / "user ignore"))
    (worktree / "src" / ".gitignore").write_text("*.tmp\n!keep.log\n")
    for name in ("by-repository", "by-user", "src/x.tmp", "src/keep.log", "src/other.log", "x.tmp"):
        (worktree / name).write_text("x")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    run_git(worktree, "add", "--all")
    assert captured.tree == run_git(worktree, "write-tree").strip()
    assert fixture.tree(captured.commit).keys() >= {"src/keep.log", "x.tmp", "src/.gitignore"}


def test_a_file_and_a_folder_may_change_places(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    (worktree / "README.md").unlink()
    (worktree / "README.md").mkdir()
    (worktree / "README.md" / "inside").write_text("x")
    for path in (worktree / "src" / "lib" / "words.txt", worktree / "src" / "app.py"):
        path.unlink()
    (worktree / "src" / "lib").rmdir()
    (worktree / "src").rmdir()
    (worktree / "src").write_text("a file now\n")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    run_git(worktree, "add", "--all")
    assert captured.tree == run_git(worktree, "write-tree").strip()


def test_line_ends_are_committed_as_git_add_commits_them(fixture: Fixture, run_git: Git) -> None:
    fixture.land({".gitattributes": "*.bat text eol=crlf\n", "run.bat": "one\ntwo\n", "same.bat": "x\n"})
    worktree = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path
    assert (worktree / "run.bat").read_bytes() == b"one\r\ntwo\r\n"
    (worktree / "run.bat").write_bytes(b"one\r\nthree\r\n")
    (worktree / "sub").mkdir()
    (worktree / "sub" / ".gitattributes").write_text("*.txt text\n")
    (worktree / "sub" / "new.txt").write_bytes(b"new\r\n")
    (worktree / "raw.txt").write_bytes(b"raw\r\n")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    tree = fixture.tree(captured.commit)
    assert tree["run.bat"] == b"one\nthree\n"
    assert tree["sub/new.txt"] == b"new\n"
    assert tree["raw.txt"] == b"raw\r\n"
    run_git(worktree, "add", "--all")
    assert captured.tree == run_git(worktree, "write-tree").strip()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_content_that_is_stored_already_is_not_written_again(
    fixture: Fixture, worktree: Path, kind: str
) -> None:
    """But made young: git's clean-up takes what is old and named by nothing."""
    objects = fixture.project.git_dir / "objects"
    blob = str(fixture.open().create_blob(b"again"))
    stored = objects / blob[:2] / blob[2:]
    os.utime(stored, ns=(1, 1))
    os.utime(objects, ns=(1, 1))
    (worktree / "file").write_text("again")
    (worktree / "link").symlink_to("again")

    with open_folder(worktree) as root, BlobWriter(fixture.project, fixture.open(), root, {}) as writer:
        oid = writer.store(kind.encode(), FileMode.LINK if kind == "link" else FileMode.BLOB)

    assert oid == blob
    assert stored.stat().st_mtime_ns > 1
    assert objects.stat().st_mtime_ns == 1, "a temporary object was made"


def test_content_that_only_a_pack_holds_is_found(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    run_git(fixture.root, "gc", "-q")
    (worktree / "copy.md").write_text("# Project\n")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    assert fixture.tree(captured.commit)["copy.md"] == b"# Project\n"
    assert run_git(fixture.root, "fsck", "--full") == f"dangling commit {captured.commit}\n"


def test_large_files_are_stored_whole(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    large = os.urandom(1024) * 600
    (worktree / "large.bin").write_bytes(large)

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    assert fixture.tree(captured.commit)["large.bin"] == large
    assert run_git(fixture.root, "fsck", "--full") == f"dangling commit {captured.commit}\n"


def test_file_names_that_are_not_text_are_taken(fixture: Fixture, worktree: Path) -> None:
    (worktree / os.fsdecode(b"na\xffme")).write_text("x")
    (worktree / "new\nline").write_text("y")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    assert fixture.tree(captured.commit)[os.fsdecode(b"na\xffme")] == b"x"
    assert fixture.tree(captured.commit)["new\nline"] == b"y"


def test_the_mode_of_files_counts_only_if_the_repository_says_so(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    run_git(fixture.root, "config", "core.fileMode", "false")
    (worktree / "README.md").chmod(0o755)
    (worktree / "tools" / "run.sh").chmod(0o644)
    (worktree / "new.txt").write_text("new\n")

    modes = fixture.modes(capture(fixture.project, worktree, ONE, fixture.tip()).commit)

    assert (modes["README.md"], modes["tools/run.sh"]) == (0o100644, 0o100755)


def test_it_works_in_a_bare_repository(bare: Fixture, run_git: Git) -> None:
    worktree = prepare_worktree(bare.project, ONE, "fix-it", bare.tip(), merge_base=True).path
    (worktree / "new.txt").write_text("new\n")

    captured = capture(bare.project, worktree, ONE, bare.tip())
    advance_branch(bare.project, ONE, captured.commit)
    follow_branch(bare.project, ONE, captured.commit)

    assert bare.tree(captured.commit)["new.txt"] == b"new\n"
    assert run_git(worktree, "status", "--porcelain") == ""


# ---- nothing to land


@pytest.mark.req("V1-21")
def test_nothing_to_land_is_refused(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    """Untouched; ignored files only; an empty commit; done and undone; what the base has too."""

    def refused() -> None:
        with pytest.raises(SubmissionRefused, match="nothing to land"):
            capture(fixture.project, worktree, ONE, fixture.tip())

    refused()
    (worktree / "noise.log").write_text("ignored\n")
    refused()
    run_git(worktree, "commit", "-q", "--allow-empty", "-m", "empty")
    refused()
    (worktree / "README.md").write_text("# done\n")
    run_git(worktree, "commit", "-qam", "done")
    run_git(worktree, "revert", "--no-edit", "HEAD")
    fixture.land({"theirs.txt": "theirs\n"})
    refused()
    (worktree / "theirs.txt").write_text("theirs\n")
    refused()
    (worktree / "ours.txt").write_text("ours\n")
    capture(fixture.project, worktree, ONE, fixture.tip())


# ---- the branch


@pytest.mark.req("V1-21")
def test_the_branch_goes_to_the_submission_and_the_worktree_is_clean(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    (worktree / "new.txt").write_text("new\n")
    (worktree / "README.md").unlink()
    captured = capture(fixture.project, worktree, ONE, fixture.tip())

    advance_branch(fixture.project, ONE, captured.commit)

    follow_branch(fixture.project, ONE, captured.commit)
    advance_branch(fixture.project, ONE, captured.commit)
    follow_branch(fixture.project, ONE, captured.commit)

    assert fixture.tip(BRANCH) == captured.commit
    assert run_git(worktree, "status", "--porcelain", "--branch") == f"## {BRANCH}\n"
    again = capture(fixture.project, worktree, ONE, fixture.tip())
    assert (again.commit, again.tree, again.changed) == (captured.commit, captured.tree, False)


@pytest.mark.parametrize("damage", ["lock", "corrupt", "missing", "pipe"])
def test_the_branch_moves_whatever_the_index_is_like(
    fixture: Fixture, worktree: Path, damage: str, run_git: Git
) -> None:
    own = _own_dir(fixture)
    (worktree / "new.txt").write_text("new\n")
    if damage == "lock":
        (own / "index.lock").touch()
    else:
        (own / "index").unlink()
    if damage == "corrupt":
        (own / "index").write_bytes(b"DIRC\0\0\0\2 nonsense")
    if damage == "pipe":
        os.mkfifo(own / "index")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())
    advance_branch(fixture.project, ONE, captured.commit)
    follow_branch(fixture.project, ONE, captured.commit)

    assert fixture.tip(BRANCH) == captured.commit
    assert fixture.tree(captured.commit).keys() == {*fixture.tree(fixture.tip()), "new.txt"}


def test_commits_that_the_agent_threw_away_are_pinned_when_the_branch_moves(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    (worktree / "first.txt").write_text("first\n")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "-qm", "thrown away")
    thrown = run_git(worktree, "rev-parse", "HEAD").strip()
    run_git(worktree, "checkout", "-q", "--detach", "HEAD^")
    (worktree / "second.txt").write_text("second\n")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())
    advance_branch(fixture.project, ONE, captured.commit)
    follow_branch(fixture.project, ONE, captured.commit)

    assert fixture.tip(BRANCH) == captured.commit
    assert run_git(fixture.root, "rev-parse", "refs/scriptorium/work/0001/1").strip() == thrown


def test_a_branch_that_is_gone_is_made_again(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    run_git(worktree, "checkout", "-q", "--detach")
    run_git(worktree, "branch", "-q", "-D", BRANCH)
    (worktree / "new.txt").write_text("new\n")

    captured = capture(fixture.project, worktree, ONE, fixture.tip())
    advance_branch(fixture.project, ONE, captured.commit)
    follow_branch(fixture.project, ONE, captured.commit)

    assert fixture.tip(BRANCH) == captured.commit


def test_a_locked_branch_is_said(fixture: Fixture, worktree: Path) -> None:
    (worktree / "new.txt").write_text("new\n")
    captured = capture(fixture.project, worktree, ONE, fixture.tip())
    lock = fixture.project.git_dir / "refs" / "heads" / f"{BRANCH}.lock"
    lock.touch()

    with pytest.raises(RefError, match="lock"):
        advance_branch(fixture.project, ONE, captured.commit)


# ---- work in progress


@pytest.mark.req("V1-19")
def test_work_is_what_the_branch_does_not_hold(fixture: Fixture, worktree: Path) -> None:
    assert snapshot_work(fixture.project, worktree, ONE) is None
    (worktree / "new.txt").write_text("new\n")
    captured = capture(fixture.project, worktree, ONE, fixture.tip())
    advance_branch(fixture.project, ONE, captured.commit)
    follow_branch(fixture.project, ONE, captured.commit)
    assert snapshot_work(fixture.project, worktree, ONE) is None
    (worktree / "late.txt").write_text("late\n")
    (worktree / "README.md").unlink()

    work = snapshot_work(fixture.project, worktree, ONE)

    assert work is not None
    assert work.files == ("README.md", "late.txt")
    assert fixture.tree(work.commit)["late.txt"] == b"late\n"


@pytest.mark.req("V1-19")
def test_the_same_work_is_the_same_pin(fixture: Fixture, worktree: Path) -> None:
    repo = open_repository(fixture.project)
    (worktree / "new.txt").write_text("new\n")
    for _ in range(2):
        work = snapshot_work(fixture.project, worktree, ONE)
        assert work is not None
        pin_submitted(repo, ONE, work.commit)

    assert len(ref_names(repo, "refs/scriptorium/")) == 1
    assert snapshot_work(fixture.project, worktree.with_name("0001-gone"), ONE) is None
