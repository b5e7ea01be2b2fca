"""Carries out restarts: stops who goes down together, waits the delay, starts them in order."""

from collections.abc import Callable, Mapping

import trio

from scriptorium.runtime.child import Child
from scriptorium.runtime.restart import Strategy, restarted_together


class Restarter:
    """Under one-for-one each child has a cycle of its own; else one cycle at a time serves all children.

    A cycle only acts on what it finds in the children, so that whatever happens meanwhile (a further
    crash, a child stopped by its user) is taken up by its next round.
    """

    def __init__(
        self, strategy: Strategy, children: Mapping[str, Child], launch: Callable[[Child], None]
    ) -> None:
        self._strategy = strategy
        self._children = children  # in start order
        self._launch = launch
        self._cycles: dict[Child | None, trio.CancelScope] = {}
        self._closed = False

    def request(self, nursery: trio.Nursery, child: Child) -> None:
        """See to it that the child, which waits for a restart, gets it."""
        key = child if self._strategy is Strategy.ONE_FOR_ONE else None
        if key not in self._cycles:
            self._cycles[key] = trio.CancelScope()
            nursery.start_soon(self._cycle, key, name=f"restart {child.spec.id}")

    def forget(self, child: Child) -> None:
        """The child has ended for good: do not wait for its delay any longer."""
        if child in self._cycles:
            self._cycles[child].cancel()

    def close(self) -> None:
        """Start nothing any more."""
        self._closed = True
        for scope in self._cycles.values():
            scope.cancel()

    async def _cycle(self, key: Child | None) -> None:
        try:
            with self._cycles[key]:
                while not self._closed and (group := self._group(key)):
                    await self._restart(key, group)
        finally:
            del self._cycles[key]

    def _failed(self, key: Child | None) -> list[Child]:
        candidates = self._children.values() if key is None else (key,)
        return [child for child in candidates if child.failed]

    def _group(self, key: Child | None) -> tuple[Child, ...]:
        if key is not None:
            return (key,) if key.restarting else ()
        children = tuple(self._children.values())
        together = restarted_together(self._strategy, children, self._failed(key))
        # Who was halted is owed a start, also when the failure now is of a child added since.
        return tuple(child for child in children if child in together or child.restarting)

    async def _restart(self, key: Child | None, group: tuple[Child, ...]) -> None:
        for child in reversed(group):
            if child.alive:
                child.halted = True
                child.life.stop()
                await child.life.over.wait()
        await trio.sleep(max((child.delay_seconds for child in group if child.failed), default=0.0))
        waiting = list(group)
        while waiting and not self._closed:
            if any(child not in waiting for child in self._failed(key)):
                return  # a new failure, which may take more of them down
            child = waiting.pop(0)
            if child.restarting:
                self._launch(child)
                await child.life.start_decided.wait()
