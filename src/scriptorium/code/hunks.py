"""The hunks of a conflict, cut so that both sides of each are seen: never more than a page of one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field

HUNKS: Final = 3
"""Of one file; the others are counted."""
HUNK_LINES: Final = 40
CONTEXT_LINES: Final = 3
LINE_CHARACTERS: Final = 200

BASE: Final = "base"
SUBMISSION: Final = "submission"
"""What the two sides are called in conflict markers."""

_START, _MIDDLE, _END = f"<<<<<<< {BASE}", "=======", f">>>>>>> {SUBMISSION}"
# Two contexts, three markers, and a line in each side that says what was left out.
_SIDE_LINES: Final = (HUNK_LINES - 2 * CONTEXT_LINES - 3) // 2 - 1


@define
class _Hunk:
    """A conflict between two markers; `line` is that of its first marker, from 0."""

    line: int
    end: int = 0
    ours: list[str] = field(factory=list)
    theirs: list[str] = field(factory=list)


def conflict_hunks(text: str) -> str:
    """The conflicts in a merged file with markers, each with the lines around it; empty for none."""
    lines = _lines(text)
    hunks = _between_markers(lines)
    shown: list[str] = []
    past = 0
    for place, hunk in enumerate(hunks[:HUNKS]):
        first = max(past, hunk.line - CONTEXT_LINES)
        following = hunks[place + 1].line if place + 1 < len(hunks) else len(lines)
        past = min(hunk.end + 1 + CONTEXT_LINES, following)
        shown.append(f"@@ line {first + 1} @@")
        shown += [*lines[first : hunk.line], _START, *_cut(hunk.ours, _SIDE_LINES)]
        shown += [_MIDDLE, *_cut(hunk.theirs, _SIDE_LINES), _END, *lines[hunk.end + 1 : past]]
    return _joined(shown, len(hunks) - HUNKS)


def patch_hunks(patch: str) -> str:
    """The hunks of a patch of one file, without its header; empty when there is none."""
    hunks: list[list[str]] = []
    for line in _lines(patch):
        if line.startswith("@@ "):
            hunks.append([])
        if hunks:
            hunks[-1].append(line)
    shown = [line for hunk in hunks[:HUNKS] for line in _cut(hunk, HUNK_LINES - 1)]
    return _joined(shown, len(hunks) - HUNKS)


def _lines(text: str) -> list[str]:
    """Only a newline ends a line: a file may hold a lone return, a form feed, and worse."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def _between_markers(lines: Sequence[str]) -> list[_Hunk]:
    hunks: list[_Hunk] = []
    hunk: _Hunk | None = None
    side: list[str] = []
    for number, line in enumerate(lines):
        if hunk is None:
            if line == _START:
                hunk = _Hunk(number)
                side = hunk.ours
        elif line == _MIDDLE and side is hunk.ours:
            side = hunk.theirs
        elif line == _END:
            hunk.end = number
            hunks.append(hunk)
            hunk = None
        else:
            side.append(line)
    return hunks


def _cut(lines: Sequence[str], limit: int) -> list[str]:
    if len(lines) <= limit:
        return list(lines)
    return [*lines[:limit], f"[… {len(lines) - limit} more lines …]"]


def _joined(lines: Sequence[str], more: int) -> str:
    cut = [line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}[…]" for line in lines]
    if more > 0:
        cut.append(f"[… {more} more places in this file …]")
    return "".join(f"{line}\n" for line in cut)
