"""The handle of a nested supervisor, which stays the same through all its restarts."""

from typing import Any, Never, TypeVar, final

from scriptorium.runtime import subtree
from scriptorium.runtime.cell import ActorStatistics
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import SupervisorStopped
from scriptorium.runtime.post import Post
from scriptorium.runtime.reasons import StopReason
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.supervision import Supervision
from scriptorium.runtime.supervisor_spec import SupervisorSpec
from scriptorium.runtime.supervisor_statistics import ChildCounts, SupervisorStatistics

M = TypeVar("M")


@final
class SupervisorRef:
    """Made by ``start_supervisor``. Reaches one nested supervisor, inside one trio run.

    Children that were added by hand are gone after a restart of the supervisor, which then has those of
    its `SupervisorSpec` again.
    """

    __slots__ = ("_post", "_ref")

    def __init__(self, ref: Ref[Never], post: Post) -> None:
        self._ref = ref
        self._post = post

    @property
    def name(self) -> str:
        """Its path from the top, as in events and errors."""
        return self._post.path

    @property
    def ref(self) -> Ref[Never]:
        """For `watch`. Nothing can be told to a supervisor."""
        return self._ref

    def __repr__(self) -> str:
        return f"<SupervisorRef {self.name!r} {self._ref.statistics().state.value}>"

    async def start_child(self, spec: ChildSpec[M]) -> Ref[M]:
        """As `Supervisor.start_child`. Raises `SupervisorStopped` also while the supervisor restarts."""
        return await self._running_team().start(spec)

    def start_child_soon(self, spec: ChildSpec[M]) -> Ref[M]:
        """As `Supervisor.start_child_soon`. Raises `SupervisorStopped` also while the supervisor restarts."""
        return self._running_team().start_soon(spec)

    async def start_supervisor(self, spec: SupervisorSpec) -> "SupervisorRef":
        """As `Supervisor.start_supervisor`. Raises `SupervisorStopped` also while this one restarts."""
        return await start_supervisor(self._running_team(), spec)

    async def stop_child(self, child_id: str) -> None:
        """As `Supervisor.stop_child`. Raises `SupervisorStopped` also while the supervisor restarts."""
        await self._running_team().stop(child_id)

    def child(self, child_id: str) -> Ref[Any] | None:
        """The child of that id, unless it has ended. None also while the supervisor restarts."""
        team = self._team
        return None if team is None else team.children.ref(child_id)

    def supervisor(self, child_id: str) -> "SupervisorRef | None":
        """The child of that id if it is a supervisor that has not ended. None while this one restarts."""
        team = self._team
        return None if team is None else supervisor_among(team, child_id)

    def children(self) -> tuple[ActorStatistics, ...]:
        """The children that have not ended, in start order; none while the supervisor restarts."""
        team = self._team
        return () if team is None else team.children.statistics()

    def statistics(self) -> SupervisorStatistics:
        own, team = self._ref.statistics(), self._team
        return SupervisorStatistics(
            name=self.name,
            state=own.state,
            incarnation=own.incarnation,
            restarts=own.restarts,
            last_error=own.last_error,
            children=ChildCounts() if team is None else team.children.counts(),
            recent_restarts=0 if team is None else team.recent_restarts(),
            intensity=self._post.spec.intensity,
        )

    async def wait_stopped(self) -> StopReason:
        """Wait until the supervisor has ended for good (a restart is not that), and return why."""
        return await self._ref.wait_stopped()

    @property
    def _team(self) -> Supervision | None:
        # A later Ref may lead to the same post: of a supervisor that had ended, and came back with siblings.
        return self._post.team if self._ref.stop_reason is None else None

    def _running_team(self) -> Supervision:
        team = self._team
        if team is None:
            raise SupervisorStopped(self.name)
        return team


async def start_supervisor(team: Supervision, spec: SupervisorSpec) -> SupervisorRef:
    """Start a supervisor as a child of the team; see `Supervisor.start_supervisor`."""
    ref, post = await subtree.start(team, spec)
    return SupervisorRef(ref, post)


def supervisor_among(team: Supervision, child_id: str) -> SupervisorRef | None:
    """The team's child of that id if it is a supervisor, unless it has ended."""
    child = team.children.present(child_id)
    return None if child is None or child.post is None else SupervisorRef(Ref(child.cell), child.post)
