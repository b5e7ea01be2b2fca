"""Worktrees whose owner means ill, or left a mess: a reason it can act on, or the harmless thing done."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest

from scriptorium.code import scan as scan_module
from scriptorium.code.capture import SubmissionRefused, capture, snapshot_work
from scriptorium.code.worktrees import prepare_worktree
from scriptorium.plan.ids import TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
Git = Callable[..., str]


@pytest.fixture
def worktree(fixture: Fixture) -> Path:
    """A worktree with something to submit."""
    path = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path
    (path / "new.txt").write_text("new\n")
    return path


def _own_dir(fixture: Fixture) -> Path:
    return fixture.project.git_dir / "worktrees" / "scriptorium-0001"


def _tree(fixture: Fixture, worktree: Path) -> dict[str, bytes]:
    return fixture.tree(capture(fixture.project, worktree, ONE, fixture.tip()).commit)


def _refused(fixture: Fixture, worktree: Path, match: str) -> None:
    with pytest.raises(SubmissionRefused, match=match):
        capture(fixture.project, worktree, ONE, fixture.tip())


# ---- where the worktree is


def test_a_git_file_that_is_gone_is_put_back(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    (worktree / ".git").unlink()

    assert "new.txt" in _tree(fixture, worktree)
    assert run_git(worktree, "rev-parse", "--abbrev-ref", "HEAD").strip() == BRANCH


def test_a_git_file_that_leads_elsewhere_is_refused(fixture: Fixture, worktree: Path) -> None:
    (worktree / ".git").write_text(f"gitdir: {fixture.project.git_dir}\n")

    _refused(fixture, worktree, re.escape(f"echo 'gitdir: {_own_dir(fixture)}' > .git"))


def test_a_repository_of_the_agents_own_in_its_place_is_refused(fixture: Fixture, worktree: Path) -> None:
    (worktree / ".git").unlink()
    pygit2.init_repository(str(worktree))

    _refused(fixture, worktree, "not the file that git put there")


def test_a_worktree_that_git_forgot_has_vanished(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    git_file = worktree / ".git"
    git_file.rename(worktree / "kept")
    run_git(fixture.root, "worktree", "prune")
    (worktree / "kept").rename(git_file)

    _refused(fixture, worktree, "vanished")
    work = snapshot_work(fixture.project, worktree, ONE)
    assert work is not None
    assert fixture.tree(work.commit)["new.txt"] == b"new\n"


@pytest.mark.parametrize("level", ["worktree", "parent"])
def test_a_link_in_its_place_has_vanished(
    fixture: Fixture, worktree: Path, tmp_path: Path, level: str
) -> None:
    place = worktree if level == "worktree" else worktree.parent
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "moved")

    _refused(fixture, worktree, "vanished")
    assert snapshot_work(fixture.project, worktree, ONE) is None


# ---- HEAD


@pytest.mark.parametrize(
    "head",
    ["nonsense", "ref: refs/heads/unborn", "ref: ../../HEAD", "ref: HEAD", "0" * 40, "", "ref: refs/tags/x"],
)
def test_a_head_that_leads_to_no_commit_is_refused(fixture: Fixture, worktree: Path, head: str) -> None:
    (_own_dir(fixture) / "HEAD").write_text(f"{head}\n")

    _refused(fixture, worktree, f"no history.*symbolic-ref HEAD refs/heads/{BRANCH}")


def test_a_head_that_is_a_pipe_or_a_link_is_refused(fixture: Fixture, worktree: Path) -> None:
    head = _own_dir(fixture) / "HEAD"
    head.unlink()
    os.mkfifo(head)
    _refused(fixture, worktree, "no history")
    head.unlink()
    head.symlink_to(fixture.project.git_dir / "HEAD")
    _refused(fixture, worktree, "no history")


def test_a_history_of_its_own_is_refused(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    run_git(worktree, "checkout", "-q", "--orphan", "alone")
    _refused(fixture, worktree, "no history")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "-qm", "alone")

    _refused(fixture, worktree, "no history")


def test_a_head_on_a_blob_or_a_tag_is_refused(fixture: Fixture, worktree: Path) -> None:
    blob = fixture.open().create_blob(b"x")
    (_own_dir(fixture) / "HEAD").write_text(f"{blob}\n")

    _refused(fixture, worktree, "no history")


# ---- open operations


def test_a_rebase_that_was_left_open_is_refused(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    (worktree / "README.md").write_text("# mine\n")
    run_git(worktree, "add", "-A")
    run_git(worktree, "commit", "-qm", "mine")
    base = fixture.land({"README.md": "# theirs\n"})
    run_git(worktree, "rebase", base, check=False)

    _refused(fixture, worktree, "a rebase is open")
    run_git(worktree, "rebase", "--abort")
    assert "new.txt" in _tree(fixture, worktree)


@pytest.mark.parametrize(("command", "name"), [("cherry-pick", "cherry-pick"), ("revert", "revert")])
def test_a_pick_that_was_left_open_is_refused(
    fixture: Fixture, worktree: Path, command: str, name: str, run_git: Git
) -> None:
    (worktree / "README.md").write_text("# one\n")
    run_git(worktree, "commit", "-qam", "one")
    one = run_git(worktree, "rev-parse", "HEAD").strip()
    (worktree / "README.md").write_text("# two\n")
    run_git(worktree, "commit", "-qam", "two")
    other = fixture.commit({"README.md": "# other\n"})
    run_git(worktree, command, other if command == "cherry-pick" else one, check=False)

    _refused(fixture, worktree, f"a {name} is open")


def test_a_merge_of_something_else_is_refused(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    other = fixture.commit({"README.md": "# other\n"})
    run_git(worktree, "merge", "--no-commit", "--no-ff", other)
    _refused(fixture, worktree, "a merge of something other")
    run_git(worktree, "merge", "--abort")

    assert "new.txt" in _tree(fixture, worktree)


@pytest.mark.parametrize("text", ["nonsense\n", "0" * 40, "", f"{'1' * 40}\n{'2' * 40}\n"])
def test_a_merge_of_nonsense_is_refused(fixture: Fixture, worktree: Path, text: str) -> None:
    (_own_dir(fixture) / "MERGE_HEAD").write_text(text)

    _refused(fixture, worktree, "a merge of something other")
    assert snapshot_work(fixture.project, worktree, ONE) is not None


# ---- nested repositories


@pytest.mark.parametrize("kind", ["folder", "file", "link", "empty"])
def test_a_nested_repository_is_named(fixture: Fixture, worktree: Path, kind: str, run_git: Git) -> None:
    nested = worktree / "vendor" / "dép"
    nested.mkdir(parents=True)
    (nested / "code.txt").write_text("x\n")
    match kind:
        case "folder":
            run_git(nested, "init", "-q")
        case "file":
            (nested / ".git").write_text("gitdir: /nowhere\n")
        case "link":
            (nested / ".git").symlink_to("/nowhere")
        case _:
            (nested / ".git").mkdir()

    _refused(fixture, worktree, r"vendor/dép: a git repository of its own.*\.gitignore")
    work = snapshot_work(fixture.project, worktree, ONE)
    assert work is not None
    assert fixture.tree(work.commit)["vendor/dép/code.txt"] == b"x\n"


def test_a_nested_repository_that_is_ignored_does_not_matter(
    fixture: Fixture, worktree: Path, run_git: Git
) -> None:
    (worktree / "build").mkdir()
    run_git(worktree / "build", "init", "-q")

    assert not [path for path in _tree(fixture, worktree) if path.startswith("build")]


def test_a_submodule_that_head_records_is_kept_and_follows_the_index(fixture: Fixture, run_git: Git) -> None:
    repo = fixture.open()
    one, two = fixture.tip(), fixture.commit({"x": "y"})
    index = pygit2.Index()
    index.read_tree(repo[fixture.tip()].peel(pygit2.Tree))
    index.add(pygit2.IndexEntry("sub", pygit2.Oid(hex=one), pygit2.enums.FileMode.COMMIT))
    who = pygit2.Signature("a", "b")
    repo.create_commit("refs/heads/main", who, who, "sub", index.write_tree(repo), [pygit2.Oid(hex=one)])
    worktree = prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path
    (worktree / "new.txt").write_text("new\n")
    run_git(worktree / "sub", "init", "-q")
    (worktree / "sub" / "inner").write_text("not ours\n")

    assert _tree(fixture, worktree)["sub"] == one.encode()
    run_git(worktree, "update-index", "--cacheinfo", f"160000,{two},sub")
    assert _tree(fixture, worktree)["sub"] == two.encode()
    (worktree / "sub").rename(fixture.root / "elsewhere")
    assert "sub" not in _tree(fixture, worktree)


# ---- odd files


def test_links_are_taken_as_links(fixture: Fixture, worktree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret\n")
    (worktree / "folder").symlink_to(tmp_path / "secret")
    (worktree / "file").symlink_to(tmp_path / "secret" / "key")
    (worktree / "src" / "app.py").unlink()
    (worktree / "src" / "app.py").symlink_to(tmp_path / "secret" / "key")
    (worktree / "dangling").symlink_to(os.fsdecode(b"no\xff-where"))

    tree = _tree(fixture, worktree)

    assert tree["folder"] == os.fsencode(tmp_path / "secret")
    assert tree["file"] == tree["src/app.py"] == os.fsencode(tmp_path / "secret" / "key")
    assert tree["dangling"] == b"no\xff-where"
    assert not any(b"secret\n" in content for content in tree.values())


def test_a_tracked_folder_that_became_a_link_is_not_read_through(
    fixture: Fixture, worktree: Path, tmp_path: Path
) -> None:
    (worktree / "src").rename(tmp_path / "src")
    (worktree / "src").symlink_to(tmp_path / "src")

    tree = _tree(fixture, worktree)

    assert tree["src"] == os.fsencode(tmp_path / "src")
    assert not [path for path in tree if path.startswith("src/")]


@pytest.mark.parametrize("name", [".gitignore", ".gitattributes", "README.md", "src/.gitignore"])
def test_pipes_and_sockets_are_no_files_and_are_not_waited_on(
    fixture: Fixture, worktree: Path, name: str
) -> None:
    (worktree / name).unlink(missing_ok=True)
    os.mkfifo(worktree / name)
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(worktree, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)

        assert not {name, "socket"} & _tree(fixture, worktree).keys()


def test_rules_are_not_read_through_a_link(fixture: Fixture, worktree: Path, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("new.txt\n")
    (worktree / "src" / ".gitignore").symlink_to(tmp_path / "rules")
    (worktree / "src" / "new.txt").write_text("x")

    assert "src/new.txt" in _tree(fixture, worktree)


@pytest.mark.parametrize("name", [".GIT", "git~1", ".git "])
def test_names_that_git_does_not_accept_are_named(fixture: Fixture, worktree: Path, name: str) -> None:
    (worktree / "src" / name).mkdir()
    (worktree / "src" / name / "config").write_text("[core]\n")

    try:
        captured = capture(fixture.project, worktree, ONE, fixture.tip())
    except SubmissionRefused as refused:
        assert f"src/{name}/config" in str(refused)
    else:
        assert name == ".git "
        assert f"src/{name}/config" in fixture.tree(captured.commit)
    assert snapshot_work(fixture.project, worktree, ONE) is not None


def test_paths_too_long_to_be_checked_out_are_named(fixture: Fixture, worktree: Path) -> None:
    here = os.open(worktree, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)

    _refused(fixture, worktree, "too long")
    work = snapshot_work(fixture.project, worktree, ONE)
    assert work is not None
    assert work.files == ("new.txt",)


def test_more_files_than_are_looked_at_are_refused_and_nothing_is_taken_for_removed(
    fixture: Fixture, worktree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (worktree / f"file-{number}").write_text("x")
    monkeypatch.setattr(scan_module, "ENTRY_LIMIT", 10)

    _refused(fixture, worktree, "the worktree cannot be submitted: more than 10 files")
    assert snapshot_work(fixture.project, worktree, ONE) is None


def test_a_file_too_large_to_be_kept_is_named(
    fixture: Fixture, worktree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scriptorium.code.blobs.FILE_LIMIT_BYTES", 100)
    (worktree / "core").write_bytes(b"x" * 101)

    _refused(fixture, worktree, "core cannot be submitted: it has 101 bytes")
    work = snapshot_work(fixture.project, worktree, ONE)
    assert work is not None
    assert work.files == ("new.txt",)


def test_a_sparse_checkout_is_not_taken_for_removals(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    run_git(worktree, "sparse-checkout", "set", "src")
    assert not (worktree / "tools").exists()

    _refused(fixture, worktree, "sparse-checkout disable")
    work = snapshot_work(fixture.project, worktree, ONE)
    assert work is not None
    assert work.files == ("new.txt",)
    run_git(worktree, "sparse-checkout", "disable")
    assert "tools/run.sh" in _tree(fixture, worktree)


def test_settings_of_the_worktree_run_nothing(fixture: Fixture, worktree: Path, run_git: Git) -> None:
    trap = fixture.root / "trapped"
    script = worktree / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch '{trap}'\ncat\n")
    script.chmod(0o755)
    for key in ("filter.trap.clean", "filter.trap.smudge", "core.fsmonitor", "core.pager"):
        run_git(fixture.root, "config", key, str(script))
    (worktree / ".gitattributes").write_text("* filter=trap\n")
    hooks = fixture.project.git_dir / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("pre-commit", "post-commit", "reference-transaction", "post-checkout"):
        (hooks / hook).write_bytes(script.read_bytes())
        (hooks / hook).chmod(0o755)

    assert _tree(fixture, worktree)["new.txt"] == b"new\n"
    assert not trap.exists()
