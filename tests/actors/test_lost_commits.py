"""Git prunes beside an agent that commits: the ticket goes on by itself, and it is said what was lost."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.testing import ended

from .stage import Stage, drafts, good, run_git, write

pytestmark = pytest.mark.slow

HALF = "good half\n"


def commit_and_lose(stage: Stage, job: AgentJob, what: str) -> str:
    """Commit a file as an agent does, and have git lose something of the commit; returns its id."""
    write(job, "parts/half.txt", HALF)
    run_git(job.cwd, "add", "--all")
    run_git(job.cwd, "commit", "-q", "-m", "half")
    lost = run_git(job.cwd, "rev-parse", "HEAD").stdout.strip()
    gone = run_git(job.cwd, "rev-parse", what).stdout.strip()
    (stage.project.git_dir / "objects" / gone[:2] / gone[2:]).unlink()
    return lost


@pytest.mark.req("V1-34", "CA-07")
@pytest.mark.parametrize("what", ["HEAD", "HEAD^{tree}", "HEAD:parts/half.txt"])
@pytest.mark.parametrize("fails_first", [True, False])
async def test_a_ticket_goes_on_from_its_last_whole_commit(
    stage: Stage, autojump_clock: MockClock, what: str, fails_first: bool
) -> None:
    lost: list[str] = []

    async def loses(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        lost.append(commit_and_lose(stage, job, what))
        return ended(OutcomeKind.FAILED) if fails_first else await good(job, submit)

    async def goes_on(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        assert (job.cwd / "parts/half.txt").read_text() == HALF
        assert run_git(job.cwd, "status", "--porcelain").stdout != ""
        return await good(job, submit)

    stage.tickets(core=drafts("one"))
    stage.cast.coding["one"] = [loses, goes_on]
    await stage.run()

    stage.assert_finished("one")
    assert stage.show("main", "parts/half.txt") == HALF.strip()
    told = [trouble.what for trouble in stage.heard(events.Trouble)]
    assert [what for what in told if f"0001: git has deleted objects of its commit {lost[0][:10]}" in what]
    assert len(stage.agents.jobs) == 1 + fails_first
    assert stage.git("fsck", "--strict", "--no-dangling") == ""
