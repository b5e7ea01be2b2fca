"""The command line's front door: small, because everything that it imports is paid for by every command.

What a command needs is imported when it is called. Whatever goes wrong ends as one clear line on stderr.
"""

from __future__ import annotations

import gc
import os
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run ``scriptorium`` with these arguments (default: the process's own) and return its exit code.

    0 success, 1 the thing asked for failed, 2 wrong usage, 78 bad configuration. Prints; raises nothing.
    With the process's own arguments it may end the process, which is as good as returning.
    """
    _standard_streams()
    try:
        code = _command(sys.argv[1:] if arguments is None else arguments, own_process=arguments is None)
        # Here and not at the interpreter's end, where a full disk or a closed pipe could not be told.
        sys.stdout.flush()
    except BaseException as error:
        from scriptorium.cli.failure import tell  # noqa: PLC0415

        return tell(error)
    try:
        sys.stderr.flush()
    except OSError:
        from scriptorium.cli.failure import drop  # noqa: PLC0415

        drop(sys.stderr)  # news that could not be printed changes nothing about what was done
    if arguments is None and not gc.isenabled():
        os._exit(code)  # taking a thousand modules apart would take a fifth of the time of the command
    return code


def _standard_streams() -> None:
    """Put /dev/null where a stream was closed (``>&-``, as some job runners do).

    Else what is opened next, a repository's file perhaps, would have the stream's number, and be written to
    by whatever prints.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        continue
    os.close(null)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - for the process
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _command(arguments: list[str], *, own_process: bool) -> int:
    if arguments == ["--version"]:
        from scriptorium import __version__  # noqa: PLC0415

        sys.stdout.write(f"scriptorium {__version__}\n")
        return 0
    from scriptorium.cli.words import command_first, plain_options  # noqa: PLC0415

    words = command_first(arguments)
    _only_linux()
    if words[:1] == ["run"]:
        return _run(words)
    if words[:1] in (["status"], ["worktrees"]) and (options := plain_options(words[1:])) is not None:
        if own_process:
            gc.disable()  # nothing of a tenth of a second, most of it imports, is garbage before its end
        return _looked_at_often(words[0], *options)
    from scriptorium.cli.app import dispatch  # noqa: PLC0415

    return dispatch(words)


def _only_linux() -> None:
    if sys.platform != "linux":
        from scriptorium.cli.failure import Failure  # noqa: PLC0415

        raise Failure(
            f"runs on Linux only, and this is {sys.platform}; use a Linux machine, a container or WSL 2"
        )


def _run(words: list[str]) -> int:
    """``run``: a signal must end it well at any moment, so the handlers come before the slow imports."""
    from scriptorium.cli.signals import gate  # noqa: PLC0415

    gate.install()
    try:
        from scriptorium.cli.app import dispatch  # noqa: PLC0415

        return dispatch(words)
    finally:
        gate.close()


def _looked_at_often(command: str, at: str, as_json: bool) -> int:
    """``status`` and ``worktrees``, which scripts call again and again, without the cost of typer."""
    if command == "status":
        from scriptorium.cli.status import status  # noqa: PLC0415

        return status(at, as_json=as_json)
    from scriptorium.cli.worktrees import worktrees  # noqa: PLC0415

    return worktrees(at, as_json=as_json)
