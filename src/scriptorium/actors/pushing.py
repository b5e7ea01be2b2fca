"""The Pusher: has the remote's branch follow the base. Landing never waits for it."""

from __future__ import annotations

from typing import ClassVar, Final

import trio

from scriptorium.actors.events import RemoteTrouble
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.remote_link import RemoteBranch, RemoteLink
from scriptorium.actors.world import View, World
from scriptorium.code.remote import Relation
from scriptorium.plan.ids import Oid

ASK_EVERY_SECONDS: Final = 60.0
"""So that what others push is followed while nothing lands."""
TRIES_BEFORE_REST: Final = 3
"""So often, some ten seconds, a failure keeps `run --until-idle` from ending."""


class Pusher(Reconciler):
    """Looks at: the base branch, the remote. Does: pushes a base that is green, by fast-forward.

    A crash or a kill at any point is made right by the next start, which asks the remote where it is.
    """

    name: ClassVar[str] = "pusher"

    def __init__(self, world: World, remote: RemoteBranch) -> None:
        super().__init__(world)
        self._remote = remote
        self._link = RemoteLink(world, remote)
        self._elsewhere_is_said = False

    async def reconcile(self, view: View) -> bool:
        """Ask when nothing is known or that is old; push what the remote lacks."""
        if self.world.stopping.is_set() or view.tip is None:
            return True
        standing = self._link.standing
        if standing.is_resting:
            await self._link.relation(view.tip)
            self.wake_at(standing.retry_at)
            return standing.faults >= TRIES_BEFORE_REST
        due_at = standing.asked_at + ASK_EVERY_SECONDS
        if standing.failed_at > standing.asked_at or trio.current_time() >= due_at:
            await self._say_where()
            await self._link.ask()
            self.nudge()
            return False
        return await self._push(view, view.tip)

    async def _push(self, view: View, tip: Oid) -> bool:
        self.wake_at(self._link.standing.asked_at + ASK_EVERY_SECONDS)
        # Only what is known to be green is pushed. What others pushed is for the merge queue to bring in.
        if await self._link.relation(tip) is not Relation.BEHIND or not view.base_is_green:
            return True
        await self._link.push(tip)
        self.nudge()
        return False

    async def _say_where(self) -> None:
        """An agent can write the repository's settings, so they are obeyed at the start alone."""
        elsewhere = await self.world.offload(self._remote.is_elsewhere)
        if elsewhere and not self._elsewhere_is_said:
            what = f"its URL was changed in the settings; until the next start it is {self._remote.shown}"
            self.world.events.publish(RemoteTrouble(self._remote.name, what))
        self._elsewhere_is_said = elsewhere
