"""Storing the content of a worktree's file as a git object, cleaned as `git add` would clean it.

libgit2's `create_blob` holds the interpreter's lock while it compresses; larger contents are written here as
loose objects (gitformat-loose(5)), in pieces.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pygit2
from attrs import define, field
from pygit2.enums import FileMode, FilterMode

from scriptorium.code.nofollow import PIECE_BYTES, open_below, open_file, open_folder, read_bounded
from scriptorium.code.repository import Project, ensure_scratch_dir

SMALL_BYTES = 256 * 1024
"""What `create_blob` compresses within a few milliseconds."""
CLEANED_LIMIT_BYTES = 64 * 1024 * 1024
"""Line ends are not converted in files larger than this: it needs the whole file in memory."""
FILE_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
"""No file larger than this is stored: it is an accident, and every checkout would carry it."""

_TRIES = 10
"""Each makes its folder anew, so that only one that `git gc` removes within microseconds costs another."""

_COPIED_SETTINGS = ("core.autocrlf", "core.eol", "core.attributesfile")


class Unstorable(Exception):
    """A file cannot be stored; the text says why."""


@define
class BlobWriter:
    """Stores files of one worktree. `attributes` are its `.gitattributes` files, path -> text.

    Use it as a context manager: cleaning needs a scratch folder, made when the first file asks for it.
    """

    _project: Project
    _repo: pygit2.Repository
    _root: int
    _attributes: Mapping[bytes, bytes]
    _scratch: tempfile.TemporaryDirectory[str] | None = None
    _cleaning: pygit2.Repository | None = None
    _prepared: bool = field(default=False)

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._scratch is not None:
            self._scratch.cleanup()

    def store(self, path: bytes, mode: FileMode) -> str:
        """Store the file at `path` below the root, as it is now; returns the object's id.

        Raises:
            Unstorable: it is too large.
            OSError: it is gone, is a link or no file any more, cannot be read, or the disk is full.
        """
        folder, _, name = path.rpartition(b"/")
        with open_below(self._root, folder) as opened:
            if mode == FileMode.LINK:
                return self._keep(os.readlink(name, dir_fd=opened))
            with open_file(name, opened) as descriptor:
                return self._store(path, descriptor)

    def _store(self, path: bytes, descriptor: int) -> str:
        size = os.fstat(descriptor).st_size
        if size > FILE_LIMIT_BYTES:
            raise Unstorable(f"it has {size:,} bytes, more than {FILE_LIMIT_BYTES:,}")
        filters = self._filters(path) if size <= CLEANED_LIMIT_BYTES else None
        if filters is None and size > SMALL_BYTES:
            return write_loose_blob(self._project.git_dir, descriptor, size)
        data = read_bounded(descriptor, CLEANED_LIMIT_BYTES)
        if data is None:
            raise Unstorable("it grows while it is read")
        if filters is not None:
            data = bytes(filters.apply_to_buffer(data))
        return self._keep(data)

    def _keep(self, data: bytes) -> str:
        """Store `data`, unless it is stored: libgit2 writes all of it to a new file before it looks."""
        oid = str(pygit2.hash(data))
        place = self._project.git_dir / "objects" / oid[:2] / oid[2:]
        if place.is_symlink():
            # No git made it. libgit2 would touch whatever it leads to, and take that for the object.
            with tempfile.TemporaryFile(dir=ensure_scratch_dir(self._project)) as file:
                file.write(data)
                file.seek(0)
                return write_loose_blob(self._project.git_dir, file.fileno(), len(data))
        try:
            # As git does when it finds what it was to write: clean-up goes by the age of what nothing names.
            os.utime(place, follow_symlinks=False)
        except OSError:
            return str(self._create(data))
        return oid

    def _create(self, data: bytes) -> pygit2.Oid:
        """`create_blob`, also while `git gc` removes the folders that it has emptied."""
        for _ in range(_TRIES - 1):
            try:
                return self._repo.create_blob(data)
            except (OSError, pygit2.GitError) as error:
                if "No such file" not in str(error):
                    raise
        return self._repo.create_blob(data)

    def _filters(self, path: bytes) -> pygit2.filter.FilterList | None:
        """What git does to this file on its way in (line ends, `ident`); never a program."""
        if not self._prepared:
            self._prepared = True
            self._cleaning = self._cleaning_repository()
        if self._cleaning is None:
            return None
        try:
            return self._cleaning.load_filter_list(os.fsdecode(path), FilterMode.CLEAN)
        except UnicodeEncodeError:
            return None  # pygit2 cannot ask for a name that is not UTF-8

    def _cleaning_repository(self) -> pygit2.Repository | None:
        """An empty repository with the worktree's attributes, None when nothing names a filter.

        libgit2 would read the attribute files of the worktree itself, through links and pipes.
        """
        settings = {key: self._repo.config[key] for key in _COPIED_SETTINGS if key in self._repo.config}
        own = self._project.git_dir / "info" / "attributes"
        if not self._attributes and not settings and not own.is_file():
            return None
        place = ensure_scratch_dir(self._project)
        self._scratch = tempfile.TemporaryDirectory(prefix="attributes-", dir=place)
        root = Path(self._scratch.name)
        cleaning = pygit2.init_repository(str(root), initial_head="scratch")
        for key, value in settings.items():
            cleaning.config[key] = value or ""
        for path, text in self._attributes.items():
            target = root / os.fsdecode(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text)
        if own.is_file():
            (root / ".git" / "info").mkdir(exist_ok=True)
            (root / ".git" / "info" / "attributes").write_bytes(own.read_bytes())
        return cleaning


def write_loose_blob(git_dir: Path, descriptor: int, size: int) -> str:
    """Store the `size` bytes that an open file holds, durably; returns the object's id.

    Raises `Unstorable` when it has another size by the time it is read. A crash leaves a temporary file
    that git's own clean-up knows.
    """
    objects = git_dir / "objects"
    handle, name = tempfile.mkstemp(prefix="tmp_obj_", dir=objects)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            oid = _deflate(descriptor, size, file)
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())
        place = objects / oid[:2] / oid[2:]
        place.parent.mkdir(exist_ok=True)
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with open_folder(place.parent) as folder:
        os.fsync(folder)
    return oid


def _deflate(descriptor: int, size: int, file: BinaryIO) -> str:
    header = b"blob %d\0" % size
    digest = hashlib.sha1(header, usedforsecurity=False)
    compressor = zlib.compressobj(level=1)
    file.write(compressor.compress(header))
    left = size
    while left > 0 and (chunk := os.read(descriptor, min(left, PIECE_BYTES))):
        digest.update(chunk)
        file.write(compressor.compress(chunk))
        left -= len(chunk)
    if left or os.read(descriptor, 1):
        raise Unstorable("it changes while it is read")
    file.write(compressor.flush())
    return digest.hexdigest()
