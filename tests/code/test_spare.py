"""A worktree that goes leaves its folder to the next one, and nothing else."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import ObjectType

from scriptorium.code import exact, spare
from scriptorium.code.pins import ref_names
from scriptorium.code.registration import Registration
from scriptorium.code.removal import TRASH_PREFIX
from scriptorium.code.spare import SPARES, discard_spares, retire_worktree
from scriptorium.code.work import snapshot_work
from scriptorium.code.worktrees import (
    Prepared,
    list_worktrees,
    prepare_worktree,
    remove_worktree,
    ticket_worktree,
)
from scriptorium.plan.ids import Oid, Slug, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

Git = Callable[..., str]


def _make(fixture: Fixture, number: int = 1, base: Oid | None = None) -> Prepared:
    return prepare_worktree(
        fixture.project, TicketId(f"{number:04d}"), "fix-it", base or fixture.tip(), merge_base=True
    )


def _retire(fixture: Fixture, *numbers: int) -> None:
    for number in numbers:
        retire_worktree(fixture.project, _place(fixture, number), base=fixture.tip())


def _place(fixture: Fixture, number: int = 1) -> Path:
    return ticket_worktree(fixture.project, TicketId(f"{number:04d}"), Slug("fix-it"))


def _spare(fixture: Fixture) -> Path:
    """The one spare of a fixture in which the worktree of ticket 1 was just made and retired."""
    _make(fixture)
    _retire(fixture, 1)
    (found,) = _spares(fixture)
    return found


def _spares(fixture: Fixture) -> list[Path]:
    return sorted(path for path in fixture.project.worktrees_dir.glob("*") if path.name != "tickets")


def _pins(fixture: Fixture) -> tuple[str, ...]:
    return ref_names(fixture.open(), "refs/scriptorium/work/")


def picture(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Path -> (kind and permissions, owner, names of a file, content) of all that is in a folder."""
    found: dict[str, tuple[int, int, int, bytes]] = {}
    for path in (folder, *folder.rglob("*")):
        at = path.lstat()
        if path == folder / ".git":
            content = b""
        elif stat.S_ISLNK(at.st_mode):
            content = os.fsencode(path.readlink())
        else:
            content = path.read_bytes() if stat.S_ISREG(at.st_mode) else b""
        names = 1 if stat.S_ISDIR(at.st_mode) else at.st_nlink
        found[str(path.relative_to(folder))] = (at.st_mode, at.st_uid, names, content)
    return found


def _fresh_picture(fixture: Fixture, commit: Oid | None = None) -> dict[str, tuple[int, int, int, bytes]]:
    """What a checkout from nothing looks like: there is no spare while it is made."""
    assert _spares(fixture) == []
    path = _make(fixture, 9000, commit).path
    seen = picture(path)
    remove_worktree(fixture.project, path)
    fixture.open().references.delete("refs/heads/scriptorium/ticket-9000")
    return seen


# ---- keeping one


@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_the_folder_is_kept_and_git_knows_nothing_of_it(
    request: pytest.FixtureRequest, kind: str, run_git: Git
) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    path = _make(fixture).path
    folder = path.stat().st_ino

    _retire(fixture, 1)

    (kept,) = _spares(fixture)
    assert kept.stat().st_ino == folder
    assert not path.exists()
    assert run_git(fixture.root, "worktree", "list").count("\n") == 1
    assert list((fixture.project.git_dir / "worktrees").iterdir()) == []
    assert list_worktrees(fixture.project) == ()


@pytest.mark.req("V1-19")
def test_work_is_pinned_first(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture).path
    (path / "new.txt").write_text("work\n")

    _retire(fixture, 1)

    (pin,) = _pins(fixture)
    assert fixture.tree(run_git(fixture.root, "rev-parse", pin).strip())["new.txt"] == b"work\n"


def test_what_was_built_there_does_not_lie_about(fixture: Fixture, run_git: Git) -> None:
    path = _make(fixture).path
    for name in ("build/out", "src/x.log", "src/lib/new/deep", "README.md/inside"):
        if name.startswith("README.md"):
            (path / "README.md").unlink()
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("large\n")
    run_git(path, "init", "-q", "src/lib/nested")

    _retire(fixture, 1)

    (kept,) = _spares(fixture)
    left = {str(found.relative_to(kept)) for found in kept.rglob("*") if not found.is_dir()}
    assert left == fixture.tree(fixture.tip()).keys() - {"README.md"}
    assert not (kept / "README.md").exists()


def test_so_many_are_kept_and_no_more(fixture: Fixture) -> None:
    numbers = range(1, SPARES + 3)
    for number in numbers:
        _make(fixture, number)

    _retire(fixture, *numbers)

    assert len(_spares(fixture)) == SPARES
    assert not any(_place(fixture, number).exists() for number in numbers)


def test_the_end_of_the_service_deletes_them(fixture: Fixture) -> None:
    discard_spares(fixture.project)
    for number in (1, 2):
        _make(fixture, number)
    _retire(fixture, 1, 2)

    discard_spares(fixture.project)
    discard_spares(fixture.project)

    assert _spares(fixture) == []


def test_only_places_of_scriptorium_are_retired(fixture: Fixture, tmp_path: Path) -> None:
    for path in (tmp_path, fixture.root, fixture.project.worktrees_dir):
        with pytest.raises(ValueError, match="not one of scriptorium's"):
            retire_worktree(fixture.project, path, base=fixture.tip())
    (fixture.project.worktrees_dir / "tickets").mkdir(parents=True)
    link = _place(fixture)
    (tmp_path / "precious").mkdir()
    link.symlink_to(tmp_path / "precious")

    _retire(fixture, 1)

    assert _spares(fixture) == []
    assert (tmp_path / "precious").is_dir()
    assert not link.is_symlink()


@pytest.mark.parametrize("error", [errno.EXDEV, errno.ENOSPC])
@pytest.mark.parametrize("step", [1, 2])
def test_a_folder_that_cannot_be_moved_is_deleted(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch, error: int, step: int
) -> None:
    path = _make(fixture).path
    real, count = os.rename, 0

    def rename(source: str, target: str) -> None:
        nonlocal count
        count += 1
        if count == step:
            raise OSError(error, os.strerror(error))
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        _retire(fixture, 1)

    assert not path.exists()
    assert _spares(fixture) == []
    assert list_worktrees(fixture.project) == ()


def test_a_base_that_cannot_be_read_keeps_nothing(fixture: Fixture) -> None:
    path = _make(fixture).path
    retire_worktree(fixture.project, path, base=Oid("1" * 40))
    assert not path.exists()
    assert _spares(fixture) == []


# ---- taking one


@pytest.mark.req("V1-18")
@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_the_next_worktree_is_made_of_it(request: pytest.FixtureRequest, kind: str, run_git: Git) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    folder = _spare(fixture)
    same = {name: (folder / name).lstat() for name in ("src/lib/words.txt", "tools/run.sh", "latest")}
    tip = fixture.land({"later.txt": "later\n", "README.md": None, "src/app.py": ("exec", "changed\n")})

    prepared = _make(fixture, 2)

    path = prepared.path
    assert _spares(fixture) == []
    assert all((path / name).lstat().st_ctime_ns == at.st_ctime_ns for name, at in same.items())
    assert prepared.head == tip
    assert run_git(path, "symbolic-ref", "HEAD").strip() == "refs/heads/scriptorium/ticket-0002"
    assert run_git(path, "status", "--porcelain", "--ignored") == ""
    assert run_git(fixture.root, "worktree", "list").count("\n") == 2
    assert [row.problem for row in list_worktrees(fixture.project)] == [None]
    assert picture(path) == _fresh_picture(fixture)
    assert run_git(fixture.root, "fsck", "--strict") == ""


def test_a_merge_is_left_open_in_it_as_in_any_other(fixture: Fixture, run_git: Git) -> None:
    branch = "scriptorium/ticket-0002"
    fixture.commit({"README.md": "# Ours\n"}, parents=[fixture.tip()], branch=branch)
    _spare(fixture)
    base = fixture.land({"README.md": "# Theirs\n", "later.txt": "later\n"})

    prepared = _make(fixture, 2)

    assert _spares(fixture) == []
    assert prepared.conflicts == ("README.md",)
    assert run_git(prepared.path, "status", "--porcelain") == "UU README.md\nA  later.txt\n"
    assert run_git(prepared.path, "rev-parse", "MERGE_HEAD").strip() == base


def _leave_files(folder: Path, outside: Path) -> None:
    for name in ("stray", "src/stray.log", "build/out", "empty/folder/.keep", ".scriptorium-trash-0/1/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("of another ticket\n")
    (folder / "src/app.py").write_text("of another ticket\n")
    (folder / "none").mkdir()
    os.mkfifo(folder / "pipe")


def _leave_rules(folder: Path, outside: Path) -> None:
    (folder / ".gitignore").write_text("*\n")
    (folder / ".gitattributes").write_text("* text eol=crlf\n")
    (folder / "src" / ".gitattributes").write_text("* ident\n")
    (folder / "src" / "stray").write_text("of another ticket\n")


def _leave_links(folder: Path, outside: Path) -> None:
    (folder / "src/app.py").unlink()
    (folder / "src/app.py").symlink_to(outside / "precious")
    (folder / "src/lib/words.txt").unlink()
    (folder / "src/lib").rmdir()
    (folder / "src/lib").symlink_to(outside)
    (folder / "latest").unlink()
    (folder / "latest").symlink_to(outside)
    (folder / "link").symlink_to(outside)


def _leave_hard_links(folder: Path, outside: Path) -> None:
    (outside / "same").write_text("# Project\n")
    for name, other in (("README.md", "same"), ("src/app.py", "precious")):
        (folder / name).unlink()
        (folder / name).hardlink_to(outside / other)


def _leave_modes(folder: Path, outside: Path) -> None:
    for name, mode in {
        "src/lib": 0o000,
        "tools": 0o1777,
        "README.md": 0o666,
        "tools/run.sh": 0o777,
        ".gitignore": 0o600,
        "src/app.py": 0o4644,
        "src": 0o2775,
        ".": 0o3777,
    }.items():
        (folder / name).chmod(mode)


def _leave_repositories(folder: Path, outside: Path) -> None:
    for place in (".", "src", "nested"):
        pygit2.init_repository(str(folder / place))
        (folder / place / ".git" / "config").write_text("[core]\n\tworktree = /\n")


def _leave_git_link(folder: Path, outside: Path) -> None:
    (folder / ".git").symlink_to(outside / "precious")
    (folder / "src" / ".git").write_text(f"gitdir: {outside}\n")


def _leave_git_pipe(folder: Path, outside: Path) -> None:
    os.mkfifo(folder / ".git")


def _leave_nothing(folder: Path, outside: Path) -> None:
    for found in sorted(folder.rglob("*"), reverse=True):
        found.rmdir() if found.is_dir() and not found.is_symlink() else found.unlink()


@pytest.mark.parametrize(
    "leave",
    [
        _leave_files,
        _leave_rules,
        _leave_links,
        _leave_hard_links,
        _leave_modes,
        _leave_repositories,
        _leave_git_link,
        _leave_git_pipe,
        _leave_nothing,
    ],
)
@pytest.mark.parametrize("when", ["in the worktree", "in the spare"])
def test_nothing_of_the_last_ticket_is_in_it(
    fixture: Fixture,
    leave: Callable[[Path, Path], None],
    when: str,
    tmp_path: Path,
    run_git: Git,
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine\n")
    fresh = _fresh_picture(fixture)
    if when == "in the worktree":
        path = _make(fixture).path
        (path / ".git").unlink()
        leave(path, outside)
        _retire(fixture, 1)
    else:
        leave(_spare(fixture), outside)
    assert len(_spares(fixture)) == 1
    before = _pins(fixture)

    path = _make(fixture, 2).path

    assert _spares(fixture) == []
    assert picture(path) == fresh
    assert run_git(path, "status", "--porcelain", "--ignored") == ""
    assert (outside / "precious").read_text() == "mine\n"
    assert {found.name for found in outside.iterdir()} <= {"precious", "same"}
    assert _pins(fixture) == before


@pytest.mark.parametrize("umask", [0o077, 0o002])
def test_permissions_are_those_that_are_asked_for_now(fixture: Fixture, umask: int) -> None:
    _spare(fixture)
    before = os.umask(umask)
    try:
        path = _make(fixture, 2).path
        fresh = _fresh_picture(fixture)
    finally:
        os.umask(before)
    # libgit2 lets no group write in the folders that it makes; the worktree's own it does not make.
    assert picture(path).pop(".")[0] == fresh["."][0] & ~0o022
    assert picture(path) == {**fresh, ".": picture(path)["."]}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [".", "src", "README.md", "latest"])
def test_files_of_another_user_are_not_used(fixture: Fixture, name: str) -> None:
    fresh = _fresh_picture(fixture)
    os.chown(_spare(fixture) / name, 65534, 65534, follow_symlinks=False)
    assert picture(_make(fixture, 2).path) == fresh


@pytest.mark.parametrize("planted", ["link", "file", "dangling"])
def test_what_somebody_put_in_its_place_is_not_followed(
    fixture: Fixture, tmp_path: Path, planted: str
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine\n")
    _make(fixture)
    for number in range(SPARES):
        place = fixture.project.worktrees_dir / f".scriptorium-spare-{number}"
        if planted == "file":
            place.write_text("in the way\n")
        else:
            place.symlink_to(precious if planted == "link" else tmp_path / "nowhere")

    _retire(fixture, 1)
    path = _make(fixture, 2).path
    discard_spares(fixture.project)

    assert not path.is_symlink()
    assert (path / "README.md").exists()
    assert (precious / "file").read_text() == "mine\n"
    assert list(precious.iterdir()) == [precious / "file"]
    assert not (tmp_path / "nowhere").exists()
    assert _spares(fixture) == []


# ---- when it cannot be used


def _then(error: Exception) -> Callable[[pygit2.Repository, Registration, Oid], None]:
    """A `refill` that does its work and fails."""

    def refill(repo: pygit2.Repository, registration: Registration, commit: Oid) -> None:
        exact.refill(repo, registration, commit)
        raise error

    return refill


def test_settings_that_keep_a_checkout_from_being_exact_cost_the_spare_only(
    fixture: Fixture, run_git: Git
) -> None:
    run_git(fixture.root, "config", "core.symlinks", "false")
    fresh = _fresh_picture(fixture)
    _spare(fixture)

    path = _make(fixture, 2).path

    assert picture(path) == fresh
    assert not (path / "latest").is_symlink()
    assert _spares(fixture) == []
    assert run_git(path, "symbolic-ref", "HEAD").strip() == "refs/heads/scriptorium/ticket-0002"
    assert run_git(path, "status", "--porcelain", "--ignored") == ""


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), pygit2.GitError("full"), KeyError("lost")])
def test_a_fault_on_the_way_costs_the_spare_only(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch, error: Exception, run_git: Git
) -> None:
    (_spare(fixture) / "stray").write_text("of another ticket\n")
    monkeypatch.setattr(spare, "refill", _then(error))
    path = _make(fixture, 2).path

    assert run_git(path, "status", "--porcelain", "--ignored") == ""
    assert _spares(fixture) == []


def test_a_tree_that_no_checkout_may_have_is_the_error_that_it_is_without_a_spare(fixture: Fixture) -> None:
    repo = fixture.open()
    inner = repo.write(ObjectType.TREE, b"100644 config\0" + repo.create_blob(b"evil").raw)
    tree = repo.write(ObjectType.TREE, b"40000 .git\0" + inner.raw)
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    commit = Oid(str(repo.create_commit(None, who, who, "m", tree, [])))
    with pytest.raises(pygit2.GitError) as without:
        _make(fixture, 2, commit)
    assert not (_place(fixture, 2) / ".git" / "config").exists()
    remove_worktree(fixture.project, _place(fixture, 2))
    _spare(fixture)

    with pytest.raises(pygit2.GitError) as with_spare:
        _make(fixture, 2, commit)

    assert str(with_spare.value) == str(without.value)


# ---- crashes


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the code's own clean-up may run on the way out."""


_CHANGES = (
    (os, "rename"),
    (os, "replace"),
    (os, "unlink"),
    (os, "rmdir"),
    (os, "mkdir"),
    (os, "chmod"),
    (io, "open"),
    (pygit2.Repository, "checkout_tree"),
    (pygit2.Index, "write"),
)
"""All by which the code here changes the disk."""


@contextmanager
def _killed_before(change: int) -> Iterator[list[int]]:
    """From the given change on, counted from 1, none is made; the list holds how many were asked for."""
    count = [0]

    def wrap(real: Callable[..., object]) -> Callable[..., object]:
        def wrapped(*arguments: object, **named: object) -> object:
            count[0] += 1
            if count[0] >= change:
                raise Killed
            return real(*arguments, **named)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for where, name in _CHANGES:
            patch.setattr(where, name, wrap(getattr(where, name)))
        yield count


def _each_crash(act: Callable[[], object], begin: Callable[[], None], check: Callable[[], None]) -> None:
    """`begin`, `act` killed before its first change, `check`; then before its second, and so to its end."""
    change = 0
    while True:
        change += 1
        begin()
        try:
            with _killed_before(change):
                act()
        except Killed:
            check()
            continue
        break
    assert change > 10


@pytest.mark.slow
@pytest.mark.req("V1-18")
@pytest.mark.parametrize("usable", [True, False])
def test_a_crash_at_any_change_while_it_is_filled_is_nobodys_work(
    fixture: Fixture, run_git: Git, usable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not usable:
        monkeypatch.setattr(spare, "refill", _then(OSError(errno.ENOSPC, "full")))
    two = TicketId("0002")
    fixture.commit({"mine.txt": "of ticket two\n"}, parents=[fixture.tip()], branch="scriptorium/ticket-0002")
    fresh = _fresh_picture(fixture, fixture.tip("scriptorium/ticket-0002"))

    def begin() -> None:
        remove_worktree(fixture.project, _place(fixture, 2))
        discard_spares(fixture.project)
        kept = _spare(fixture)
        (kept / "README.md").write_text("of another ticket\n")
        (kept / "new.txt").write_text("of another ticket\n")
        (kept / "src" / "lib" / "words.txt").unlink()

    def check() -> None:
        assert snapshot_work(fixture.project, _place(fixture, 2), two) is None
        path = _make(fixture, 2).path
        assert picture(path) == fresh
        assert run_git(path, "status", "--porcelain", "--ignored") == ""
        assert run_git(fixture.root, "worktree", "list").count("\n") == 2
        assert [row.problem for row in list_worktrees(fixture.project)] == [None]
        assert _pins(fixture) == ()
        assert not [kept for kept in _spares(fixture) if kept.name.startswith(os.fsdecode(TRASH_PREFIX))]

    _each_crash(lambda: _make(fixture, 2), begin, check)
    assert picture(_place(fixture, 2)) == fresh


@pytest.mark.slow
@pytest.mark.req("V1-19")
def test_a_crash_at_any_change_while_it_is_put_away_loses_nothing(fixture: Fixture, run_git: Git) -> None:
    def begin() -> None:
        discard_spares(fixture.project)
        path = _make(fixture).path
        (path / "new.txt").write_text("work\n")
        (path / "build").mkdir()
        (path / "build" / "out").write_text("large\n")

    def check() -> None:
        _retire(fixture, 1)
        assert not _place(fixture).exists()
        assert run_git(fixture.root, "worktree", "list").count("\n") == 1
        pins = _pins(fixture)
        assert pins
        for pin in pins:
            assert fixture.tree(run_git(fixture.root, "rev-parse", pin).strip())["new.txt"] == b"work\n"
        assert {kept.name for kept in _spares(fixture)} <= {".scriptorium-spare-0", ".scriptorium-spare-1"}
        assert not any((kept / name).exists() for kept in _spares(fixture) for name in ("build", "new.txt"))

    _each_crash(lambda: _retire(fixture, 1), begin, check)


# ---- several at once


def test_two_that_are_made_at_once_never_share_one(fixture: Fixture, run_git: Git) -> None:
    for number in range(10, 26, 4):
        _make(fixture, number)
        _retire(fixture, number)
        begin = threading.Barrier(3)
        made: list[Prepared] = []

        def make(ticket: int, begin: threading.Barrier = begin, made: list[Prepared] = made) -> None:
            begin.wait()
            made.append(_make(fixture, ticket))

        threads = [threading.Thread(target=make, args=(number + one,)) for one in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len({prepared.path.stat().st_ino for prepared in made}) == 3
        for prepared in made:
            assert run_git(prepared.path, "status", "--porcelain", "--ignored") == ""
            assert run_git(prepared.path, "symbolic-ref", "HEAD").strip() == f"refs/heads/{prepared.branch}"
        discard_spares(fixture.project)


def test_one_that_another_thread_took_leaves_the_next_or_none(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        _make(fixture, number)
    _retire(fixture, 1, 2)
    first, second = _spares(fixture)
    real, taken = os.rename, [first]

    def rename(source: Path, target: Path) -> None:
        if source in taken:
            real(source, fixture.root / "taken")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        folder = second.stat().st_ino
        assert _make(fixture, 3).path.stat().st_ino == folder
    assert (_make(fixture, 4).path / "README.md").exists()
