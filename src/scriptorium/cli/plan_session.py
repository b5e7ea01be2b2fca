"""``plan PROMPT`` and ``plan``: writing the spec with an agent, in one answer or in a conversation."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Sequence

import trio

from scriptorium.actors.instance import AlreadyRunning
from scriptorium.actors.planning_session import Answer, Exchange, PlanningFailed, ask_planner, open_desk
from scriptorium.cli.failure import EXIT_FAILED, EXIT_INTERRUPTED, Failure, printable
from scriptorium.cli.hiding import hide_environment
from scriptorium.cli.place import find_project, no_plan, read_config
from scriptorium.code.repository import Project
from scriptorium.config import Config
from scriptorium.plan.repository import PlanMissing, PlanRepository
from scriptorium.runtime import sole_error

HELP = """\
Say what the spec should be, or how it should change: an agent edits it, and the change is committed.
  /show         print the spec
  /help         print this
  /quit, /exit  leave (so does Ctrl-D); Ctrl-C stops an answer
"""


def plan_session(at: str, prompt: str | None) -> int:
    """One answer to `prompt`, or a conversation without one. Exit 1 when the agent failed."""
    project = find_project(at)
    config = read_config(project)
    if PlanRepository(project.git_dir).tip() is None:
        raise no_plan(project)
    hide_environment()
    if prompt is None:
        return _converse(project, config)
    answer = _answer(project, config, prompt, ())
    if answer is None:
        sys.stderr.write("scriptorium: stopped; the spec is as it was\n")
        return EXIT_INTERRUPTED
    _tell(answer)
    return 0


def _converse(project: Project, config: Config) -> int:
    """Read a line, answer it, until the end of input. An agent that fails does not end the conversation."""
    interactive = sys.stdin.isatty()
    if interactive:
        import readline  # noqa: F401, PLC0415 - its import gives input() a line editor

        sys.stdout.write("What should the spec say? /help explains, Ctrl-D ends.\n")
    talk: list[Exchange] = []
    failed = False
    while (line := _read_line("> " if interactive else "")) is not None:
        words = line.strip()
        if words in {"/quit", "/exit"}:
            break
        if words.startswith("/"):
            _command(project, words)
        elif words:
            failed = not _exchange(project, config, words, talk)
    return EXIT_FAILED if failed and not interactive else 0


def _read_line(prompt: str) -> str | None:
    """The next line, None at the end of input. Ctrl-C gives up the line, not the session."""
    while True:
        try:
            return input(prompt)
        except EOFError:
            if prompt:
                sys.stdout.write("\n")
            return None
        except KeyboardInterrupt:
            sys.stdout.write("\n(Ctrl-D or /quit ends the session)\n")


def _command(project: Project, words: str) -> None:
    match words:
        case "/show":
            spec = PlanRepository(project.git_dir).read().spec
            sys.stdout.write(spec.text if spec is not None else "There is no spec yet.\n")
        case "/help":
            sys.stdout.write(HELP)
        case _:
            sys.stdout.write(
                f"{printable(words.split(maxsplit=1)[0])} is not a command here; /help lists them\n"
            )


def _exchange(project: Project, config: Config, request: str, talk: list[Exchange]) -> bool:
    try:
        answer = _answer(project, config, request, talk)
    except Failure as failure:
        sys.stderr.write(f"scriptorium: {printable(str(failure))}\n")
        return False
    if answer is None:
        sys.stdout.write("Stopped; the spec is as it was.\n")
        return True
    _tell(answer)
    talk.append(Exchange(request, answer.message))
    return True


def _tell(answer: Answer) -> None:
    for line in answer.message.splitlines():
        sys.stdout.write(f"{printable(line)}\n")
    if answer.discarded:
        sys.stderr.write(f"scriptorium: discarded changes to {printable(', '.join(answer.discarded[:20]))}\n")
    sys.stdout.write(
        "The spec was changed and committed.\n" if answer.changed else "The spec is unchanged.\n"
    )
    sys.stdout.flush()


def _answer(project: Project, config: Config, request: str, talk: Sequence[Exchange]) -> Answer | None:
    """One answer, None when Ctrl-C stopped it. Raises Failure."""
    try:
        return trio.run(_ask, project, config, request, talk)
    except BaseExceptionGroup as group:
        error = sole_error(group)
    except (AlreadyRunning, PlanningFailed, PlanMissing) as failure:
        error = failure
    if isinstance(error, AlreadyRunning | PlanningFailed | PlanMissing):
        raise Failure(str(error)) from error
    raise error


async def _ask(project: Project, config: Config, request: str, talk: Sequence[Exchange]) -> Answer | None:
    stop = trio.Event()
    answer: Answer | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_desk(project, config) as desk, trio.open_nursery() as nursery:
            nursery.start_soon(_heed, signals, stop)
            answer = await ask_planner(desk, request, talk, stop)
            nursery.cancel_scope.cancel()
    return answer


async def _heed(signals: AsyncIterator[int], stop: trio.Event) -> None:
    """The first signal asks the agent to end; trio's own handling is back once the answer is over."""
    async for _ in signals:
        stop.set()
