"""The plan for actors: reading and committing without blocking the loop, and telling whoever listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

from scriptorium.plan.edits import FolderBlocked
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import PreconditionFailed, Transition

T = TypeVar("T")


class Offload(Protocol):
    """Runs a function that blocks for a moment: in a worker thread, or at once under virtual time.

    Once the function has begun, its result is returned, also when the caller is cancelled.
    """

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """The result of `work`."""


class PlanStore:
    """Reads and commits one at a time, in the order of the calls.

    `announce` gets each snapshot that is new, in the order of the branch; `tell_blocked` gets why commits
    wait for a person, and None when they do no more. They must not block.
    """

    def __init__(
        self,
        repository: PlanRepository,
        offload: Offload,
        announce: Callable[[Snapshot], None],
        tell_blocked: Callable[[str | None], None] = lambda _why: None,
    ) -> None:
        self._repository = repository
        self._offload = offload
        self._announce = announce
        self._tell_blocked = tell_blocked
        self._blocked: str | None = None
        self._waiting = 0
        self._moved = trio.Event()
        self._turn = trio.Lock()
        self._announced: Snapshot | None = None

    async def read(self) -> Snapshot:
        """The plan as it is now; announced if it is new. Raises what `PlanRepository.read` raises.

        Cancelled, it has read or has not; nothing is left behind.
        """
        async with self._turn:
            return self._news(await self._offload(self._repository.read))

    async def commit(self, transition: Transition) -> Snapshot:
        """Carry out `transition`; the plan as it left it. Raises what `PlanRepository.commit` raises, but for
        `FolderBlocked`: when somebody has put a file where a folder of the plan belongs, it waits until the
        branch has moved, and applies the transition to what is there then.

        Cancelled, the transition is committed whole and announced, or nothing has changed.
        """
        waits = False
        try:
            while True:
                try:
                    return await self._commit(transition)
                except FolderBlocked as blocked:
                    why = str(blocked)
                moved = await self._next_move()
                self._waiting += not waits
                waits = True
                self._set_blocked(why)
                await moved.wait()
        finally:
            if waits:
                self._waiting -= 1
                if not self._waiting:
                    self._set_blocked(None)

    async def _commit(self, transition: Transition) -> Snapshot:
        async with self._turn:
            try:
                return self._news(await self._offload(lambda: self._repository.commit(transition)))
            except PreconditionFailed:
                # Another writer was here: whoever decided on the old plan must be able to see the new one.
                self._news(await self._offload(self._repository.read))
                raise

    async def _next_move(self) -> trio.Event:
        """Set once the plan is another than it is now. The event comes first: what the look finds sets it."""
        moved = self._moved
        await self.read()
        return moved

    @property
    def repository(self) -> PlanRepository:
        """What is read and committed to."""
        return self._repository

    @property
    def latest(self) -> Snapshot | None:
        """The newest plan that was read or committed here, without looking; None before the first."""
        return self._announced

    @property
    def blocked(self) -> str | None:
        """Why commits wait for a person, who has put something in the way; None when they do not."""
        return self._blocked

    def _set_blocked(self, why: str | None) -> None:
        if why != self._blocked:
            self._blocked = why
            self._tell_blocked(why)

    def _news(self, snapshot: Snapshot) -> Snapshot:
        if snapshot is not self._announced:
            self._announced = snapshot
            self._moved.set()
            self._moved = trio.Event()
            self._announce(snapshot)
        return snapshot
