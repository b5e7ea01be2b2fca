"""How a command fails: in words for people, with the exit code of the contract, without a traceback."""

from __future__ import annotations

import os
import sys
from typing import TextIO

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130
DEBUG = "SCRIPTORIUM_DEBUG"


class Failure(Exception):
    """What was asked for cannot be done; ``str()`` says why and what to do, a line for each reason."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def printable(text: str) -> str:
    """The text as it may go to a terminal: names of files and branches can hold escape sequences."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def tell(error: BaseException) -> int:
    """Say on stderr what went wrong, a line each, and return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else EXIT_FAILED
    if isinstance(error, BrokenPipeError):
        drop(sys.stdout, sys.stderr)
        return EXIT_FAILED
    if os.environ.get(DEBUG) == "1":
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    message, code = _in_words(error)
    try:
        for line in message.splitlines():
            sys.stderr.write(f"scriptorium: {printable(line)}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        drop(sys.stderr)  # nobody can be told; the exit code still says it
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        drop(sys.stdout)  # most often what has just been told: the disk is full
    return code


def _in_words(error: BaseException) -> tuple[str, int]:
    if isinstance(error, Failure):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return "interrupted", EXIT_INTERRUPTED
    if hasattr(error, "format_message"):
        # typer's usage errors. Their class has moved between its versions; what they can do has not.
        return _usage(error), EXIT_USAGE
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}", EXIT_FAILED
    detail = str(error).strip().splitlines() or ["no message"]
    return (
        f"unexpected {type(error).__name__}: {detail[0]} (a bug of scriptorium's; {DEBUG}=1 shows where)",
        EXIT_FAILED,
    )


def _usage(error: BaseException) -> str:
    message = " ".join(str(getattr(error, "format_message")()).split()).rstrip(".")  # noqa: B009 - see above
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", None) or "scriptorium"
    return f"{message} (see: {command} --help)"


def drop(*streams: TextIO) -> None:
    """Let nothing more be written there: the interpreter flushes at its end, and would complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        try:
            os.dup2(null, stream.fileno())
        except (OSError, ValueError):
            continue
    os.close(null)
