"""Names of actors: how to find one without having been handed its `Ref`."""

from typing import Any, final

import trio

from scriptorium.runtime.errors import NameTaken
from scriptorium.runtime.ref import Ref


@final
class Names:
    """The names of one application, in one trio run: shared by a supervisor and those nested in it.

    A child with `ChildSpec.name` has its name from before its first start until it has ended for
    good. It can be found once that start has succeeded, and stays to be found while it restarts.
    """

    __slots__ = ("_claimed", "_found", "_waiters")

    def __init__(self) -> None:
        self._claimed: set[str] = set()
        self._found: dict[str, Ref[Any]] = {}
        self._waiters = trio.lowlevel.ParkingLot()

    def find(self, name: str) -> Ref[Any] | None:
        """The actor that has the name and has not ended, or None."""
        return self._found.get(name)

    async def wait(self, name: str) -> Ref[Any]:
        """Wait until an actor with the name has started; at once if there is one. Never fails."""
        await trio.lowlevel.checkpoint()
        while (ref := self._found.get(name)) is None:
            await self._waiters.park()
        return ref

    def registered(self) -> dict[str, Ref[Any]]:
        """All that can be found now, in the order of their first starts."""
        return dict(self._found)

    def claim(self, name: str) -> None:
        """Keep the name for an actor that is about to start. For supervisors. Raises `NameTaken`."""
        if name in self._claimed:
            raise NameTaken(name)
        self._claimed.add(name)

    @trio.lowlevel.enable_ki_protection
    def publish(self, name: str, ref: Ref[Any]) -> None:
        """The actor that claimed the name has started. For supervisors; again is no error."""
        self._found[name] = ref
        self._waiters.unpark_all()

    @trio.lowlevel.enable_ki_protection
    def release(self, name: str) -> None:
        """The actor has ended: the name is free. For supervisors; again is no error."""
        self._found.pop(name, None)
        self._claimed.discard(name)
