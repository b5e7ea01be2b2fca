"""Actors for the supervisor's tests: they keep one diary, and crash or fail to start when told to."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from scriptorium.runtime import (
    Actor,
    Backoff,
    ChildSpec,
    Context,
    Ref,
    Request,
    Supervisor,
)

AT_ONCE = Backoff(first_seconds=0.0)


@attrs.frozen
class Do(Request[Any]):
    work: Callable[[], Awaitable[object]]


@attrs.define(eq=False)
class Company:
    """Makes actors that write one diary, and that wait or fail at their start when told to."""

    diary: list[str] = attrs.field(factory=list)
    failing_starts: dict[str, int] = attrs.field(factory=dict)
    gates: dict[str, trio.Event] = attrs.field(factory=dict)
    contexts: dict[str, Context[Do]] = attrs.field(factory=dict)

    def spec(self, name: str, **options: Any) -> ChildSpec[Do]:
        return ChildSpec(name, lambda: Member(self, name), **options)

    def take_diary(self) -> list[str]:
        diary, self.diary = self.diary, []
        return diary


class Member(Actor[Do]):
    def __init__(self, company: Company, name: str) -> None:
        self.company = company
        self.name = name

    async def on_start(self, context: Context[Do]) -> None:
        await trio.lowlevel.checkpoint()
        if self.name in self.company.gates:
            await self.company.gates[self.name].wait()
        if self.company.failing_starts.get(self.name, 0):
            self.company.failing_starts[self.name] -= 1
            self.company.diary.append(f"{self.name} fails to start")
            raise OSError(f"{self.name} cannot start")
        self.company.contexts[self.name] = context
        self.company.diary.append(f"{self.name} starts")

    async def handle(self, message: Do) -> object:
        return await message.work()

    async def on_stop(self) -> None:
        await trio.lowlevel.checkpoint()
        self.company.diary.append(f"{self.name} stops")


async def crash() -> None:
    raise ValueError("crash")


async def nothing() -> str:
    await trio.lowlevel.checkpoint()
    return "done"


async def start_all(supervisor: Supervisor, company: Company, names: str) -> dict[str, Ref[Do]]:
    refs = {name: await supervisor.start_child(company.spec(name)) for name in names}
    company.take_diary()
    return refs
