"""Rolls scriptorium's many small packs up into fewer: ten thousand commits of the plan are a handful.

As `git repack --geometric` does: the packs that stay are each at least twice as large as all the smaller
ones together, so their number grows with the logarithm of what is in them, and each object is packed again
as many times. libgit2 stores what differs between the versions of a folder, and works without the
interpreter's lock. Packs of others, and ours with a `.keep`, are not touched; `git gc` may take ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pygit2
from attrs import frozen

from scriptorium.plan import keeping
from scriptorium.plan.objects import open_repository
from scriptorium.plan.pack import PREFIX
from scriptorium.plan.refs import fsync_enabled

PACKS: Final = 32
"""With more packs of ours than this, they are rolled up. Git itself would at 50 (`gc.autoPackLimit`)."""

FACTOR: Final = 2

_FANOUT_OFFSET: Final = 8
_OIDS_OFFSET: Final = _FANOUT_OFFSET + 256 * 4
_OID_BYTES: Final = 20
_WORK_PREFIX: Final = "tmp_scriptorium_"
_ON_ITS_WAY: Final = re.compile(rf"tmp_[0-9]+_{PREFIX}[0-9a-f]{{40}}\.(?:pack|idx)")
_FAN_OUT: Final = re.compile(r"[0-9a-f]{2}")
_HALF_WRITTEN: Final = ("tmp_object_git2_", "tmp_obj_")
"""Begins the name of a loose object that libgit2, or that git or our own writer of large files, has begun."""

_MAINTENANCE_LOCK: Final = "maintenance.lock"
"""Of an agent's `git maintenance`. Where one is left, git never keeps house by itself again."""

LEFT_SECONDS: Final = 24 * 3600.0
"""A file on its way that is older was left by a process that was killed."""


class PackDamaged(Exception):
    """Packs of ours, named in the text, cannot be read and were left as they are. `git fsck` says more."""


@frozen
class _Packed:
    """A pack of ours: the path of its index, and how many objects it has."""

    index: Path
    objects: int


def roll_up(git_dir: Path, *, packs: int = PACKS) -> int | None:
    """Roll up our packs in the repository if there are more than `packs`; returns how many became one.

    Synchronous, for a worker thread; may run beside readers and writers, `git gc` among them. A crash leaves
    every object where it was, perhaps twice. When another process is at it, nothing is done and None is
    returned: it may have begun before the last packs were there.

    Raises:
        PackDamaged: a pack is damaged; the others were rolled up.
        OSError, pygit2.GitError, KeyError: the repository could not be read or written; nothing is lost.
    """
    folder = git_dir / "objects" / "pack"
    if sum(_is_ours(name) for name in _names(folder)) <= packs:
        return 0
    with _alone(folder) as alone:
        if not alone:
            return None
        _sweep(folder)
        keeping.sweep_own(git_dir)
        _sweep_loose(folder.parent)
        ours, damaged = _ours(folder)
        rolled = ours[: packs_to_roll([pack.objects for pack in ours])]
        try:
            _replace(git_dir, folder, rolled)
        except (pygit2.GitError, KeyError, PackDamaged):
            # Each is read through only now, as that costs as much as packing them.
            readable = [pack for pack in rolled if _is_readable(git_dir, pack)]
            damaged += [pack.index for pack in rolled if pack not in readable]
            if len(readable) == len(rolled):
                raise
            rolled = readable
            _replace(git_dir, folder, rolled)
    if damaged:
        named = ", ".join(str(index) for index in damaged)
        raise PackDamaged(f"cannot be read, and {len(rolled)} others were packed: {named}: try git fsck")
    return len(rolled)


def packs_to_roll(objects: Sequence[int], factor: int = FACTOR) -> int:
    """How many packs, of those with so many `objects` each in ascending order, become one.

    Those that are left, and the one that is made, then each have at least `factor` times the objects of all
    smaller ones together.
    """
    split = 0
    for place in range(len(objects) - 1, 0, -1):
        if objects[place] < factor * sum(objects[:place]):
            split = place + 1
            break
    # What is made may have grown beyond the next one's share.
    total = sum(objects[:split])
    while split and split < len(objects) and objects[split] < factor * total:
        total += objects[split]
        split += 1
    return split


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are all that is wanted
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is rolling up here, until the block ends: a lock on the folder itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name.endswith(".idx")


def _is_left_when_old(name: str) -> bool:
    return name.startswith(_HALF_WRITTEN) or name == _MAINTENANCE_LOCK


def _sweep_loose(objects: Path) -> None:
    """Remove what killed processes had begun to write, and the lock of git's housekeeping.

    `git prune` removes those objects, but nobody may ever run it. No link is followed: agents write here too.
    """
    for place in (objects, *(objects / name for name in _names(objects) if _FAN_OUT.fullmatch(name))):
        with contextlib.suppress(OSError):
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                for name in filter(_is_left_when_old, os.listdir(folder)):  # noqa: PTH208 - a descriptor has no Path
                    # One that is written on still is younger.
                    if time.time() - os.lstat(name, dir_fd=folder).st_mtime > LEFT_SECONDS:
                        os.unlink(name, dir_fd=folder)
            finally:
                os.close(folder)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left on its way; only the one who is alone here may."""
    names = frozenset(_names(folder))
    for name in names:
        path = folder / name
        if name.startswith(_WORK_PREFIX):
            shutil.rmtree(path, ignore_errors=True)
        if name.startswith(PREFIX) and name.endswith(".keep"):
            with contextlib.suppress(OSError):
                keeping.sweep(path)
        unread = name.startswith(PREFIX) and name.endswith(".pack") and f"{name[:-5]}.idx" not in names
        if unread or _ON_ITS_WAY.fullmatch(name):
            # A writer that lives needs some milliseconds from the one file to the other.
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > LEFT_SECONDS:
                    path.unlink()


def _ours(folder: Path) -> tuple[list[_Packed], list[Path]]:
    """Our packs, the smallest first, and the indexes that are none."""
    sound: list[_Packed] = []
    damaged: list[Path] = []
    for name in filter(_is_ours, _names(folder)):
        index = folder / name
        if index.with_suffix(".keep").exists():
            continue
        with contextlib.suppress(FileNotFoundError):  # `git gc` has taken it
            try:
                sound.append(_Packed(index, _count(index, _read(index, _OIDS_OFFSET))))
            except PackDamaged:
                damaged.append(index)
    return sorted(sound, key=lambda pack: pack.objects), damaged


@contextlib.contextmanager
def _opened(git_dir: Path) -> Iterator[pygit2.Repository]:
    """The repository, and in the end all of its packs closed: it would hold what is removed."""
    repo = open_repository(git_dir)
    try:
        yield repo
    finally:
        repo.free()


def _is_readable(git_dir: Path, pack: _Packed) -> bool:
    try:
        with _opened(git_dir) as repo:
            odb = repo.odb
            return all(odb.read(oid) for oid in _oids(pack.index))
    except (pygit2.GitError, KeyError, PackDamaged, OSError):
        return False


def _read(index: Path, limit: int = -1) -> bytes:
    """The beginning, or all, of what must be a file: no link is followed, and no pipe waited on."""
    try:
        handle = os.open(index, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PackDamaged(f"{index} cannot be opened: {error}") from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise PackDamaged(f"{index} is no file")
        return file.read(limit)


def _count(index: Path, head: bytes) -> int:
    if len(head) != _OIDS_OFFSET or not head.startswith(b"\377tOc\0\0\0\2"):
        raise PackDamaged(f"{index} is not the index of a pack")
    return int(struct.unpack_from(">I", head, _OIDS_OFFSET - 4)[0])


def _oids(index: Path) -> Iterator[pygit2.Oid]:
    data = _read(index)
    count = _count(index, data[:_OIDS_OFFSET])
    if len(data) < _OIDS_OFFSET + count * _OID_BYTES:
        raise PackDamaged(f"{index} is cut short")
    for place in range(_OIDS_OFFSET, _OIDS_OFFSET + count * _OID_BYTES, _OID_BYTES):
        yield pygit2.Oid(raw=data[place : place + _OID_BYTES])


def _replace(git_dir: Path, folder: Path, rolled: Sequence[_Packed]) -> None:
    """Put one pack in the place of several: it is there, whole, before the first of them goes."""
    if len(rolled) < 2:
        return
    wanted = {oid for pack in rolled for oid in _oids(pack.index)}
    work = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=folder))
    try:
        with _opened(git_dir) as repo:
            builder = pygit2.PackBuilder(repo)
            for oid in wanted:
                builder.add(oid)
            builder.write(work)
        (made,) = work.glob("pack-*.idx")
        if not wanted <= set(_oids(made)):
            raise PackDamaged(f"{made} lacks objects that were to be in it; nothing was removed")
        index = folder / f"{PREFIX}{made.name.removeprefix('pack-')}"
        _publish(made, index)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for pack in rolled:
        if pack.index != index:
            # The index first: git takes a pack whose index it sees to be there.
            pack.index.unlink(missing_ok=True)
            pack.index.with_suffix(".pack").unlink(missing_ok=True)


def _publish(made: Path, index: Path) -> None:
    """Give a pack its place: the pack first, as `pack.write` does, and both through to the disk if asked."""
    for suffix in (".pack", ".idx"):
        if fsync_enabled():
            _sync(made.with_suffix(suffix))
        made.with_suffix(suffix).replace(index.with_suffix(suffix))
    if fsync_enabled():
        _sync(index.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
