"""Where a checkout depends on settings, and which files it then writes otherwise than they are stored.

Line ends, `ident`, programs that filter; and which names are refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import pygit2
from pygit2.enums import ConfigLevel, FilterMode
from pygit2.filter import FilterList

from scriptorium.code.trees import Leaf

_SETTINGS: Final = re.compile(r"core\.(autocrlf|attributesfile|protectntfs|protecthfs)$|includeif\.")
"""What is included on a condition may hold for a worktree and not for the main repository."""


def settings_matter(repo: pygit2.Repository, own_dir: Path, leaves: Mapping[bytes, Leaf]) -> bool:
    """Whether a checkout of `leaves` in the worktree with the git directory `own_dir` may depend on settings.

    False when nothing names a filter anywhere, nor says which names are to be refused. `repo` is the main
    repository. Asking for each file costs as much as reading it.
    """
    if any(path.endswith(b".gitattributes") for path in leaves) or _is_configured(repo):
        return True
    found = pygit2.settings.search_path
    places = [f"{own_dir.parent.parent}/info/attributes"]
    places += [f"{folder}/attributes" for folder in found[ConfigLevel.XDG].split(":")]
    places += [f"{folder}/gitattributes" for folder in found[ConfigLevel.SYSTEM].split(":")]
    return any(os.path.lexists(place) for place in places)


def _is_configured(repo: pygit2.Repository) -> bool:
    try:
        return any(_SETTINGS.match(entry.name) for entry in repo.config)
    except UnicodeDecodeError:
        return True  # a name such as a branch's in Latin-1, behind which there may be more


def filtered(repo: pygit2.Repository, leaves: Mapping[bytes, Leaf], present: Collection[bytes]) -> set[bytes]:
    """The files that a checkout may write otherwise than they are stored.

    Of those that are `present` as they are stored, the ones that a checkout does write otherwise. `repo` is
    the worktree's own.
    """
    return {
        path
        for path, leaf in leaves.items()
        if leaf.is_file
        and (filters := repo.load_filter_list(path, FilterMode.TO_WORKTREE)) is not None  # type: ignore[arg-type]
        and not (path in present and _changes_nothing(filters, repo[leaf.oid].peel(pygit2.Blob)))
    }


def _changes_nothing(filters: FilterList, blob: pygit2.Blob) -> bool:
    """With `text=auto` every file has filters, which leave nearly every one alone."""
    # What comes back ends at a NUL, and is then not equal: such a file is written again.
    return filters.apply_to_blob(blob) == blob.data
