"""What is known of the base branch, what halts work, and who waits for how long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors.conditions_file import CONDITIONS_NAME, write_conditions
from scriptorium.actors.health import Blocked, Conditions, Health, HealthState
from scriptorium.actors.postponed import Postponed
from scriptorium.actors.strikes import Strikes
from scriptorium.plan.ids import Oid, TicketId

TIP, OTHER = Oid("a" * 40), Oid("b" * 40)
ONE, TWO = TicketId("0001"), TicketId("0002")


@pytest.mark.req("V1-27")
def test_a_verdict_on_another_commit_says_nothing_of_this_one() -> None:
    green = Health(TIP, HealthState.GREEN)
    assert green.of(TIP).state is HealthState.GREEN
    assert green.of(OTHER) == Health(OTHER)
    assert green.of(None).state is HealthState.UNKNOWN


def test_only_what_halts_work_has_a_line() -> None:
    assert Health(TIP, HealthState.GREEN, reason="no checks").line("main") is None
    assert Health(TIP).line("main") is None
    red = Health(TIP, HealthState.RED, "2026-01-02T03:04:05Z", "`make test` fails")
    assert red.line("main") == "base red since 2026-01-02T03:04:05Z: branch main: `make test` fails"


@pytest.mark.req("V1-28")
def test_who_listens_hears_each_change_once() -> None:
    heard: list[tuple[str, ...]] = []
    conditions = Conditions("main", lambda: heard.append(conditions.lines()))
    red = Health(TIP, HealthState.RED, "then", "why")
    for health in (red, red):
        conditions.set_health(health)
    for blocked in (Blocked(ONE, ("f",)), Blocked(ONE, ("f",)), None, None):
        conditions.set_blocked(blocked)
    assert [len(lines) for lines in heard] == [1, 2, 1]


@pytest.mark.parametrize(
    ("files", "way_out"),
    [
        (("README.md",), "commit, stash or move these, and it goes on by itself"),
        (("README.md", ".git/index.lock"), "commit, stash or move these"),
        ((".git/index.lock",), "if no git program is running there, remove it"),
        ((".git/index",), "git update-index --no-split-index"),
        (("/x/bare.git/worktrees/checkout/index",), "git sparse-checkout disable"),
        (("docs/index",), "commit, stash or move these"),
    ],
)
def test_what_is_in_the_way_of_a_landing_comes_with_the_way_out(files: tuple[str, ...], way_out: str) -> None:
    assert way_out in Blocked(ONE, files).line()


@pytest.mark.req("V1-28")
def test_the_lines_are_written_for_status_in_one_step(tmp_path: Path) -> None:
    write_conditions(tmp_path, ["one"])
    write_conditions(tmp_path, ["two", "three"])
    assert json.loads((tmp_path / CONDITIONS_NAME).read_text()) == {"lines": ["two", "three"]}
    assert [path.name for path in tmp_path.iterdir()] == [CONDITIONS_NAME]


async def test_strikes_wait_longer_each_time_until_it_goes_well(autojump_clock: MockClock) -> None:
    strikes = Strikes()
    for count in range(1, 5):
        assert strikes.add(ONE) == count
        assert strikes.resting() == {ONE: trio.current_time() + 2**count}
        await trio.sleep(2**count)
        assert strikes.resting() == {}
    strikes.add(TWO)
    strikes.keep({ONE})
    assert (strikes.count(ONE), strikes.count(TWO)) == (4, 0)
    strikes.forget(ONE)
    assert strikes.count(ONE) == 0
    for _ in range(100):
        strikes.add(TWO)
    assert strikes.resting() == {TWO: trio.current_time() + 60}


async def test_what_cannot_be_checked_waits_until_its_time_or_until_the_base_moves(
    autojump_clock: MockClock,
) -> None:
    postponed = Postponed()
    assert [postponed.add(ONE, TIP) for _ in range(7)] == [60, 120, 240, 480, 960, 1800, 1800]
    assert postponed.resting(TIP) == {ONE: trio.current_time() + 1800}
    assert postponed.resting(OTHER) == {}
    assert postponed.add(ONE, OTHER) == 60
    await trio.sleep(60)
    assert postponed.resting(OTHER) == {}
    postponed.forget(ONE)
    assert postponed.add(ONE, OTHER) == 60
