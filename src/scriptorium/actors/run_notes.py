"""What is written into a ticket about its runs, and why it came back."""

from __future__ import annotations

from scriptorium.actors.attempts import Ending
from scriptorium.actors.conflict_words import laid_out, of_tickets, paths_named, tickets_of
from scriptorium.actors.world import AgentJob, World
from scriptorium.code.evidence import Verdict
from scriptorium.code.merge import Conflicted
from scriptorium.harness.events import Usage
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind
from scriptorium.plan.notes import ReopenNote, ReopenReason, RunNote, TimeoutKind

_TIMEOUTS = {OutcomeKind.NO_OUTPUT: TimeoutKind.NO_OUTPUT, OutcomeKind.HARD_TIMEOUT: TimeoutKind.HARD}


def run_note(
    world: World,
    job: AgentJob,
    outcome: AgentOutcome,
    ending: Ending,
    *,
    started: str,
    used: Usage,
    unsubmitted: tuple[str, ...],
    findings: str = "",
) -> RunNote:
    """The summary of one run (CA-10)."""
    process = outcome.process
    return RunNote(
        outcome=ending.value,
        harness=world.agents.harness_name(job.role),
        model=world.agents.model(job.role),
        exit_code=process.exit_code,
        signal=process.signal,
        attempt=job.attempt,
        counted=ending.counts,
        timeout=_TIMEOUTS.get(process.kind, TimeoutKind.NONE),
        started=started,
        duration_seconds=round(process.duration_seconds, 3),
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        cost_usd=used.cost_usd,
        log=str(job.log.relative_to(world.project.root)),
        detail=outcome.last_message or ("" if ending is Ending.SUBMITTED else outcome.describe()),
        unsubmitted=unsubmitted,
        findings=findings,
    )


def attempts_used_up(counted: int, outcome: AgentOutcome) -> ReopenNote:
    """The agent did not submit, in any of its attempts."""
    return ReopenNote(
        reason=ReopenReason.ATTEMPTS_USED_UP,
        detail=f"{counted} attempts ended without a submission; the last one {outcome.describe()}",
    )


def infrastructure_failed(faults: int, outcome: AgentOutcome) -> ReopenNote:
    """The agent could not even be started."""
    return ReopenNote(
        reason=ReopenReason.AGENT_FAILED,
        detail=f"the agent could not be started, {faults} times in a row: {outcome.describe()}",
    )


def lifetime_over(why: str) -> ReopenNote:
    """The ticket has used up what all its runs together may use."""
    return ReopenNote(reason=ReopenReason.ATTEMPTS_USED_UP, detail=f"{why}; a person has to look at it")


def scriptorium_failed(times: int, where: str, error: str = "") -> ReopenNote:
    """scriptorium itself failed on this ticket again and again."""
    why = f": {error}" if error else "; its log says why"
    return ReopenNote(
        reason=ReopenReason.AGENT_FAILED, detail=f"scriptorium failed {times} times in a row {where}{why}"
    )


def conflicted(conflict: Conflicted, base: str) -> ReopenNote:
    """The submission does not merge with the base branch."""
    paths = tuple(file.path for file in conflict.files)
    tickets = tickets_of(conflict.files)
    if conflict.refused:
        detail = f"the submission cannot be merged with {base}: {conflict.refused}"
    else:
        landed = f"what has landed on {base}{of_tickets(tickets)}"
        detail = f"the submission conflicts with {landed} in {paths_named(paths)}"
    return ReopenNote(
        reason=ReopenReason.CONFLICT,
        detail=detail,
        files=paths,
        tickets=tickets,
        conflicts=laid_out(conflict.files, base),
    )


def nothing_to_land(base: str) -> ReopenNote:
    """Merging the submission would change nothing."""
    return ReopenNote(
        reason=ReopenReason.NOTHING_TO_LAND,
        detail=f"merged with {base} the submission changes nothing: what it did has landed already",
    )


def not_needed(base: str) -> ReopenNote:
    """The ticket was to mend the base branch, which is green without it."""
    return ReopenNote(
        reason=ReopenReason.NOT_NEEDED, detail=f"{base} is green again; there is nothing to mend"
    )


def checks_failed(verdict: Verdict) -> ReopenNote:
    """The merged tree did not pass, and the base branch still does."""
    end = f"exit code {verdict.exit_code}" if verdict.exit_code is not None else _killed(verdict)
    return ReopenNote(
        reason=ReopenReason.CHECKS_FAILED,
        detail=f"merged with the base branch, the check `{verdict.command}` failed ({end})",
        command=verdict.command,
        exit_code=verdict.exit_code,
        log=verdict.log,
        output_tail=verdict.output_tail,
    )


def _killed(verdict: Verdict) -> str:
    return verdict.ending or "killed at its time limit"  # stored before endings were
