"""A person moves tickets by hand: the service says so once, obeys, and brings queue and agents in line."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.orchestrator import run_orchestrator
from scriptorium.actors.world import AgentJob, NoVerdict, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.start import PlanUnusable
from scriptorium.plan.transitions import AssignTicket, UpdateSpec
from scriptorium.runtime import EventStream
from scriptorium.testing import listen

from .stage import Stage, drafts, good, t, until_landed, write

pytestmark = pytest.mark.slow


def move(stage: Stage, slug: str, state: str, *, plus: str = "") -> None:
    """What a person commits: the file of a ticket, moved."""
    file = stage.file(slug)
    text = stage.plan.text(file.path)
    stage.plan.by_hand({f"tickets/{state}/{file.name}.md": f"{text}{plus}\n".encode()}, (file.path,))


def troubles(stage: Stage) -> list[str]:
    return [trouble.what for trouble in stage.heard(events.Trouble)]


@pytest.mark.parametrize("state", ["done", "stuck", "open"])
@pytest.mark.req("V1-19")
async def test_an_agent_whose_ticket_is_moved_away_is_stopped_and_its_work_is_pinned(
    stage: Stage, autojump_clock: MockClock, state: str
) -> None:
    async def half(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/half.txt", "good half\n")
        move(stage, "one", state)
        return await trio.sleep_forever()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [half, good]
    with trio.fail_after(600):
        await stage.run()
    (pin,) = stage.refs("refs/scriptorium/work/0001")
    assert stage.show(pin, "parts/half.txt") == "good half"
    assert len([said for said in troubles(stage) if "its agent is stopped" in said]) == 1
    (said,) = [said for said in troubles(stage) if "was moved by hand" in said]
    assert f"from in-progress to {state}" in said
    assert "worktrees/tickets/" not in stage.git("worktree", "list")
    if state == "open":  # it is to be done after all, and is gone on with
        assert stage.states() == {"one": "done"}
        assert stage.show("main", "parts/half.txt") == "good half"
    else:
        assert stage.states() == {"one": state}
        assert len(stage.agents.jobs) == 1
        assert stage.landed() == []


async def test_an_agent_whose_ticket_a_person_deletes_is_stopped(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def half(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/half.txt", "good half\n")
        stage.plan.by_hand(removes=(stage.file("one").path,))
        return await trio.sleep_forever()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [half]
    with trio.fail_after(600):
        await stage.run()
    (pin,) = stage.refs("refs/scriptorium/work/0001")
    assert stage.show(pin, "parts/half.txt") == "good half"
    assert any("0001 is not there any more, not in progress" in said for said in troubles(stage))


async def test_an_agent_whose_ticket_is_only_edited_goes_on(stage: Stage, autojump_clock: MockClock) -> None:
    """Also when the text cannot be read for the moment: a person is at it."""

    async def edited(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        file = stage.file("one")
        text = stage.plan.text(file.path).encode()
        stage.plan.by_hand({file.path: b"\xff"})
        await trio.sleep(30)
        stage.plan.by_hand({file.path: text + b"\nMind the gap.\n"})
        await trio.sleep(30)
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [edited]
    await stage.run()
    assert stage.states() == {"one": "done"}
    assert len(stage.agents.jobs) == 1


async def test_a_ticket_that_is_moved_into_progress_by_hand_is_worked_on(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one", "two", two="**Depends:** one\n"))
    move(stage, "two", "in-progress")
    assert stage.file("two").ticket.branch is None
    await stage.run()
    assert stage.states() == {"one": "done", "two": "done"}
    assert stage.agents.jobs[0].ticket == "0002"  # the person wants it now
    assert stage.agents.jobs[0].branch == "scriptorium/ticket-0002"
    (said,) = [said for said in troubles(stage) if "was moved by hand" in said]
    assert "from open to in-progress" in said


@pytest.mark.parametrize("state", ["done", "stuck", "open"])
@pytest.mark.req("V1-22")
async def test_what_is_being_landed_and_is_moved_away_holds_nobody_up(
    stage: Stage, autojump_clock: MockClock, state: str
) -> None:
    """Its entry and `active.md` stay behind: they are dropped by one commit, and the next lands."""
    judge, moved = stage.judge, list[str]()

    def moves(folder: Path) -> str | NoVerdict | None:
        if (folder / "parts/one.txt").exists() and not moved:
            moved.append(state)
            move(stage, "one", state)
        return judge(folder)

    stage.judge = moves
    stage.tickets(a=drafts("one"), b=drafts("two"))
    report = await stage.run()
    assert stage.snapshot.pending == ()
    assert stage.snapshot.active_ticket is None
    assert stage.states()["two"] == "done"
    assert len(stage.subjects("repair plan branch")) == 1
    if state == "open":
        assert stage.states()["one"] == "done"
        assert report.leftovers == ()
    else:
        assert stage.states()["one"] == state
    (said,) = [said for said in troubles(stage) if "removed, as ticket 0001" in said]
    assert f"removed, as ticket 0001 is {state}, not in progress" in said


async def test_the_queue_is_brought_in_line_while_the_base_is_red(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    stage.plan.repository.commit(AssignTicket(t(1), "scriptorium/ticket-0001", "x"))
    stage.plan.enqueue(t(1))
    move(stage, "one", "stuck")
    stage.commit({"parts/bad.txt": "bad\n"})
    await stage.run()
    assert stage.snapshot.pending == ()


async def test_each_change_by_hand_is_said_once_also_over_restarts(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()
    stage.tickets(core=drafts("one", "two"))
    move(stage, "one", "stuck")
    stage.plan.by_hand({"spec.md": stage.plan.text("spec.md").encode() + b"\n"})
    stage.set(max_agents=1)
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await until_landed(stage, 1)
        await trio.sleep(60)
        move(stage, "one", "done")
        await trio.sleep(60)
        stage.stop.set()
    said = [said for said in troubles(stage) if "by hand" in said]
    assert ["from open to stuck" in said[0], "from stuck to done" in said[1]] == [True, True]
    assert len(said) == 2
    stage.plan.repository.commit(UpdateSpec("# A spec\n\nMore.\n"))
    await stage.run()
    assert [said for said in troubles(stage) if "by hand" in said] == []


@pytest.mark.parametrize("blocked", [False, True])
async def test_the_start_refuses_only_what_it_cannot_work_with(stage: Stage, *, blocked: bool) -> None:
    """Everything else is said in one line, and the work goes on."""
    stage.plan.by_hand({"tickets/open/12.md": b"x", "tickets/open/x.md": b"x"})
    if blocked:
        stage.plan.by_hand({"tickets/stuck": b"x"}, ("tickets/stuck/.gitkeep",))
        with pytest.raises(
            PlanUnusable, match=r"tickets/stuck: .*; scriptorium check says what else is wrong"
        ):
            await run_orchestrator(stage.root, port=0, until_idle=True)
        return
    stream = EventStream()
    async with listen(stream) as told:
        await run_orchestrator(stage.root, port=0, until_idle=True, events=stream)
    said = [event.what for event in told.received if isinstance(event, events.Trouble)]
    assert [what for what in said if "`scriptorium check` names it all" in what] == [
        "the plan branch is not sound: tickets/open/12.md: '12.md' is not the name of a ticket: NNNN-slug.md,"
        " and 1 more; work goes on, and `scriptorium check` names it all"
    ]
