"""Of all that a check wrote, the part that says why it failed: what an agent is told. Pure but for reading
the log. The output is anybody's: it is cut, stripped of what a terminal acts on, and only ever quoted.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

LIMIT_CHARACTERS: Final = 6_000
"""Of what is told; the prompt shows as much of it."""
TAIL_CHARACTERS: Final = 2_000
"""Of that, the end of the output: summaries stand there."""
LINE_CHARACTERS: Final = 400
PIECE_BYTES: Final = 4 * LINE_CHARACTERS
END_CHARACTERS: Final = 100
"""Of a longer line: its end is shown too."""
READ_BYTES: Final = 8 * 1024 * 1024
"""Of a log, looked through from its start for the first failures. Its end is known anyway."""
BEFORE_LINES: Final = 3
AFTER_LINES: Final = 25
LEFT_OUT: Final = "[...]"

_MARKS = re.compile(
    r"""
      ^=+\ (FAILURES|ERRORS)\ =+$            # pytest
    | \bTraceback\ \(most\ recent\ call\ last\)
    | ^E\ {2,}\S                             # pytest's own mark
    | ^\s*(---\ )?FAIL(ED)?\b                # go, jest, unittest, ctest
    | \bFAILED\b
    | \b(?:fatal\ )?error(\[E\d+\]|\ [A-Z]{1,4}\d+)?:  # gcc, rustc, tsc, ld
    | ^\w*(Error|Exception)\b                # python, node, java
    | ^error\b | ^npm\ (ERR!|error)
    | \bpanicked\ at\b | ^panic: | ^---\ stderr\ ---
    | \bassert(ion)?\ .*fail | \bAssertionError\b
    | ^\s*not\ ok\b                          # TAP
    | ^\s*[\u2715\u2717\u2718\u00d7\u25cf][ ]  # what node's test programs draw
    | \bSegmentation\ fault\b
    | undefined\ reference\ to
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENDS = re.compile(r"^g?make(\[\d+\])?: \*\*\*|\bshort test summary info\b")
"""What says that something failed, not why."""
_FINE = re.compile(
    r"\b(0|no) (failed|failures|errors?)\b|\berrors?: 0\b|test result: ok|\bxfail", re.IGNORECASE
)


_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.")
_UNWANTED = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

_Numbered: TypeAlias = tuple[int, str]


def failing_part(lines: Iterable[str], *, limit: int = LIMIT_CHARACTERS) -> str:
    """The regions around the first lines that tell of a failure, and the end; all of it when it is short.

    `lines` are without their newlines. At most `limit` characters, what is left out marked. Memory is bounded
    whatever the length of the output.
    """
    whole = _Gathered(limit)
    for line in lines:
        whole.add(_shown(line))
    return whole.text()


class _Gathered:
    """The beginning while it may be all, the first failures, and the end, of a stream of lines."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._all: list[str] = []
        self._size = 0
        self._before: deque[_Numbered] = deque(maxlen=BEFORE_LINES)
        self._failures: list[_Numbered] = []
        self._room = limit - min(TAIL_CHARACTERS, limit // 3)
        self._wanted_until = -1
        self._tail: deque[_Numbered] = deque()
        self._tail_size = 0

    def add(self, line: str) -> None:
        here = (self._number, line)
        self._number += 1
        self._size += _cost(line)
        if self._size <= self._limit:
            self._all.append(line)
        self._add_to_failures(here)
        self._tail.append(here)
        self._tail_size += _cost(line)
        while self._tail_size > self._limit:
            self._tail_size -= _cost(self._tail.popleft()[1])

    def _add_to_failures(self, here: _Numbered) -> None:
        number, line = here
        if self._room > 0 and _says_failure(line):
            self._wanted_until = number + AFTER_LINES
            for earlier in self._before:
                self._take(earlier)
            self._before.clear()
        if number <= self._wanted_until:
            self._take(here)
        else:
            self._before.append(here)

    def _take(self, here: _Numbered) -> None:
        follows = self._failures and here[0] == self._failures[-1][0] + 1
        cost = _cost(here[1]) + (0 if follows else _cost(LEFT_OUT))
        if cost <= self._room:
            self._failures.append(here)
            self._room -= cost
        else:
            self._room = 0  # what comes later would stand there without what it follows from

    def text(self) -> str:
        if self._size <= self._limit:
            return "\n".join(self._all)
        room = self._limit - _cost(LEFT_OUT)
        room -= sum(_cost(line) for _, line in self._failures)
        room -= _cost(LEFT_OUT) * sum(1 for _ in _gaps(self._failures))
        parts = dict(self._failures)
        for number, line in reversed(self._tail):
            if number not in parts:
                room -= _cost(line)
                if room < 0:
                    break
                parts[number] = line
        return "\n".join(_joined(sorted(parts.items())))


def _cost(line: str) -> int:
    return len(line) + 1


def _gaps(numbered: Sequence[_Numbered]) -> Iterator[int]:
    """The numbers of the lines that do not follow on the one before."""
    expected = 0
    for number, _ in numbered:
        if number != expected:
            yield number
        expected = number + 1


def _joined(numbered: Sequence[_Numbered]) -> Iterator[str]:
    gaps = frozenset(_gaps(numbered))
    for number, line in numbered:
        if number in gaps:
            yield LEFT_OUT
        yield line


def _says_failure(line: str) -> bool:
    return bool(_MARKS.search(line)) and not _FINE.search(line) and not _ENDS.search(line)


def _shown(line: str) -> str:
    line = _UNWANTED.sub("", _ESCAPE_SEQUENCE.sub("", line)).rstrip()
    if len(line) <= LINE_CHARACTERS:
        return line
    return f"{line[: LINE_CHARACTERS - END_CHARACTERS]} {LEFT_OUT} {line[-END_CHARACTERS:]}"


def failing_part_of(log: Path, tail: bytes) -> str:
    """`failing_part` of a log file whose end is `tail`, which is all there is when the log cannot be read."""
    try:
        with log.open("rb") as file:
            return failing_part(_lines(file, tail))
    except OSError:
        return failing_part(tail.decode(errors="replace").splitlines())


def _lines(file: BinaryIO, tail: bytes) -> Iterator[str]:
    """The lines of the file, or, of a very long one, those of its beginning and of its end."""
    long = os.fstat(file.fileno()).st_size > READ_BYTES
    begun = b""
    while (piece := file.readline(PIECE_BYTES)) and file.tell() < READ_BYTES:
        whole = begun + piece
        if piece.endswith(b"\n") or len(piece) < PIECE_BYTES:
            yield whole.decode(errors="replace").rstrip("\r\n").rpartition("\r")[2]
            begun = b""
        else:
            begun = whole if not begun else begun[:PIECE_BYTES] + piece  # its beginning and its end
    if begun:
        yield begun.decode(errors="replace")
    if long:
        yield LEFT_OUT
        yield from tail.decode(errors="replace").splitlines()
