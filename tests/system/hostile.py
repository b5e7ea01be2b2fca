"""One case of hostile content on the plan branch: what is planted, what is said of it, what it may stop."""

from __future__ import annotations

from attrs import frozen

from tests.plan.plans import ticket_text

from .planting import FILE, Plant, Planter

ODD = "tickets/open/0009-odd.md"
"""Where a ticket with hostile text is planted, in an area of its own."""


@frozen
class Hostile:
    """What is planted, and what has to come of it.

    `says` is in the path or the reason of some problem (None: there is none). The tickets first, second and
    third get done all the same, but for those in `stops`; `odd` is what becomes of the planted ticket. With
    an `unusable` plan a service refuses to begin.
    """

    plant: Plant
    says: str | None = None
    stops: frozenset[str] = frozenset()
    odd: str | None = None
    unusable: bool = False


NO_PLANNING = frozenset({"third"})
EVERYTHING = frozenset({"first", "second", "third"})


def odd_ticket(text: str | bytes) -> Plant:
    """Plants a ticket of this text."""
    content = text.encode() if isinstance(text, str) else text
    return lambda planter: planter.file(ODD, content)


def odd_fields(fields: str) -> Plant:
    """Plants a ticket with these fields after its area."""
    return odd_ticket(ticket_text("Odd", area="odd", fields=fields))


def in_place(path: str, mode: bytes, content: bytes | None = None) -> Plant:
    """Puts a blob of another mode, or (`content` None) an empty folder, at a path."""

    def plant(planter: Planter) -> None:
        planter.put(path, mode, planter.folder() if content is None else planter.blob(content))

    return plant


def files(**by_path: bytes) -> Plant:
    """Plants these files."""

    def plant(planter: Planter) -> None:
        for path, content in by_path.items():
            planter.file(path, content, FILE)

    return plant
