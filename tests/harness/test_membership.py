"""Which processes belong to a run, from tables."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext

import pytest

from scriptorium.harness.membership import Clues, ProcessId, members, unclaimed_orphans
from scriptorium.harness.pidfds import MOST_HELD, Blow
from scriptorium.harness.proc import Marked, Scanner, Stat, Table, ancestors, read_mark, read_stat
from scriptorium.harness.runtree import Registry, RunTree

SERVICE = 50


class Looks(Scanner):
    """Sees the same table every time, and counts."""

    def __init__(self, *stats: Stat, torn: bool = False) -> None:
        super().__init__()
        self.table = Table({stat.pid: stat for stat in stats}, torn)
        self.count = 0

    def scan(self, since: int = 0) -> Table:
        self.count += 1
        return self.table


def table(*rows: tuple[int, int, int, int]) -> dict[int, Stat]:
    """Rows of (pid, parent, session, start time); the group is the session's."""
    return {pid: Stat(pid, b"S", parent, session, session, start) for pid, parent, session, start in rows}


WORLD = table(
    (1, 0, 1, 0),
    (SERVICE, 1, SERVICE, 10),
    (100, SERVICE, 100, 20),  # the leader
    (101, 100, 100, 21),  # its child
    (102, 101, 102, 22),  # a grandchild in a session of its own
    (103, SERVICE, 100, 23),  # an orphan of the leader's session
    (104, SERVICE, 90, 24),  # an orphan of a session that nobody knows, marked
    (105, 104, 90, 25),  # the child of that one
    (200, SERVICE, 200, 30),  # the leader of another run
    (201, 200, 200, 31),
    (300, 1, 300, 26),  # a bystander
    (301, 300, 301, 5),  # an old one
)


def found(**clues: object) -> list[int]:
    settings: dict[str, object] = {"marked": lambda pid: False, "spared": {1, SERVICE, 200}}
    return sorted(members(WORLD, Clues(**(settings | clues))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clues", "expected"),
    [
        ({}, []),
        ({"leader": ProcessId(100, 20)}, [100, 101, 102, 103]),
        ({"marked": lambda pid: pid == 104}, [104, 105]),
        ({"seen": {ProcessId(102, 22)}}, [102]),
        ({"seen": {ProcessId(102, 21)}}, []),
        ({"orphans": {104}}, [104, 105]),
        ({"marked": lambda pid: True, "not_before": 22}, [102, 103, 104, 105, 201, 300]),
        ({"marked": lambda pid: pid in {1, SERVICE, 200}}, []),
    ],
)
def test_members(clues: dict[str, object], expected: list[int]) -> None:
    assert found(**clues) == expected


@pytest.mark.parametrize(
    ("others", "not_before", "expected"),
    [
        ([], 20, {100, 103, 104, 200}),
        ([30], 20, {100, 103, 104}),
        ([24], 20, {100, 103}),
        ([20], 20, set()),
        ([], 24, {104, 200}),
    ],
)
def test_an_unknown_orphan_is_claimed_when_no_live_run_can_have_started_it(
    others: list[int], not_before: int, expected: set[int]
) -> None:
    assert unclaimed_orphans(WORLD, own=SERVICE, not_before=not_before, others=others) == expected


def test_the_middle_one_of_a_double_fork_is_known_by_its_session() -> None:
    """It has ended: nothing but its session says whose it was. Who lives there is not judged by that."""
    rows = table((SERVICE, 1, SERVICE, 10), (61, SERVICE, 60, 31), (62, SERVICE, 60, 32))
    rows[60] = Stat(60, b"Z", SERVICE, 60, 60, 30)
    rows[63] = Stat(63, b"Z", SERVICE, SERVICE, SERVICE, 33)
    clues = Clues(marked=lambda pid: pid == 61, spared={SERVICE})
    assert sorted(members(rows, clues)) == [60, 61]
    clues = Clues(marked=lambda pid: pid == 61, spared={SERVICE, 62})
    assert sorted(members(rows, clues)) == [61]


def test_children_in_our_own_session_are_never_orphans() -> None:
    rows = table((SERVICE, 1, SERVICE, 10), (60, SERVICE, SERVICE, 30))
    assert unclaimed_orphans(rows, own=SERVICE, not_before=0, others=[]) == frozenset()


def test_a_member_that_ended_during_a_look_calls_for_another() -> None:
    # It may have started a child after the list of processes was read, and died before it was looked at.
    leader = Stat(2**22 + 1, b"Z", 1, 2**22 + 1, 2**22 + 1, 10**9)
    registry = Registry(scanner=Looks(leader))
    tree = RunTree("no-such-run", registry, leader=ProcessId.of(leader), not_before=0)
    assert tree.strike().restless
    assert not tree.strike().restless
    known = RunTree("no-such-run", registry, leader=ProcessId.of(leader), not_before=0)
    known.note_end_of_leader()
    assert not known.strike().restless


def test_a_strike_holds_no_more_descriptors_than_it_may() -> None:
    blow = Blow()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
    for _ in range(MOST_HELD + 5):
        blow.add(os.open("/dev/null", os.O_RDONLY), first=True)
    assert len(os.listdir("/proc/self/fd")) == before + MOST_HELD  # noqa: PTH208 - only counted
    blow.close()
    assert (blow.killed, blow.restless) == (MOST_HELD + 5, True)


def test_a_torn_look_calls_for_another_a_few_times() -> None:
    looks = Looks(torn=True)
    assert RunTree("no-such-run", Registry(scanner=looks), not_before=0).end_now(60.0) == 0
    assert looks.count == 3


def test_this_process_as_proc_shows_it() -> None:
    me = read_stat(os.getpid())
    assert me is not None
    assert (me.pid, me.parent, me.session) == (os.getpid(), os.getppid(), os.getsid(0))
    assert not me.ended
    everybody = Scanner().scan().stats
    assert everybody[os.getpid()].start_time == me.start_time
    assert os.getppid() in set(ancestors(os.getpid(), everybody))


def test_a_second_look_reads_only_who_may_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    scanner = Scanner()
    before = scanner.scan().stats
    read: list[int] = []

    def counting(pid: int) -> Stat | None:
        read.append(pid)
        return read_stat(pid)

    monkeypatch.setattr("scriptorium.harness.proc.read_stat", counting)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        started = read_stat(child.pid)
        assert started is not None
        seen = scanner.scan(started.start_time).stats
    assert child.pid in seen
    assert os.getpid() in seen
    assert os.getppid() not in seen
    known = {pid for pid, stat in before.items() if stat.start_time < started.start_time}
    assert known & set(read) <= {os.getpid()}


def test_an_inode_that_is_nobody_s_recognises_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pid that is used again is another process, also when the kernel could show neither's inode."""
    start_times = iter([5, 50])

    class Entry:
        name = "77"

        def inode(self) -> int:
            return 1

    def reading(pid: int) -> Stat | None:
        return Stat(pid, b"S", 1, pid, pid, next(start_times)) if pid == 77 else None

    monkeypatch.setattr("scriptorium.harness.proc.read_stat", reading)
    monkeypatch.setattr(os, "scandir", lambda _path: nullcontext([Entry()]))
    scanner = Scanner()
    assert scanner.scan(10).stats == {}
    assert list(scanner.scan(10).stats) == [77]


def test_a_name_with_parentheses_and_spaces_is_read_past() -> None:
    from scriptorium.harness.proc import _parse_stat

    line = b"42 (a) R 1 (b\n) S 7 8 9 " + b" ".join(b"%d" % number for number in range(7, 60))
    stat = _parse_stat(42, line)
    assert stat is not None
    assert (stat.state, stat.parent, stat.group, stat.session, stat.start_time) == (b"S", 7, 8, 9, 22)


def test_what_cannot_be_read_is_nobody_and_unmarked() -> None:
    assert read_stat(2**22 + 1) is None
    assert read_mark(2**22 + 1, "x") is Marked.NO


@pytest.mark.parametrize(
    ("environment", "state", "sizes", "expected"),
    [
        (b"A=1\0SCRIPTORIUM_RUN=r1\0", b"S", (b"9", b"9"), Marked.YES),
        (b"SCRIPTORIUM_RUN=r1", b"S", (b"9", b"9"), Marked.YES),
        (b"SCRIPTORIUM_RUN=r12\0", b"S", (b"9", b"9"), Marked.NO),
        (b"XSCRIPTORIUM_RUN=r1\0", b"S", (b"9", b"9"), Marked.NO),
        (b"", b"S", (b"9", b"9"), Marked.NO),  # an empty environment
        (b"", b"S", (b"0", b"0"), Marked.NO),  # a kernel thread
        (b"", b"Z", (b"9", b"0"), Marked.NO),
        (b"", b"R", (b"9", b"0"), Marked.UNSETTLED),  # in execve
    ],
)
def test_a_mark_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    environment: bytes,
    state: bytes,
    sizes: tuple[bytes, bytes],
    expected: Marked,
) -> None:
    fields = [state, *[b"1"] * 49]
    fields[20], fields[48] = sizes  # of the memory; the end of the environment in it
    files = {"/proc/7/environ": environment, "/proc/7/stat": b"7 (a b) " + b" ".join(fields)}
    monkeypatch.setattr("scriptorium.harness.proc._read", files.__getitem__)
    assert read_mark(7, "r1") is expected


def test_a_process_that_got_its_environment_during_the_look_is_told_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = [b"S", *[b"9"] * 49]
    environments = iter([b"", b"SCRIPTORIUM_RUN=r1\0"])

    def reading(path: str) -> bytes:
        return next(environments) if path == "/proc/7/environ" else b"7 (a) " + b" ".join(fields)

    monkeypatch.setattr("scriptorium.harness.proc._read", reading)
    assert read_mark(7, "r1") is Marked.YES


def test_an_unsettled_process_calls_for_another_look(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = Stat(2**22 + 1, b"R", 1, 7, 7, 10**9)
    marks = [Marked.UNSETTLED, Marked.NO]
    registry = Registry(scanner=Looks(stranger))
    monkeypatch.setattr("scriptorium.harness.runtree.read_mark", lambda _pid, _run_id: marks.pop(0))
    assert RunTree("no-such-run", registry, not_before=0).end_now(60.0) == 0
    assert marks == []
