"""All processes of one run: finds them, signals them, and ends them until none is left.

A run's processes are found by its mark in their environment, by its session, by its control group where it
has one, by descent, and by having been seen before; each is signalled through a pidfd after its start time
was compared, so that a pid that is used again is never hit. Nothing here waits for `any` child: what is
reaped is reaped by its pid.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Final

import trio
from attrs import define, field

from scriptorium.harness.cgroup import RunGroup, delegated_group
from scriptorium.harness.membership import Clues, ProcessId, members, unclaimed_orphans
from scriptorium.harness.pidfds import (
    MOST_HELD,
    Blow,
    Blows,
    all_ended,
    close_all,
    hold,
    is_there,
    kill,
    wait_readable,
)
from scriptorium.harness.proc import Marked, Scanner, Stat, Table, ancestors, read_mark

_PR_SET_CHILD_SUBREAPER: Final = 36  # from linux/prctl.h

_SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
_BLIND_SECONDS: Final = 0.05
"""How long until the next look when there was no descriptor to look with: nothing tells when there is one."""


def now_in_ticks() -> int:
    """The time since boot as process start times have it, one tick early to be safe against rounding."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) - 1


@define(eq=False)
class Registry:
    """The runs that this process started and that are not over, and since when it starts any.

    `adopts_orphans` says that nothing but runs starts children in sessions of their own in this process, so
    that an unknown child of ours is known to be a run's orphan. `groups` is the control group that is ours
    to divide; None: there is none, or it is the affair of the program that we are embedded in.
    """

    adopts_orphans: bool = False
    groups: Path | None = field()
    _scanner: Scanner = field(factory=Scanner)
    _live: dict[RunTree, int] = field(factory=dict)
    _since: int | None = None

    @groups.default
    def _delegated(self) -> Path | None:
        return delegated_group() if self.adopts_orphans else None

    def group_of(self, run_id: str) -> RunGroup | None:
        """The control group that a run has, or can be given."""
        return None if self.groups is None else RunGroup.of(self.groups, run_id)

    @contextmanager
    def holding(self, tree: RunTree) -> Iterator[None]:
        """Count a run among the live ones."""
        if self._since is None:
            become_subreaper()
            self._since = tree.not_before
        self._live[tree] = tree.not_before
        try:
            yield
        finally:
            del self._live[tree]
            tree.remove_group()

    def scan(self, tree: RunTree) -> Table:
        """All processes that may be this run's, or an orphan's of one that is over."""
        since = tree.not_before if self._since is None else min(self._since, tree.not_before)
        return self._scanner.scan(since)

    def spared(self, tree: RunTree) -> set[int]:
        """The first processes of all other runs."""
        return {other.leader.pid for other in self._live if other is not tree and other.leader is not None}

    def orphans(self, tree: RunTree, table: dict[int, Stat]) -> frozenset[int]:
        """The processes that may be taken for this run's because they can be no other's."""
        if not self.adopts_orphans or self._since is None:
            return frozenset()
        others = [start for other, start in self._live.items() if other is not tree]
        return unclaimed_orphans(table, own=os.getpid(), not_before=self._since, others=others)


@define(eq=False)
class RunTree:
    """The processes of the run `run_id`.

    `leader` is set as soon as the first process is known and for as long as its pid cannot be another's:
    until it is reaped. `not_before` is when the run started, in ticks since boot. `started_here`: this
    process started it, and reaps the first process itself.
    """

    run_id: str
    registry: Registry
    leader: ProcessId | None = None
    not_before: int = field(factory=now_in_ticks)
    started_here: bool = True
    group: RunGroup | None = field(init=False)
    _seen: set[ProcessId] = field(factory=set)
    _ended: set[ProcessId] = field(factory=set)
    _hit: set[ProcessId] = field(factory=set)
    _unsettled: bool = False

    @group.default
    def _group_of_run(self) -> RunGroup | None:
        return self.registry.group_of(self.run_id)

    def look(self) -> dict[int, Stat]:
        """The members now. Remembers them, so that one that hides later is still known."""
        return self._look(self.registry.scan(self).stats, self._enclosed())

    def _enclosed(self) -> frozenset[int]:
        return frozenset() if self.group is None else self.group.pids()

    def _look(self, table: dict[int, Stat], enclosed: frozenset[int]) -> dict[int, Stat]:
        own = os.getpid()
        clues = Clues(
            marked=self._is_marked,
            leader=self.leader,
            seen=self._seen,
            spared={own, *ancestors(own, table), *self.registry.spared(self)},
            orphans=self.registry.orphans(self, table),
            enclosed=enclosed,
            not_before=self.not_before,
        )
        found = members(table, clues)
        self._seen = {ProcessId.of(stat) for stat in found.values()}
        return found

    def observe(self) -> None:
        """Take note of the members, and reap those that ended after their parents did."""
        with suppress(OSError):  # no descriptor is free: another time
            for stat in self.look().values():
                self._reap(stat)

    def ask(self) -> None:
        """Ask the first process to end; what is stopped of its group is continued, so that it hears it."""
        # What it has started can be told by that for as long as it lives.
        self.observe()
        if self.leader is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.leader.pid, signal.SIGTERM)
                os.killpg(self.leader.pid, signal.SIGCONT)

    async def terminate(self) -> None:
        """Ask the first process's whole group to end, and wait until what was in it has.

        Cancelled, it has been asked. The group has a number as long as the first process is not reaped.
        """
        if self.leader is None:
            return
        for number in (signal.SIGTERM, signal.SIGCONT):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader.pid, number)
        pidfds: list[int] = []
        try:
            with suppress(OSError):  # no descriptor is free: who is not held is not waited for
                group = (stat for stat in self.look().values() if stat.group == self.leader.pid)
                alive = (stat for stat in group if not stat.ended)
                pidfds.extend(pidfd for stat in islice(alive, MOST_HELD) if (pidfd := hold(stat)) is not None)
            await all_ended(pidfds)
        finally:
            close_all(pidfds)

    async def end(self) -> int:
        """Kill every member and wait until none is left; returns how many were killed.

        Cancelled, those found so far have been sent SIGKILL. A process in uninterruptible sleep is waited
        for without end: the caller sets the bound. Another user's process, which may not be signalled, is
        not waited for.
        """
        blows = Blows()
        while blows.go_on(blow := self.strike()):
            try:
                if blow.blind:
                    await trio.sleep(_BLIND_SECONDS)
                await all_ended(blow.pidfds)
            finally:
                blow.close()
        return blows.killed

    def end_now(self, bound_seconds: float) -> int:
        """Like `end`, without trio, within `bound_seconds`; returns how many were killed."""
        deadline = time.monotonic() + bound_seconds
        blows = Blows()
        while blows.go_on(blow := self.strike()) and time.monotonic() < deadline:
            for pidfd in blow.pidfds:
                wait_readable(pidfd, deadline - time.monotonic())
            blow.close()
        blow.close()
        return blows.killed

    def note_end_of_leader(self) -> None:
        """The first process is known to have ended: what it started existed before any later look."""
        if self.leader is not None:
            self._ended.add(self.leader)

    def strike(self) -> Blow:
        """Send SIGKILL to every member that is alive, and reap those that have ended."""
        blow = Blow()
        try:
            self._strike(blow)
        except OSError as error:
            if error.errno not in _SCARCE:
                blow.close()
                raise
            blow.blind = True
        return blow

    def _strike(self, blow: Blow) -> None:
        table = self.registry.scan(self)
        blow.torn = table.torn
        self._unsettled = False
        enclosed = self._enclosed()
        found = self._look(table.stats, enclosed)
        blow.restless = self._unsettled
        for stat in found.values():
            identity = ProcessId.of(stat)
            if stat.ended:
                blow.restless |= identity not in self._ended
                self._ended.add(identity)
                self._reap(stat)
            elif (pidfd := kill(stat)) is not None:
                blow.add(pidfd, first=identity not in self._hit)
                self._hit.add(identity)
            else:
                blow.restless |= not is_there(identity)
        self._kill_at_once(enclosed)

    def _kill_at_once(self, enclosed: frozenset[int]) -> None:
        """What forks faster than it is found ends here, as far as the kernel keeps it together."""
        if self.leader is not None and self.started_here:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.leader.pid, signal.SIGKILL)
        # A run can put any process of its user into its control group, this one too; then what is in it is
        # left to be killed one by one.
        if self.group is not None and not enclosed & {os.getpid(), *self.registry.spared(self)}:
            self.group.kill()

    def remove_group(self) -> None:
        """Remove the run's control group, which is empty by now."""
        if self.group is not None:
            self.group.remove()

    def _is_marked(self, pid: int) -> bool:
        mark = read_mark(pid, self.run_id)
        self._unsettled |= mark is Marked.UNSETTLED
        return mark is Marked.YES

    def _reap(self, stat: Stat) -> None:
        # The first process is reaped by whoever started it, after the last look: until then its pid, and
        # with it the number of the run's session, cannot become another process's.
        is_leader = self.leader is not None and stat.pid == self.leader.pid
        if not stat.ended or stat.parent != os.getpid() or (is_leader and self.started_here):
            return
        if is_leader:
            self.leader = None
        with suppress(ChildProcessError):
            os.waitpid(stat.pid, os.WNOHANG)


def become_subreaper() -> None:
    """Have the kernel give us the orphans of our descendants, so that they stay within reach."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")
