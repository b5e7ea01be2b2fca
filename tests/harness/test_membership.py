"""Which processes belong to a run, from tables."""

from __future__ import annotations

import os

import pytest

from scriptorium.harness.membership import Clues, ProcessId, members, unclaimed_orphans
from scriptorium.harness.proc import Stat, ancestors, carries_mark, read_stat, scan

SERVICE = 50


def table(*rows: tuple[int, int, int, int]) -> dict[int, Stat]:
    """Rows of (pid, parent, session, start time); the group is the session's."""
    return {pid: Stat(pid, "S", parent, session, session, start) for pid, parent, session, start in rows}


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


def test_children_in_our_own_session_are_never_orphans() -> None:
    rows = table((SERVICE, 1, SERVICE, 10), (60, SERVICE, SERVICE, 30))
    assert unclaimed_orphans(rows, own=SERVICE, not_before=0, others=[]) == frozenset()


def test_this_process_as_proc_shows_it() -> None:
    me = read_stat(os.getpid())
    assert me is not None
    assert (me.pid, me.parent, me.session) == (os.getpid(), os.getppid(), os.getsid(0))
    assert not me.ended
    everybody = scan().stats
    assert everybody[os.getpid()].start_time == me.start_time
    assert os.getppid() in set(ancestors(os.getpid(), everybody))


def test_a_name_with_parentheses_and_spaces_is_read_past() -> None:
    from scriptorium.harness.proc import _parse_stat

    line = b"42 (a) R 1 (b\n) S 7 8 9 " + b" ".join(b"%d" % number for number in range(7, 60))
    stat = _parse_stat(42, line)
    assert stat is not None
    assert (stat.state, stat.parent, stat.group, stat.session, stat.start_time) == ("S", 7, 8, 9, 22)


def test_what_cannot_be_read_is_nobody_and_unmarked() -> None:
    assert read_stat(2**22 + 1) is None
    assert not carries_mark(2**22 + 1, "x")
