"""Runs a function in a child process that stops before each system call on a file, and asks what next.

The kernel does the asking (seccomp.py), so it is each call of every library, with its path. No rights and no
other program are needed; the kernel must be 5.5 or newer, on x86-64 or aarch64.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Final, NoReturn

from attrs import frozen

from .seccomp import Unavailable, answer, install, receive, where

MAX_SAID: Final = 100_000
"""Bytes of what a child may say, so that it goes into a socket's buffer whole."""

_TO_THE_DISK: Final = frozenset({"fsync", "fdatasync"})
_SAID, _FAILED, _UNAVAILABLE = b"said ", b"failed ", b"unavailable "


class Answer(Enum):
    """What becomes of a call. In its place an errno may stand: the call is not made, and fails with it."""

    GO_ON = auto()
    """It is made; an fsync is said to have been."""
    KILL = auto()
    """SIGKILL, before the call is made."""


@frozen
class Call:
    """A call on a file below the root. `number` counts them from 1; `path` is from the root."""

    number: int
    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.number} {self.name} {self.path}"


@frozen
class Run:
    """What a child did. `said` is what its function returned; None when it was killed."""

    calls: tuple[Call, ...]
    said: str | None


Decide = Callable[[Call], "Answer | int"]
"""Asked before each call, in the parent. Whatever it does there, the child stands still meanwhile."""


def go_on(_call: Call) -> Answer:
    """Let everything happen."""
    return Answer.GO_ON


def kill_at(number: int) -> Decide:
    """Kill before the call of that number: the ones before it are all that is made."""
    return lambda call: Answer.KILL if call.number == number else Answer.GO_ON


def fail_at(number: int, error: int) -> Decide:
    """Let the call of that number, and no other, fail with the errno `error`."""
    return lambda call: error if call.number == number else Answer.GO_ON


def watch(work: Callable[[], str], root: Path, decide: Decide = go_on, *, reads: bool = False) -> Run:
    """Do `work` in a child of this process, asking `decide` before each call that changes files below `root`.

    With `reads`, also before each that looks at one. `root` has no symbolic link in it, and `work` starts no
    process that outlives it.

    Raises:
        AssertionError: `work` raised, or the child died of something else than `Answer.KILL`.
        Unavailable: this machine does not allow it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        pid = _fork()
        if pid == 0:
            _child(work, theirs, reads=reads)
        try:
            theirs.close()
            return _Watch(pid, ours, root, decide).run()
        except BaseException:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            raise


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns when there are threads. Those of earlier tests stand idle, and hold nothing.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _child(work: Callable[[], str], to_parent: socket.socket, *, reads: bool) -> NoReturn:
    try:
        sys.dont_write_bytecode = True
        try:
            listener = install(reads=reads)
        except Unavailable as error:
            to_parent.send(_UNAVAILABLE + str(error).encode())
            os._exit(0)
        socket.send_fds(to_parent, [b"listener"], [listener])
        os.close(listener)
        try:
            said = _SAID + work().encode()
        except BaseException:
            said = _FAILED + traceback.format_exc().encode()
        to_parent.send(said[:MAX_SAID])
    finally:
        os._exit(0)


class _Watch:
    """The parent's side of one child."""

    def __init__(self, pid: int, child: socket.socket, root: Path, decide: Decide) -> None:
        self._pid = pid
        self._child = child
        self._root = root
        self._decide = decide
        self._calls: list[Call] = []
        self._killed = False

    def run(self) -> Run:
        message, descriptors, _flags, _address = socket.recv_fds(self._child, MAX_SAID, 1)
        if not descriptors:
            os.waitpid(self._pid, 0)
            raise Unavailable(message.removeprefix(_UNAVAILABLE).decode() or "the child died at once")
        (listener,) = descriptors
        try:
            self._listen(listener)
        finally:
            os.close(listener)
        _pid, status = os.waitpid(self._pid, 0)
        said = self._child.recv(MAX_SAID) if not self._killed else b""
        if not self._killed and not said.startswith(_SAID):
            ended = os.waitstatus_to_exitcode(status)
            raise AssertionError(f"the child ended with {ended}: {said.decode() or self._calls}")
        return Run(tuple(self._calls), None if self._killed else said.removeprefix(_SAID).decode())

    def _listen(self, listener: int) -> None:
        """Answer until the child is dead, or killed."""
        process = os.pidfd_open(self._pid)
        try:
            poll = select.poll()
            poll.register(listener, select.POLLIN)
            poll.register(process, select.POLLIN)
            while not self._killed:
                ready = dict(poll.poll())
                if process in ready:
                    return
                if ready[listener] & select.POLLIN:
                    self._answer_one(listener)
                else:  # its last thread is gone
                    poll.unregister(listener)
        finally:
            os.close(process)

    def _answer_one(self, listener: int) -> None:
        notice = receive(listener)
        if notice is None:
            return
        path = where(notice)
        error: int | None = None
        if path is not None and path.is_relative_to(self._root):
            call = Call(len(self._calls) + 1, notice.name, str(path.relative_to(self._root)))
            self._calls.append(call)
            match self._decide(call):
                case Answer.KILL:
                    self._killed = True
                    os.kill(self._pid, signal.SIGKILL)
                    return
                case Answer.GO_ON:
                    # Nothing here cuts the power, so what the kernel has counts as written: tests need not
                    # wait for the disk.
                    error = 0 if notice.name in _TO_THE_DISK else None
                case int(number):
                    error = number
        answer(listener, notice, error)
