"""Foreign text made safe to keep: what an agent, a check or a file name put there is cleaned, bounded,
and quoted line by line, so that nothing in it can be read as a field, a heading or a trailer.

Cleaning is idempotent: what is read back from a quoted block is what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

CUT: Final = "[… cut …]"
"""Stands where text was left out to keep it within its bound."""

_BREAK = re.compile(r"[\r\n\t]+")
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# C0 and C1 controls but tab and newline, the line and paragraph separators, what turns the reading
# direction round, the byte order mark, and lone surrogates (undecodable bytes of a file name).
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean_text(text: str, limit: int, *, keep: str = "head") -> str:
    """`text` without control characters, at most `limit` characters long.

    Line ends become newlines. Past the limit the `head` or the `tail` is kept, with a mark at the cut.
    """
    # A progress bar writes over itself with lone carriage returns: each is a line of its own here.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _UNWANTED.sub("", _ESCAPE_SEQUENCE.sub("", text))
    if len(text) <= limit:
        return text
    kept = limit - len(CUT) - 1
    return f"{text[:kept]}\n{CUT}" if keep == "head" else f"{CUT}\n{text[-kept:]}"


def clean_line(text: str, limit: int = 1000) -> str:
    """`text` on one line, without control characters or white space at its ends."""
    line = _UNWANTED.sub("", _ESCAPE_SEQUENCE.sub("", _BREAK.sub(" ", text))).strip()
    return line if len(line) <= limit else line[: limit - len(CUT)].rstrip() + CUT


def clean_lines(texts: Iterable[str], *, count: int = 100, limit: int = 300) -> tuple[str, ...]:
    """Each of `texts` on one line; empty ones go; past `count` the last says how many were left out."""
    lines = tuple(line for line in (clean_line(text, limit) for text in texts) if line)
    if len(lines) <= count:
        return lines
    return (*lines[: count - 1], f"and {len(lines) - count + 1} more")


def printable(text: str) -> str:
    """`text` with everything that a terminal would act on written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def quote(text: str) -> str:
    """`text` as a Markdown quotation: `> ` before every line; no newline at the end."""
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def unquote(lines: Sequence[str], start: int = 0) -> str:
    """The text of the first quotation in `lines`, from `start` on; empty for none. Undoes `quote`."""
    quoted: list[str] = []
    for position in range(start, len(lines)):
        line = lines[position]
        if line == ">":
            quoted.append("")
        elif line.startswith("> "):
            quoted.append(line[2:])
        elif quoted:
            break
    return "\n".join(quoted)
