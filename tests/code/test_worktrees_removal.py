"""Taking worktrees away: nothing unlanded is lost, nothing outside is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scriptorium.code import places
from scriptorium.code.pins import pin_submitted, ref_names
from scriptorium.code.registration import forget, registrations
from scriptorium.code.removal import Trash
from scriptorium.code.repository import open_repository
from scriptorium.code.worktrees import list_worktrees, prepare_worktree, remove_worktree
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
WORK = "refs/scriptorium/work/0001"
Git = Callable[..., str]


def _make(fixture: Fixture) -> Path:
    return prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=True).path


def _pins(fixture: Fixture) -> dict[str, Oid]:
    repo = fixture.open()
    return {
        name: Oid(str(repo.references[name].target)) for name in ref_names(repo, "refs/scriptorium/work/")
    }


@pytest.mark.req("V1-19")
@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_it_is_gone_from_disk_and_from_git(request: pytest.FixtureRequest, kind: str, run_git: Git) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    path = _make(fixture)

    remove_worktree(fixture.project, path)
    remove_worktree(fixture.project, path)

    assert not path.exists()
    assert run_git(fixture.root, "worktree", "list").count("\n") == 1
    assert list_worktrees(fixture.project) == ()
    assert _pins(fixture) == {}
    assert list((fixture.project.git_dir / "worktrees").iterdir()) == []
    assert [entry.name for entry in fixture.project.worktrees_dir.iterdir()] == ["tickets"]


@pytest.mark.req("V1-19")
def test_uncommitted_work_is_pinned_first(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    head = fixture.tip(BRANCH)
    (path / "src" / "app.py").write_text("print('two')\n")
    (path / "new.txt").write_text("new\n")
    (path / "x.log").write_text("ignored\n")
    (path / "README.md").unlink()

    remove_worktree(fixture.project, path)

    (pin,) = _pins(fixture).values()
    tree = fixture.tree(pin)
    assert tree["src/app.py"] == b"print('two')\n"
    assert tree["new.txt"] == b"new\n"
    assert "README.md" not in tree
    assert "x.log" not in tree
    assert run_git(fixture.root, "rev-parse", f"{pin}^").strip() == head
    assert list(_pins(fixture)) == [f"{WORK}/1"]


@pytest.mark.req("V1-19")
def test_commits_that_no_branch_of_the_ticket_holds_are_pinned(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    run_git(path, "checkout", "-q", "--detach")
    (path / "new.txt").write_text("new\n")
    run_git(path, "add", "-A")
    run_git(path, "commit", "-qm", "detached work")
    head = run_git(path, "rev-parse", "HEAD").strip()

    remove_worktree(fixture.project, path)

    assert _pins(fixture) == {f"{WORK}/1": head}


@pytest.mark.req("V1-19")
def test_what_is_held_already_is_not_pinned_again(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    (path / "new.txt").write_text("new\n")
    run_git(path, "add", "-A")
    run_git(path, "commit", "-qm", "on the branch")
    remove_worktree(fixture.project, path)
    assert _pins(fixture) == {}
    path = _make(fixture)
    run_git(path, "checkout", "-q", "--detach")
    run_git(path, "commit", "-q", "--allow-empty", "-m", "submitted")
    head = Oid(run_git(path, "rev-parse", "HEAD").strip())
    pin_submitted(open_repository(fixture.project), ONE, head)

    remove_worktree(fixture.project, path)

    assert _pins(fixture) == {}


@pytest.mark.req("V1-19")
def test_a_worktree_that_was_checked_and_landed_needs_no_pin(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture)
    submission = fixture.commit({"work.txt": "w\n"}, parents=[fixture.tip(BRANCH)], branch=BRANCH)
    landed = fixture.commit({"work.txt": "w\n"}, parents=[fixture.tip(), submission], branch="main")
    run_git(path, "checkout", "-q", "--force", "--detach", landed)
    fixture.open().references.delete(f"refs/heads/{BRANCH}")

    remove_worktree(fixture.project, path, base=landed)

    assert _pins(fixture) == {}


@pytest.mark.req("V1-19")
def test_the_second_pin_of_the_same_ticket_is_the_next(fixture: Fixture) -> None:
    for number in range(3):
        path = _make(fixture)
        (path / "new.txt").write_text(f"{number}\n")
        remove_worktree(fixture.project, path)

    assert [fixture.tree(pin)["new.txt"] for pin in _pins(fixture).values()] == [b"0\n", b"1\n", b"2\n"]


@pytest.mark.req("V1-19")
def test_an_open_merge_is_pinned_with_both_parents(fixture: Fixture, run_git: Git) -> None:
    earlier = fixture.commit({"README.md": "# Ours\n"}, parents=[fixture.tip()], branch=BRANCH)
    base = fixture.land({"README.md": "# Theirs\n"})
    path = _make(fixture)
    (path / "README.md").write_text("# Both\n")

    remove_worktree(fixture.project, path)

    (pin,) = _pins(fixture).values()
    assert run_git(fixture.root, "rev-parse", f"{pin}^1", f"{pin}^2").split() == [earlier, base]


@pytest.mark.req("V1-19")
def test_nested_repositories_and_unreadable_heads_do_not_keep_work_from_being_pinned(
    fixture: Fixture, run_git: Git
) -> None:
    path = _make(fixture)
    run_git(path, "init", "-q", "nested")
    (path / "nested" / "inner.txt").write_text("inner\n")
    (fixture.project.git_dir / "worktrees" / "scriptorium-0001" / "HEAD").write_text("nonsense\n")

    remove_worktree(fixture.project, path)

    (pin,) = _pins(fixture).values()
    assert fixture.tree(pin)["nested/inner.txt"] == b"inner\n"
    assert "nested/.git" not in fixture.tree(pin)


def test_links_lead_nowhere(fixture: Fixture, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine\n")
    path = _make(fixture)
    (path / "to-folder").symlink_to(precious)
    (path / "to-file").symlink_to(precious / "file")
    (path / "deep").mkdir()
    (path / "deep" / "up").symlink_to("../../../../..")

    remove_worktree(fixture.project, path)

    assert not path.exists()
    assert (precious / "file").read_text() == "mine\n"
    (pin,) = _pins(fixture).values()
    assert fixture.tree(pin)["to-folder"] == os.fsencode(precious)
    assert fixture.modes(pin)["to-folder"] == 0o120000


def test_a_link_in_its_place_is_unlinked(fixture: Fixture, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine\n")
    path = _make(fixture)
    path.rename(tmp_path / "moved")
    path.symlink_to(precious)

    remove_worktree(fixture.project, path)

    assert not path.is_symlink()
    assert (precious / "file").read_text() == "mine\n"
    assert list_worktrees(fixture.project) == ()


def test_a_link_in_place_of_the_folder_of_tickets_is_not_followed(fixture: Fixture, tmp_path: Path) -> None:
    path = _make(fixture)
    precious = tmp_path / "precious"
    path.parent.rename(precious)
    path.parent.symlink_to(precious)

    remove_worktree(fixture.project, path)

    assert not path.parent.is_symlink()
    assert list(path.parent.iterdir()) == []
    assert (precious / path.name / "README.md").is_file()
    assert list_worktrees(fixture.project) == ()


def test_only_places_of_scriptorium_are_removed(fixture: Fixture, tmp_path: Path) -> None:
    for path in (tmp_path, fixture.root, fixture.project.worktrees_dir, fixture.project.state_dir / "logs"):
        with pytest.raises(ValueError, match="not one of scriptorium's"):
            remove_worktree(fixture.project, path)
    assert fixture.root.exists()


@pytest.mark.req("V1-19")
def test_a_stale_registration_goes(fixture: Fixture, tmp_path: Path, run_git: Git) -> None:
    path = _make(fixture)
    path.rename(tmp_path / "moved")

    remove_worktree(fixture.project, path)

    assert run_git(fixture.root, "worktree", "list").count("\n") == 1


def test_deep_folders_and_odd_files_go(fixture: Fixture) -> None:
    path = _make(fixture)
    os.mkfifo(path / "pipe")
    (path / os.fsdecode(b"not-\xff-text")).write_text("x")
    deepest = os.open(path, os.O_RDONLY)
    for _ in range(100):
        os.mkdir("d" * 200, dir_fd=deepest)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=deepest)
        os.close(deepest)
        deepest = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=deepest))
    os.close(deepest)

    remove_worktree(fixture.project, path)

    assert not path.exists()
    assert [entry.name for entry in fixture.project.worktrees_dir.iterdir()] == ["tickets"]


_AS_NOBODY = """
import os, random, sys, tempfile
from pathlib import Path
import pygit2
from scriptorium.code.repository import discover, signature, open_repository, branch_tip
from scriptorium.code.worktrees import prepare_worktree, remove_worktree
if os.getuid() == 0:
    # Only now: nobody may not be able to read the interpreter's own modules.
    os.setgid(65534); os.setuid(65534)
root = Path(sys.argv[1])
pygit2.init_repository(str(root), initial_head="main")
repo = pygit2.Repository(str(root))
repo.create_commit("refs/heads/main", signature(), signature(), "first", repo.TreeBuilder().write(), [])
project = discover(root)
base = branch_tip(repo, "main")
path = prepare_worktree(project, "0001", "fix-it", base, merge_base=True).path
for mode, name in ((0o555, "read-only"), (0o000, "closed")):
    (path / name / "below").mkdir(parents=True)
    (path / name / "below" / "file").write_text(name)
    (path / name / "below" / "file").chmod(0o400)
    (path / name / "below").chmod(mode)
    (path / name).chmod(mode)
path.chmod(0o555)
remove_worktree(project, path)
assert not path.exists()
pin = repo.references["refs/scriptorium/work/0001/1"].peel(pygit2.Commit)
print(repo[(pin.tree / "read-only" / "below" / "file").id].data.decode())
"""


@pytest.mark.slow
@pytest.mark.req("V1-19")
def test_folders_without_permissions_go_too() -> None:
    """In a process of its own, as a user whom permissions bind."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # where nobody can get to
        Path(folder).chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, f"{folder}/repository"],
            env={**os.environ, "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "read-only\n"), done.stderr


class Killed(BaseException):
    """Stands for a SIGKILL."""


@pytest.mark.req("V1-19")
@pytest.mark.parametrize("step", ["pin_work", "forget"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_in_the_middle_loses_nothing_and_is_made_good(
    fixture: Fixture, step: str, when: str, monkeypatch: pytest.MonkeyPatch, run_git: Git
) -> None:
    path = _make(fixture)
    (path / "new.txt").write_text("work\n")
    real: Callable[..., object] = getattr(places, step)

    def killed(*arguments: object) -> object:
        if when == "after":
            real(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(places, step, killed)
        with pytest.raises(Killed):
            remove_worktree(fixture.project, path)
    remove_worktree(fixture.project, path)

    assert [fixture.tree(pin)["new.txt"] for pin in _pins(fixture).values()] == [b"work\n"]
    assert not path.exists()
    assert run_git(fixture.root, "worktree", "list").count("\n") == 1
    assert [entry.name for entry in fixture.project.worktrees_dir.iterdir()] == ["tickets"]


def test_a_registration_that_is_half_removed_is_no_worktree_of_gits(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch, run_git: Git
) -> None:
    path = _make(fixture)

    def killed(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Trash, "__exit__", killed)
        with pytest.raises(Killed):
            forget(fixture.project.git_dir / "worktrees" / "scriptorium-0001")

    (left,) = (fixture.project.git_dir / "worktrees").iterdir()
    assert (left / "HEAD").exists()
    assert run_git(fixture.root, "worktree", "list").count("\n") == 1
    assert registrations(fixture.project) == ()
    assert _make(fixture) == path


@pytest.mark.parametrize("kind", ["a file", "a link", "no pointer", "a folder"])
def test_a_registration_goes_whatever_it_is(fixture: Fixture, tmp_path: Path, kind: str) -> None:
    _make(fixture)
    own_dir = fixture.project.git_dir / "worktrees" / "scriptorium-0001"
    (tmp_path / "gitdir").write_text("precious")
    (own_dir / "gitdir").unlink()
    if kind in {"a file", "a link"}:
        own_dir.rename(tmp_path / "was")
    if kind == "a file":
        own_dir.write_text("x")
    if kind == "a link":
        own_dir.symlink_to(tmp_path)
    if kind == "a folder":
        (own_dir / "gitdir" / "gitdir").mkdir(parents=True)
    forget(own_dir)
    assert list((fixture.project.git_dir / "worktrees").iterdir()) == []
    assert (tmp_path / "gitdir").read_text() == "precious"
