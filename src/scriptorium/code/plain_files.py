"""Writing a few plain files into a worktree: libgit2's checkout looks at every file there to write one.

The worktree's processes are gone, and what was in the way of the tree was removed: its folders are real ones.
"""

# Paths are bytes here: file names of an agent's choosing, which pathlib does not take.
# ruff: noqa: PTH102, PTH118, PTH120, PTH123

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import pygit2
from pygit2.enums import FileMode

from scriptorium.code.trees import Leaf

_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_MODE: Final = 0o755
_MODES: Final = {FileMode.BLOB: 0o644, FileMode.BLOB_EXECUTABLE: 0o755}
"""What a checkout asks for; the umask says the rest."""


def write_plain_files(repo: pygit2.Repository, root: bytes, files: Mapping[bytes, Leaf]) -> None:
    """Write files below `root`, each as it is stored, with the folders that they need.

    One that is there is a plain file of one name and of the wanted mode; it is written over.

    Raises `KeyError` when an object is missing, `OSError` when the system forbids a step. Some of them are
    then written, and one may be cut short.
    """
    for folder in {os.path.dirname(path) for path in files}:
        _make_folders(root, folder)
    for path, leaf in files.items():
        content = repo[leaf.oid].peel(pygit2.Blob).data
        with open(os.open(os.path.join(root, path), _WRITE, _MODES[leaf.mode]), "wb") as file:
            file.write(content)
            # Cut to no length at all before, ext4 would begin to write it out at once.
            file.truncate()


def _make_folders(root: bytes, folder: bytes) -> None:
    """`os.makedirs` gives the mode to the last one alone."""
    missing = []
    while folder and not os.path.lexists(os.path.join(root, folder)):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for one in reversed(missing):
        os.mkdir(os.path.join(root, one), _FOLDER_MODE)
