"""Finding the repository and its base branch, from wherever the user stands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest

from scriptorium.code.repository import (
    NoBaseBranch,
    NotARepository,
    UnbornBase,
    UnsupportedRepository,
    base_branch,
    branch_tip,
    discover,
    ensure_state_dir,
    open_repository,
    signature,
)

if TYPE_CHECKING:
    from tests.code.conftest import Fixture


def test_a_repository_is_found_from_its_root_and_from_below(fixture: Fixture) -> None:
    project = discover(fixture.root)

    assert project.root == fixture.root
    assert project.git_dir == fixture.root / ".git"
    assert not project.bare
    assert discover(fixture.root / "src" / "lib") == project
    assert discover(fixture.root / ".git" / "refs") == project
    assert project.worktrees_dir == fixture.root / ".scriptorium" / "worktrees"
    assert project.logs_dir == fixture.root / ".scriptorium" / "logs"


def test_a_linked_worktree_leads_to_the_main_checkout(
    fixture: Fixture, tmp_path: Path, run_git: Callable[..., str]
) -> None:
    run_git(fixture.root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")

    assert discover(tmp_path / "linked" / "src") == fixture.project


def test_a_symbolic_link_to_the_repository_is_the_repository(fixture: Fixture, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(fixture.root)

    assert discover(tmp_path / "link" / "src") == fixture.project


def test_a_bare_repository_and_its_worktrees(
    bare: Fixture, tmp_path: Path, run_git: Callable[..., str]
) -> None:
    run_git(bare.root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")

    assert bare.project.bare
    assert bare.project.root == bare.project.git_dir == bare.root
    assert discover(tmp_path / "linked") == bare.project
    assert open_repository(bare.project).is_bare


def test_a_submodule_is_a_repository_of_its_own(
    fixture: Fixture, make: Callable[..., Fixture], run_git: Callable[..., str]
) -> None:
    other = make("library")
    run_git(fixture.root, "-c", "protocol.file.allow=always", "submodule", "add", str(other.root), "sub")

    project = discover(fixture.root / "sub" / "src")

    assert project.root == fixture.root / "sub"
    assert project.git_dir == fixture.root / ".git" / "modules" / "sub"
    repo = open_repository(project)
    assert Path(os.path.realpath(repo.path)) == project.git_dir


def test_a_separate_git_directory(fixture: Fixture, tmp_path: Path, run_git: Callable[..., str]) -> None:
    run_git(fixture.root, "init", "-q", "--separate-git-dir", str(tmp_path / "elsewhere.git"))
    run_git(fixture.root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")

    assert discover(fixture.root / "src").root == fixture.root
    with pytest.raises(UnsupportedRepository, match="main checkout"):
        discover(tmp_path / "linked")


def test_no_repository_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotARepository, match="git init"):
        discover(tmp_path)
    with pytest.raises(NotARepository, match="no such folder"):
        discover(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(NotARepository, match="is not a folder"):
        discover(tmp_path / "file")


def test_sha256_is_refused_by_name(tmp_path: Path, run_git: Callable[..., str]) -> None:
    run_git(tmp_path, "init", "-q", "--object-format=sha256")

    with pytest.raises(UnsupportedRepository, match="SHA-256"):
        discover(tmp_path)


def test_reftable_is_refused_by_name(fixture: Fixture, run_git: Callable[..., str]) -> None:
    run_git(fixture.root, "config", "core.repositoryformatversion", "1")
    run_git(fixture.root, "config", "extensions.refstorage", "reftable")

    with pytest.raises(UnsupportedRepository, match="reftable"):
        discover(fixture.root)


def test_the_state_folder_ignores_itself(fixture: Fixture, run_git: Callable[..., str]) -> None:
    assert ensure_state_dir(fixture.project) == fixture.root / ".scriptorium"
    (fixture.project.state_dir / ".gitignore").write_text("*\n# mine\n")
    ensure_state_dir(fixture.project)

    assert (fixture.project.state_dir / ".gitignore").read_text() == "*\n# mine\n"
    assert run_git(fixture.root, "status", "--porcelain", "--untracked-files=all") == ""


def test_a_link_in_place_of_the_state_folder_is_refused(fixture: Fixture, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    fixture.project.state_dir.symlink_to(tmp_path / "away")

    with pytest.raises(UnsupportedRepository, match="not a folder"):
        ensure_state_dir(fixture.project)
    assert not list((tmp_path / "away").iterdir())


def _branches(fixture: Fixture, head: str | None, *names: str) -> pygit2.Repository:
    """A repository with exactly these branches, and HEAD naming `head` (None: detached)."""
    repo = fixture.open()
    tip = pygit2.Oid(hex=fixture.tip())
    repo.set_head(tip)
    for name in names:
        repo.references.create(f"refs/heads/{name}", tip, force=True)
    for name in list(repo.branches.local):
        if name not in names:
            repo.references.delete(f"refs/heads/{name}")
    if head is not None:
        repo.references.create("HEAD", f"refs/heads/{head}", force=True)
    return repo


@pytest.mark.parametrize(
    ("configured", "head", "names", "expected"),
    [
        ("dev", "main", ("main", "dev"), "dev"),
        (None, "dev", ("main", "dev"), "main"),
        (None, "dev", ("master", "dev"), "master"),
        (None, "main", ("master", "main"), "main"),
        (None, "master", ("master", "main"), "master"),
        (None, "dev", ("master", "main", "dev"), "dev"),
        (None, "trunk", ("trunk", "dev"), "trunk"),
        (None, None, ("main", "dev"), "main"),
        (None, "scriptorium/plan", ("main", "scriptorium/plan"), "main"),
    ],
)
def test_the_base_branch(
    fixture: Fixture, configured: str | None, head: str | None, names: tuple[str, ...], expected: str
) -> None:
    assert base_branch(_branches(fixture, head, *names), configured) == expected


@pytest.mark.parametrize(
    ("configured", "head", "names"),
    [
        (None, None, ("trunk", "dev")),
        (None, None, ("master", "main")),
        (None, "scriptorium/plan", ("trunk", "scriptorium/plan")),
        ("scriptorium/plan", "main", ("main", "scriptorium/plan")),
        ("gone", "main", ("main",)),
        ("not a..branch", "main", ("main",)),
    ],
)
def test_no_base_branch_asks_for_the_setting(
    fixture: Fixture, configured: str | None, head: str | None, names: tuple[str, ...]
) -> None:
    with pytest.raises(NoBaseBranch, match="baseBranch"):
        base_branch(_branches(fixture, head, *names), configured)


@pytest.mark.parametrize("configured", [None, "main", "other"])
def test_a_base_without_a_commit_says_how_to_make_one(tmp_path: Path, configured: str | None) -> None:
    pygit2.init_repository(str(tmp_path), initial_head="main")

    with pytest.raises(UnbornBase, match=r"git add .* git commit") as caught:
        base_branch(open_repository(discover(tmp_path)), configured)
    assert caught.value.branch == (configured or "main")


def test_a_bare_repository_gets_its_first_commit_from_a_clone(tmp_path: Path) -> None:
    pygit2.init_repository(str(tmp_path), bare=True, initial_head="main")

    with pytest.raises(UnbornBase, match=r"clone .* git push origin HEAD:main"):
        base_branch(open_repository(discover(tmp_path)), None)


def test_a_branch_tip_is_a_commit_or_nothing(fixture: Fixture) -> None:
    repo = fixture.open()
    repo.references.create("refs/heads/blob", repo.create_blob(b"no commit"))

    assert branch_tip(repo, "main") == fixture.tip()
    assert branch_tip(repo, "missing") is None
    assert branch_tip(repo, "blob") is None
    assert branch_tip(repo, "../..") is None


def test_commits_are_scriptoriums_own() -> None:
    assert (signature().name, signature().email) == ("scriptorium", "scriptorium@localhost")
