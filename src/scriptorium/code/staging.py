"""The folder in which a landing writes files, and a checkout's index, before they move into place.

It is within reach of agents, and yet stays from one landing to the next: making it costs more than the rest.
So nothing in it is believed but an empty folder, and small files that hold just the bytes they have to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen
from pygit2.enums import CheckoutStrategy, RepositoryOpenFlag

from scriptorium.code.checkout import Checkout
from scriptorium.code.nofollow import write_anew
from scriptorium.code.removal import Trash
from scriptorium.code.repository import Project, ensure_state_dir
from scriptorium.code.trees import Change, RawPath
from scriptorium.plan.ids import Oid

STAGING_NAME: Final = "landing"
_TREE: Final = "tree"
_KEPT: Final = frozenset({"HEAD", "commondir", "gitdir", _TREE})
_NO_HEAD: Final = b"ref: refs/heads/scriptorium/none\n"
"""Git asks for a HEAD. This one is right for every landing: no commit is checked out here."""
_BARE: Final = RepositoryOpenFlag.BARE | RepositoryOpenFlag.NO_SEARCH
_WRITE_OUT: Final = (
    CheckoutStrategy.FORCE
    | CheckoutStrategy.DISABLE_PATHSPEC_MATCH
    | CheckoutStrategy.DONT_UPDATE_INDEX
    | CheckoutStrategy.NO_REFRESH
)


@frozen
class Staging:
    """The folder, ready for one checkout's files; `open_staging` makes it so."""

    folder: Path

    @property
    def tree(self) -> Path:
        """Where files are written out, at their paths."""
        return self.folder / _TREE

    def write_out(self, target: Oid, changes: Sequence[Change]) -> None:
        """Write the files that the commit `target` has at the paths of `changes`, as a checkout would (line
        ends, modes, links).
        """
        if not changes:  # An empty list of paths would mean every file.
            return
        # Bare, so that no attributes are read from files: those that count are the target's. They are looked
        # up in an index, which need not be on disk as long as nothing reads it again (`NO_REFRESH`).
        repo = pygit2.Repository(str(self.folder), _BARE)
        tree = repo[target].peel(pygit2.Tree)
        repo.index.read_tree(tree)
        repo.checkout_tree(  # type: ignore[no-untyped-call]
            tree,
            strategy=_WRITE_OUT,
            directory=str(self.tree),
            paths=[RawPath(change.path) for change in changes],
        )

    def index_of(self, checkout: Checkout) -> tuple[pygit2.Index, Path]:
        """The index of a checkout, whose index is locked, to be edited and written here, and where that is.

        It can add files of the checkout by their paths.
        """
        write_anew(self.folder / "gitdir", os.fsencode(checkout.folder / ".git") + b"\n")
        place = self.folder / "index"
        _share(checkout.git_dir / "index", place)
        return pygit2.Repository(str(self.folder)).index, place


def open_staging(project: Project) -> Staging:
    """Make the folder ready: it holds an empty `tree`, and nothing of what earlier landings left.

    Raises `OSError` when the system forbids it.
    """
    folder = ensure_state_dir(project) / STAGING_NAME
    if folder.is_symlink() or not folder.is_dir():
        clear_staging(project)
        folder.mkdir()
    staging = Staging(folder)
    with os.scandir(folder) as entries:
        # An index, its lock, settings: git would go by whatever is here.
        surplus = [Path(entry) for entry in entries if entry.name not in _KEPT]
    for path in surplus:
        _clear(folder, path)
    if not _is_empty_folder(staging.tree):
        _clear(folder, staging.tree)
        staging.tree.mkdir()
    write_anew(folder / "commondir", os.fsencode(project.git_dir) + b"\n")
    write_anew(folder / "HEAD", _NO_HEAD)
    return staging


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


def _is_empty_folder(path: Path) -> bool:
    try:
        return not path.is_symlink() and not any(path.iterdir())
    except OSError:
        return False


def _share(index: Path, place: Path) -> None:
    """Let `place` be the index file too, if there is one, with the age that git goes by.

    A second name is enough: an index is never written to, only replaced.
    """
    place.unlink(missing_ok=True)
    try:
        os.link(index, place)
    except FileNotFoundError:
        return
    except OSError:  # another file system, or one without hard links
        shutil.copy2(index, place)
