"""How a conflict is told to the agent whose work is in one: in the ticket's note, and at its submission."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from scriptorium.code.conflicts import FILES_SHOWN, ConflictedFile
from scriptorium.plan.ids import TicketId

FILES_NAMED: Final = 10
TICKETS_NAMED: Final = 20
PATH_CHARACTERS: Final = 200
LEFT_OUT: Final = "[… left out: see the file …]\n"


def tickets_of(files: Iterable[ConflictedFile]) -> tuple[TicketId, ...]:
    """The tickets whose landings brought the other side of a conflict, the newest of each file first."""
    found = dict.fromkeys(change.ticket for file in files for change in file.changes)
    return tuple(ticket for ticket in found if ticket is not None)[:TICKETS_NAMED]


def of_tickets(tickets: Sequence[TicketId]) -> str:
    """` of ticket 0003`, ` of tickets 0003 and 0004`; empty for none."""
    if not tickets:
        return ""
    *some, last = tickets
    return f" of tickets {', '.join(some)} and {last}" if some else f" of ticket {last}"


def paths_named(paths: Sequence[str]) -> str:
    """The first of these paths, and how many more there are."""
    more = f" and {len(paths) - FILES_NAMED} more" if len(paths) > FILES_NAMED else ""
    return ", ".join(shown_path(path) for path in paths[:FILES_NAMED]) + more


def laid_out(files: Sequence[ConflictedFile], base: str) -> str:
    """Each file with the commits that changed it on the base branch, and its hunks."""
    parts = []
    for file in files[:FILES_SHOWN]:
        commits = ", ".join(str(change) for change in file.changes)
        by = f" (changed on {base} by {commits})" if commits else ""
        parts.append(f"--- {shown_path(file.path)}{by}\n{file.shown or LEFT_OUT}")
    return "\n".join(parts)


def shown_path(path: str) -> str:
    """A path on one line, whatever is in it, and not longer than one can read."""
    plain = path if path.isprintable() else ascii(path)[1:-1]
    return plain if len(plain) <= PATH_CHARACTERS else f"{plain[:PATH_CHARACTERS]}[…]"
