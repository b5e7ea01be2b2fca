"""Two worlds in which the same tests run: children in memory on virtual time, and real ones."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import trio
import trio.testing
from attrs import define, field, frozen

from scriptorium.harness.child import Launch
from scriptorium.harness.membership import ProcessId
from scriptorium.harness.process import ProcessRunner, ProcessSpec

_run_numbers = count(1)


def new_run_id() -> str:
    """An id that no other test, nor another test process, uses."""
    return f"test-{os.getpid()}-{next(_run_numbers)}"


Play = Callable[["FakeChild"], Awaitable[int]]
"""What a child in memory does; what it returns is its exit code."""


@define(eq=False)
class FakeChild:
    """A process in memory.

    `holds_pipe`: a descendant keeps the output open after the end; `stranger_holds_pipe`: somebody does who
    is not of the run, and so is not killed with it.
    """

    launch: Launch
    play: Play
    identity: ProcessId
    stdin: trio.abc.SendStream | None
    stdout: trio.testing.MemoryReceiveStream
    stderr: trio.testing.MemoryReceiveStream | None
    prompt: trio.abc.ReceiveStream | None
    out: trio.testing.MemorySendStream
    err: trio.testing.MemorySendStream
    asked: trio.Event = field(factory=trio.Event)
    group_asked: trio.Event = field(factory=trio.Event)
    over: trio.Event = field(factory=trio.Event)
    holds_pipe: bool = False
    stranger_holds_pipe: bool = False
    closed: bool = False
    observed: int = 0
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _returncode: int = -9

    async def live(self) -> None:
        with self._scope:
            self._returncode = await self.play(self)
        if not self.holds_pipe:
            self._close_output()
        self.over.set()

    async def print(self, text: bytes) -> None:
        await self.out.send_all(text)

    async def complain(self, text: bytes) -> None:
        await self.err.send_all(text)

    async def read_prompt(self) -> bytes:
        assert self.prompt is not None
        read = b""
        while piece := await self.prompt.receive_some(65536):
            read += piece
        return read

    def _close_output(self) -> None:
        if self.stranger_holds_pipe:
            return
        self.out.close()
        self.err.close()

    async def wait(self) -> int:
        await self.over.wait()
        return self._returncode

    def observe(self) -> None:
        self.observed += 1

    def ask(self) -> None:
        self.asked.set()

    async def terminate(self) -> None:
        self.group_asked.set()
        await self.over.wait()

    async def end(self) -> int:
        hit = int(not self.over.is_set()) + int(self.holds_pipe)
        self.holds_pipe = False
        self._scope.cancel()
        await self.over.wait()
        self._close_output()
        return hit

    def end_now(self, bound_seconds: float) -> int:
        self._scope.cancel()
        return 1

    async def close(self) -> None:
        if self.stdin is not None:
            await trio.aclose_forcefully(self.stdin)
        self.stdout.close()
        if self.stderr is not None:
            self.stderr.close()
        self.closed = True


@define(eq=False)
class FakePending:
    """A run in memory that is about to start."""

    launcher: FakeLauncher

    async def start(self, launch: Launch) -> FakeChild:
        await trio.lowlevel.checkpoint()
        if launch.argv[0].startswith("/nonexistent"):
            raise FileNotFoundError(2, "No such file or directory", launch.argv[0])
        out, stdout = trio.testing.memory_stream_one_way_pair()
        err, stderr = (out, None) if launch.merge_stderr else trio.testing.memory_stream_one_way_pair()
        stdin, prompt = trio.testing.lockstep_stream_one_way_pair() if launch.with_stdin else (None, None)
        identity = ProcessId(10_000 + len(self.launcher.children), 1)
        child = FakeChild(launch, self.launcher.play, identity, stdin, stdout, stderr, prompt, out, err)
        self.launcher.children.append(child)
        self.launcher.nursery.start_soon(child.live)
        return child

    def end_now(self, bound_seconds: float) -> int:
        return 0


@define(eq=False)
class FakeLauncher:
    """Starts children in memory."""

    nursery: trio.Nursery
    play: Play
    children: list[FakeChild] = field(factory=list)
    running: int = 0

    @contextmanager
    def launching(self, run_id: str) -> Iterator[FakePending]:
        self.running += 1
        try:
            yield FakePending(self)
        finally:
            self.running -= 1

    async def end_left_over(self, run_id: str, leader: ProcessId | None) -> int:
        return 0


@frozen
class Act:
    """The same behaviour twice: as a shell script, and in memory."""

    shell: str
    play: Play


class World(Protocol):
    """Where a behaviour is run."""

    @property
    def folder(self) -> Path: ...

    @property
    def short(self) -> float:
        """Seconds that a stalling child is given."""
        ...

    @property
    def long(self) -> float:
        """Seconds that are never reached."""
        ...

    def runner(self, nursery: trio.Nursery, act: Act) -> ProcessRunner: ...

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any: ...


def spec_for(world: World, act: Act, **changes: Any) -> ProcessSpec:
    """A spec that runs a behaviour in a world."""
    settings: dict[str, Any] = {
        "run_id": new_run_id(),
        "argv": ("/bin/sh", "-c", act.shell),
        "cwd": world.folder,
        "env": {"PATH": os.environ["PATH"]},
        "log": world.folder / "logs" / "1.jsonl",
        "hard_timeout_seconds": world.long,
        "stop_grace_seconds": world.short,
    }
    return ProcessSpec(**(settings | changes))


def _noon() -> datetime:
    return datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


@frozen
class VirtualWorld:
    """Children in memory; an hour takes no time."""

    folder: Path
    short: float = 600.0
    long: float = 4 * 3600.0

    def runner(self, nursery: trio.Nursery, act: Act) -> ProcessRunner:
        launcher = FakeLauncher(nursery, act.play)
        return ProcessRunner(self.folder / "runs", durable=False, launcher=launcher, now=_noon)

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@frozen
class RealWorld:
    """Processes of this machine."""

    folder: Path
    short: float = 0.4
    long: float = 60.0

    def runner(self, nursery: trio.Nursery, act: Act) -> ProcessRunner:
        return ProcessRunner(self.folder / "runs", durable=False, now=_noon)

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        return trio.run(main)
