"""The kernel's side of `syscalls.py`: a filter for the calls that work on files, and the notices it sends.

See seccomp(2) and seccomp_unotify(2). What is installed holds for the calling thread, for those that it
starts and for its children, for good: it is for a child process made for the purpose.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from attrs import frozen


class Unavailable(Exception):
    """This kernel, machine or sandbox does not let a process watch the system calls of its child."""


class Fd(NamedTuple):
    """The file is that of the descriptor in this argument."""

    argument: int


class At(NamedTuple):
    """The file is at the path in this argument, from the folder of the descriptor in `folder` (None: from
    the working directory)."""

    path: int
    folder: int | None = None


@frozen
class _Watched:
    """A system call: its numbers on x86-64 and aarch64 (None: not there), and which file it is about.

    `flags` is the argument that has the flags of an `open`, which may be for reading only.
    """

    name: str
    x86_64: int | None
    aarch64: int | None
    file: Fd | At
    flags: int | None = None


_READING: Final = (
    _Watched("read", 0, 63, Fd(0)),
    _Watched("readv", 19, 65, Fd(0)),
    _Watched("pread64", 17, 67, Fd(0)),
    _Watched("mmap", 9, 222, Fd(4)),
    _Watched("getdents64", 217, 61, Fd(0)),
    _Watched("stat", 4, None, At(0)),
    _Watched("lstat", 6, None, At(0)),
    _Watched("fstat", 5, 80, Fd(0)),
    _Watched("newfstatat", 262, 79, At(1, 0)),
    _Watched("statx", 332, 291, At(1, 0)),
    _Watched("access", 21, None, At(0)),
    _Watched("faccessat", 269, 48, At(1, 0)),
    _Watched("faccessat2", 439, 439, At(1, 0)),
    _Watched("readlink", 89, None, At(0)),
    _Watched("readlinkat", 267, 78, At(1, 0)),
)

# Of two files, as of a rename, it is the new one.
_CHANGING: Final = (
    _Watched("open", 2, None, At(0), flags=1),
    _Watched("openat", 257, 56, At(1, 0), flags=2),
    _Watched("openat2", 437, 437, At(1, 0)),
    _Watched("creat", 85, None, At(0)),
    _Watched("write", 1, 64, Fd(0)),
    _Watched("writev", 20, 66, Fd(0)),
    _Watched("pwrite64", 18, 68, Fd(0)),
    _Watched("pwritev", 296, 70, Fd(0)),
    _Watched("pwritev2", 328, 287, Fd(0)),
    _Watched("sendfile", 40, 71, Fd(0)),
    _Watched("splice", 275, 76, Fd(2)),
    _Watched("copy_file_range", 326, 285, Fd(2)),
    _Watched("fsync", 74, 82, Fd(0)),
    _Watched("fdatasync", 75, 83, Fd(0)),
    _Watched("sync_file_range", 277, 84, Fd(0)),
    _Watched("truncate", 76, 45, At(0)),
    _Watched("ftruncate", 77, 46, Fd(0)),
    _Watched("fallocate", 285, 47, Fd(0)),
    _Watched("rename", 82, None, At(1)),
    _Watched("renameat", 264, 38, At(3, 2)),
    _Watched("renameat2", 316, 276, At(3, 2)),
    _Watched("link", 86, None, At(1)),
    _Watched("linkat", 265, 37, At(3, 2)),
    _Watched("symlink", 88, None, At(1)),
    _Watched("symlinkat", 266, 36, At(2, 1)),
    _Watched("unlink", 87, None, At(0)),
    _Watched("unlinkat", 263, 35, At(1, 0)),
    _Watched("mkdir", 83, None, At(0)),
    _Watched("mkdirat", 258, 34, At(1, 0)),
    _Watched("rmdir", 84, None, At(0)),
    _Watched("mknod", 133, None, At(0)),
    _Watched("mknodat", 259, 33, At(1, 0)),
    _Watched("chmod", 90, None, At(0)),
    _Watched("fchmod", 91, 52, Fd(0)),
    _Watched("fchmodat", 268, 53, At(1, 0)),
    _Watched("fchmodat2", 452, 452, At(1, 0)),
    _Watched("chown", 92, None, At(0)),
    _Watched("lchown", 94, None, At(0)),
    _Watched("fchown", 93, 55, Fd(0)),
    _Watched("fchownat", 260, 54, At(1, 0)),
    _Watched("utime", 132, None, At(0)),
    _Watched("utimes", 235, None, At(0)),
    _Watched("futimesat", 261, None, At(1, 0)),
    _Watched("utimensat", 280, 88, At(1, 0)),
    _Watched("setxattr", 188, 5, At(0)),
    _Watched("lsetxattr", 189, 6, At(0)),
    _Watched("fsetxattr", 190, 7, Fd(0)),
    _Watched("flock", 73, 32, Fd(0)),
)

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SYS_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_MACHINE: Final = platform.machine()

# linux/filter.h, linux/seccomp.h, linux/prctl.h
_LOAD_WORD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW: Final = 0x7FFF0000
_NOTIFY: Final = 0x7FC00000
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 1 << 3
_PR_SET_NO_NEW_PRIVS: Final = 38
_CONTINUE: Final = 1
_NOTICE: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_AT_FDCWD: Final = -100
_PATH_MAX: Final = 4096


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


@frozen
class Notice:
    """A thread of the child stands before a call, and waits for the answer to `id`."""

    id: int
    thread: int
    number: int
    arguments: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the call."""
        return _BY_NUMBER[self.number].name


def install(*, reads: bool) -> int:
    """Watch the calling thread from now on, what it reads too with `reads`; returns the listener.

    Raises `Unavailable`.
    """
    if _MACHINE not in _AUDIT_ARCH:
        raise Unavailable(f"the numbers of the system calls of {_MACHINE} are not known here")
    program = _program(reads=reads)
    code = (_Instruction * len(program))(*program)
    whole = _Program(len(program), code)
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), nothing, nothing, nothing) != 0:
        raise Unavailable(f"prctl: {os.strerror(ctypes.get_errno())}")
    listener = libc.syscall(
        ctypes.c_long(_SYS_SECCOMP[_MACHINE]),
        ctypes.c_ulong(_SET_MODE_FILTER),
        ctypes.c_ulong(_NEW_LISTENER),
        ctypes.byref(whole),
    )
    if listener < 0:
        raise Unavailable(f"seccomp: {os.strerror(ctypes.get_errno())}")
    return int(listener)


def _program(*, reads: bool) -> tuple[_Instruction, ...]:
    """Notify of each watched call, allow all others; a call of another architecture is none of ours."""
    watching = {**_numbered(_CHANGING), **(_numbered(_READING) if reads else {})}

    def lines() -> Iterator[tuple[int, int, int, int]]:
        yield _LOAD_WORD, 0, 0, 4
        yield _JUMP_EQUAL, 1, 0, _AUDIT_ARCH[_MACHINE]
        yield _RETURN, 0, 0, _ALLOW
        yield _LOAD_WORD, 0, 0, 0
        for number, watched in watching.items():
            if watched.flags is None or reads:
                yield _JUMP_EQUAL, 0, 1, number
            else:
                yield _JUMP_EQUAL, 0, 4, number
                yield _LOAD_WORD, 0, 0, 16 + 8 * watched.flags  # the low half, on a little-endian machine
                yield _JUMP_SET, 1, 0, os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
                yield _RETURN, 0, 0, _ALLOW
            yield _RETURN, 0, 0, _NOTIFY
        yield _RETURN, 0, 0, _ALLOW

    return tuple(_Instruction(*line) for line in lines())


def _numbered(calls: Iterable[_Watched]) -> dict[int, _Watched]:
    numbers = {watched: getattr(watched, _MACHINE, None) for watched in calls}
    return {number: watched for watched, number in numbers.items() if number is not None}


_BY_NUMBER: Final = _numbered((*_CHANGING, *_READING))


def receive(listener: int) -> Notice | None:
    """The next notice; None when its thread was killed meanwhile. Blocks until there is one."""
    buffer = bytearray(_NOTICE.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except FileNotFoundError:
        return None
    ident, thread, _flags, number, _arch, _pointer, *arguments = _NOTICE.unpack(buffer)
    return Notice(ident, thread, number, tuple(arguments))


def answer(listener: int, notice: Notice, error: int | None) -> None:
    """Let the call be made (None), or end it with the errno `error` without: 0 is success.

    No matter if its thread is gone.
    """
    flags, result = (_CONTINUE, 0) if error is None else (0, -error)
    try:
        fcntl.ioctl(listener, _SEND, bytearray(_RESPONSE.pack(notice.id, 0, result, flags)))
    except FileNotFoundError:
        return


def where(notice: Notice) -> Path | None:
    """The file that the call is about, symbolic links not followed; None when there is none by that name.

    Raises `Unavailable` when the child's memory cannot be read.
    """
    watched = _BY_NUMBER[notice.number]
    if isinstance(watched.file, Fd):
        return _of_descriptor(notice, watched.file.argument)
    given = _string(notice.thread, notice.arguments[watched.file.path])
    if not given:  # utimensat(fd, NULL) and the like
        return None if watched.file.folder is None else _of_descriptor(notice, watched.file.folder)
    if given.startswith("/"):
        return Path(given)
    folder = watched.file.folder
    if folder is None or _signed(notice.arguments[folder]) == _AT_FDCWD:
        return _link(f"/proc/{notice.thread}/cwd") / given
    above = _of_descriptor(notice, folder)
    return None if above is None else above / given


def _of_descriptor(notice: Notice, argument: int) -> Path | None:
    try:
        return _link(f"/proc/{notice.thread}/fd/{_signed(notice.arguments[argument])}")
    except FileNotFoundError:
        return None


def _link(path: str) -> Path:
    return Path(os.readlink(path).removesuffix(" (deleted)"))  # noqa: PTH115 - its text is wanted


def _signed(argument: int) -> int:
    return ctypes.c_int(argument & 0xFFFFFFFF).value


def _string(thread: int, address: int) -> str:
    if address == 0:
        return ""
    try:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - for every call
            memory.seek(address)
            # To the end of the page first: the next one need not be there.
            found = memory.read(_PATH_MAX - address % _PATH_MAX)
            if b"\0" not in found:
                found += memory.read(_PATH_MAX)
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise Unavailable(f"the memory of a child cannot be read: {error}") from error
        raise
    return os.fsdecode(found.partition(b"\0")[0])
