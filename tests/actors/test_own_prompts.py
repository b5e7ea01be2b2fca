"""A repository's own prompts: used when they have landed; with a fault in one, the work it is for waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import assigner, events
from scriptorium.actors.world import AgentJob, Role, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.testing import ended

from .stage import Stage, drafts, good, until_landed

pytestmark = pytest.mark.slow

CODING = "I am ours. $branch $checks $guides $history $ticket $text $area\n"


def told(stage: Stage, role: Role) -> list[str]:
    return [job.prompt.split(".")[0] for job in stage.agents.jobs if job.role is role]


@pytest.fixture
def own(stage: Stage) -> Stage:
    stage.set(prompts="tools/prompts")
    return stage


async def test_agents_are_told_what_the_base_branch_says_and_not_what_lies_in_the_checkout(
    own: Stage, autojump_clock: MockClock
) -> None:
    own.commit({"tools/prompts/coding.md": CODING})
    (own.root / "tools/prompts/coding.md").write_text("Not landed. $nonsense")
    own.tickets(core=drafts("one"))
    await own.run()
    assert told(own, Role.CODING) == ["I am ours"]
    assert own.heard(events.Trouble) == []


async def test_a_fault_is_said_and_only_its_work_waits_until_it_is_mended(
    own: Stage, autojump_clock: MockClock
) -> None:
    own.commit({"tools/prompts/coding.md": CODING.replace("$history", "$histroy")})
    own.spec()
    own.cast.areas = {"core": "# Core\n"}
    own.cast.drafts = {"core": drafts("one")}
    report = await own.run()
    fault = (
        "the prompts cannot be used: tools/prompts/coding.md on branch main: has no place $history, and "
        "needs it; has an unknown place $histroy"
    )
    assert any(line.startswith(fault) for line in report.leftovers)
    assert [trouble.what.startswith(fault) for trouble in own.heard(events.Trouble)] == [True]
    assert told(own, Role.CODING) == []
    assert own.states() == {"one": "open"}  # planning has gone on
    own.commit({"tools/prompts/coding.md": CODING})
    assert (await own.run()).leftovers == ()
    assert told(own, Role.CODING) == ["I am ours"]


async def test_a_landing_that_breaks_them_ends_no_ticket(own: Stage, autojump_clock: MockClock) -> None:
    """The second attempt finds no prompt: its ticket stays in progress, and goes on once it is mended."""
    own.commit({"tools/prompts/coding.md": CODING})
    own.tickets(core=drafts("one"))

    async def breaks_them(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        own.commit({"tools/prompts/coding.md": "$nonsense"})
        await trio.sleep(60)  # on virtual time: the watcher sees it meanwhile
        return ended()

    own.cast.coding = {"one": [breaks_them, good]}
    report = await own.run()
    assert any("unknown place $nonsense" in line for line in report.leftovers)
    assert own.states() == {"one": "in-progress"}
    assert own.file("one").ticket.counted_attempts == 1
    own.commit({"tools/prompts/coding.md": CODING})
    assert (await own.run()).leftovers == ()
    own.assert_finished("one")


async def test_agents_that_end_for_want_of_a_prompt_are_no_failures_of_scriptorium_s(
    own: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the Agent ends with its ticket in progress, as a crashed one does: so often, that parks."""
    own.commit({"tools/prompts/coding.md": CODING})
    monkeypatch.setattr(assigner, "LIMIT", 2)
    own.tickets(core=drafts("one"))

    async def breaks_them(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        own.commit({"tools/prompts/coding.md": "$nonsense"})
        await trio.sleep(60)
        nursery.start_soon(mend)
        return ended()

    async def mend() -> None:
        await trio.sleep(60)
        own.commit({"tools/prompts/coding.md": CODING})

    own.cast.coding = {"one": [breaks_them, breaks_them, good]}
    own.raise_curtain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: own.run(until_idle=False, new=False))
        with trio.fail_after(3600):
            await until_landed(own, 1)
        own.stop.set()
    assert own.file("one").ticket.counted_attempts == 2
    assert own.file("one").ticket.reopens == ()
