"""Which commits of the base branch's first-parent line brought the lines of a file: each is a landing, or
what somebody did by hand. Read from the branch's tip; no checkout is looked at.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final, cast

import pygit2
from attrs import field, frozen
from pygit2.enums import BlameFlag

from scriptorium.plan.ids import Oid

MAX_FILE_BYTES: Final = 2 * 1024 * 1024
"""Of a larger file the lines are not looked into: each commit that changed it costs a comparison of all."""
MAX_COMMITS: Final = 100_000
"""How far back the first-parent line is followed: a second or two. What is older goes to the oldest seen."""
BINARY_IN_BYTES: Final = 8000
"""A zero byte in the first so many makes a file binary, as git has it."""
SHOWN_BYTES: Final = 400
"""Of a line that is shown: a minified file is one of a megabyte."""


class NoSuchLine(Exception):
    """There is no such file or line on the base branch, or none that can be looked into. Says why."""


@frozen
class BaseFile:
    """A file as the base branch's tip, `tip`, has it. `path` is relative to the top, with slashes.

    `lines` is how many it has; None for one without lines. `data` is None for one that is too large.
    """

    tip: Oid
    path: str
    data: bytes | None = field(repr=False)
    lines: int | None

    def line(self, number: int) -> str:
        """The text of a line, from 1; long ones are cut."""
        lines = (self.data or b"").split(b"\n")
        return lines[number - 1][:SHOWN_BYTES].decode("utf-8", "replace").rstrip("\r")


@frozen
class Share:
    """A commit of the first-parent line and how many lines it brought."""

    commit: Oid
    lines: int


def find_file(repo: pygit2.Repository, tip: Oid, path: str) -> BaseFile:
    """The file at `path` in the commit `tip`; raises `NoSuchLine` when it is none."""
    found = _at(repo[tip].peel(pygit2.Tree), path)
    if found is None and path != ".":
        raise NoSuchLine("there is no such file")
    if isinstance(found, pygit2.Tree) or path == ".":
        raise NoSuchLine("it is a folder; name a file in it")
    if not isinstance(found, pygit2.Blob):
        raise NoSuchLine("it is a submodule, whose lines are in a repository of their own")
    if found.size > MAX_FILE_BYTES:
        return BaseFile(tip, path, None, None)
    data = found.data
    count = data.count(b"\n") + (data[-1:] not in {b"", b"\n"})
    return BaseFile(tip, path, data, None if b"\0" in data[:BINARY_IN_BYTES] else count)


def line_origin(repo: pygit2.Repository, file: BaseFile, line: int) -> Oid:
    """The commit that brought this line (from 1); raises `NoSuchLine`."""
    if file.lines is None:
        what = f"larger than {MAX_FILE_BYTES} bytes" if file.data is None else "binary"
        raise NoSuchLine(f"it is {what}, so it has no lines to look into; ask for the file, without :{line}")
    if not 1 <= line <= file.lines:
        raise NoSuchLine(f"there is no line {line}; its lines are {_numbers(file.lines)}")
    return next(Oid(str(hunk.final_commit_id)) for hunk in _blame(repo, file, line))


def shares(repo: pygit2.Repository, file: BaseFile) -> tuple[Share, ...]:
    """The commits that brought its lines, newest first; none for a file without lines."""
    counts: Counter[Oid] = Counter()
    for hunk in _blame(repo, file, None) if file.lines else ():
        counts[Oid(str(hunk.final_commit_id))] += hunk.lines_in_hunk
    missing = len(counts)
    found: list[Share] = []
    for commit in _line(repo, file.tip):
        if not missing:
            break
        if lines := counts.get(Oid(str(commit.id))):
            found.append(Share(Oid(str(commit.id)), lines))
            missing -= 1
    return tuple(found)


def last_change(repo: pygit2.Repository, file: BaseFile) -> Oid:
    """The newest commit of the first-parent line in which the file is other than in the one before."""
    line = _line(repo, file.tip)
    newest = next(line)
    content = _content(newest, file.path)
    for commit in line:
        if _content(commit, file.path) != content:
            break
        newest = commit
    return Oid(str(newest.id))


def _content(commit: pygit2.Commit, path: str) -> object:
    found = _at(commit.tree, path)
    return None if found is None else (found.id, found.filemode)


def _numbers(lines: int) -> str:
    return {0: "none: it is empty", 1: "1 only"}.get(lines, f"1 to {lines}")


def _at(tree: pygit2.Tree, path: str) -> pygit2.Object | None:
    try:
        return tree[path]
    except (KeyError, ValueError):  # not there, or the name of nothing that git can have
        return None


def _line(repo: pygit2.Repository, tip: Oid) -> Iterator[pygit2.Commit]:
    """The first-parent line, newest first, as far back as is looked."""
    return islice(_parents(repo, tip), MAX_COMMITS)


def _parents(repo: pygit2.Repository, tip: Oid) -> Iterator[pygit2.Commit]:
    here = repo[tip].peel(pygit2.Commit)
    while True:
        yield here
        parents = here.parent_ids
        if not parents:
            return
        here = repo[parents[0]].peel(pygit2.Commit)


def _blame(repo: pygit2.Repository, file: BaseFile, line: int | None) -> pygit2.Blame:
    oldest = next(islice(_parents(repo, file.tip), MAX_COMMITS - 1, None), None)
    return repo.blame(
        cast("str", os.fsencode(file.path)),  # which it takes too: a name need not be UTF-8
        flags=BlameFlag.FIRST_PARENT,
        newest_commit=file.tip,
        oldest_commit=None if oldest is None else oldest.id,
        min_line=line,
        max_line=line,
    )
