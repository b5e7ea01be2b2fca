"""An entry of the merge queue: one submission of one ticket, waiting to land or being landed."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from scriptorium.plan._records import parse_record, render_record
from scriptorium.plan._text import clean_line, clean_text
from scriptorium.plan.ids import Oid, TicketId, parse_oid, parse_ticket_id
from scriptorium.plan.layout import entry_name, entry_path, parse_entry_name

SUMMARY_LIMIT: Final = 64_000
"""Characters of a summary: all of any that a person would read."""

MAX_ENTRY_BYTES: Final = 1 << 20

_ENTRY = "Entry"


def _summary(text: str) -> str:
    return clean_text(text, SUMMARY_LIMIT)


def _branch(text: str) -> str:
    return clean_line(text)


@frozen
class QueueEntry:
    """One submission. `number` rises with every entry; `commit` is what the agent handed in."""

    number: int
    ticket: TicketId
    branch: str = field(converter=_branch)
    commit: Oid
    summary: str = field(converter=_summary)

    @property
    def name(self) -> str:
        """`QQQQ-NNNN`."""
        return entry_name(self.number, self.ticket)

    @property
    def path(self) -> str:
        """Where the entry is while it waits, and until its outcome is known."""
        return entry_path(self.number, self.ticket)

    def render(self) -> str:
        """The text of the file."""
        values = {"Ticket": self.ticket, "Branch": self.branch, "Commit": self.commit}
        record = render_record(values, {"Summary": self.summary})
        return f"# Merge request {self.number:04d}\n\n{record}"

    @classmethod
    def parse(cls, stem: str, text: str) -> QueueEntry:
        """The entry in the file `<stem>.md`; raises `ValueError` with what is wrong."""
        number, ticket = parse_entry_name(stem)
        record = parse_record([line.removesuffix("\r") for line in text.split("\n")])
        if parse_ticket_id(record.value("Ticket")) != ticket:
            raise ValueError(f"the name says ticket {ticket}, the text says {record.value('Ticket')}")
        return cls(
            number, ticket, record.value("Branch"), parse_oid(record.value("Commit")), record.text("Summary")
        )


def render_active(entry: QueueEntry) -> str:
    """The text of `active.md` while `entry` is being landed."""
    values = {_ENTRY: entry.name}
    return f"# Being landed\n\n{render_record(values, {})}"


def parse_active(text: str) -> tuple[int, TicketId]:
    """The number and the ticket of the entry that `active.md` names; raises `ValueError`."""
    return parse_entry_name(
        parse_record([line.removesuffix("\r") for line in text.split("\n")]).value(_ENTRY)
    )
