"""Files that nobody has changed since scriptorium made them are not read again, and all others are."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scriptorium.code import as_made, exact
from scriptorium.code.as_made import marks_of, note, note_from_now, shows_every_change
from scriptorium.code.exact import reset_to_commit
from scriptorium.code.matching import is_exactly
from scriptorium.code.trees import Leaf, read_tree
from scriptorium.code.worktrees import prepare_base_worktree, prepare_worktree, retire_worktree
from scriptorium.plan.ids import Oid, Slug, ticket_id

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

FILES: dict[str, str | bytes | tuple[str, str] | None] = {
    "a.txt": "one\n",
    "b.txt": "two\n",
    "here/same.txt": "111\n",
    "there/same.txt": "222\n",
    "go.sh": ("exec", "#!/bin/sh\n"),
    "link": ("link", "a.txt"),
}
SLUG = Slug("x")
LINKS = ["latest", "link"]
"""Those of the fixture too."""


@pytest.fixture
def shown(tmp_path: Path) -> None:
    """A file system that shows every change."""
    probe = tmp_path / "probe"
    probe.write_text("probe")
    if not shows_every_change(probe):
        pytest.skip("this file system does not show every change, so nothing is noted on it")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read to be compared; links are."""
    found: list[str] = []

    def read(path: bytes, want: Leaf, stat: os.stat_result, fresh_mode: int | None = None) -> bool:
        found.append(os.fsdecode(os.path.basename(path)))  # noqa: PTH119 - bytes
        return is_exactly(path, want, stat, fresh_mode)

    monkeypatch.setattr(exact, "is_exactly", read)
    return found


def made(fixture: Fixture, number: int = 1) -> tuple[Path, Oid]:
    """A worktree that scriptorium made, and its commit."""
    commit = fixture.commit(FILES)
    return prepare_worktree(fixture.project, ticket_id(number), SLUG, commit).path, commit


def write(worktree: Path) -> None:
    path = worktree / "a.txt"
    before = path.stat()
    path.write_text("ONE\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def write_in_memory(worktree: Path) -> None:
    with (worktree / "a.txt").open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:3] = b"ONE"


def swap_files(worktree: Path) -> None:
    (worktree / "a.txt").rename(worktree / "c.txt")
    (worktree / "b.txt").rename(worktree / "a.txt")
    (worktree / "c.txt").rename(worktree / "b.txt")


def swap_folders(worktree: Path) -> None:
    (worktree / "here").rename(worktree / "elsewhere")
    (worktree / "there").rename(worktree / "here")
    (worktree / "elsewhere").rename(worktree / "there")


def put_another(worktree: Path) -> None:
    new = worktree / "new"
    new.write_text("ONE\n")
    new.replace(worktree / "a.txt")


def name_twice(worktree: Path) -> None:
    os.link(worktree / "a.txt", worktree.parent / "mine.txt")


def make_executable(worktree: Path) -> None:
    (worktree / "a.txt").chmod(0o755)
    (worktree / "go.sh").chmod(0o644)


def link_away(worktree: Path) -> None:
    (worktree / "a.txt").rename(worktree.parent / "mine.txt")
    (worktree / "a.txt").symlink_to(worktree.parent / "mine.txt")


CHANGES = [
    write,
    write_in_memory,
    swap_files,
    swap_folders,
    put_another,
    name_twice,
    make_executable,
    link_away,
]


@pytest.mark.req("V1-24")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_of_what_was_made_is_seen(
    fixture: Fixture, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path, commit = made(fixture)
    change(path)
    reset_to_commit(fixture.project, path, commit)
    leaves, _ = read_tree(fixture.open(), commit)
    for name, leaf in leaves.items():
        where = os.fsencode(path / os.fsdecode(name))
        assert is_exactly(where, leaf, os.lstat(where)), name


@pytest.mark.req("V1-24")
@pytest.mark.usefixtures("shown")
def test_what_was_made_is_not_read_again(fixture: Fixture, reads: list[str]) -> None:
    path, commit = made(fixture)
    reset_to_commit(fixture.project, path, commit)
    assert sorted(reads) == LINKS
    (path / "a.txt").write_text("ONE\n")
    (path / "untracked").write_text("mine\n")
    for _ in range(2):  # what was there before may be written to through a mapping: it is read each time
        reads.clear()
        reset_to_commit(fixture.project, path, commit)
        assert sorted(reads) == ["a.txt", *LINKS]
        assert (path / "a.txt").read_text() == "one\n"


@pytest.mark.usefixtures("shown")
def test_another_commits_files_are_not_taken_for_those_that_were_made(
    fixture: Fixture, reads: list[str]
) -> None:
    path, commit = made(fixture)
    other = fixture.commit({"a.txt": "ONE\n", "go.sh": "#!/bin/sh\n", "new.txt": "new\n"})
    reset_to_commit(fixture.project, path, other)
    assert (path / "a.txt").read_text() == "ONE\n"
    assert not (path / "go.sh").stat().st_mode & 0o100
    assert not (path / "b.txt").exists()
    reset_to_commit(fixture.project, path, commit)
    assert (path / "a.txt").read_text() == "one\n"
    reads.clear()
    reset_to_commit(fixture.project, path, commit)
    assert sorted(reads) == ["a.txt", *LINKS]  # `go.sh` and `b.txt` were made anew


@pytest.mark.usefixtures("shown")
def test_a_folder_that_is_kept_for_the_next_ticket_keeps_what_is_noted(
    fixture: Fixture, reads: list[str]
) -> None:
    path, commit = made(fixture)
    retire_worktree(fixture.project, path, base=commit)
    path = prepare_worktree(fixture.project, ticket_id(2), SLUG, commit).path
    assert sorted(reads) == LINKS
    (path / "a.txt").write_text("ONE\n")
    reset_to_commit(fixture.project, path, commit)
    assert (path / "a.txt").read_text() == "one\n"


@pytest.mark.usefixtures("shown")
def test_the_worktree_of_the_base_is_read_once(fixture: Fixture, reads: list[str]) -> None:
    commit = fixture.commit(FILES)
    path = prepare_base_worktree(fixture.project, commit)
    reads.clear()
    prepare_base_worktree(fixture.project, commit)
    assert sorted(reads) == LINKS
    (path / "b.txt").write_text("TWO\n")
    prepare_base_worktree(fixture.project, commit)
    assert (path / "b.txt").read_text() == "two\n"


@pytest.mark.usefixtures("shown")
def test_files_that_are_written_otherwise_than_they_are_stored_are_not_noted(fixture: Fixture) -> None:
    commit = fixture.commit({".gitattributes": "*.txt text eol=crlf\n", "a.txt": "1\n"})
    path = prepare_worktree(fixture.project, ticket_id(1), SLUG, commit).path
    assert not marks_of(os.fsencode(path))
    reset_to_commit(fixture.project, path, commit)
    assert (path / "a.txt").read_bytes() == b"1\r\n"


@pytest.mark.usefixtures("shown")
def test_what_others_were_at_before_it_was_noted_is_not(fixture: Fixture) -> None:
    path, commit = made(fixture)
    root = os.fsencode(path)
    leaves, _ = read_tree(fixture.open(), commit)
    (path / "a.txt").write_text("ONE\n")
    (path / "b.txt").chmod(0o755)
    note(root, leaves, leaves)
    found = {name: os.lstat(path / os.fsdecode(name)) for name in leaves}
    told = {name for name in leaves if as_made.is_as_made(marks_of(root), name, leaves[name], found[name])}
    assert told == {name for name, leaf in leaves.items() if leaf.is_file} - {b"a.txt", b"b.txt"}


@pytest.mark.usefixtures("shown")
def test_no_more_is_noted_than_there_is_room_for(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    leaves, _ = read_tree(fixture.open(), fixture.commit(FILES))
    files = sum(leaf.is_file for leaf in leaves.values())
    monkeypatch.setattr(as_made, "MOST_FILES", 2 * files + 1)
    paths = [os.fsencode(made(fixture, number)[0]) for number in range(1, 4)]
    assert [len(marks_of(path)) for path in paths] == [0, files, files]
    monkeypatch.setattr(as_made, "MOST_FILES", len(leaves) - 1)
    assert not marks_of(os.fsencode(made(fixture, 4)[0]))


@pytest.mark.usefixtures("shown")
def test_no_more_folders_are_remembered_than_there_is_room_for(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_made, "MOST_FOLDERS", 2)
    paths = [os.fsencode(made(fixture, number)[0]) for number in range(1, 4)]
    assert [bool(marks_of(path)) for path in paths] == [False, True, True]


@pytest.mark.parametrize("kind", ["ticks", "settable", "not through a mapping"])
def test_where_a_change_may_not_show_nothing_is_noted(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Times that pass in ticks, times that can be set, and tmpfs."""
    real = os.utime
    times = iter(range(1_700_000_000_000_000_000, 1_800_000_000_000_000_000))
    now = [next(times)]

    class Found:
        st_ctime_ns = property(lambda _self: now[0])

    def utime(file: int, *, ns: tuple[int, int]) -> None:
        real(file, ns=ns)
        now[0] = {"ticks": now[0], "settable": ns[1]}.get(kind, next(times))

    monkeypatch.setattr("scriptorium.code.as_made.os.utime", utime)
    monkeypatch.setattr("scriptorium.code.as_made.os.lstat", lambda _path: Found())
    probe = fixture.root / "probe"
    probe.write_text("probe")
    assert not shows_every_change(probe)
    assert probe.read_text() == "probe"


def test_nothing_is_noted_of_a_folder_that_was_not_asked_for(fixture: Fixture, tmp_path: Path) -> None:
    commit = fixture.commit({"a.txt": "one\n"})
    leaves, _ = read_tree(fixture.open(), commit)
    (tmp_path / "a.txt").write_text("one\n")
    root = os.fsencode(tmp_path)
    note(root, {b"a.txt": leaves[b"a.txt"]}, [b"a.txt"])
    assert not marks_of(root)
    note_from_now(root, tmp_path / "missing")
    note(root, {b"a.txt": leaves[b"a.txt"]}, [b"a.txt"])
    assert not marks_of(root)
    assert not marks_of(root + b"/missing")
