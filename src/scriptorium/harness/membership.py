"""Decides which processes belong to a run, from a table of processes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Set

from attrs import field, frozen

from scriptorium.harness.proc import Stat


@frozen
class ProcessId:
    """One process for good: a pid is used again, the pair of pid and start time (ticks since boot) is not."""

    pid: int
    start_time: int

    @classmethod
    def of(cls, stat: Stat) -> ProcessId:
        """The identity of a process in a table."""
        return cls(stat.pid, stat.start_time)


@frozen
class Clues:
    """What is known of a run when its processes are looked for.

    `leader` is its first process, which leads a session of its own; None when it is not known or when its
    pid may be another's by now, so that a session number proves nothing. `seen` were members in an earlier
    look. `marked` says whether a pid carries the run's mark. `spared` are never members and lead to none:
    ourselves, our ancestors, the first processes of other runs. `orphans` are members by exclusion.
    `enclosed` are in the run's own control group.
    No process that started before `not_before` (ticks since boot) is a member.
    """

    marked: Callable[[int], bool]
    leader: ProcessId | None = None
    seen: Set[ProcessId] = frozenset()
    spared: Set[int] = frozenset()
    orphans: Set[int] = frozenset()
    enclosed: Set[int] = frozenset()
    not_before: int = field(default=0)


def members(table: Mapping[int, Stat], clues: Clues) -> dict[int, Stat]:
    """The processes of a run, with all their descendants, ended ones included.

    A process is one when it carries the mark, is in the leader's session, process group or control group,
    was seen as one before, is one of the orphans, or descends from one that is. One that has ended shows
    neither mark nor parent any more, and is one also when it shares the session of one that is.
    """
    candidates = {
        pid: stat
        for pid, stat in table.items()
        if stat.start_time >= clues.not_before and pid not in clues.spared
    }
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, stat in candidates.items():
        children[stat.parent].append(pid)
    pending = [pid for pid, stat in candidates.items() if _is_member(stat, clues)]
    found: dict[int, Stat] = {}
    while pending:
        pid = pending.pop()
        if pid not in found:
            found[pid] = candidates[pid]
            pending.extend(children[pid])
    return found | _ended_in_their_sessions(found, candidates, table, clues.spared)


def _ended_in_their_sessions(
    found: Mapping[int, Stat], candidates: Mapping[int, Stat], table: Mapping[int, Stat], spared: Set[int]
) -> dict[int, Stat]:
    # The middle one of a double fork, say. For those that live a session is not enough: somebody may have
    # started a process with the run's mark in a session of their own.
    sessions = {stat.session for stat in found.values()} - {
        table[pid].session for pid in spared if pid in table
    }
    return {pid: stat for pid, stat in candidates.items() if stat.ended and stat.session in sessions}


def _is_member(stat: Stat, clues: Clues) -> bool:
    if clues.leader is not None and clues.leader.pid in (stat.pid, stat.session, stat.group):
        return True
    identity = ProcessId.of(stat)
    if identity in clues.seen or stat.pid in clues.orphans or stat.pid in clues.enclosed:
        return True
    return clues.marked(stat.pid)


def unclaimed_orphans(
    table: Mapping[int, Stat], *, own: int, not_before: int, others: Iterable[int]
) -> frozenset[int]:
    """Children of ours that came from a run that is over, though nothing on them says so.

    Such a one cleared its environment, left its session and lost its parent, so that the kernel gave it to
    us, the subreaper. `not_before` is when our first run started and `others` when each run started that is
    not over (ticks since boot): what one of those may have started is left for that one's end. What shares
    our own session was started by ourselves: no process of a run can come back into it.
    """
    if own not in table:
        return frozenset()
    session = table[own].session
    oldest_other = min(others, default=None)
    return frozenset(
        pid
        for pid, stat in table.items()
        if stat.parent == own
        and stat.session != session
        and stat.start_time >= not_before
        and (oldest_other is None or stat.start_time < oldest_other)
    )
