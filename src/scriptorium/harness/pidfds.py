"""Holds on to processes by pidfd, so that a pid that is used again is never signalled, and waits for them."""

from __future__ import annotations

import os
import select
import signal
from typing import Final

import trio
from attrs import define, field

from scriptorium.harness.membership import ProcessId
from scriptorium.harness.proc import Stat, read_stat

MOST_HELD: Final = 64
"""At once, for one run: one that forks without end must not use up our descriptors."""

_TORN_LOOKS: Final = 3
"""On a busy machine some process ends during every look: after this many it is taken for a stranger's."""


def is_there(identity: ProcessId) -> bool:
    """Whether this very process is there still, if only to be reaped."""
    stat = read_stat(identity.pid)
    return stat is not None and stat.start_time == identity.start_time


def hold(stat: Stat) -> int | None:
    """A pidfd for just this process; None when it is gone, or may not be held."""
    try:
        pidfd = os.pidfd_open(stat.pid)
    except (ProcessLookupError, PermissionError):
        return None
    meant = False
    try:
        # The pidfd holds on to one process; only now can it be told whether that is the one that was meant.
        meant = is_there(ProcessId.of(stat))
    finally:
        if not meant:
            os.close(pidfd)
    return pidfd if meant else None


def kill(stat: Stat) -> int | None:
    """Send SIGKILL; the pidfd to wait with, None when it could not be sent."""
    pidfd = hold(stat)
    if pidfd is None:
        return None
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.close(pidfd)
        return None
    return pidfd


async def all_ended(pidfds: list[int]) -> None:
    """Wait until each of them has ended. Cancelled, nothing has changed."""
    await trio.lowlevel.checkpoint()
    for pidfd in pidfds:
        await trio.lowlevel.wait_readable(pidfd)


def close_all(pidfds: list[int]) -> None:
    """Close them, and empty the list."""
    while pidfds:
        os.close(pidfds.pop())


def wait_readable(pidfd: int, seconds: float) -> None:
    """Wait for its end without trio, for at most so long."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.poll(max(0.0, seconds) * 1000)


@define
class Blow:
    """What one strike did to the processes of a run, and a pidfd for some that were hit, to wait with.

    A look takes a while. `restless`: a member may have ended during it, and a child that it started just
    before may have been missed, or a process could not be told, or not all that were hit are waited for.
    `torn`: one that was gone before it was known may have been a member. `killed` counts those that no
    earlier strike has hit. `blind`: there was no descriptor, or no memory, to look at all of them with.
    """

    restless: bool = False
    torn: bool = False
    blind: bool = False
    killed: int = 0
    pidfds: list[int] = field(factory=list)

    def add(self, pidfd: int, *, first: bool) -> None:
        """One that was hit, for the first time or not; the pidfd is taken over."""
        self.killed += first
        if len(self.pidfds) < MOST_HELD:
            self.pidfds.append(pidfd)
        else:
            os.close(pidfd)
            self.restless = True

    def close(self) -> None:
        """Close the pidfds."""
        close_all(self.pidfds)


@define
class Blows:
    """Counts strikes and says when they suffice."""

    killed: int = 0
    _torn_looks_left: int = _TORN_LOOKS

    def go_on(self, blow: Blow) -> bool:
        """Whether another strike must follow this one."""
        self.killed += blow.killed
        if blow.pidfds or blow.restless or blow.blind:
            return True
        self._torn_looks_left -= blow.torn
        return blow.torn and self._torn_looks_left > 0
