"""Moving a checkout's files from one tree to another so that a kill at any moment leaves each file whole.

New files are written out beside the state of scriptorium first and then renamed into place one by one, the
index last. libgit2's own checkout writes into files in place: a kill would leave half a file that is neither
the old nor the new one, and a hard link would change under its other name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pygit2
from attrs import frozen

from scriptorium.code.checkout import NEW_SUFFIX, Checkout, Site, Stand, going, staged
from scriptorium.code.repository import Project
from scriptorium.code.staging import Staging, open_staging
from scriptorium.code.trees import Change, Leaf
from scriptorium.plan.freeing import freed_behind
from scriptorium.plan.ids import Oid

Step: TypeAlias = Callable[[str], None]
"""Called with a name after each durable step, so that a test can stop there. What it raises goes up."""


def no_step(_name: str) -> None:
    """The `Step` of everyday use."""


class Changed(Exception):
    """Somebody wrote to `path` in the moment between looking and moving; nothing of theirs was touched."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was changed while a landing was moving the checkout's files")
        self.path = path


@frozen
class Sorted:
    """A checkout's changes by where its files stand: to `make`, already `made`, or `left` as they are."""

    make: tuple[Change, ...]
    made: tuple[Change, ...]
    left: tuple[Change, ...]


def sort_changes(checkout: Checkout, changes: Sequence[Change]) -> Sorted:
    """Look where the files of a checkout stand; a file that has no room where it has to go is left, too."""
    site = Site(checkout)
    leaving = going(changes)
    make: list[Change] = []
    made: list[Change] = []
    left: list[Change] = []
    for change in changes:
        match site.stand(change):
            case Stand.OTHER:
                left.append(change)
            case Stand.TARGET:
                made.append(change)
            case Stand.SOURCE if site.in_the_way(change, leaving):
                left.append(change)
            case Stand.SOURCE:
                make.append(change)
    return Sorted(tuple(make), tuple(made), tuple(left))


def advance(project: Project, checkout: Checkout, found: Sorted, target: Oid, step: Step) -> None:
    """Bring a checkout, whose index is locked, to the commit `target` as far as `found` goes.

    Files that are left stay as they are, and stand as changed against `target` unless they were staged.

    Raises `Changed`, `OSError` or `pygit2.GitError` in the middle; doing it again, or back, is then possible.
    """
    staging = open_staging(project)
    written = [
        change for change in found.make if change.target is not None and not change.target.is_submodule
    ]
    staging.write_out(target, written)
    step("staged")
    site = Site(checkout)
    for change in sorted(found.make, key=lambda change: change.path, reverse=True):
        if change.source is not None and change.target is None:
            _require_source(site, change)
            _remove(checkout, change)
            step("removed")
    for change in found.make:
        if change.target is not None:
            _require_source(site, change)
            _place(checkout, change, staging.tree)
            step("placed")
    _write_index(staging, checkout, found)
    step("index")


def clear_leftovers(checkout: Checkout, changes: Sequence[Change]) -> None:
    """Remove what was on its way into place when a landing was cut short."""
    site = Site(checkout)
    places = [checkout.git_dir / "index", *(site.at(change.path) for change in changes if change.target)]
    for place in places:
        with contextlib.suppress(OSError):
            place.with_name(place.name + NEW_SUFFIX).unlink()


def _require_source(site: Site, change: Change) -> None:
    if not site.holds(change.path, change.source):
        raise Changed(site.at(change.path))


def _remove(checkout: Checkout, change: Change) -> None:
    path = checkout.folder / os.fsdecode(change.path)
    if change.source is not None and change.source.is_submodule:
        with contextlib.suppress(OSError):
            path.rmdir()  # As git does: a submodule's folder goes only when it is empty.
    else:
        path.unlink(missing_ok=True)
    _remove_empty_parents(checkout, path)


def _remove_empty_parents(checkout: Checkout, path: Path) -> None:
    with contextlib.suppress(OSError):
        for parent in path.parents:
            if parent == checkout.folder:
                break
            parent.rmdir()


def _place(checkout: Checkout, change: Change, written: Path) -> None:
    name = os.fsdecode(change.path)
    path = checkout.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if change.target is not None and change.target.is_submodule:
        if not path.is_dir():
            path.unlink(missing_ok=True)
            path.mkdir()
        return
    if path.is_dir() and not path.is_symlink():
        for parent, _folders, _files in os.walk(path, topdown=False):
            Path(parent).rmdir()  # Only empty ones are left; a file that came just now stops it.
    _replace(written / name, path)


def _write_index(staging: Staging, checkout: Checkout, found: Sorted) -> None:
    """Put what was moved into the checkout's index; other entries stay, staged ones too.

    It is written in `staging`, and then takes the index's place while the lock is held.
    """
    index, written = staging.index_of(checkout)
    moved = [*found.make, *found.made]
    # An entry that is neither was staged by the user, and stays.
    moved = [change for change in moved if _staged(index, change) in (change.source, change.target)]
    left = [change for change in found.left if _staged(index, change) == change.source]
    for change in (*moved, *left):
        if change.target is None and _staged(index, change) is not None:
            index.remove(os.fsdecode(change.path))
    for change in moved:
        if change.target is not None:
            _stage(index, change.path, change.target)
    for change in left:
        if change.target is not None:
            index.add(pygit2.IndexEntry(os.fsdecode(change.path), change.target.oid, change.target.mode))
    index.write()
    _replace(written, checkout.git_dir / "index")


def _replace(source: Path, place: Path) -> None:
    """Put a file in the place of another in one step, also from another file system."""
    try:
        with freed_behind(place):
            source.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = place.with_name(place.name + NEW_SUFFIX)
        beside.unlink(missing_ok=True)
        shutil.copy2(source, beside, follow_symlinks=False)
        beside.replace(place)


def _staged(index: pygit2.Index, change: Change) -> Leaf | None:
    return staged(index, change.path)


def _stage(index: pygit2.Index, path: bytes, leaf: Leaf) -> None:
    """Make the entry of a file that was moved, with its stat data, so that git need not read it again.

    `Index.add` of a path is the one way to that; what it finds there may be newer than what was moved.
    """
    name = os.fsdecode(path)
    if not leaf.is_submodule:
        with contextlib.suppress(OSError, pygit2.GitError):
            index.add(name)
        if staged(index, path) == leaf:
            return
    index.add(pygit2.IndexEntry(name, leaf.oid, leaf.mode))
