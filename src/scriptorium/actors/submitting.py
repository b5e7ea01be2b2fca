"""Taking a submission from a worktree into the merge queue, and what a later look finds beyond it."""

from __future__ import annotations

from functools import partial

from scriptorium.actors.attempt import Attempt
from scriptorium.actors.events import Submitted
from scriptorium.actors.foreseeing import foresee
from scriptorium.actors.together import together
from scriptorium.actors.whole_commits import on_whole
from scriptorium.actors.world import World
from scriptorium.code.capture import (
    Captured,
    SubmissionRefused,
    Work,
    advance_branch,
    capture,
    follow_branch,
    snapshot_work,
)
from scriptorium.code.left_merge import contains
from scriptorium.code.pins import pin_submitted, pin_work
from scriptorium.code.repository import opened
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.repository import PlanBusy
from scriptorium.plan.transitions import Enqueue, PreconditionFailed
from scriptorium.server import SubmitAnswer

_END = "You are finished: end now."


async def submit(world: World, ticket: TicketId, attempt: Attempt, summary: str) -> SubmitAnswer:
    """Accept what the worktree holds, or say what the agent has to mend.

    The same tree again gets the same answer. Pinned first, then the branch, then the queue entry: a crash
    before the entry leaves an attempt without a submission, whose work is pinned; after it, a submission that
    the queue takes up.
    """
    try:
        tip = (await world.look()).tip
        if tip is None:
            gone = f"Not submitted: the base branch {world.branch} has no commit any more"
            return SubmitAnswer(accepted=False, message=gone)
        take = partial(_take, world, ticket, attempt, tip)
        captured, merges = await on_whole(world, ticket, attempt.prepared.path, tip, take)
        if captured is attempt.accepted and attempt.answer is not None:
            return attempt.answer
        if captured is not attempt.accepted:
            await _enqueue(world, ticket, attempt, captured, summary)
    except (SubmissionRefused, PreconditionFailed) as refused:
        return SubmitAnswer(accepted=False, message=f"Not submitted: {refused}")
    except PlanBusy as busy:
        return SubmitAnswer(accepted=False, message=f"Not submitted: {busy}. Call submit_pr again.")
    foreseen = await foresee(world, ticket, captured.commit, merges_with=tip if merges else None)
    attempt.answer = _accepted(ticket, captured, foreseen)
    return attempt.answer


def _accepted(ticket: TicketId, captured: Captured, foreseen: str) -> SubmitAnswer:
    said = (
        f"Submitted ticket {ticket} at {captured.commit[:10]}. It is accepted. The checks run after you have "
        "ended; if something is wrong, the ticket comes back with the reason."
    )
    return SubmitAnswer(accepted=True, message="\n\n".join(filter(None, (said, foreseen, _END))))


async def pin_rest(world: World, ticket: TicketId, attempt: Attempt, tip: Oid | None) -> tuple[str, ...]:
    """Pin what the worktree holds beyond the submission; names the files that were not submitted."""
    keep = partial(_keep_rest, world, ticket, attempt, tip)
    rest = await on_whole(world, ticket, attempt.prepared.path, tip, keep)
    return rest.files if rest is not None and attempt.accepted is not None else ()


def _take(world: World, ticket: TicketId, attempt: Attempt, tip: Oid) -> tuple[Captured, bool]:
    """What the worktree holds, pinned and on the ticket's branch; or the submission that it is again.

    And whether it contains the base branch's tip, which it then cannot conflict with.
    """
    with opened(world.project) as project:
        captured = capture(project, attempt.prepared.path, ticket, tip)
        if attempt.accepted is not None and captured.tree == attempt.accepted.tree:
            captured = attempt.accepted
        else:
            pin_submitted(project.repo, ticket, captured.commit, tip)
            advance_branch(project, ticket, captured.commit)
        return captured, contains(project.repo, captured.commit, tip)


async def _enqueue(
    world: World, ticket: TicketId, attempt: Attempt, captured: Captured, summary: str
) -> None:
    transition = Enqueue(ticket, attempt.prepared.branch, captured.commit, summary)
    follow = partial(follow_branch, world.project, ticket, captured.commit)
    await together(partial(world.offload, follow), partial(world.plan.commit, transition))
    attempt.accepted, attempt.answer = captured, None
    attempt.submitted.set()
    world.events.publish(Submitted(ticket, captured.commit))


def _keep_rest(world: World, ticket: TicketId, attempt: Attempt, tip: Oid | None) -> Work | None:
    late = attempt.accepted is not None
    with opened(world.project) as project:
        rest = snapshot_work(project, attempt.prepared.path, ticket, base=tip, late=late)
        if rest is None or (attempt.accepted is not None and rest.tree == attempt.accepted.tree):
            return None
        pin_work(project.repo, ticket, rest.commit)
    return rest
