"""A supervisor's children in start order, as others see them.

One that has ended is gone, except for a transient child that ended normally under a strategy that
restarts siblings together: OTP keeps its place and starts it again with them, and so it is done here.
"""

from collections.abc import Callable
from typing import Any, final

from scriptorium.runtime.cell import ActorStatistics
from scriptorium.runtime.child import Child
from scriptorium.runtime.errors import ChildExists, TooManyChildren
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.supervisor_statistics import ChildCounts


@final
class Roster(dict[str, Child]):
    """By id. What is said of an id is said of its present child; one that has ended is not mentioned."""

    def present(self, child_id: str) -> Child | None:
        child = self.get(child_id)
        return None if child is None or child.ended else child

    def refuse(self, child_id: str, supervisor: str, limit: int | None) -> None:
        """Raises `ChildExists` or `TooManyChildren` when no child of that id can be added."""
        if self.present(child_id) is not None:
            raise ChildExists(supervisor, child_id)
        if limit is not None and child_id not in self and len(self) >= limit:
            raise TooManyChildren(supervisor, limit)

    def forget_ended(self, child_id: str) -> None:
        """Have one that has ended not come back with its siblings."""
        child = self.get(child_id)
        if child is not None and child.ended:
            child.halted = False
            del self[child_id]

    def ref(self, child_id: str) -> Ref[Any] | None:
        child = self.present(child_id)
        return None if child is None else Ref(child.cell)

    def statistics(self) -> tuple[ActorStatistics, ...]:
        return tuple(child.cell.statistics() for child in self.values() if not child.ended)

    def counts(self) -> ChildCounts:
        supervisors = sum(child.post is not None for child in self.values())
        return ChildCounts(
            specs=len(self),
            active=sum(child.alive for child in self.values()),
            restarting=sum(child.restarting for child in self.values()),
            supervisors=supervisors,
            workers=len(self) - supervisors,
        )

    def has_significant(self) -> bool:
        """There is a significant child that has not ended."""
        return any(child.spec.significant and not child.ended for child in self.values())

    def trace(self, traces: Callable[[str], bool]) -> None:
        for child in self.values():
            child.cell.trace(traces(child.spec.id))
            if child.post is not None and child.post.team is not None:
                child.post.team.trace(traces)

    def kill(self) -> None:
        """Force the end of everything, without any more grace."""
        for child in tuple(self.values()):
            child.kill()
