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
from typing import Final, TypeAlias

import pygit2
from attrs import frozen
from pygit2.enums import CheckoutStrategy

from scriptorium.code.checkout import Checkout, Site, Stand, going, staged
from scriptorium.code.nofollow import write_anew
from scriptorium.code.removal import Trash
from scriptorium.code.repository import Project, ensure_state_dir
from scriptorium.code.trees import Change, Leaf, RawPath
from scriptorium.plan.ids import Oid

Step: TypeAlias = Callable[[str], None]
"""Called with a name after each durable step, so that a test can stop there. What it raises goes up."""

STAGING_NAME: Final = "landing"
_WRITE_OUT: Final = (
    CheckoutStrategy.FORCE | CheckoutStrategy.DISABLE_PATHSPEC_MATCH | CheckoutStrategy.DONT_UPDATE_INDEX
)
NEW_SUFFIX: Final = ".scriptorium-new"
"""Of a file on its way into place: the new index, or a file that comes from another file system."""


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
    staging = ensure_state_dir(project) / STAGING_NAME
    if staging.is_symlink() or not staging.is_dir():
        clear_staging(project)
        staging.mkdir()
    _clear(staging, staging / "tree")
    written = [
        change for change in found.make if change.target is not None and not change.target.is_submodule
    ]
    _write_out(project, staging, target, written)
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
            _place(checkout, change, staging / "tree")
            step("placed")
    _write_index(_shadow(project, staging, checkout.folder, target), checkout, found)
    step("index")
    # The staging folder stays, a few small files: making and removing it costs more than all the rest.


def clear_staging(project: Project) -> None:
    """Remove what earlier landings, perhaps cut short, wrote out."""
    _clear(project.state_dir, project.state_dir / STAGING_NAME)


def _clear(around: Path, folder: Path) -> None:
    """Remove `folder`, or whatever is in its place, below `around`. None there is fine."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)  # the quick way, for what is neither nested nor protected out of measure
    if os.path.lexists(folder):
        with Trash(os.fsencode(around)) as trash:
            trash.take(os.fsencode(folder))


def clear_leftovers(checkout: Checkout, changes: Sequence[Change]) -> None:
    """Remove what was on its way into place when a landing was cut short."""
    site = Site(checkout)
    places = [checkout.git_dir / "index", *(site.at(change.path) for change in changes if change.target)]
    for place in places:
        with contextlib.suppress(OSError):
            place.with_name(place.name + NEW_SUFFIX).unlink()


def _shadow(project: Project, folder: Path, work_folder: Path, head: Oid) -> pygit2.Repository:
    """A repository with a HEAD and an index of its own over any working folder, like a linked worktree."""
    wanted = {
        "commondir": os.fsencode(project.git_dir) + b"\n",
        "gitdir": os.fsencode(work_folder / ".git") + b"\n",
        "HEAD": f"{head}\n".encode(),
    }
    for name, content in wanted.items():
        write_anew(folder / name, content)
    return pygit2.Repository(str(folder))


def _write_out(project: Project, folder: Path, target: Oid, changes: Sequence[Change]) -> None:
    """Write the files of `changes` below `folder/tree`, as a checkout would (line ends, modes, links)."""
    if not changes:  # An empty list of paths would mean every file.
        return
    repo = _shadow(project, folder, folder / "tree", target)
    (folder / "tree").mkdir()
    tree = repo[target].peel(pygit2.Tree)
    # The attributes that count are the target's; they are looked up in the index.
    repo.index.read_tree(tree)
    repo.index.write()
    repo.checkout_tree(  # type: ignore[no-untyped-call]
        tree,
        strategy=_WRITE_OUT,
        paths=[RawPath(change.path) for change in changes],
    )


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


def _write_index(shadow: pygit2.Repository, checkout: Checkout, found: Sorted) -> None:
    """Put what was moved into the checkout's index; other entries stay, staged ones too.

    It is done on a copy in `shadow`, which then takes the index's place while the lock is held.
    """
    place, copy = checkout.git_dir / "index", Path(shadow.path) / "index"
    copy.unlink(missing_ok=True)  # one was needed to write the files out
    if place.exists():
        shutil.copyfile(place, copy)
    index = shadow.index
    index.read()
    moved = [*found.make, *found.made]
    # An entry that is neither was staged by the user, and stays.
    moved = [change for change in moved if _staged(index, change) in (change.source, change.target)]
    left = [change for change in found.left if _staged(index, change) == change.source]
    for change in (*moved, *left):
        if change.target is None and _staged(index, change) is not None:
            index.remove(os.fsdecode(change.path))
    for change in moved:
        if change.target is not None:
            _stage(index, change.path, change.target, from_file=not change.target.is_submodule)
    for change in left:
        if change.target is not None:
            _stage(index, change.path, change.target, from_file=False)
    index.write()
    _replace(copy, place)


def _replace(source: Path, place: Path) -> None:
    """Put a file in the place of another in one step, also from another file system."""
    try:
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


def _stage(index: pygit2.Index, path: bytes, leaf: Leaf, *, from_file: bool) -> None:
    """Make the entry; `from_file` with the file's stat data, so that git need not read the file again."""
    name = os.fsdecode(path)
    if from_file:
        with contextlib.suppress(OSError, pygit2.GitError):
            index.add(name)
        if staged(index, path) == leaf:
            return
    index.add(pygit2.IndexEntry(name, leaf.oid, leaf.mode))
