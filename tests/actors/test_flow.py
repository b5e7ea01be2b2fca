"""From spec to landed code, the whole crew on virtual time."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, Role, SubmitToRun
from scriptorium.harness.interface import AgentOutcome

from .stage import Stage, drafts, good, until_landed

pytestmark = pytest.mark.slow

AUTHOR = "scriptorium <scriptorium@localhost>"


@pytest.mark.req("V1-35", "V1-09", "V1-14", "V1-25")
async def test_a_spec_becomes_areas_becomes_tickets_becomes_landed_code(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()
    stage.cast.areas = {"core": "# Core\n", "docs": "# Docs\n"}
    stage.cast.drafts = {"core": drafts("one", "two", two="**Depends:** one\n"), "docs": drafts("guide")}
    report = await stage.run()
    assert report.leftovers == ()
    stage.assert_finished("one", "two", "guide")
    assert Counter(job.role for job in stage.agents.jobs) == {
        Role.ARCHITECT: 1,
        Role.MANAGER: 2,
        Role.CODING: 3,
    }
    authors = stage.git("log", "--format=%an <%ae>%n%cn <%ce>", "scriptorium/plan").splitlines()
    assert set(authors) == {AUTHOR}
    assert len(stage.subjects("update areas from spec")) == 1
    assert len(stage.subjects("create tickets from areas")) == 2
    assert (stage.root / "parts" / "two.txt").read_text() == "good two\n"
    # Nothing is left to do, and doing nothing costs nothing.
    before = stage.tip("scriptorium/plan")
    assert (await stage.run()).leftovers == ()
    assert stage.agents.jobs == []
    assert stage.checks.runs == []
    assert stage.tip("scriptorium/plan") == before


@pytest.mark.req("V1-17", "V1-21", "V1-23")
async def test_a_ticket_that_lands_at_the_first_try_costs_at_most_five_commits(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    before = stage.plan.length()
    await stage.run()
    assert stage.subjects()[before:] == [
        "assign ticket 0001-one",
        "enqueue merge request 0001",
        "record agent run 0001-one",
        "start landing 0001",
        "complete ticket 0001",
    ]
    # The tree that was checked is the tree that landed, on the base's tip and the submission.
    base, submission = stage.git("rev-list", "--parents", "-1", "main").split()[1:]
    assert stage.git("rev-parse", "main^{tree}") == stage.checks.trees[-1]
    assert submission in stage.git(
        "for-each-ref", "--format=%(objectname)", "refs/scriptorium/submitted/0001"
    )
    assert stage.git("log", "-1", "--format=%s", base) == "first"
    assert stage.git("log", "-1", "--format=%(trailers:key=Ticket,valueonly)", "main").strip() == "0001"
    assert "    All of it." in stage.git("log", "-1", "--format=%B", "main")


@pytest.mark.req("V1-16")
async def test_priority_dependency_and_area_decide_the_order(stage: Stage, autojump_clock: MockClock) -> None:
    stage.set(max_agents=1)
    stage.tickets(
        core=drafts("late", "first", first="**Priority:** high\n", late="**Depends:** first\n"),
        docs=drafts("low", "urgent", low="**Priority:** low\n", urgent="**Priority:** critical\n"),
    )
    await stage.run()
    assigned = [event.title for event in stage.heard(events.TicketAssigned)]
    # When `low` is assigned, `first` waits to land, so that `late` has to wait too.
    assert assigned == ["urgent", "first", "low", "late"]


async def test_several_agents_work_at_once_one_in_an_area_and_no_more_than_allowed(
    stage: Stage, autojump_clock: MockClock
) -> None:
    working: set[str] = set()
    most: list[frozenset[str]] = []

    async def slow(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:

        area = stage.file(job.cwd.name.partition("-")[2]).ticket.area
        assert area not in working
        working.add(area)
        most.append(frozenset(working))
        await trio.sleep(600)
        working.discard(area)
        return await good(job, submit)

    stage.set(max_agents=3)
    stage.tickets(a=drafts("a1", "a2"), b=drafts("b1"), c=drafts("c1"), d=drafts("d1"))
    stage.cast.coding = {slug: [slow] for slug in ("a1", "a2", "b1", "c1", "d1")}
    await stage.run()
    stage.assert_finished("a1", "a2", "b1", "c1", "d1")
    assert max(map(len, most)) == 3


@pytest.mark.req("V1-22")
async def test_one_landing_at_a_time_and_the_next_is_merged_with_it(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(a=drafts("one"), b=drafts("two"), c=drafts("three"))
    await stage.run()
    landings = [
        subject for subject in stage.subjects()
        if subject.startswith(("start landing", "complete ticket"))
    ]  # fmt: skip
    order = [subject.rpartition(" ")[2] for subject in landings]
    assert order[0::2] == order[1::2]
    assert [subject.split()[0] for subject in landings] == ["start", "complete"] * 3
    stage.assert_finished("one", "two", "three")


async def test_what_a_person_adds_while_nothing_was_to_do_is_taken_up(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """News from another program is noticed within the watcher's tick."""
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(3600)
        assert stage.agents.jobs == []
        stage.tickets(core=drafts("one"))
        await until_landed(stage, 1)
        stage.stop.set()
    stage.assert_sound()
    assert stage.states() == {"one": "done"}
