"""``--init``: every kind of target, and nothing else touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pygit2
import pytest

from .conftest import Scriptorium
from .planned import commit

LAYOUT = {
    "areas/.gitkeep",
    "decisions/.gitkeep",
    "queue/merge/pending/.gitkeep",
    "spec.md",
    "tickets/done/.gitkeep",
    "tickets/in-progress/.gitkeep",
    "tickets/open/.gitkeep",
    "tickets/stuck/.gitkeep",
}


def git(root: Path, *words: str) -> str:
    """What the git program says, as the repository's user would ask it."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def plan_tip(root: Path) -> str:
    return git(root, "rev-parse", "refs/heads/scriptorium/plan")


@pytest.mark.req("V1-00a", "V1-00c")
@pytest.mark.slow
@pytest.mark.parametrize("words", [("--init",), ("init",), ("--init", "."), ("-C", ".", "--init")])
def test_it_makes_the_plan_branch_of_one_commit(
    scriptorium: Scriptorium, repo: Path, words: tuple[str, ...]
) -> None:
    done = scriptorium(*words, cwd=repo)
    assert (done.returncode, done.stderr) == (0, "")
    assert git(repo, "log", "--format=%s|%an <%ae>|%cn <%ce>|%P", "scriptorium/plan") == (
        "scriptorium: initialize plan branch|scriptorium <scriptorium@localhost>|"
        "scriptorium <scriptorium@localhost>|"
    )
    assert set(git(repo, "ls-tree", "-r", "--name-only", "scriptorium/plan").splitlines()) == LAYOUT
    assert git(repo, "fsck", "--strict") == ""


@pytest.mark.req("V1-00c")
@pytest.mark.slow
def test_nothing_else_is_touched(scriptorium: Scriptorium, repo: Path) -> None:
    git(repo, "branch", "other")
    (repo / "staged").write_text("staged\n")
    git(repo, "add", "staged")
    (repo / "untracked").write_text("untracked\n")
    before, objects = contents(repo), set((repo / ".git" / "objects").rglob("*"))
    assert scriptorium("--init", cwd=repo).returncode == 0
    after = contents(repo)
    plan = git(repo, "rev-list", "--objects", "scriptorium/plan").splitlines()
    new = {name for name in after if name not in before}
    assert {name: after[name] for name in before} == before
    assert {name for name in new if not name.startswith(".git/objects/")} == {
        ".git/refs/heads/scriptorium/plan",
        ".git/logs/refs/heads/scriptorium/plan",
    }
    index, pack = sorted(set((repo / ".git" / "objects").rglob("*")) - objects)
    assert (index.suffix, pack) == (".idx", index.with_suffix(".pack"))
    packed = git(repo, "verify-pack", "-v", str(index)).splitlines()
    assert {line[:40] for line in packed if line[40:41] == " "} == {line[:40] for line in plan}


@pytest.mark.req("V1-00c")
@pytest.mark.slow
def test_neither_git_nor_an_identity_is_needed(scriptorium: Scriptorium, repo: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert shutil.which("git", path=str(empty)) is None
    done = scriptorium("--init", cwd=repo, env={"PATH": str(empty), "HOME": str(empty)})
    assert (done.returncode, done.stderr) == (0, "")
    assert plan_tip(repo)


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_folder_that_is_no_repository(scriptorium: Scriptorium, tmp_path: Path) -> None:
    done = scriptorium("--init", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("scriptorium: ")
    assert "git init" in done.stderr
    missing = scriptorium("--init", str(tmp_path / "missing"))
    assert missing.returncode == 1
    assert "no such folder" in missing.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_second_time_changes_nothing(scriptorium: Scriptorium, repo: Path) -> None:
    assert scriptorium("--init", cwd=repo).returncode == 0
    before = contents(repo)
    done = scriptorium("--init", cwd=repo)
    assert done.returncode == 1
    assert "exists already; nothing was changed" in done.stderr
    assert contents(repo) == before


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_bare_repository(scriptorium: Scriptorium, tmp_path: Path) -> None:
    root = tmp_path / "bare.git"
    pygit2.init_repository(str(root), bare=True, initial_head="main")
    assert scriptorium("--init", str(root)).returncode == 0
    assert plan_tip(root)


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_repository_without_a_commit(scriptorium: Scriptorium, tmp_path: Path) -> None:
    pygit2.init_repository(str(tmp_path), initial_head="main")
    assert scriptorium("--init", cwd=tmp_path).returncode == 0
    assert plan_tip(tmp_path)
    assert git(tmp_path, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert scriptorium("status", cwd=tmp_path).stdout.splitlines()[-2] == "Base: main, no commit yet"


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_detached_head(scriptorium: Scriptorium, repo: Path) -> None:
    git(repo, "checkout", "--quiet", "--detach")
    head = (repo / ".git" / "HEAD").read_text()
    assert scriptorium("--init", cwd=repo).returncode == 0
    assert plan_tip(repo)
    assert (repo / ".git" / "HEAD").read_text() == head


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_linked_worktree_and_a_folder_inside_lead_to_the_one_repository(
    scriptorium: Scriptorium, repo: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "--quiet", "-b", "side", str(linked))
    inside = linked / "a" / "b"
    inside.mkdir(parents=True)
    done = scriptorium("--init", str(inside))
    assert done.returncode == 0
    assert str(repo) in done.stdout
    assert plan_tip(repo) == plan_tip(linked)
    assert not (linked / ".scriptorium").exists()
    again = scriptorium("--init", cwd=repo)
    assert "exists already" in again.stderr


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_path_is_meant_from_the_repository_that_was_named(
    scriptorium: Scriptorium, repo: Path, tmp_path: Path
) -> None:
    (repo / "sub").mkdir()
    assert scriptorium("-C", str(repo), "--init", "sub", cwd=tmp_path).returncode == 0
    assert plan_tip(repo)


@pytest.mark.req("V1-00b")
@pytest.mark.slow
def test_a_kind_of_repository_that_cannot_be_worked_with(scriptorium: Scriptorium, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--object-format=sha256")
    done = scriptorium("--init", cwd=tmp_path)
    assert done.returncode == 1
    assert "SHA-256" in done.stderr


@pytest.mark.slow
def test_a_repository_that_cannot_be_written(scriptorium: Scriptorium, repo: Path) -> None:
    blocked = repo / ".git" / "refs" / "heads" / "scriptorium"
    blocked.write_text(str(commit(repo, {"a": "b"})) + "\n")
    done = scriptorium("--init", cwd=repo)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("scriptorium: ")
    assert "unexpected" not in line
    assert os.path.isfile(blocked)  # noqa: PTH113
