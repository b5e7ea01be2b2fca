"""A repository's own prompts, read from the tree of its base branch: what has landed, and nothing else."""

from __future__ import annotations

import pygit2
from pygit2.enums import FileMode

from scriptorium.plan.ids import Oid
from scriptorium.prompts import PLACES, Prompts, fault_in

SIZE_LIMIT_BYTES = 64 * 1024
"""A template is a page or two."""

_FILES = frozenset({FileMode.BLOB, FileMode.BLOB_EXECUTABLE})


class _Unreadable(Exception):
    """A file or a folder is not what it should be; the text says what it is."""


def read_prompts(repo: pygit2.Repository, branch: str, tip: Oid, folder: str) -> Prompts:
    """The prompts `folder/<name>.md` of the commit `tip` of `branch`, built-in where there is no such file.

    Links are not followed. What cannot be used is a fault of its name in the result, of every name when the
    folder itself is not there: falling back without a word would run the wrong prompts.
    """
    where = f"{folder}/ on branch {branch}"
    try:
        tree = _folder(repo[tip].peel(pygit2.Tree), folder)
    except _Unreadable as error:
        said = f'{where}: {error}; commit it there, or change "prompts" in scriptorium.json'
        return Prompts({}, dict.fromkeys(PLACES, said))
    own: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name in sorted(PLACES):
        file = f"{name}.md"
        if file not in tree:
            continue
        try:
            own[name] = _template(repo, tree[file], name)
        except _Unreadable as error:
            faults[name] = f"{folder}/{file} on branch {branch}: {error}"
    return Prompts(own, faults)


def prompts_at(repo: pygit2.Repository, branch: str, tip: Oid | None, folder: str | None) -> Prompts:
    """As `read_prompts`; the built-in ones where none are configured, or the branch has no commit."""
    return Prompts() if folder is None or tip is None else read_prompts(repo, branch, tip, folder)


def said_of(prompts: Prompts) -> str | None:
    """All that is wrong with them in one line, each fault once; None for nothing."""
    said = "; ".join(dict.fromkeys(prompts.faults.values()))
    return f"cannot be used: {said}" if said else None


def _folder(tree: pygit2.Tree, path: str) -> pygit2.Tree:
    for part in path.split("/"):
        if part not in tree:
            raise _Unreadable("there is no such folder")
        entry = tree[part]
        if not isinstance(entry, pygit2.Tree):
            raise _Unreadable(f"{part} is no folder (links are not followed)")
        tree = entry
    return tree


def _template(repo: pygit2.Repository, entry: pygit2.Object, name: str) -> str:
    if entry.filemode not in _FILES:
        raise _Unreadable("not a plain file (links are not followed)")
    if repo.odb.read_header(entry.id)[1] > SIZE_LIMIT_BYTES:
        raise _Unreadable(f"larger than {SIZE_LIMIT_BYTES // 1024} KiB")
    try:
        text = entry.peel(pygit2.Blob).data.decode()
    except UnicodeDecodeError:
        raise _Unreadable("not UTF-8 text") from None
    if (fault := fault_in(name, text)) is not None:
        raise _Unreadable(fault)
    return text
