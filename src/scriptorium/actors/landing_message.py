"""The message of a landed commit: what a person reads in `git log --first-parent`."""

from __future__ import annotations

from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import TicketFile

SUBJECT_CHARACTERS = 72
SUMMARY_CHARACTERS = 4_000


def landing_message(file: TicketFile, entry: QueueEntry) -> str:
    """Title and summary come from agents: control characters go, and the trailers are a paragraph of ours."""
    subject = _one_line(f"{file.ticket.title} ({file.id})")
    summary = _plain(entry.summary)[:SUMMARY_CHARACTERS].strip()
    body = "\n".join(f"    {line}".rstrip() for line in summary.splitlines())
    trailers = f"Ticket: {file.id}\nSubmitted: {entry.commit}\n"
    return "\n\n".join(part for part in (subject, body, trailers) if part)


def _one_line(text: str) -> str:
    line = " ".join(_plain(text).split())
    return line if len(line) <= SUBJECT_CHARACTERS else line[: SUBJECT_CHARACTERS - 1] + "…"


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isprintable() or character == "\n")
