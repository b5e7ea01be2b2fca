"""What a worktree holds, compared with a commit: names, kinds, contents. Nothing is written.

The agent that owns the worktree may be alive and hostile. Its index is read for one thing only, which ignored
files are tracked; a lock beside it does not matter, and one that cannot be read is left out.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import pygit2
from attrs import define, field, frozen
from pygit2.enums import FileMode
from pygit2.ffi import ffi

from scriptorium.code.ignore import FILE_LIMIT_BYTES, IgnoreRules
from scriptorium.code.nofollow import (
    PIECE_BYTES,
    open_below,
    open_file,
    open_folder,
    read_bounded,
    read_small,
)

INDEX_LIMIT_BYTES = 256 * 1024 * 1024
"""An index larger than this (some two million files) is not read."""
ENTRY_LIMIT = 2_000_000
"""Directory entries looked at in one worktree, so that a runaway process fills a disk and not the memory."""
RULES_LIMIT_BYTES = 32 * 1024 * 1024
"""All `.gitignore` and `.gitattributes` files of one worktree together."""
PATH_LIMIT_BYTES = 3_500
"""A longer path could not be checked out: the system takes 4,096 bytes with the worktree's own in front."""


@frozen
class Entry:
    """A file of a tree: its mode and the id of its content."""

    mode: FileMode
    oid: str


Entries = Mapping[bytes, Entry]
"""Path -> entry."""


@define
class Scan:
    """How a worktree differs from a commit's tree.

    `candidates` are the files that may differ, with their mode; `removed` what the commit has and the
    worktree does not; `submodules` other commits recorded for submodules; `nested` folders with a `.git` of
    their own; `unreadable` what could not be looked into, and why; `attributes` the `.gitattributes` files.
    """

    candidates: dict[bytes, FileMode] = field(factory=dict)
    removed: list[bytes] = field(factory=list)
    submodules: dict[bytes, str] = field(factory=dict)
    nested: list[bytes] = field(factory=list)
    unreadable: dict[bytes, str] = field(factory=dict)
    attributes: dict[bytes, bytes] = field(factory=dict)


def entries_of(index: Iterable[pygit2.index.IndexEntry]) -> dict[bytes, Entry]:
    """The entries of an index, by path."""
    return {os.fsencode(entry.path): Entry(FileMode(int(entry.mode)), str(entry.id)) for entry in index}


def tree_entries(tree: pygit2.Tree) -> dict[bytes, Entry]:
    """Every file of a tree, by path."""
    index = pygit2.Index()
    index.read_tree(tree)
    return entries_of(index)


class _IndexFile(pygit2.Index):
    """pygit2 frees what it never got when it cannot open an index, and complains of that while collecting."""

    _index = ffi.NULL


def readable_index(own_dir: Path) -> pygit2.Index | None:
    """The index of a worktree; None when it is missing, no file, huge or corrupt."""
    path = own_dir / "index"
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > INDEX_LIMIT_BYTES:
        return None
    try:
        index = _IndexFile(path)
        index.read()
    except (pygit2.GitError, OSError):
        return None
    return index


def indexed_entries(own_dir: Path) -> dict[bytes, Entry] | None:
    """What the index of a worktree names; None when it cannot be read."""
    index = readable_index(own_dir)
    return entries_of(index) if index is not None else None


def outer_rules(repo: pygit2.Repository, git_dir: Path) -> IgnoreRules:
    """The ignore rules that are in no commit: `core.excludesFile`, then, stronger, `info/exclude`."""
    rules = IgnoreRules()
    for path in (_excludes_file(repo), git_dir / "info" / "exclude"):
        text = read_small(path, FILE_LIMIT_BYTES)
        if text is not None:
            rules = rules.with_file(text)
    return rules


def _excludes_file(repo: pygit2.Repository) -> Path:
    if "core.excludesfile" in repo.config:
        return Path(os.path.expanduser(repo.config["core.excludesfile"] or ""))  # noqa: PTH111 - ~ may be unknown
    settings = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111
    return Path(settings, "git", "ignore")


def scan(
    worktree: Path, head: Entries, tracked: Entries, rules: IgnoreRules, *, trust_modes: bool = True
) -> Scan:
    """Compare what is in `worktree`, below `rules`, with the tree `head`.

    `tracked` names the files that are looked at even if they are ignored. `trust_modes` is git's
    `core.fileMode`. What appears or vanishes meanwhile may or may not be in the result.

    Past a limit the walk ends; `unreadable` then says so for the root, and nothing is taken to be removed.

    Raises:
        OSError: the worktree itself cannot be opened.
    """
    walk = _Walk(head, tracked, rules, trust_modes)
    with open_folder(worktree) as root:
        walk.run(root)
    return walk.finish()


@define
class _Walk:
    """One pass over a worktree; `_pending` are folders still to be read, with the rules that hold there."""

    _head: Entries
    _tracked: Entries
    _rules: IgnoreRules
    _trust_modes: bool
    _result: Scan = field(factory=Scan)
    _seen: set[bytes] = field(factory=set)
    _count: int = 0
    _rule_bytes: int = 0
    _tracked_folders: set[bytes] = field(init=False)
    _pending: list[tuple[bytes, IgnoreRules, bool]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tracked_folders = folders_of(self._tracked)
        self._pending = [(b"", self._rules, False)]

    def run(self, root: int) -> None:
        while self._pending:
            folder, rules, ignored = self._pending.pop()
            try:
                with open_below(root, folder) as opened:
                    self._folder(opened, folder, rules, ignored)
            except PermissionError as error:
                self._cannot_read(folder, error)
            except OSError:
                continue  # removed, or replaced, since it was listed

    def _folder(self, opened: int, folder: bytes, rules: IgnoreRules, ignored: bool) -> None:
        with os.scandir(opened) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        self._count += len(entries)
        if self._count > ENTRY_LIMIT:
            self._end(f"more than {ENTRY_LIMIT:,} files: remove what is not work or name it in .gitignore")
            return
        names = {entry.name for entry in entries}
        if ".gitignore" in names and not ignored:
            text = self._rule_file(opened, folder, ".gitignore")
            rules = rules.with_file(text, folder) if text else rules
        if ".gitattributes" in names and not ignored:
            text = self._rule_file(opened, folder, ".gitattributes")
            self._result.attributes[_join(folder, b".gitattributes")] = text or b""
        if ".git" in names and folder:
            self._result.nested.append(folder)
        for entry in entries:
            if entry.name != ".git":
                self._entry(opened, entry, _join(folder, os.fsencode(entry.name)), rules, ignored)

    def _rule_file(self, opened: int, folder: bytes, name: str) -> bytes | None:
        """None, and noted when there is a reason to: as git, rules are not read through a link."""
        try:
            with open_file(name, opened) as descriptor:
                text = read_bounded(descriptor, FILE_LIMIT_BYTES)
        except OSError:
            return None
        if text is None:
            self._result.unreadable[_join(folder, name.encode())] = "it is too large for what it is"
        self._rule_bytes += len(text or b"")
        if self._rule_bytes > RULES_LIMIT_BYTES:
            self._end("the .gitignore and .gitattributes files are too large: shorten them")
        return text

    def _entry(
        self, opened: int, entry: os.DirEntry[str], path: bytes, rules: IgnoreRules, ignored: bool
    ) -> None:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            return
        if len(path) > PATH_LIMIT_BYTES:
            self._result.unreadable[path] = "the path is too long to be checked out"
            return
        if stat.S_ISDIR(found.st_mode):
            self._below(path, rules, ignored)
            return
        kind_is_kept = stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)
        if kind_is_kept and (path in self._tracked or not (ignored or rules.ignores(path, is_folder=False))):
            self._file(opened, entry.name, path, found)

    def _below(self, path: bytes, rules: IgnoreRules, ignored: bool) -> None:
        recorded, wanted = self._head.get(path), self._tracked.get(path)
        if recorded is not None and recorded.mode == FileMode.COMMIT and wanted is not None:
            self._seen.add(path)
            if wanted.mode == FileMode.COMMIT and wanted.oid != recorded.oid:
                self._result.submodules[path] = wanted.oid
            return
        now_ignored = ignored or rules.ignores(path, is_folder=True)
        if not now_ignored or path in self._tracked_folders:
            self._pending.append((path, rules, now_ignored))

    def _file(self, opened: int, name: str, path: bytes, found: os.stat_result) -> None:
        recorded = self._head.get(path)
        mode = _mode_of(found, recorded, trust=self._trust_modes)
        try:
            same = recorded == Entry(mode, _content_id(opened, name, found)) if recorded else False
        except FileNotFoundError:
            return
        except OSError as error:
            self._cannot_read(path, error)
            return
        self._seen.add(path)
        if not same:
            self._result.candidates[path] = mode

    def _cannot_read(self, path: bytes, error: OSError) -> None:
        """What cannot be looked at is taken to be as it was: unknown is not removed."""
        self._result.unreadable[path] = error.strerror or str(error)

    def _end(self, why: str) -> None:
        self._result.unreadable[b""] = why
        self._pending.clear()

    def finish(self) -> Scan:
        if b"" in self._result.unreadable:
            return self._result
        unread = tuple(path + b"/" for path in self._result.unreadable)
        self._result.removed = [
            path for path in self._head if path not in self._seen and not (path + b"/").startswith(unread)
        ]
        return self._result


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def folders_of(paths: Iterable[bytes]) -> set[bytes]:
    """The folders that these paths are in, and those that these are in, but for the root."""
    folders: set[bytes] = set()
    for path in paths:
        folder = path.rpartition(b"/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition(b"/")[0]
    return folders


def _mode_of(found: os.stat_result, recorded: Entry | None, *, trust: bool) -> FileMode:
    if stat.S_ISLNK(found.st_mode):
        return FileMode.LINK
    plain = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)
    if not trust:
        return recorded.mode if recorded is not None and recorded.mode in plain else FileMode.BLOB
    return FileMode.BLOB_EXECUTABLE if found.st_mode & 0o100 else FileMode.BLOB


def _content_id(opened: int, name: str, found: os.stat_result) -> str:
    """The id that git would give to the bytes of a file, or to where a link points."""
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(os.fsencode(name), dir_fd=opened)
        return hashlib.sha1(b"blob %d\0" % len(target) + target, usedforsecurity=False).hexdigest()
    with open_file(name, opened) as descriptor:
        size = os.fstat(descriptor).st_size
        digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        while chunk := os.read(descriptor, PIECE_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
