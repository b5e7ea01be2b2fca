"""Sees to it that a commit which is about to get a ref is there, whole, when the ref is.

Objects that no ref has are git's to delete: at once, when somebody runs `git gc --prune=now`, and also when
the ref came while git was at it. So they are put into a pack that git leaves alone until the ref has them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ObjectType

from scriptorium.code.repository import common_dir
from scriptorium.code.trees import new_objects
from scriptorium.code.wholeness import ObjectsVanished, missing_object
from scriptorium.plan.ids import Oid
from scriptorium.plan.keeping import Keep
from scriptorium.plan.pack import NewObject, ObjectKind, encode, write
from scriptorium.plan.refs import compare_and_swap, fsync_enabled

_KINDS: Final = {
    ObjectType.COMMIT: ObjectKind.COMMIT,
    ObjectType.TREE: ObjectKind.TREE,
    ObjectType.BLOB: ObjectKind.BLOB,
}

LARGE_BYTES: Final = 16 * 1024 * 1024
"""A file that is larger is only seen to be there: writing it once more takes as long as the rest together."""


def give_ref(
    repo: pygit2.Repository,
    name: str,
    *,
    new: Oid,
    old: Oid | None,
    known: Iterable[Oid | None],
    message: str = "",
) -> None:
    """Move the ref `name` from `old` to the commit `new`, as `compare_and_swap` does, with all that it has.

    `known` are commits that have refs: they and all before them need no care.

    Raises:
        ObjectsVanished: git has deleted something of it. The ref is as it was; make the commit again.
        RefError: as `compare_and_swap` does.
        OSError: it could not be written.
    """
    try:
        objects = _objects_since(repo, new, [old, *known])
    except (KeyError, pygit2.GitError) as error:
        raise ObjectsVanished(name, new, missing_object(common_dir(Path(repo.path)), new) or new) from error
    with _kept(repo, objects):
        compare_and_swap(repo, name, new=new, old=old, message=message)


@contextlib.contextmanager
def _kept(repo: pygit2.Repository, objects: list[NewObject]) -> Iterator[None]:
    if not objects:
        yield
        return
    pack = encode(objects)
    git_dir = common_dir(Path(repo.path))
    folder = _pack_folder(git_dir)
    keep = Keep.of(git_dir, pack.name)
    try:
        write(pack, folder, durable=fsync_enabled())
        yield
    finally:
        keep.let_go()


def _objects_since(repo: pygit2.Repository, commit: Oid, known: Sequence[Oid | None]) -> list[NewObject]:
    """As `_objects`. A known commit that another agent has lost what was before it of is not gone by."""
    try:
        return _objects(repo, commit, known)
    except (KeyError, pygit2.GitError):
        sound = [tip for tip in known if tip is not None and _can_walk(repo, commit, tip)]
        if not sound:
            raise
        return _objects(repo, commit, sound)


def _can_walk(repo: pygit2.Repository, commit: Oid, tip: Oid) -> bool:
    try:
        repo.merge_base(commit, tip)
    except (KeyError, pygit2.GitError):
        return False
    return True


def copy_few(repo: pygit2.Repository, target: Path, commit: Oid, since: Oid, limit_bytes: int) -> bool:
    """Write to the git directory `target`, which has `since`, what `commit` has besides, as one pack.

    False, and nothing is written, when that is more than `limit_bytes` in all. Raises `OSError`, and
    `KeyError` or `pygit2.GitError` when `repo` lacks something.
    """
    found = _new_since(repo, commit, [since])
    if sum(repo.odb.read_header(oid)[1] for oid in found) > limit_bytes:
        return False
    if found:
        write(encode([_read(repo, oid) for oid in found]), _pack_folder(target), durable=fsync_enabled())
    return True


def _pack_folder(git_dir: Path) -> Path:
    folder = git_dir / "objects" / "pack"
    folder.mkdir(exist_ok=True)
    return folder


def _objects(repo: pygit2.Repository, commit: Oid, known: Iterable[Oid | None]) -> list[NewObject]:
    """What is new in `commit`, but for what is large."""
    if not isinstance(repo.get(commit), pygit2.Commit):
        return []  # whoever moves the ref has the words for it
    new = _new_since(repo, commit, known)
    return [_read(repo, oid) for oid in new if repo.odb.read_header(oid)[1] <= LARGE_BYTES]


def _read(repo: pygit2.Repository, oid: pygit2.Oid) -> NewObject:
    """As what it is, which need not be what a tree takes it for."""
    kind, content = repo.odb.read(oid)
    return NewObject(_KINDS[ObjectType(kind)], content)


def _new_since(repo: pygit2.Repository, commit: Oid, known: Iterable[Oid | None]) -> Sequence[pygit2.Oid]:
    """What `commit` and those before it, but for the known ones, have that their parents do not."""
    walker = repo.walk(commit)
    for tip in known:
        if tip is not None and tip in repo:
            walker.hide(tip)
    found: dict[pygit2.Oid, None] = {}
    seen: set[tuple[pygit2.Oid, ObjectType]] = set()
    for one in walker:
        found[one.id] = None
        for oid, _ in new_objects(repo, one.tree_id, [parent.tree_id for parent in one.parents], seen):
            found[oid] = None
    return tuple(found)
