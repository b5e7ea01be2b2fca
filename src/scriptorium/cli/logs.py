"""``logs``: what an agent did in its attempts, readable or byte for byte."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from scriptorium.cli.failure import Failure, printable
from scriptorium.cli.place import find_project

_LOG = re.compile(r"([1-9][0-9]{0,8})\.jsonl")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CHUNK_BYTES = 64 * 1024
_LINE_BYTES = 1024 * 1024
"""Of a longer line the rest is passed over, as while it runs."""

Show = Callable[[bytes], None]


def logs(at: str, name: str, *, attempt: int | None, follow: bool, raw: bool) -> int:
    """Print the newest attempt's log, or that of ``attempt``; with ``follow`` what comes, until Ctrl-C."""
    folder = _folder(find_project(at).logs_dir, name)
    number = attempt or _newest(folder)
    if not follow:
        _print(folder, number, raw=raw, head=attempt is None)
        return 0
    from scriptorium.cli.growth import watching  # noqa: PLC0415

    with watching(folder) as growth:
        while True:
            number = _follow(folder, number, growth.wait, raw=raw, only=attempt is not None)


def _folder(logs_dir: Path, name: str) -> Path:
    folder = logs_dir / name
    if _NAME.fullmatch(name) is not None and folder.is_dir():
        return folder
    try:
        known = sorted(entry.name for entry in os.scandir(logs_dir) if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        known = []
    there = f"there are logs of {', '.join(known[:40])}" if known else "no agent has run here yet"
    raise Failure(f"{name}: no logs of that name; {there}")


def _newest(folder: Path) -> int:
    numbers = [int(found[1]) for path in folder.iterdir() if (found := _LOG.fullmatch(path.name))]
    if not numbers:
        raise Failure(f"{folder.name}: no attempt has a log yet")
    return max(numbers)


def _open(folder: Path, number: int) -> BinaryIO:
    path = folder / f"{number}.jsonl"
    try:
        # An agent can write in this folder: no link is followed, and a pipe hangs nobody.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Failure(
            f"{folder.name}: there is no attempt {number}; the newest is {_newest(folder)}"
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Failure(f"{path}: is no log, but something that was put in its place")
    return open(descriptor, "rb")  # noqa: PTH123 - it is a descriptor


def _print(folder: Path, number: int, *, raw: bool, head: bool) -> None:
    with _open(folder, number) as file:
        if head and not raw:
            sys.stdout.write(f"{folder.name}, attempt {number}\n")
        show, end = _shower(raw=raw)
        while chunk := file.read(_CHUNK_BYTES):
            show(chunk)
        end()
        sys.stdout.flush()


def _follow(folder: Path, number: int, wait: Callable[[], None], *, raw: bool, only: bool) -> int:
    """Print a log as it grows; returns the number of the next attempt when there is one to go on with."""
    with _open(folder, number) as file:
        if not raw:
            sys.stdout.write(f"{folder.name}, attempt {number}\n")
        show, end = _shower(raw=raw)
        while True:
            while chunk := file.read(_CHUNK_BYTES):
                show(chunk)
            sys.stdout.flush()
            newest = _newest(folder)
            if newest > number and not only:
                end()
                return newest
            wait()


def _shower(*, raw: bool) -> tuple[Show, Callable[[], None]]:
    """What prints a chunk of a log, and what prints the line that its end cut off."""
    if raw:
        sys.stdout.flush()

        def copy(chunk: bytes) -> None:
            sys.stdout.buffer.write(chunk)

        return copy, sys.stdout.buffer.flush
    from scriptorium.harness.output import LineSplitter  # noqa: PLC0415 - `--raw` needs no harness
    from scriptorium.harness.reading import LogReader  # noqa: PLC0415

    reader, lines = LogReader(), LineSplitter(_LINE_BYTES)

    def told(found: list[bytes]) -> Iterator[str]:
        for line in found:
            yield from reader.read(line)

    def show(chunk: bytes) -> None:
        sys.stdout.writelines(f"{printable(line)}\n" for line in told(lines.feed(chunk)))

    def end() -> None:
        sys.stdout.writelines(f"{printable(line)}\n" for line in told(lines.flush()))

    return show, end
