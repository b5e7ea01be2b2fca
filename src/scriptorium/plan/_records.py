"""A record in Markdown: a list of `- Label: value` lines, then texts, each quoted under a `Label:` line.

It reads well in a ticket and parses back exactly, whatever the quoted texts hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scriptorium.plan._text import quote, unquote


class RecordUnreadable(ValueError):
    """A section of scriptorium's own that does not parse: someone edited it. The message says where."""


class Record(NamedTuple):
    """The values and the texts of one record, by label."""

    values: Mapping[str, str]
    texts: Mapping[str, str]

    def value(self, label: str) -> str:
        """The value of `label`; raises `RecordUnreadable` when the line is missing."""
        try:
            return self.values[label]
        except KeyError:
            raise RecordUnreadable(f'the line "- {label}: …" is missing') from None

    def integer(self, label: str) -> int:
        """The value of `label` as an integer."""
        return _integer(label, self.value(label))

    def optional_integer(self, label: str) -> int | None:
        """The value of `label` as an integer, or None when there is no such line."""
        value = self.values.get(label)
        return None if value is None else _integer(label, value)

    def optional_number(self, label: str) -> float | None:
        """The value of `label` as a number, or None when there is no such line. Raises ValueError."""
        value = self.values.get(label)
        return None if value is None else float(value)

    def flag(self, label: str) -> bool:
        """The value of `label`, yes or no."""
        value = self.value(label)
        if value not in {"yes", "no"}:
            raise RecordUnreadable(f"{label}: {value[:40]!r} is neither yes nor no")
        return value == "yes"

    def text(self, label: str) -> str:
        """The text quoted under `label`; empty when there is none."""
        return self.texts.get(label, "")

    def lines(self, label: str) -> tuple[str, ...]:
        """The lines quoted under `label`."""
        text = self.text(label)
        return tuple(text.split("\n")) if text else ()


def render_record(values: Mapping[str, object], texts: Mapping[str, str]) -> str:
    """The Markdown of a record. A value of None and an empty text are left out; values are one line each."""
    listed = [f"- {label}: {_shown(value)}".rstrip() for label, value in values.items() if value is not None]
    parts = ["\n".join(listed), *(f"{label}:\n\n{quote(text)}" for label, text in texts.items() if text)]
    return "\n\n".join(parts) + "\n"


def parse_record(lines: Sequence[str]) -> Record:
    """Undo `render_record`, given the lines without their ends.

    What a person wrote in between is left alone; of two values with one label the first holds.
    """
    values: dict[str, str] = {}
    texts: dict[str, str] = {}
    labels: list[str] = []
    for position, line in enumerate(lines):
        if line.startswith("- "):
            label, colon, value = line[2:].partition(":")
            if colon:
                values.setdefault(label, value.strip())
        elif labels and (line == ">" or line.startswith("> ")):
            # Read once, for every label since the last one: a planted text may have a million.
            text = unquote(lines, position)
            for label in labels:
                texts.setdefault(label, text)
            labels.clear()
        elif line.endswith(":") and not line.startswith(">"):
            labels.append(line[:-1])
    return Record(values, texts)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _integer(label: str, value: str) -> int:
    if not value.removeprefix("-").isdecimal() or len(value) > 18:
        raise RecordUnreadable(f"{label}: {value[:40]!r} is not a whole number")
    return int(value)
