"""What a run that ended without a submission left: told to the agent that goes on with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import trio

from scriptorium.actors.whole_commits import on_whole
from scriptorium.actors.world import AgentJob, NoVerdict, World
from scriptorium.code.evidence import Result, Verdict
from scriptorium.code.work import snapshot_work
from scriptorium.plan.ids import Oid, TicketId

_NAMED_FILES = 40


async def find_out(world: World, ticket: TicketId, job: AgentJob, tip: Oid | None) -> str:
    """The changed files, and what the checks say of them where they lie; empty when scriptorium is stopping.

    The checks run in the agent's worktree, whose processes are gone, and not in an exact copy of its tree: so
    the verdict is for the agent alone, and is not kept. Cancelled, nothing is left running.
    """
    look = partial(snapshot_work, world.project, job.cwd, ticket, base=tip)
    work = await on_whole(world, ticket, job.cwd, tip, look)
    if work is None or not work.files:
        return "It holds no change that is not committed on the ticket's branch or on the base branch."
    found: list[Verdict | NoVerdict] = []  # stays empty when the nursery is cancelled first
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_when, world.stopping, nursery.cancel_scope)
        found.append(await world.checks.run(work.tree, job.cwd, ticket))
        nursery.cancel_scope.cancel()
    return "\n".join((_files(work.files), *map(_verdict, found))) if found else ""


async def _end_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _files(files: Sequence[str]) -> str:
    more = f"\n(and {len(files) - _NAMED_FILES} more)" if len(files) > _NAMED_FILES else ""
    return "Changed and not submitted:\n" + "\n".join(f"  {path}" for path in files[:_NAMED_FILES]) + more


def _verdict(found: Verdict | NoVerdict) -> str:
    if isinstance(found, NoVerdict):
        return f"The checks could not be run: {found.reason}"
    if found.no_checks:
        return "There are no checks."
    if found.result is Result.GREEN:
        return "The checks pass."
    return f"The check `{found.command}` fails (see {found.log}):\n{found.output_tail}"
