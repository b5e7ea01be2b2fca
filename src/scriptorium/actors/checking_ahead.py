"""Checks the entry that is next while another lands, so that neither waits for the other.

Only what is green lands, so what the base will be is known before it is. Nothing rests on what is found here
but time: it is used if the entry then is next, on that very tip, and else dropped. Landing asks for evidence
all the same, and only one entry is being landed.
"""

from __future__ import annotations

import contextlib

import trio
from attrs import define, evolve, field

from scriptorium.actors.proposing import Proposal, Ready, propose
from scriptorium.actors.tree_checks import TreeChecks, believed
from scriptorium.actors.world import World
from scriptorium.code.evidence import Result, Verdict, VerdictStore
from scriptorium.plan.ids import Oid
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import TicketFile


@define(eq=False)
class _Job:
    """An entry that is looked into as it would land on `tip`; `found` is set when it is over and well.

    `verdict` is what its checks came to, if that is to be believed: it is stored afterwards, and
    `stored` says that this is over, well if `is_stored`.
    """

    entry: QueueEntry
    file: TicketFile
    tip: Oid
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    over: trio.Event = field(factory=trio.Event)
    found: Proposal | None = None
    verdict: Verdict | None = None
    stored: trio.Event = field(factory=trio.Event)
    is_stored: bool = False


class CheckAhead:
    """At most one entry at a time. A crash leaves what a crash in its turn would leave: a used worktree."""

    def __init__(self, world: World, verdicts: VerdictStore, checks: TreeChecks) -> None:
        self._world = world
        self._verdicts = verdicts
        self._checks = checks
        self._job: _Job | None = None
        self._last: _Job | None = None

    def begin(self, nursery: trio.Nursery, entry: QueueEntry, file: TicketFile, tip: Oid) -> None:
        """Look into `entry` in a task of its own, unless something is being looked into."""
        if self._job is None:
            self._job = _Job(entry, file, tip)
            nursery.start_soon(self._run, self._job)

    async def found(self, entry: QueueEntry, file: TicketFile, tip: Oid) -> Proposal | None:
        """What was found of this very entry on this tip, waited for; None when it was not looked into.

        Whatever else was looked into is dropped. Once this returns, nothing is.
        """
        job = self._job
        if job is None:
            return None
        if (job.entry, job.file, job.tip) != (entry, file, tip):
            await self.drop()
            return None
        await job.over.wait()
        self._job, self._last = None, job
        return job.found

    async def stored(self, verdict: Verdict) -> None:
        """Wait until `verdict`, if it was found here last, is stored. Raises what keeps it from that."""
        job, self._last = self._last, None
        if job is None or job.verdict is not verdict:
            return
        await job.stored.wait()
        if not job.is_stored:
            await self._checks.store(verdict)

    async def keep_only(self, tip: Oid | None, entry: QueueEntry | None = None) -> None:
        """Drop what is looked into, unless it is on this tip, and this entry if one is named."""
        job = self._job
        if job is not None and (job.tip != tip or (entry is not None and job.entry != entry)):
            await self.drop()

    async def drop(self) -> None:
        """End it, its processes and all. What its checks had come to may be stored still."""
        if self._job is not None:
            self._job.scope.cancel()
            await self._job.over.wait()
            self._job = None

    async def _run(self, job: _Job) -> None:
        try:
            # What goes wrong here is met again when it is the entry's turn, and dealt with there.
            with job.scope, contextlib.suppress(Exception):
                job.found = await self._find(job)
        finally:
            job.over.set()
        await self._store(job)

    async def _store(self, job: _Job) -> None:
        # Who waits for what was found need not wait for the disk, until it is to land.
        try:
            with contextlib.suppress(Exception):
                if job.verdict is not None:
                    await self._checks.store(job.verdict)
                    job.is_stored = True
        finally:
            job.stored.set()

    async def _find(self, job: _Job) -> Proposal:
        proposal = await propose(self._world, self._verdicts, job.entry, job.file, job.tip)
        if not isinstance(proposal, Ready) or proposal.known is not None:
            return proposal
        first = await self._checks.first(job.file, proposal.merged, proposal.commit)
        if not isinstance(first, Verdict):
            return proposal
        if first.result is Result.RED:
            return evolve(proposal, first=first)
        job.verdict = believed(proposal.merged, first)
        return evolve(proposal, known=job.verdict)
