"""The four kinds of actor by which of `on_start` and `on_stop` they have.

One with neither lives without a nursery, which must make no difference: the tests of one are run with all.
"""

from collections.abc import Callable
from typing import Any

import trio

from scriptorium.runtime import Actor, ChildSpec, Context

from .company import Do

Makes = Callable[..., ChildSpec[Do]]


class Plain(Actor[Do]):
    async def handle(self, message: Do) -> object:
        return await message.work()


class Starts(Plain):
    async def on_start(self, context: Context[Do]) -> None:
        await trio.lowlevel.checkpoint()


class Stops(Plain):
    async def on_stop(self) -> None:
        await trio.lowlevel.checkpoint()


class Both(Starts, Stops):
    pass


KINDS: tuple[type[Actor[Do]], ...] = (Plain, Starts, Stops, Both)


def maker(kind: type[Actor[Do]]) -> Makes:
    """Declares children of that kind."""

    def spec(child_id: str = "a", **options: Any) -> ChildSpec[Do]:
        return ChildSpec(child_id, kind, **options)

    return spec


async def shielded(seconds: float) -> str:
    """Work that no cancellation reaches."""
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
    return "done"


async def nap() -> str:
    await trio.sleep(1)
    return "done"
