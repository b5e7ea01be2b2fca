"""A few objects as one pack file with its index, as gitformat-pack(5) has them (both of version 2).

A commit of the plan is half a dozen small objects. As loose files each costs a file, two renames and two
fsyncs; as a pack they come and go together. Written by hand because libgit2 packs only what is stored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import zlib
from collections.abc import Collection
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from attrs import field, frozen

from scriptorium.plan.ids import Oid

PREFIX: Final = "scriptorium-"
"""Of the names of our packs. Git reads a pack whatever its name, and we roll up our own alone."""

SPEED: Final = 1
"""Of zlib, as git has it for loose objects: what is packed here is packed again, better, later."""

STORED_BYTES: Final = 1 << 12
"""Up to this, an object is stored as it is: a pack takes a block of the disk anyway, and to set zlib up takes
longer than all else that is done for an object."""

_BLOCK_BYTES: Final = (1 << 16) - 1
"""Of the blocks of what zlib only stores, RFC 1951, 3.2.4."""

_BLOCK: Final = struct.Struct("<BHH")
_NUMBER: Final = struct.Struct(">I")

_OFFSET_LIMIT: Final = 1 << 31
"""A pack this long needs another kind of index; a plan commit is some kilobytes."""


_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_TRIES: Final = 10
"""Git looks through the folder once each time it keeps house, so that hardly two are lost in a row."""


class ObjectKind(Enum):
    """What an object is: its name in a loose object, and its number in a pack."""

    COMMIT = ("commit", 1)
    TREE = ("tree", 2)
    BLOB = ("blob", 3)


_HEADER_NAMES: Final = {kind: kind.value[0].encode() for kind in ObjectKind}


@frozen
class NewObject:
    """An object that no repository needs to have yet; `oid` is what git calls it."""

    kind: ObjectKind
    data: bytes = field(repr=False)
    oid: Oid = field(init=False)

    @oid.default
    def _name(self) -> Oid:
        header = b"%s %d\0" % (_HEADER_NAMES[self.kind], len(self.data))
        return Oid(hashlib.sha1(header + self.data, usedforsecurity=False).hexdigest())


@frozen
class Pack:
    """The bytes of a pack and of its index; `name` is that of both files, without suffix.

    No pack has had that name. Else what a first try wrote, and a lock kept from its ref, would be listed by
    `git gc` as its to delete; and when a second try writes the same once more and keeps it, git takes what is
    in a kept pack for safe, does not pack it, and then deletes what it had listed.
    """

    name: str
    pack: bytes
    index: bytes


class _Entry(NamedTuple):
    oid: bytes
    crc: int
    offset: int


def encode(objects: Collection[NewObject]) -> Pack:
    """Pack `objects`, each whole, none twice. Raises `ValueError` past 2 GiB."""
    out = bytearray(b"PACK" + struct.pack(">II", 2, len(objects)))
    entries: list[_Entry] = []
    for found in objects:
        offset = len(out)
        packed = _header(found.kind, len(found.data)) + _deflated(found)
        out += packed
        entries.append(_Entry(bytes.fromhex(found.oid), zlib.crc32(packed), offset))
    if len(out) >= _OFFSET_LIMIT:
        raise ValueError(f"{len(objects)} objects of {len(out)} bytes do not fit into one pack")
    checksum = _sha1(out)
    entries.sort()
    return Pack(f"{PREFIX}{os.urandom(20).hex()}", bytes(out) + checksum, _index(entries, checksum))


def _deflated(found: NewObject) -> bytes:
    # Nothing makes the oids of a tree shorter, and the folder of done tickets is half a megabyte of them. It
    # is stored as it is until packs are rolled up, when only what differs is kept.
    if found.kind is ObjectKind.TREE or len(found.data) <= STORED_BYTES:
        return _stored(found.data)
    return zlib.compress(found.data, SPEED)


def _stored(data: bytes) -> bytes:
    """`data` as zlib has it that does not pack (RFC 1950)."""
    checksum = _NUMBER.pack(zlib.adler32(data))
    size = len(data)
    if size <= _BLOCK_BYTES:  # as nearly every object
        return b"".join((b"\x78\x01", _BLOCK.pack(True, size, size ^ 0xFFFF), data, checksum))
    out = [b"\x78\x01"]
    for start in range(0, size, _BLOCK_BYTES):
        block = data[start : start + _BLOCK_BYTES]
        is_last = start + _BLOCK_BYTES >= size
        out += (_BLOCK.pack(is_last, len(block), len(block) ^ 0xFFFF), block)
    return b"".join((*out, checksum))


def _header(kind: ObjectKind, size: int) -> bytes:
    """The kind and the size before packing, seven bits a byte but for four in the first, smallest first."""
    first, rest = size & 0xF, size >> 4
    out = bytearray()
    byte = kind.value[1] << 4 | first
    while rest:
        out.append(byte | 0x80)
        byte, rest = rest & 0x7F, rest >> 7
    out.append(byte)
    return bytes(out)


def _index(entries: list[_Entry], checksum: bytes) -> bytes:
    number = len(entries)
    index = b"".join(
        (
            b"\377tOc\0\0\0\2",
            _fanout(entries),
            b"".join(entry.oid for entry in entries),
            struct.pack(f">{number}I", *(entry.crc for entry in entries)),
            struct.pack(f">{number}I", *(entry.offset for entry in entries)),
            checksum,
        )
    )
    return index + _sha1(index)


def _fanout(entries: list[_Entry]) -> bytes:
    """For each byte, how many oids begin with it or with a lower one."""
    counts: list[bytes] = []
    last = 0
    for number, entry in enumerate(entries):
        first = entry.oid[0]
        counts.append(_NUMBER.pack(number) * (first - last))
        last = first
    return b"".join((*counts, _NUMBER.pack(len(entries)) * (256 - last)))


def _sha1(data: bytes | bytearray) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def write(pack: Pack, folder: Path, *, durable: bool) -> None:
    """Put `pack` into the folder `objects/pack` of a repository; with `durable`, through to the disk.

    The index comes last and by a rename, as git reads no pack without one: a crash leaves nothing, or the
    whole, or a `tmp_` file or a pack without an index that git passes over. Raises `OSError`; no `tmp_`
    file is left then.
    """
    # One after the other: git reads whatever ends in .idx and has a .pack of the same name beside it.
    _put(folder, f"{pack.name}.pack", pack.pack, durable=durable)
    _put(folder, f"{pack.name}.idx", pack.index, durable=durable)
    if durable:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _put(folder: Path, name: str, content: bytes, *, durable: bool) -> None:
    for _ in range(_TRIES - 1):
        # `git gc --prune=now` takes what is on its way here too, and the folder when it is empty.
        with contextlib.suppress(FileNotFoundError):
            _put_once(folder, name, content, durable=durable)
            return
        folder.mkdir(exist_ok=True)
    _put_once(folder, name, content, durable=durable)


def _put_once(folder: Path, name: str, content: bytes, *, durable: bool) -> None:
    # `git gc` removes old files of this prefix. The pid keeps two processes apart, the caller's lock threads.
    # (As text: to make a path takes longer than to create the file.)
    place = f"{folder}/"
    new = f"{place}tmp_{os.getpid()}_{name}"
    try:
        try:
            handle = os.open(new, _NEW_FILE, 0o444)
        except FileExistsError:
            os.unlink(new)  # noqa: PTH108 - of a process that was killed; whatever it is, it is not written to
            handle = os.open(new, _NEW_FILE, 0o444)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(handle, left) :]
            if durable:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(new, place + name)  # noqa: PTH105
    except OSError:
        # On a full disk each try would leave another.
        with contextlib.suppress(OSError):
            os.unlink(new)  # noqa: PTH108
        raise
