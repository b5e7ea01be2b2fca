"""The message of a landed commit: what a person reads in `git log --first-parent`, and its receipt.

It is known before the checks run, as they run with the commit checked out; the same ticket, submission and
tree give the same message.
"""

from __future__ import annotations

from scriptorium.code.receipt import Receipt
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import TicketFile
from scriptorium.plan.spent import Spent

SUBJECT_CHARACTERS = 72
SUMMARY_CHARACTERS = 4_000


def landing_message(file: TicketFile, entry: QueueEntry, evidence: str) -> str:
    """The message for landing `entry`, whose merged tree has, or is to get, the evidence of that id.

    Title and summary come from agents: control characters go, and a summary is indented, line by line, so
    that nothing in it can be taken for a trailer, in whatever paragraph git looks for them.
    """
    runs = file.ticket.runs
    receipt = Receipt(
        ticket=file.id,
        area=file.ticket.area,
        attempts=max((run.attempt for run in runs), default=0),
        tokens=Spent.of(runs).tokens,
        evidence=evidence,
        submitted=entry.commit,
    )
    subject = _one_line(f"{file.ticket.title} ({file.id})")
    summary = _plain(entry.summary)[:SUMMARY_CHARACTERS].strip()
    body = "\n".join(f"    {line}".rstrip() for line in summary.splitlines())
    return "\n\n".join(part for part in (subject, body, receipt.render()) if part)


def _one_line(text: str) -> str:
    line = " ".join(_plain(text).split())
    return line if len(line) <= SUBJECT_CHARACTERS else line[: SUBJECT_CHARACTERS - 1] + "…"


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isprintable() or character == "\n")
