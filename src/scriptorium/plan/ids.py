"""The names that the plan is made of, as types of their own, and the parsers that let text in.

Each parser takes untrusted text and returns a value that is safe as a file name, a ref component and
an argument: no slash, no leading dash, no control character, bounded length.
"""

from __future__ import annotations

import re
from typing import Final, NewType

TicketId = NewType("TicketId", str)
"""Four or more digits, written in the shortest way (`0001`, `12345`)."""

AreaName = NewType("AreaName", str)
"""The name of an area: the alphabet of a slug."""

Slug = NewType("Slug", str)
"""The readable half of a ticket's file name: `[a-z0-9][a-z0-9-]{0,60}`, not all digits."""

Oid = NewType("Oid", str)
"""A git object id: 40 lower-case hexadecimal digits."""

MAX_TICKET_NUMBER: Final = 10**9 - 1
"""Far past any plan; keeps a hand-made 300-digit file name from poisoning every later id."""

MAX_COUNTED_NUMBER: Final = 10**8 - 1
"""The highest number in a name that counts when the next one is given. Agents too can make a branch, a file
or a commit with a number in it: a planted 999999999 would leave none to give, and end all planning."""

NULL_OID: Final = Oid("0" * 40)
"""What git writes where there is no object."""

_TICKET_ID = re.compile(r"[0-9]{4,9}")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_OID = re.compile(r"[0-9a-f]{40}")


class InvalidName(ValueError):
    """Text that is not a name of the kind that was asked for; the message shows it and the rule."""


def parse_ticket_id(text: str) -> TicketId:
    """`text` as a ticket id, e.g. `0001`; raises `InvalidName`."""
    if _TICKET_ID.fullmatch(text) is None or (len(text) > 4 and text[0] == "0"):
        raise InvalidName(f"{_shown(text)} is not a ticket id: four or more digits, such as 0001")
    return TicketId(text)


def ticket_id(number: int) -> TicketId:
    """The id of ticket `number` (0 to `MAX_TICKET_NUMBER`); raises `InvalidName` outside of that."""
    if not 0 <= number <= MAX_TICKET_NUMBER:
        raise InvalidName(f"{number} is not a ticket number: 0 to {MAX_TICKET_NUMBER}")
    return TicketId(f"{number:04d}")


def ticket_number(ticket: TicketId) -> int:
    """The number that an id stands for."""
    return int(ticket)


def counted(number: int) -> int:
    """`number` if it counts when the next one is given, else 0: see `MAX_COUNTED_NUMBER`."""
    return number if number <= MAX_COUNTED_NUMBER else 0


def parse_slug(text: str) -> Slug:
    """`text` as a slug; raises `InvalidName`."""
    if _SLUG.fullmatch(text) is None:
        raise InvalidName(
            f"{_shown(text)} is not a slug: 1 to 61 of a-z, 0-9 and -, not beginning with a dash"
        )
    if text.isdigit():
        raise InvalidName(f"{_shown(text)} is not a slug: all digits would read as a ticket id")
    return Slug(text)


def parse_area_name(text: str) -> AreaName:
    """`text` as the name of an area; raises `InvalidName`."""
    if _SLUG.fullmatch(text) is None:
        raise InvalidName(
            f"{_shown(text)} is not the name of an area: 1 to 61 of a-z, 0-9 and -, not beginning with a dash"
        )
    return AreaName(text)


def parse_oid(text: str) -> Oid:
    """`text` as an object id in full; raises `InvalidName`."""
    if _OID.fullmatch(text) is None:
        raise InvalidName(f"{_shown(text)} is not an object id: 40 lower-case hexadecimal digits")
    return Oid(text)


def _shown(text: str) -> str:
    """`text` for a message: on one line, printable, and short however long it is."""
    return ascii(text) if len(text) <= 80 else f"{text[:80]!a}…"
