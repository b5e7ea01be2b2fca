"""The MergeQueue: what lands, what comes back, what waits."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, NoVerdict, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.plan.notes import ReopenReason
from scriptorium.plan.repository import PlanBusy
from scriptorium.plan.transitions import StartLanding, Transition
from scriptorium.testing import ended

from .faults import Faulty
from .stage import Play, Stage, drafts, good, run_git, t, until_landed, write, writes

pytestmark = pytest.mark.slow


@pytest.mark.req("V1-26", "V1-20")
async def test_failed_checks_bring_the_ticket_back_with_the_reason_and_the_output(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [writes("parts/one.txt", "bad\n"), writes("parts/one.txt", "good\n")]
    before = stage.tip()
    tips: list[str] = []
    judge = stage.judge

    def watching(folder: Path) -> str | NoVerdict | None:
        tips.append(stage.tip())
        return judge(folder)

    stage.judge = watching
    await stage.run()
    stage.assert_finished("one")
    (note,) = stage.file("one").ticket.reopens
    assert (note.reason, note.output_tail.strip(), note.exit_code) == (
        ReopenReason.CHECKS_FAILED,
        "bad: one.txt",
        1,
    )
    assert set(tips) == {before}  # the base was not touched before its tree had passed
    again = stage.agents.jobs[1].prompt
    assert "came back (checks-failed)" in again
    assert "bad: one.txt" in again


async def test_red_is_believed_after_a_second_run_of_the_same_tree(
    stage: Stage, autojump_clock: MockClock
) -> None:
    flaky = iter([None, "flaky\n", None])
    stage.judge = lambda folder: next(flaky)
    stage.tickets(core=drafts("one"))
    await stage.run()
    stage.assert_finished("one")
    assert stage.checks.runs == ["base", "0001", "0001"]
    assert len(set(stage.checks.trees[1:])) == 1
    assert stage.file("one").ticket.reopens == ()


async def test_a_tree_that_has_a_verdict_is_not_checked_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """The same bad work again is red without a run, and what has landed is green without one."""
    stage.set(max_reopens=1)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [writes("parts/one.txt", "bad\n")]
    await stage.run()
    assert stage.states() == {"one": "stuck"}
    assert stage.checks.runs == ["base", "0001", "0001", "base"]
    await stage.run()
    assert stage.checks.runs == []


@pytest.mark.req("V1-26", "V1-20", "V1-18")
async def test_a_conflict_brings_the_ticket_back_with_its_files_and_the_answer_has_both_parents(
    stage: Stage, autojump_clock: MockClock
) -> None:
    both = trio.Event()
    here: list[str] = []

    def first(text: str) -> Play:
        async def play(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
            here.append(text)
            if len(here) == 2:
                both.set()
            await both.wait()
            return await writes("parts/shared.txt", f"good {text}\n")(job, submit)

        return play

    async def resolves(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        left = (job.cwd / "parts/shared.txt").read_text()
        assert "<<<<<<<" in left
        answer = await submit("Without looking.")
        assert not answer.accepted
        assert "conflict markers" in answer.message
        return await writes("parts/shared.txt", "good a and b\n")(job, submit)

    stage.tickets(a=drafts("one"), b=drafts("two"))
    stage.cast.coding = {"one": [first("a"), resolves], "two": [first("b"), resolves]}
    await stage.run()
    stage.assert_finished("one", "two")
    assert (stage.root / "parts/shared.txt").read_text() == "good a and b\n"
    (loser,) = [slug for slug in ("one", "two") if stage.file(slug).ticket.reopens]
    (note,) = stage.file(loser).ticket.reopens
    assert (note.reason, note.files) == (ReopenReason.CONFLICT, ("parts/shared.txt",))
    again = stage.agents.jobs[-1].prompt
    assert "- parts/shared.txt" in again
    # [base tip, submission]; the submission has the agent's first one and the base it was merged with.
    base, submission = stage.git("log", "-1", "--format=%P", "main").split()
    assert stage.git("log", "-1", "--format=%P", submission).split()[1] == base


async def test_a_reopened_ticket_gets_the_base_that_moved_meanwhile(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def meanwhile(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.commit({"parts/more.txt": "good more\n"})
        return await writes("parts/one.txt", "bad\n")(job, submit)

    async def sees(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        assert (job.cwd / "parts/more.txt").read_text() == "good more\n"
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [meanwhile, sees]
    await stage.run()
    assert stage.states() == {"one": "done"}
    stage.assert_sound()


async def test_work_that_has_landed_already_comes_back_as_nothing_to_land(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def overtaken(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        outcome = await good(job, submit)
        stage.commit({"parts/one.txt": "good one\n"})
        return outcome

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [overtaken, writes("parts/two.txt", "good\n")]
    await stage.run()
    assert [note.reason for note in stage.file("one").ticket.reopens] == [ReopenReason.NOTHING_TO_LAND]
    assert stage.states() == {"one": "done"}


async def test_a_submission_that_a_person_merged_is_done(stage: Stage, autojump_clock: MockClock) -> None:
    async def merged(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        outcome = await good(job, submit)
        stage.git("merge", "-q", "--no-ff", "-m", "merged by hand", "scriptorium/ticket-0001")
        return outcome

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [merged]
    await stage.run()
    assert stage.states() == {"one": "done"}
    assert stage.git("log", "-1", "--format=%s", "main") == "merged by hand"
    assert stage.refs("refs/heads/scriptorium/ticket-*") == []


@pytest.mark.req("V1-24")
async def test_a_stray_file_of_the_agent_is_not_in_what_is_checked(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """Files written after the submission, ignored or not, and what the agent did to git's own notes."""

    async def untidy(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, ".gitignore", "*.ignored\n")
        outcome = await good(job, submit)
        write(job, "parts/stray.txt", "bad stray\n")
        write(job, "parts/stray.ignored", "bad ignored\n")
        write(job, "parts/base.txt", "bad base\n")
        run_git(job.cwd, "update-index", "--assume-unchanged", "parts/base.txt")
        return outcome

    seen: list[list[str]] = []

    def looks(folder: Path) -> str | NoVerdict | None:
        seen.append(sorted(path.name for path in (folder / "parts").iterdir()))
        return stage_judge(folder)

    stage_judge = stage.judge
    stage.judge = looks
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [untidy]
    await stage.run()
    stage.assert_finished("one")
    assert seen == [["base.txt"], ["base.txt", "one.txt"]]


# ---------------------------------------------------------------- waiting


@pytest.mark.req("V1-25")
async def test_uncommitted_work_in_the_way_is_waited_for_and_never_touched(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(core=drafts("one"), docs=drafts("two"))
    mine = stage.root / "parts/one.txt"
    mine.write_text("my own\n")
    report = await stage.run()
    assert report.leftovers[0].startswith("landing blocked by parts/one.txt: ticket 0001 ")
    assert mine.read_text() == "my own\n"
    async with trio.open_nursery() as nursery:
        stage.raise_curtain()
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await trio.sleep(1800)
        assert stage.world.conditions.lines() == report.leftovers[:1]
        mine.unlink()
        await until_landed(stage, 2)
        stage.stop.set()
    assert stage.world.conditions.lines() == ()
    stage.assert_sound()
    assert stage.states() == {"one": "done", "two": "done"}


@pytest.mark.req("V1-22")
async def test_a_check_that_cannot_be_run_blames_nobody_and_is_tried_again_with_backoff(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []

    def full(folder: Path) -> str | NoVerdict | None:
        if not (folder / "parts/one.txt").exists():
            return None
        at.append(trio.current_time())
        return NoVerdict("the disk is full") if len(at) < 8 else None

    stage.judge = full
    stage.tickets(core=drafts("one"))
    await stage.run()
    stage.assert_finished("one")
    minutes = [round((after - before) / 60) for before, after in pairwise(at)]
    assert minutes == [1, 2, 4, 8, 16, 30, 30]
    assert stage.file("one").ticket.reopens == ()


async def test_a_landing_that_fails_over_and_over_stops_no_other(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.tickets(a=drafts("one"), b=drafts("two"))
    stage.raise_curtain()
    commit = stage.world.plan.commit

    async def busy(transition: Transition) -> object:
        if isinstance(transition, StartLanding) and transition.ticket == t(1):
            raise PlanBusy("a lock stays")
        return await commit(transition)

    monkeypatch.setattr(stage.world.plan, "commit", busy)
    began = trio.current_time()
    report = await stage.run(new=False)
    assert trio.current_time() - began == pytest.approx(2 + 4 + 8 + 16, abs=1)
    assert report.leftovers == ("0001 stuck: one (to try again: scriptorium unpark 0001)",)
    assert stage.states() == {"one": "stuck", "two": "done"}
    assert "PlanBusy" in stage.file("one").ticket.reopens[0].detail
    stage.assert_sound()


async def test_a_base_that_moves_while_the_checks_run_is_merged_and_checked_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    judge, moved = stage.judge, False

    def moves(folder: Path) -> str | NoVerdict | None:
        nonlocal moved
        if (folder / "parts/one.txt").exists() and not moved:
            moved = True
            stage.commit({"parts/more.txt": "good more\n"})
        return judge(folder)

    stage.judge = moves
    stage.tickets(core=drafts("one"))
    await stage.run()
    assert stage.states() == {"one": "done"}
    assert stage.checks.runs == ["base", "0001", "base", "0001"]
    assert stage.show("main", "parts/more.txt") == "good more"
    stage.assert_sound()


async def test_an_entry_whose_ticket_a_person_moved_stops_no_other(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def moved_away(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        outcome = await good(job, submit)
        file = stage.file("one")
        stage.plan.by_hand({f"tickets/stuck/{file.name}.md": file.ticket.text.encode()}, (file.path,))
        return outcome

    stage.tickets(a=drafts("one"), b=drafts("two"))
    stage.cast.coding["one"] = [moved_away]
    report = await stage.run()
    assert stage.states() == {"one": "stuck", "two": "done"}
    assert [line for line in report.leftovers if "queue" in line] == []
    assert stage.snapshot.pending == ()  # the repair took it out


@pytest.mark.parametrize("verdict", ["bad\n", None])
async def test_the_decision_is_made_again_when_somebody_else_was_faster(
    stage: Stage, autojump_clock: MockClock, verdict: str | None
) -> None:
    """The ticket is parked by hand while its checks run: nothing lands and nothing spins."""
    judge = stage.judge

    def robs(folder: Path) -> str | NoVerdict | None:
        if (folder / "parts/one.txt").exists():
            file = stage.file("one")
            entry = stage.snapshot.pending[0].path
            stage.plan.by_hand(
                {f"tickets/stuck/{file.name}.md": file.ticket.text.encode()},
                (file.path, entry, "queue/merge/active.md"),
            )
            return verdict
        return judge(folder)

    stage.judge = robs
    stage.tickets(core=drafts("one"))
    began = trio.current_time()
    await stage.run()
    assert stage.states() == {"one": "stuck"}
    assert trio.current_time() - began < 5
    said = [trouble.what for trouble in stage.heard(events.Trouble)]
    by_hand = [what for what in said if "was moved by hand, from in-progress to stuck" in what]
    assert len(by_hand) == 1
    assert len(said) == (1 if verdict is None else 2)
    assert stage.landed() == []


async def test_an_agent_that_ends_badly_after_its_submission_has_submitted(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def falls(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await good(job, submit)
        return ended(OutcomeKind.SIGNALED)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [falls]
    await stage.run()
    stage.assert_finished("one")


@pytest.mark.parametrize("what", ["the base", "the ticket"])
async def test_a_landing_that_waited_is_decided_on_what_is_new(
    stage: Stage, autojump_clock: MockClock, what: str
) -> None:
    """Nothing but the refusal tells of the news: without it the same old look would be taken for ever."""
    judge, checked = stage.judge, 0

    def moves(folder: Path) -> str | NoVerdict | None:
        nonlocal checked
        if not (folder / "parts/one.txt").exists():
            return judge(folder)
        checked += 1
        if checked == 1:
            return NoVerdict("the disk is full")
        if checked > 2:
            return None if what == "the base" else "bad\n"
        if what == "the base":
            stage.commit({"parts/more.txt": "good more\n"})
            return None
        file = stage.file("one")
        stage.plan.by_hand({f"tickets/stuck/{file.name}.md": file.ticket.text.encode()}, (file.path,))
        return "bad\n"

    stage.judge = moves
    stage.offload = Faulty(1_000, fault=partial(pytest.fail, "it goes round and round"))
    stage.tickets(core=drafts("one"))
    await stage.run()
    assert stage.states() == {"one": "done" if what == "the base" else "stuck"}
