"""What a start puts right before anything new begins: processes, unpinned work, locks, scratch folders.

Everything here may be cut off at any point and done again by the next start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pygit2
import trio

from scriptorium.actors.assignment import queued_tickets
from scriptorium.actors.events import Event, Recovered, Trouble
from scriptorium.actors.world import Role
from scriptorium.code.capture import snapshot_work
from scriptorium.code.locks import (
    STALE_AFTER_SECONDS,
    find_locks,
    need_a_second_look,
    remove_stale_locks,
    undecided_lock,
)
from scriptorium.code.mending import Mended, Workplace, on_whole_commits
from scriptorium.code.pins import pin_work
from scriptorium.code.places import ticket_of
from scriptorium.code.repository import Project, branch_tip, open_repository
from scriptorium.code.scratch import discard_all
from scriptorium.harness.process import DeadRun, Runner
from scriptorium.harness.records import RunRecord
from scriptorium.plan.refs import RefError
from scriptorium.plan.snapshot import Snapshot
from scriptorium.runtime import Offload


async def recover(
    project: Project,
    branch: str,
    plan: Snapshot,
    runner: Runner,
    offload: Offload,
    *,
    now: Callable[[], float] = time.time,
) -> list[Event]:
    """Kill what an earlier service left running, pin what it was working on, drop its stale locks.

    `plan` is as that service left it: it tells whose work had been submitted. `now` gives seconds since the
    epoch. Must run while the single-instance lock is held and before anything is started. Returns the news.
    """
    news: list[Event] = []
    for dead in await runner.sweep_dead_service():
        record = dead.record
        news.append(_ended(dead))
        if record.facts.role == Role.CODING.value:
            try:
                news += await offload(partial(_pin, project, branch, plan, record))
            except (OSError, pygit2.GitError, RefError) as error:
                # The files are still in the worktree, where the next attempt finds them.
                news.append(
                    Trouble(f"{record.facts.ticket}: cannot pin the work that was cut short: {error}")
                )
    news += await _remove_locks(project, branch, offload, now)
    await offload(partial(discard_all, project.state_dir / "scratch"))
    return news


async def _remove_locks(
    project: Project, branch: str, offload: Offload, now: Callable[[], float]
) -> list[Event]:
    """Remove what a dead service left locked, but not from under a git program that is at work just now."""
    locks = await offload(partial(find_locks, project, branch))
    if need_a_second_look(locks, now()):
        await trio.sleep(STALE_AFTER_SECONDS)
    removed = await offload(partial(remove_stale_locks, project, branch, locks)) if locks else ()
    news: list[Event] = [Recovered(f"removed the stale lock {path}") for path in removed]
    undecided = await offload(partial(undecided_lock, project))
    if undecided is not None:
        news.append(
            Trouble(
                f"{undecided} is there, perhaps of a git program that died: old refs cannot be removed while "
                "it is; if no git program is running in this repository, remove that file"
            )
        )
    return news


def _ended(dead: DeadRun) -> Event:
    subject = _subject(dead.record)
    if not dead.all_gone:
        return Trouble(f"processes of the run {subject} of an earlier service cannot be killed")
    killed = f", killed {dead.killed} processes" if dead.killed else ""
    return Recovered(f"cleared away the run {subject} of an earlier service{killed}")


def _subject(record: RunRecord) -> str:
    return record.facts.ticket or record.facts.area or record.facts.role or record.run_id


def _pin(project: Project, branch: str, plan: Snapshot, record: RunRecord) -> list[Event]:
    """Pin what the run's worktree holds. The record lies in a folder that agents can write: it is data."""
    worktree = Path(record.facts.worktree or "")
    ticket = ticket_of(project, worktree)
    if ticket is None or ticket != record.facts.ticket:
        return []
    base = branch_tip(open_repository(project), branch)
    news: list[Event] = []

    def keep() -> bool:
        work = snapshot_work(project, worktree, ticket, base=base, late=ticket in queued_tickets(plan))
        if work is not None:
            pin_work(open_repository(project), ticket, work.commit)
        return work is not None

    def tell(mended: Mended) -> None:
        news.append(Trouble(f"{ticket}: {mended}"))

    if on_whole_commits(Workplace(project, ticket, worktree, base), keep, tell):
        news.append(Recovered(f"{ticket}: pinned the work in progress of the run that was cut short"))
    return news
