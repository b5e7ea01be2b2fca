"""With `recovery`, a red base branch has one ticket made that mends it, alone, by the rules of any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.assignment import Staffing, decide_assignments
from scriptorium.actors.base_recovery import is_to_be_mended, mending_entry, mending_only, superfluous
from scriptorium.actors.world import AgentJob, NoVerdict, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import Oid
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenReason
from scriptorium.plan.recovery import recovery_slug
from scriptorium.plan.transitions import ParkTicket, UnparkTicket
from scriptorium.testing import ended
from tests.plan.plans import OID_B, REOPENED

from .plans import DONE, IN_PROGRESS, OPEN, STUCK, PlanFiles, entry, ticket
from .stage import Stage, drafts, good, t, until_landed, write, writes

RED = Oid("a" * 40)
SLUG = recovery_slug(RED)
MENDS = writes("parts/broken.txt", "good again\n")


# ---------------------------------------------------------------- decided


def test_one_is_made_when_none_is_there_and_none_was() -> None:
    assert is_to_be_mended(PlanFiles().with_(ticket(1)).snapshot, RED)
    for state in (OPEN, IN_PROGRESS, STUCK, DONE):
        there = PlanFiles().with_(ticket(1), ticket(2, state, slug=SLUG)).snapshot
        assert not is_to_be_mended(there, RED)
        assert is_to_be_mended(there, OID_B) == (state in {STUCK, DONE})


def test_a_red_base_has_only_what_mends_it_worked_on() -> None:
    def chosen(
        state: TicketState, *, base_is_green: bool, base_may_be_mended: bool = False, area: str = "b"
    ) -> list[int]:
        plan = PlanFiles().with_(
            ticket(1, area="a"), ticket(2, IN_PROGRESS, area="b"), ticket(3, state, slug=SLUG, area=area)
        )
        staffing = Staffing(
            9, frozenset(), base_is_green=base_is_green, base_may_be_mended=base_may_be_mended
        )
        return [int(one.ticket.id) for one in decide_assignments(plan.snapshot, staffing)]

    assert chosen(OPEN, base_is_green=False) == []
    for state in (OPEN, IN_PROGRESS):  # its area is nobody else's
        assert chosen(state, base_is_green=False, base_may_be_mended=True) == [3]
    assert chosen(OPEN, base_is_green=True, area="c") == [2, 1]  # not what is about to be parked
    assert chosen(IN_PROGRESS, base_is_green=True) == [2, 3, 1]


def test_only_its_submission_lands_on_a_red_base() -> None:
    queued = PlanFiles().with_(ticket(1, IN_PROGRESS), ticket(2, IN_PROGRESS, slug=SLUG))
    plan = queued.queue(entry(1, 1), entry(2, 2), active=entry(1, 1)).snapshot
    found = mending_entry(plan, (), ())
    assert found is not None
    assert (found.entry.ticket, found.started) == (t(2), False)
    assert mending_entry(plan, (t(2),), ()) is None
    assert mending_entry(plan, (), (t(2),)) is None
    assert mending_only(plan, {t(1): 5.0, t(2): 6.0, t(9): 7.0}) == {t(2): 6.0}
    assert superfluous(plan) == ()


# ---------------------------------------------------------------- played


def broken(stage: Stage, **named: object) -> str:
    """A base branch that is red, and `recovery`; the slug of the ticket that is to come."""
    stage.set(recovery=True, **named)
    return recovery_slug(stage.commit({"parts/broken.txt": "bad\n"}))


@pytest.mark.slow
async def test_it_is_made_worked_on_alone_and_lands_and_then_the_others_go_on(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"), docs=drafts("two"))
    slug = broken(stage)
    red = stage.tip()

    async def mends(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        assert stage.states() == {"one": "open", "two": "open", slug: "in-progress"}
        assert "bad: broken.txt" in job.prompt
        assert "`function` exits with 1" in job.prompt
        return await MENDS(job, submit)

    stage.cast.coding[slug] = [mends]
    report = await stage.run()
    assert report.leftovers == ()
    stage.assert_finished("one", "two", slug)
    assert stage.agents.jobs[0].ticket == t(3)
    assert len([job for job in stage.agents.jobs if job.ticket == t(3)]) == 1
    # [its landing, ..., the red one, the first one]: the next after the red one is its.
    first = stage.git("rev-list", "--first-parent", "--reverse", "--parents", "main").splitlines()[2]
    assert first.split()[1] == red
    assert stage.show(first.split()[0], "parts/broken.txt") == "good again"
    assert stage.subjects("create recovery ticket") == ["create recovery ticket 0003"]
    (begun,) = stage.heard(events.RecoveryBegun)
    assert begun.ticket == t(3)
    assert [event.state for event in stage.heard(events.BaseHealthChanged)] == ["red", "green"]
    # What landed is green without a check of its own.
    assert stage.checks.runs[:3] == ["base", "base", "0003"]


@pytest.mark.slow
async def test_what_does_not_mend_it_comes_back_and_is_given_up_and_not_asked_for_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    slug = broken(stage, max_reopens=1)
    stage.cast.coding[slug] = [good, writes("parts/more.txt", "good\n")]
    before = stage.tip()
    report = await stage.run()
    assert stage.states() == {"one": "open", slug: "stuck"}
    assert [note.reason for note in stage.file(slug).ticket.reopens] == [ReopenReason.CHECKS_FAILED] * 2
    assert "bad: broken.txt" in stage.file(slug).ticket.reopens[0].output_tail
    assert stage.tip() == before
    assert any(line.startswith("base red since") for line in report.leftovers)
    again = await stage.run()  # another life asks for no other
    assert again.leftovers == report.leftovers
    assert len(stage.subjects("create recovery ticket")) == 1
    stage.assert_sound()


@pytest.mark.slow
async def test_a_person_who_is_faster_has_it_parked_and_the_work_goes_on(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    slug = broken(stage)

    async def is_beaten(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.commit({"parts/broken.txt": "good, by hand\n"})
        await trio.sleep(30)  # the others go on beside it
        assert stage.states()["one"] == "done"
        assert stage.states()[slug] == "in-progress"
        answer = await submit("Nothing.")
        assert not answer.accepted
        return ended()

    stage.set_attempts(1)
    stage.cast.coding[slug] = [is_beaten]
    report = await stage.run()
    assert stage.states() == {"one": "done", slug: "stuck"}
    *_, note = stage.file(slug).ticket.reopens
    assert (note.reason, note.parked) == (ReopenReason.NOT_NEEDED, True)
    assert "green again" in note.detail
    assert len(report.leftovers) == 1
    # Who has it tried again wants it tried, whatever the base is like.
    stage.plan.repository.commit(UnparkTicket(stage.file(slug).id))
    stage.cast.coding[slug] = [good]
    assert (await stage.run()).leftovers == ()
    assert stage.states()[slug] == "done"


@pytest.mark.slow
async def test_another_red_commit_meanwhile_has_no_second_ticket(
    stage: Stage, autojump_clock: MockClock
) -> None:
    slug = broken(stage)

    async def overtaken(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.commit({"parts/other.txt": "good other\n"})
        await trio.sleep(30)
        return await MENDS(job, submit)

    stage.cast.coding[slug] = [overtaken]
    await stage.run()
    stage.assert_finished(slug)


@pytest.mark.slow
async def test_a_landing_that_was_held_up_makes_way_and_follows(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """Ticket 0001 is being landed when a person breaks the base; it lands once that is mended."""
    stage.tickets(core=drafts("one"))
    judge, blind = stage.judge, [NoVerdict("the disk is full")]

    def cannot_tell_at_first(folder: Path) -> str | NoVerdict | None:
        if folder.name.startswith("0001") and blind:
            broken(stage)
            return blind.pop()
        return judge(folder)

    stage.set(recovery=True)
    stage.judge = cannot_tell_at_first
    stage.cast.coding["one"] = [good]
    original = stage.cast.work

    async def work(job: AgentJob, submit: SubmitToRun | None) -> AgentOutcome:
        if job.ticket == t(2):
            assert submit is not None
            assert stage.snapshot.active_ticket == t(1)
            return await MENDS(job, submit)
        return await original(job, submit)

    stage.raise_curtain()
    stage.agents.work = work
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await until_landed(stage, 2)
        stage.stop.set()
    assert [subject.split()[2] for subject in stage.subjects("start landing")] == ["0001", "0002", "0001"]
    assert set(stage.states().values()) == {"done"}
    stage.assert_sound()


@pytest.mark.slow
async def test_a_killed_service_goes_on_with_it(stage: Stage, autojump_clock: MockClock) -> None:
    slug = broken(stage)
    started = trio.Event()

    async def hangs(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/broken.txt", "good, half done\n")
        started.set()
        await trio.sleep_forever()
        raise AssertionError

    stage.cast.coding[slug] = [hangs, MENDS]
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.run)
            await started.wait()
            scope.cancel()
    assert stage.states() == {slug: "in-progress"}
    await stage.run()
    stage.assert_finished(slug)
    assert len(stage.subjects("create recovery ticket")) == 1


@pytest.mark.slow
async def test_without_the_setting_nothing_of_it_happens(stage: Stage, autojump_clock: MockClock) -> None:
    broken(stage)
    stage.set(recovery=False)
    await stage.run()
    assert stage.states() == {}
    assert stage.subjects("create recovery") == []


@pytest.mark.slow
async def test_one_that_somebody_parked_while_it_was_needed_leaves_the_base_to_people(
    stage: Stage, autojump_clock: MockClock
) -> None:
    slug = broken(stage)

    async def is_parked(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.plan.repository.commit(ParkTicket(stage.file(slug).id, REOPENED))
        return ended()

    stage.cast.coding[slug] = [is_parked]
    report = await stage.run()
    assert stage.states() == {slug: "stuck"}
    assert report.leftovers[-1].startswith("0001 stuck")
