"""``run``: the service, in a terminal or under a service manager; a line on stderr for each piece of news."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import trio

from scriptorium.actors import events as news
from scriptorium.actors.instance import AlreadyRunning
from scriptorium.actors.orchestrator import StopSwitch, run_orchestrator
from scriptorium.actors.tree import Report
from scriptorium.cli.failure import EXIT_FAILED, Failure, printable
from scriptorium.cli.hiding import hide_environment
from scriptorium.cli.place import find_project, no_plan, read_config
from scriptorium.cli.signals import gate
from scriptorium.code.repository import RepositoryProblem
from scriptorium.plan.objects import ObjectMissing
from scriptorium.plan.refs import RefError
from scriptorium.plan.repository import PlanMissing
from scriptorium.plan.start import PlanUnusable
from scriptorium.runtime import (
    ChildCrashed,
    EventStream,
    LoopWatchdog,
    Subscription,
    SupervisorFailed,
    sole_error,
)
from scriptorium.server.endpoint import CannotListen

EVENTS_KEPT = 10_000
LOOP_LIMIT_SECONDS = 120.0
"""A loop that stands still for so long ends the process with exit code 70, and its stacks on stderr."""
LAST_NEWS_SECONDS = 2.0
"""After the end, for the news that are not printed yet."""
_WARNINGS = (
    news.Trouble,
    news.Parked,
    news.LandingBlocked,
    news.PlannerFailed,
    news.Recovered,
    news.RemoteTrouble,
    news.SetAside,
    ChildCrashed,
)
_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}


def run(at: str, *, port: int | None, until_idle: bool) -> int:
    """Run until stopped (exit 0) or idle (0 when everything is done, else 1 with a line per thing left)."""
    project = find_project(at)
    hide_environment()
    level = _LEVELS.get(read_config(project).log_level, 1)
    try:
        report = _in_trio(project.root, port, until_idle, level)
    except PlanMissing as error:
        raise no_plan(project) from error
    except (RepositoryProblem, AlreadyRunning, CannotListen, PlanUnusable) as error:
        raise Failure(str(error)) from error
    except (RefError, ObjectMissing) as error:
        raise Failure(f"the plan branch cannot be read: {error}; see: scriptorium check") from error
    except SupervisorFailed as error:
        raise Failure(f"gave up: {error}; nothing is lost, start it again") from error
    for line in report.leftovers:
        sys.stdout.write(f"{printable(line)}\n")
    if not report.stopped and not report.leftovers and level <= _LEVELS["info"]:
        _say("everything is done")
    return EXIT_FAILED if report.leftovers else 0


def _in_trio(root: Path, port: int | None, until_idle: bool, level: int) -> Report:
    try:
        return trio.run(_run, root, port, until_idle, level)
    except BaseExceptionGroup as group:
        raise sole_error(group) from None


async def _run(root: Path, port: int | None, until_idle: bool, level: int) -> Report:
    switch = StopSwitch()
    token = trio.lowlevel.current_trio_token()

    def signalled(count: int) -> None:
        if count == 1:
            token.run_sync_soon(switch.ask)
        else:
            switch.kill_now()
            os._exit(0)

    gate.attach(signalled)
    events = EventStream()
    with events.subscribe(EVENTS_KEPT) as subscription:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_print, subscription, level)
            try:
                with LoopWatchdog(LOOP_LIMIT_SECONDS):
                    return await run_orchestrator(
                        root, port=port, until_idle=until_idle, stop=switch, events=events, owns_process=True
                    )
            finally:
                subscription.close()
                nursery.cancel_scope.deadline = trio.current_time() + LAST_NEWS_SECONDS


async def _print(subscription: Subscription, level: int) -> None:
    """Print the news until the subscription is closed, the last of it included.

    A full disk, a pipe that nobody reads and a terminal that was closed cost the news, not the service.
    """
    async for event in subscription:
        line = line_for(event, level)
        if line is not None:
            # In a thread: a pipe that is full, or Ctrl-S in a terminal, keeps a write as long as it likes.
            await trio.to_thread.run_sync(_say, line, abandon_on_cancel=True)


def _say(line: str) -> None:
    """Past the buffers of `sys.stderr`: a thread that is kept in them would not let the process end."""
    now = datetime.now().astimezone()
    text = f"{now:%H:%M:%S} {printable(line)}\n".encode(errors="backslashreplace")
    with suppress(OSError):
        while text:
            text = text[os.write(sys.stderr.fileno(), text) :]


def line_for(event: object, level: int) -> str | None:
    """What is said of an event at a log level (0 debug to 3 error), if anything."""
    if isinstance(event, ChildCrashed):
        return f"{event.child} crashed and is started again: {event.error!r}" if level < 3 else None
    if isinstance(event, news.Event):
        wanted = 2 if isinstance(event, _WARNINGS) else 1
        return news.describe(event) if level <= wanted else None
    return repr(event) if level == 0 else None
