"""What an agent is told at its submission: that it is accepted, and what it will conflict with."""

from __future__ import annotations

from contextlib import suppress
from subprocess import CalledProcessError

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events, foreseeing
from scriptorium.actors.foreseeing import ENTRIES, Waiting, told, waiting_beside
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.base_changes import BaseChange
from scriptorium.code.trial import Clash
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.ids import Oid
from scriptorium.testing import ended

from .plans import IN_PROGRESS, OID, PlanFiles, entry, ticket
from .stage import Stage, drafts, run_git, t, until_landed, write, writes

SHARED = "parts/shared.txt"
MINUTE = "If a minute is enough"


@pytest.mark.req("V1-21", "V1-26")
async def test_the_second_of_two_is_told_at_once_and_when_it_comes_back(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: dict[str, str] = {}
    first, second = trio.Event(), trio.Event()

    async def submits(name: str, job: AgentJob, submit: SubmitToRun) -> None:
        write(job, SHARED, f"good {name}\n")
        answer = await submit(f"Write {name}.")
        assert answer.accepted
        assert await submit("Once more.") == answer
        answers[name] = answer.message

    async def goes_first(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await submits("one", job, submit)
        first.set()
        await second.wait()
        return ended()

    async def goes_second(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await first.wait()
        await submits("two", job, submit)
        second.set()
        await until_landed(stage, 1)
        return ended()

    stage.tickets(a=drafts("one"), b=drafts("two"))
    stage.cast.coding["one"] = [goes_first]
    stage.cast.coding["two"] = [goes_second, writes(SHARED, "good both\n")]
    await stage.run()
    stage.assert_finished("one", "two")
    assert "conflict" not in answers["one"]
    assert "It is accepted." in answers["two"]
    assert f"- with ticket 0001, which is before it in the queue, in {SHARED}\n" in answers["two"]
    assert "comes back to you" in answers["two"]
    assert MINUTE not in answers["two"]  # there is nothing to merge yet
    (note,) = stage.file("two").ticket.reopens
    assert note.tickets == ("0001",)
    landed = stage.git("rev-parse", "main~1")
    assert f"--- {SHARED} (changed on main by ticket 0001 in {landed[:10]})" in note.conflicts
    again = stage.agents.jobs[-1].prompt
    assert note.conflicts.rstrip() in again
    assert "<<<<<<< base\ngood one\n=======\ngood two\n>>>>>>> submission" in again


async def test_an_agent_can_settle_a_conflict_with_the_base_at_once(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: list[str] = []

    async def settles(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        stage.commit({SHARED: "good mine\n"})
        await stage.world.look(afresh=True)
        write(job, SHARED, "good yours\n")
        answers.append((await submit("Write.")).message)
        (merge,) = (word for word in answers[0].split("`") if word.startswith("git merge "))
        with suppress(CalledProcessError):  # it exits with 1, as there is a conflict
            run_git(job.cwd, *merge.split()[1:])
        assert "<<<<<<<" in (job.cwd / SHARED).read_text()
        refused = await submit("Not resolved.")
        assert not refused.accepted
        write(job, SHARED, "good mine and yours\n")
        answers.append((await submit("Write, merged.")).message)
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [settles]
    await stage.run()
    assert f"- with main in {SHARED}, by the work of others\n" in answers[0]
    assert MINUTE in answers[0]
    assert "conflict" not in answers[1]
    assert stage.states() == {"one": "done"}
    assert stage.file("one").ticket.reopens == ()
    assert (stage.root / SHARED).read_text() == "good mine and yours\n"


@pytest.mark.req("V1-21")
async def test_the_same_tree_again_gets_the_same_answer_and_another_tree_its_own(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: list[str] = []

    async def submits(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        write(job, SHARED, "good yours\n")
        answers.append((await submit("Write.")).message)
        stage.commit({SHARED: "good mine\n"})
        await stage.world.look(afresh=True)
        answers.append((await submit("Write.")).message)
        write(job, "parts/more.txt", "good more\n")
        answers.append((await submit("Write more.")).message)
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [submits, writes(SHARED, "good both\n")]
    await stage.run()
    assert stage.states() == {"one": "done"}
    assert answers[0] == answers[1]
    assert "conflict" not in answers[0]
    assert f"- with main in {SHARED}" in answers[2]


@pytest.mark.parametrize("fault", ["an error", "no end"])
async def test_a_trial_that_fails_or_hangs_never_loses_the_submission(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    answers: list[str] = []
    took: list[float] = []

    async def submits(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        async def hangs(_fn: object) -> object:
            assert stage.snapshot.entry_of(t(1)) is not None  # it is in the queue before anything is tried
            if fault == "an error":
                raise KeyError("no such commit")
            await trio.sleep_forever()

        monkeypatch.setattr(stage.world, "background", hangs)
        began = trio.current_time()
        write(job, "parts/one.txt", "good\n")
        answer = await submit("Write.")
        took.append(trio.current_time() - began)
        answers.append(answer.message)
        return ended()

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [submits]
    await stage.run()
    stage.assert_finished("one")
    assert "It is accepted." in answers[0]
    assert took[0] <= foreseeing.SECONDS
    said = [trouble.what for trouble in stage.heard(events.Trouble)]
    assert [what for what in said if "could not be found out: KeyError('no such commit')" in what] == (
        said if fault == "an error" else []
    )


def test_all_that_it_conflicts_with_is_told() -> None:
    waiting = Waiting(ahead=frozenset({t(3)}))
    changes = (BaseChange(OID, t(8)), BaseChange(OID, None), BaseChange(OID, t(9)))
    base = Clash(None, ("a", "b\n\x1b[31m"), changes)
    found = [base, Clash(t(3), tuple("abcdefghijkl")), Clash(t(4), ("d",))]
    text = told(found, "main", Oid("1234567890abcdef" + "0" * 24), waiting)
    assert text.splitlines()[:4] == [
        "It will conflict:",
        "- with main in a, b\\n\\x1b[31m, by the work of tickets 0008 and 0009",
        "- with ticket 0003, which is before it in the queue, in a, b, c, d, e, f, g, h, i, j and 2 more",
        "- with ticket 0004, which is after it in the queue and would come back, in d",
    ]
    assert "`git merge 1234567890ab`" in text
    alone = told(found[2:], "main", OID, waiting)
    assert "comes back to you" not in alone
    assert MINUTE not in alone
    assert told([], "main", OID, waiting) == ""


def test_the_queue_is_tried_in_its_order_and_only_its_head() -> None:
    files = PlanFiles()
    for number in range(1, 31):
        files = files.with_(ticket(number, IN_PROGRESS)).queue(entry(number, number))
    found = waiting_beside(files.snapshot, t(5))
    assert [other.ticket for other in found.others] == [t(n) for n in range(1, ENTRIES + 2) if n != 5]
    assert found.ahead == {t(1), t(2), t(3), t(4)}
