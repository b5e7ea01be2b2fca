"""The receipt of a landing: the trailers at the end of the message of a landed commit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Self, TypeVar

import pygit2
from attrs import frozen

from scriptorium.code.repository import IDENTITY_EMAIL, IDENTITY_NAME
from scriptorium.code.verdict import EVIDENCE_ID
from scriptorium.plan.ids import AreaName, Oid, TicketId, parse_area_name, parse_oid, parse_ticket_id

_COUNT: Final = re.compile(r"[0-9]{1,18}")

T = TypeVar("T")


@frozen(kw_only=True)
class Receipt:
    """What a landed commit says of itself; None or 0 for what was not known.

    `attempts` is the number of the last attempt of an agent, `tokens` what all runs used, in and out,
    `evidence` the id of what is kept of its checks, `submitted` the commit that was handed in.
    """

    ticket: TicketId
    area: AreaName | None = None
    attempts: int = 0
    tokens: int = 0
    evidence: str | None = None
    submitted: Oid | None = None

    def render(self) -> str:
        """The trailers, a line each. What is not known is left out."""
        facts = (
            ("Ticket", self.ticket),
            ("Area", self.area),
            ("Attempts", self.attempts),
            ("Tokens", self.tokens),
            ("Evidence", self.evidence),
            ("Submitted", self.submitted),
        )
        return "".join(f"{name}: {value}\n" for name, value in facts if value)

    @classmethod
    def parse(cls, message: str) -> Self | None:
        """The receipt in the last paragraph of a message; None when it names no ticket."""
        lines = message.rstrip().rpartition("\n\n")[2].split("\n")
        found = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        ticket = _read(found.get("Ticket"), parse_ticket_id)
        if ticket is None:
            return None
        return cls(
            ticket=ticket,
            area=_read(found.get("Area"), parse_area_name),
            attempts=_read(found.get("Attempts"), _count) or 0,
            tokens=_read(found.get("Tokens"), _count) or 0,
            evidence=_read(found.get("Evidence"), _evidence),
            submitted=_read(found.get("Submitted"), parse_oid),
        )


def receipt_of(commit: pygit2.Commit) -> Receipt | None:
    """The receipt of a commit of the base's first-parent line; None for one that scriptorium did not land."""
    who = (commit.committer.name, commit.committer.email)
    if who != (IDENTITY_NAME, IDENTITY_EMAIL) or len(commit.parent_ids) != 2:
        return None
    return Receipt.parse(commit.raw_message.decode("utf-8", "replace"))


def _read(value: str | None, parse: Callable[[str], T]) -> T | None:
    try:
        return None if value is None else parse(value)
    except ValueError:
        return None  # not as scriptorium writes it: a person has made the commit again


def _count(text: str) -> int:
    if _COUNT.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


def _evidence(text: str) -> str:
    if EVIDENCE_ID.fullmatch(text) is None:
        raise ValueError(text)
    return text
