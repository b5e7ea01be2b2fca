"""Carries out restarts: stops who goes down together, waits the delay, starts them in order."""

from collections.abc import Callable, Mapping

import trio

from scriptorium.runtime.child import Child
from scriptorium.runtime.restart import Strategy, restarted_together


class Restarter:
    """Under one-for-one each child has a cycle of its own; else one cycle at a time serves all children.

    A cycle only acts on what it finds in the children, so that whatever happens meanwhile (a further
    crash, a child stopped by its user) is taken up by its next round.

    Where this differs from OTP, which does nothing else while it restarts: there is a delay between the
    stops and the starts; a crash during the starts begins the group again at once, not after the last
    start; and when the child that failed is stopped by its user meanwhile, its siblings are started
    nevertheless (OTP leaves them down).
    """

    def __init__(
        self,
        strategy: Strategy,
        children: Mapping[str, Child],
        launch: Callable[[Child], None],
    ) -> None:
        self._strategy = strategy
        self._children = children  # in start order
        self._launch = launch
        self._failed: dict[Child, None] = {}  # causes of restarts whose stops and delay are not over
        self._cycles: dict[Child | None, trio.CancelScope] = {}
        self._closed = False

    def request(self, nursery: trio.Nursery, child: Child) -> None:
        """See to it that the child, which failed and waits for a restart, gets it."""
        self._failed[child] = None
        key = child if self._strategy is Strategy.ONE_FOR_ONE else None
        if key not in self._cycles:
            self._cycles[key] = trio.CancelScope()
            nursery.start_soon(self._cycle, key, name=f"restart {child.spec.id}")

    def covers(self, child: Child) -> bool:
        """The child is to be stopped for a sibling's restart: a crash until then is not its own."""
        if self._strategy is Strategy.ONE_FOR_ONE or not self._failed:
            return False
        return child in restarted_together(self._strategy, tuple(self._children.values()), self._failed)

    def forget(self, child: Child) -> None:
        """The child has ended: do not wait for its delay any longer."""
        self._failed.pop(child, None)
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
                    await self._restart(group)
        finally:
            del self._cycles[key]

    def _group(self, key: Child | None) -> tuple[Child, ...]:
        if key is not None:
            return (key,) if key.owed_a_start else ()
        children = tuple(self._children.values())
        together = set(restarted_together(self._strategy, children, self._failed))
        # Who was halted is owed a start, also when the failure now is of a child added since.
        return tuple(child for child in children if child in together or child.owed_a_start)

    async def _restart(self, group: tuple[Child, ...]) -> None:
        for child in reversed(group):
            if child.alive:
                child.halted = True
                child.life.stop()
                await child.life.over.wait()
            elif child.ended and self._children.get(child.spec.id) is child:
                child.halted = True
        delays = (child.delay_seconds for child in group if child in self._failed)
        await trio.sleep(max(delays, default=0.0))
        for child in group:
            self._failed.pop(child, None)
        for child in group:
            if self._closed or (self._failed and self._strategy is not Strategy.ONE_FOR_ONE):
                return  # a new failure may take more of them down
            if child.owed_a_start:
                self._launch(child)
            if child.alive:
                await child.life.start_decided.wait()
