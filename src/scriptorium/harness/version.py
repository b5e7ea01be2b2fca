"""Which version of an agent CLI is installed: read once, before its first run, and refused when too old."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol, runtime_checkable

import trio
from attrs import define, field, frozen

from scriptorium.harness.environment import MCP_TOKEN, MCP_URL
from scriptorium.harness.interface import AgentRequest, AgentRun, Harness
from scriptorium.harness.process import OutcomeKind, ProcessOutcome, ProcessSpec, Runner

VERSION_SECONDS: Final = 20.0
"""How long a CLI may take to say its version; a loaded machine takes seconds to start one."""

_EXCERPT_CHARS: Final = 200
_FROM_SOURCE: Final = (0, 0, 0)
"""What a build from the sources says of itself: it may be newer than any release."""

VersionNumber = tuple[int, int, int]


@frozen
class Supported:
    """What a harness needs of its CLI.

    `pattern` finds the three numbers in what the CLI prints. `because` says what came with `oldest`, and
    `update` is what a person does about an older one.
    """

    program: str
    pattern: re.Pattern[str]
    oldest: VersionNumber
    because: str
    update: str

    def version_in(self, said: str) -> VersionNumber | None:
        """The version that the CLI printed; None when there is none to be seen, or to be believed."""
        found = self.pattern.search(said)
        if found is None:
            return None
        version = (int(found[1]), int(found[2]), int(found[3]))
        return None if version == _FROM_SOURCE else version

    def refusal(self, version: VersionNumber) -> str | None:
        """Why this version cannot be used, and what to do, for a person; None when it can."""
        if version >= self.oldest:
            return None
        return (
            f"{self.program} {_dotted(version)} is too old: {_dotted(self.oldest)} is the oldest supported,"
            f" as {self.because}; update it: {self.update}"
        )


@runtime_checkable
class Versioned(Protocol):
    """What a `Harness` has besides when its CLI has a version to look at."""

    @property
    def supported(self) -> Supported:
        """What is needed of the CLI."""
        ...

    def version_argv(self, request: AgentRequest, env: Mapping[str, str]) -> tuple[str, ...]:
        """How to ask the CLI for its version; `env` is what its program is looked up with."""
        ...


@define(eq=False)
class Versions:
    """What is known of the CLIs of this machine, for the life of a service.

    `say` is told, once, of a CLI whose version cannot be read: that is no reason not to run it.
    """

    runner: Runner
    say: Callable[[str], None]
    _good: set[tuple[str, ...]] = field(factory=set, init=False)
    _asking: trio.Lock = field(factory=trio.Lock, init=False)

    async def refusal(
        self, harness: Harness, request: AgentRequest, run: AgentRun, *, stop: trio.Event | None = None
    ) -> str | None:
        """Why this run must not be started: its CLI is too old. None when there is nothing against it.

        Starts a process for the first run with a CLI, and none after that; but a CLI that was too old is
        asked again, so that an update needs no restart. Cancelled, or stopped, nothing is remembered and no
        process is left.
        """
        if not isinstance(harness, Versioned):
            return None
        argv = harness.version_argv(request, run.env)
        async with self._asking:
            if argv in self._good:
                return None
            outcome = await self._ask(argv, request, run, stop)
            if outcome.kind in {OutcomeKind.COULD_NOT_START, OutcomeKind.STOPPED}:
                return None  # the run itself will fare no better, and says why
            said = outcome.tail.decode("utf-8", "replace")
            version = harness.supported.version_in(said) if outcome.kind is OutcomeKind.EXITED else None
            refusal = None if version is None else harness.supported.refusal(version)
            if version is None:
                self.say(_unreadable(argv, harness.supported, outcome, said))
            if refusal is None:
                self._good.add(argv)
            return refusal

    async def _ask(
        self, argv: tuple[str, ...], request: AgentRequest, run: AgentRun, stop: trio.Event | None
    ) -> ProcessOutcome:
        # Beside the run's log, and there for no longer than it takes; one that a killed service left goes.
        log = run.log.with_name(f"{run.log.stem}.version")
        with suppress(OSError):
            log.unlink()
        spec = ProcessSpec(
            run_id=f"{run.run_id[:100]}.version",
            argv=argv,
            cwd=request.cwd,  # what a wrapper that knows no `--version` does there, the agent might have done
            env={name: value for name, value in run.env.items() if name not in {MCP_TOKEN, MCP_URL}},
            log=log,
            secrets=run.secrets,
            hard_timeout_seconds=VERSION_SECONDS,
            stop_grace_seconds=run.stop_grace_seconds,
            record=run.record,
            merge_stderr=True,
        )
        try:
            return await self.runner.run(spec, stop=stop)
        finally:
            with suppress(OSError):
                log.unlink()


def _unreadable(argv: tuple[str, ...], supported: Supported, outcome: ProcessOutcome, said: str) -> str:
    words = " ".join(said.split())[:_EXCERPT_CHARS] or "nothing"
    return (
        f"the version of {supported.program} cannot be read, so it is used as it is"
        f" ({_dotted(supported.oldest)} is the oldest supported): {' '.join(argv)} {outcome.describe()}"
        f" and said: {words}"
    )


def _dotted(version: VersionNumber) -> str:
    return ".".join(map(str, version))
