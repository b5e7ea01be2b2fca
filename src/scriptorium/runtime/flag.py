"""A `trio.Event` that costs next to nothing until somebody waits for it; every actor has several."""

from typing import final

import trio


@final
class Flag:
    """Set once. For one trio run."""

    __slots__ = ("_event", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._event: trio.Event | None = None

    def set(self) -> None:
        """Wake all who wait. Again is no error."""
        self.is_set = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Wait until it is set; a checkpoint in any case."""
        if self.is_set:
            await trio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = trio.Event()
        await self._event.wait()
