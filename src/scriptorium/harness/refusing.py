"""A runner that starts nothing and says so loudly, and the switch that makes it the default one.

Tests that start a real agent by accident cost money and do damage; under `refuse_all` they fail instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import trio
from attrs import define, field

from scriptorium.harness.process import DeadRun, OnLine, ProcessRunner, ProcessSpec, Runner


class ProcessRefusedError(RuntimeError):
    """Something would have started a process where none may be: give it a runner of its own."""


@define(eq=False)
class RefusingRunner:
    """A `Runner` that raises `ProcessRefusedError` for every process, and remembers what was asked for."""

    refused: list[tuple[str, ...]] = field(factory=list)

    async def run(
        self,
        spec: ProcessSpec,
        *,
        on_line: OnLine | None = None,
        stop: trio.Event | None = None,
        started: Callable[[int], None] | None = None,
    ) -> NoReturn:
        """Refuse."""
        self.refused.append(spec.argv)
        raise ProcessRefusedError(
            f"refused to start {' '.join(spec.argv)!r} (run {spec.run_id}): pass a ProcessRunner where a real"
            " process is meant"
        )

    async def kill_run(self, run_id: str) -> int:
        """There is nothing to kill."""
        return 0

    async def sweep_dead_service(self) -> tuple[DeadRun, ...]:
        """There is nothing to sweep."""
        return ()

    def kill_all_now(self) -> None:
        """There is nothing to kill."""


@define
class _Default:
    refusing: RefusingRunner | None = None


_default = _Default()


def default_runner(runs_dir: Path, *, durable: bool = True, adopts_orphans: bool = False) -> Runner:
    """A `ProcessRunner`, or within `refuse_all` the one that refuses."""
    if _default.refusing is not None:
        return _default.refusing
    return ProcessRunner(runs_dir, durable=durable, adopts_orphans=adopts_orphans)


@contextmanager
def refuse_all() -> Iterator[RefusingRunner]:
    """Within this block every default runner refuses; a `ProcessRunner` made by name still works."""
    before = _default.refusing
    _default.refusing = RefusingRunner()
    try:
        yield _default.refusing
    finally:
        _default.refusing = before
