"""The ticket that scriptorium itself makes to have a red base branch mended (`recovery` in the config).

It is known by its slug, which names the commit that is red: so whatever anybody does to its text, there is
one at a time, and never a second for the same commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from scriptorium.plan._text import clean_line, clean_text, quote
from scriptorium.plan.ids import AreaName, Oid, Slug, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot, TicketFile
from scriptorium.plan.ticket import Priority, Ticket

RECOVERY_AREA: Final = AreaName("recovery")
"""The area that such a ticket names. It has no text, and no other ticket waits for it."""

OUTPUT_LIMIT: Final = 16_000
"""Characters of the failing output in the ticket, the last ones; the whole of it is in the log file."""

_SLUG: Final = re.compile(r"recover-base-[0-9a-f]{12}")


def recovery_slug(commit: Oid) -> Slug:
    """The slug of the ticket that mends this commit of the base branch."""
    return Slug(f"recover-base-{commit[:12]}")


def is_recovery(slug: str) -> bool:
    """Whether a ticket with this slug is to mend the base branch."""
    return slug.startswith("recover-base-") and _SLUG.fullmatch(slug) is not None


def recovery_tickets(snapshot: Snapshot, *states: TicketState) -> Iterator[tuple[TicketId, str]]:
    """The tickets in these states that are to mend the base branch, readable or not, each with its slug."""
    for state in states:
        for ticket, paths in snapshot.folders[state].names.items():
            for path in paths:
                slug = path.rpartition("/")[2].removesuffix(".md").partition("-")[2]
                if is_recovery(slug):
                    yield ticket, slug


def is_wanted_anyway(file: TicketFile) -> bool:
    """Whether a person has unparked the ticket: then it is worked on whatever the base branch is like."""
    return any(note.kind == "unpark" for note in file.ticket.log)


@frozen(kw_only=True)
class RedBase:
    """What is known of a base branch whose checks fail. `since` is RFC 3339; `log` a path in the repository.

    `command` ended with `exit_code`, None when its time limit or a signal ended it.
    """

    branch: str
    commit: Oid
    since: str
    command: str
    exit_code: int | None = None
    log: str = ""
    output_tail: str = ""

    def ticket(self) -> Ticket:
        """The ticket that asks for it to be mended."""
        command, branch = clean_line(self.command), clean_line(self.branch)
        end = "was ended by its time limit" if self.exit_code is None else f"exits with {self.exit_code}"
        return Ticket.parse(
            f"# Make the base branch {branch} green again\n\n"
            f"**Area:** {RECOVERY_AREA}\n**Priority:** {Priority.CRITICAL}\n\n"
            f"## Goal\n\nThe checks fail on the base branch {branch} since {self.since}, "
            f"at commit {self.commit}: `{command}` {end}. "
            "While they do, nothing else is planned, assigned or landed.\n\n"
            "Find the cause, mend it, and submit.\n\n"
            f"## Acceptance Criteria\n\n- `{command}` passes.\n"
            "- The cause is mended; no check and no test is switched off or weakened for it.\n"
            "- Nothing is changed that has nothing to do with it.\n\n"
            f"## Notes\n\n{self._notes()}\n"
        )

    def _notes(self) -> str:
        output = clean_text(self.output_tail, OUTPUT_LIMIT, keep="tail").strip("\n")
        notes = (
            [f"The whole output is in `{clean_line(self.log)}` in the repository's folder."]
            if self.log
            else []
        )
        if output:
            notes.append(f"The end of the output:\n\n{quote(output)}")
        return "\n\n".join(notes) or "There was no output."
