"""An Agent: attempts, submissions, and what is written down of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.pins import pins_of
from scriptorium.code.repository import open_repository
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome
from scriptorium.plan.notes import ReopenReason
from scriptorium.plan.transitions import StartLanding
from scriptorium.server import SubmitAnswer
from scriptorium.testing import ended

from .stage import Stage, drafts, ends, good, no_error_report, run_git, t, write, writes

pytestmark = pytest.mark.slow

COULD_NOT_START = AgentOutcome(ProcessOutcome(OutcomeKind.COULD_NOT_START, error="no such program"))
FAILED = ended(OutcomeKind.FAILED)


def prompts(stage: Stage) -> list[str]:
    return [job.prompt for job in stage.agents.jobs]


# ---------------------------------------------------------------- attempts


@pytest.mark.req("CA-07", "V1-18", "V1-20")
async def test_an_agent_that_fails_goes_on_where_it_was_and_is_told_what_happened(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def half(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/half.txt", "good half\n")
        return ended(OutcomeKind.FAILED, message="I am tired.")

    async def rest(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        assert (job.cwd / "parts/half.txt").read_text() == "good half\n"
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [half, rest]
    await stage.run()
    stage.assert_finished("one")
    first, second = prompts(stage)
    assert "What happened before" not in first
    assert "- Attempt 1 failed. Its last words, or why it ended:\n\n```\nI am tired.\n```" in second
    assert [(run.attempt, run.counted) for run in stage.file("one").ticket.runs] == [(1, True), (2, False)]
    assert stage.show("main", "parts/half.txt") == "good half"


@pytest.mark.req("V1-26", "CA-04", "CA-07")
async def test_attempts_used_up_reopen_and_after_the_last_reopen_the_ticket_is_stuck(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.set(max_reopens=1)
    stage.set_attempts(2)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [
        ends(FAILED),
        ends(ended()),
        ends(ended(failure="no more tokens")),
        ends(FAILED),
    ]
    report = await stage.run()
    assert report.leftovers == ("0001 stuck: one (to try again: scriptorium unpark 0001)",)
    assert [events.describe(over) for over in stage.heard(events.AttemptOver)][:2] == [
        "0001 attempt 1 failed with exit code 1, see .scriptorium/logs/0001/1.jsonl",
        "0001 attempt 2 ended without a submission, see .scriptorium/logs/0001/2.jsonl",
    ]
    ticket = stage.file("one").ticket
    assert [note.heading for note in ticket.log] == [
        "Run 1",
        "Run 2",
        "Reopened 1",
        "Run 3",
        "Run 4",
        "Parked 1",
    ]
    assert {note.reason for note in ticket.reopens} == {ReopenReason.ATTEMPTS_USED_UP}
    # The attempts number on across the reassignment, so that no log is written over.
    assert [job.attempt for job in stage.agents.jobs] == [1, 2, 3, 4]
    assert [job.log.name for job in stage.agents.jobs] == ["1.jsonl", "2.jsonl", "3.jsonl", "4.jsonl"]
    assert "worktrees/tickets/" not in stage.git("worktree", "list")
    assert stage.landed() == []
    stage.assert_sound()


async def test_a_log_that_is_there_is_never_written_over(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one"))
    (stage.project.state_dir / "logs" / "0001").mkdir(parents=True)
    (stage.project.state_dir / "logs" / "0001" / "7.jsonl").touch()
    await stage.run()
    assert [job.attempt for job in stage.agents.jobs] == [8]


async def test_an_agent_that_cannot_be_started_waits_without_a_place_and_needs_a_person_in_the_end(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []

    async def broken(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        at.append(trio.current_time())
        return COULD_NOT_START

    stage.set(max_agents=1)
    stage.tickets(core=drafts("one"), docs=drafts("two"))
    stage.cast.coding["one"] = [broken]
    report = await stage.run()
    assert report.leftovers == (
        "the coding agent could not start: no such program",
        "0001 stuck: one (to try again: scriptorium unpark 0001)",
    )
    assert [after - before for before, after in pairwise(at)] == pytest.approx([1, 2, 4, 8])
    assert stage.states() == {"one": "stuck", "two": "done"}
    (note,) = stage.file("one").ticket.reopens
    assert "no such program" in note.detail
    assert stage.file("one").ticket.runs == ()  # no process, no attempt


async def test_a_fault_of_the_machine_does_not_count_as_an_attempt(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.set_attempts(1)
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [ends(COULD_NOT_START)] * 4 + [good]
    assert (await stage.run()).leftovers == ()
    stage.assert_finished("one")


# ---------------------------------------------------------------- submissions


@pytest.mark.req("V1-21")
async def test_the_same_tree_again_gets_the_same_answer_and_another_replaces_it(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: list[SubmitAnswer] = []
    queue: list[str] = []

    async def hesitant(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        for text in ("good 1\n", "good 1\n", "good 2\n"):
            write(job, "parts/one.txt", text)
            run_git(job.cwd, "commit", "--allow-empty", "-m", "the same tree, another commit")
            answers.append(await submit(f"With {text}".strip()))
            queue.extend(entry.summary for entry in stage.snapshot.pending)
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [hesitant]
    await stage.run()
    assert [answer.accepted for answer in answers] == [True, True, True]
    assert answers[0] == answers[1] != answers[2]
    assert queue == ["With good 1", "With good 1", "With good 2"]
    assert len(stage.subjects("enqueue")) == 2
    assert len(stage.refs("refs/scriptorium/submitted/0001")) == 2
    assert stage.show("main", "parts/one.txt") == "good 2"


@pytest.mark.req("V1-21")
async def test_what_is_being_landed_cannot_be_replaced(stage: Stage, autojump_clock: MockClock) -> None:
    answers: list[SubmitAnswer] = []

    async def late(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/one.txt", "good 1\n")
        answers.append(await submit("First."))
        stage.plan.repository.commit(StartLanding(t(1)))
        write(job, "parts/one.txt", "good 2\n")
        answers.append(await submit("Second."))
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [late]
    await stage.run()
    assert [answer.accepted for answer in answers] == [True, False]
    assert "being landed" in answers[1].message
    assert stage.show("main", "parts/one.txt") == "good 1"


async def test_a_refused_submission_can_be_mended_in_the_same_run(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: list[SubmitAnswer] = []

    async def careless(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        answers.append(await submit("Nothing yet."))
        write(job, "parts/one.txt", "good\n")
        answers.append(await submit("Done."))
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [careless]
    await stage.run()
    assert [answer.accepted for answer in answers] == [False, True]
    assert answers[0].message.startswith("Not submitted: nothing to land")
    stage.assert_finished("one")


async def test_after_the_run_a_submission_is_refused(stage: Stage, autojump_clock: MockClock) -> None:
    kept: list[SubmitToRun] = []
    late: list[SubmitAnswer] = []

    async def keeps(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        kept.append(submit)
        return FAILED

    async def uses(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/one.txt", "good\n")
        late.append(await kept[0]("From the run before."))
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [keeps, uses]
    await stage.run()
    assert late == [SubmitAnswer(accepted=False, message="This run is over; nothing was submitted.")]
    stage.assert_finished("one")


@pytest.mark.req("V1-24")
async def test_an_agent_that_does_not_end_is_stopped_a_minute_after_its_submission(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """What it wrote after the submission is pinned and named, and does not land."""

    async def restless(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await good(job, submit)
        write(job, "parts/later.txt", "good later\n")
        return await trio.sleep_forever()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [restless]
    began = trio.current_time()
    await stage.run()
    assert 60 <= trio.current_time() - began < 65
    stage.assert_finished("one")
    (run,) = stage.file("one").ticket.runs
    assert (run.outcome, run.counted, run.unsubmitted) == ("submitted", False, ("parts/later.txt",))
    (pin,) = stage.refs("refs/scriptorium/work/0001")
    assert stage.show(pin, "parts/later.txt") == "good later"
    assert not (stage.root / "parts" / "later.txt").exists()


@pytest.mark.req("V1-21")
async def test_what_an_agent_committed_itself_is_part_of_its_submission(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def commits(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/a.txt", "good a\n")
        run_git(job.cwd, "add", "-A")
        assert run_git(job.cwd, "commit", "-q", "-m", "by the agent").returncode == 0
        write(job, "parts/b.txt", "good b\n")
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [commits]
    await stage.run()
    stage.assert_finished("one")
    assert "by the agent" in stage.git("log", "--format=%s", "main")
    assert {path.name for path in (stage.root / "parts").iterdir()} == {
        "a.txt",
        "b.txt",
        "base.txt",
        "one.txt",
    }


@pytest.mark.req("V1-21")
async def test_two_agents_at_once_are_each_credited_with_their_own(
    stage: Stage, autojump_clock: MockClock
) -> None:
    both = trio.Event()
    waiting: list[str] = []

    async def together(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        waiting.append(job.run_id)
        if len(waiting) == 2:
            both.set()
        await both.wait()
        return await good(job, submit)

    stage.tickets(a=drafts("one"), b=drafts("two"))
    stage.cast.coding = {"one": [together], "two": [together]}
    await stage.run()
    stage.assert_finished("one", "two")
    for slug, other in (("one", "two"), ("two", "one")):
        (commit,) = pins_of(open_repository(stage.project), stage.file(slug).id)
        names = stage.git("ls-tree", "-r", "--name-only", commit)
        assert f"parts/{slug}.txt" in names
        assert f"parts/{other}.txt" not in names


# ---------------------------------------------------------------- faults of scriptorium itself


async def test_an_agent_that_crashes_rests_and_after_five_times_a_person_looks(
    stage: Stage, autojump_clock: MockClock
) -> None:
    at: list[float] = []

    async def crash(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        at.append(trio.current_time())
        raise OSError("no space left")

    stage.tickets(core=drafts("one"), docs=drafts("two"))
    stage.cast.coding["one"] = [crash]
    with no_error_report():
        report = await stage.run()
    assert report.leftovers == ("0001 stuck: one (to try again: scriptorium unpark 0001)",)
    assert [round(after - before) for before, after in pairwise(at)] == [2, 4, 8, 16]
    assert stage.states() == {"one": "stuck", "two": "done"}
    assert "failed 5 times in a row while running its agent" in stage.file("one").ticket.reopens[0].detail
    stage.assert_sound()


async def test_an_agent_that_crashes_once_is_started_again(stage: Stage, autojump_clock: MockClock) -> None:
    async def crash(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/half.txt", "good half\n")
        raise OSError("no space left")

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [crash, good]
    with no_error_report():
        await stage.run()
    stage.assert_finished("one")
    assert stage.show("main", "parts/half.txt") == "good half"


@pytest.mark.req("V1-19")
async def test_a_ticket_that_a_person_takes_away_is_let_go_and_its_work_kept(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def robbed(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, "parts/one.txt", "good\n")
        file = stage.file("one")
        stage.plan.by_hand(removes=(file.path,))
        answer = await submit("Done.")
        assert not answer.accepted
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [robbed]
    await stage.run()
    assert stage.states() == {}
    assert "worktrees/tickets/" not in stage.git("worktree", "list")
    pins = stage.refs("refs/scriptorium/work/0001") + stage.refs("refs/scriptorium/submitted/0001")
    assert "good" in {stage.show(pin, "parts/one.txt") for pin in pins}


@pytest.mark.req("V1-18")
async def test_a_worktree_begins_at_the_tip_of_the_base(stage: Stage, autojump_clock: MockClock) -> None:
    seen: list[tuple[Path, str]] = []

    async def looks(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        head = run_git(job.cwd, "rev-parse", "HEAD").stdout.strip()
        listed = stage.git("worktree", "list")
        assert f"{job.cwd} " in listed
        assert f"[scriptorium/ticket-{job.ticket}]" in listed
        seen.append((job.cwd, head))
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    tip = stage.commit({"parts/more.txt": "good more\n"})
    stage.cast.coding["one"] = [looks]
    await stage.run()
    assert seen == [(stage.root / ".scriptorium/worktrees/tickets/0001-one", tip)]


async def test_the_events_tell_the_story(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [writes("parts/one.txt", "good\n")]
    await stage.run()
    lines = [events.describe(event) for event in stage.told.received if isinstance(event, events.Event)]
    assert [line.partition(" as ")[0].partition("submitted ")[0] for line in lines] == [
        "checking the base branch",
        "base branch main is green",
        "0001 assigned: one",
        "0001 attempt 1 started (function)",
        "0001 ",
        "0001 attempt 1 submitted",
        "checking 0001",
        "0001 landed",
    ]
