"""Where things are on the plan branch: paths, the names of ticket and queue files, who writes it."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Final

from scriptorium.plan.ids import (
    AreaName,
    InvalidName,
    Slug,
    TicketId,
    parse_area_name,
    parse_slug,
    parse_ticket_id,
)

AUTHOR_NAME: Final = "scriptorium"
AUTHOR_EMAIL: Final = "scriptorium@localhost"
AUTHOR: Final = f"{AUTHOR_NAME} <{AUTHOR_EMAIL}>"
"""Author and committer of every commit on the plan branch, whatever the user's identity is."""

SPEC: Final = "spec.md"
AREAS: Final = "areas"
AREAS_FROM: Final = "areas/.spec"
TICKETED: Final = "tickets/.areas"
PENDING: Final = "queue/merge/pending"
ACTIVE: Final = "queue/merge/active.md"
KEEP: Final = ".gitkeep"


class TicketState(StrEnum):
    """The folder that a ticket is in."""

    OPEN = "open"
    IN_PROGRESS = "in-progress"
    DONE = "done"
    STUCK = "stuck"

    @property
    def folder(self) -> str:
        """The path of the folder."""
        return f"tickets/{self}"


KEPT_FOLDERS: Final = (AREAS, *(state.folder for state in TicketState), PENDING, "decisions")
"""The folders that git would forget when they are empty: each holds a `.gitkeep`, always."""


def area_path(area: AreaName) -> str:
    """The path of an area's text."""
    return f"{AREAS}/{area}.md"


def ticketed_path(area: AreaName) -> str:
    """The path of the marker that says which text of an area was last ticketed."""
    return f"{TICKETED}/{area}"


def ticket_path(state: TicketState, ticket: TicketId, slug: Slug) -> str:
    """The path of a ticket."""
    return f"{state.folder}/{ticket}-{slug}.md"


def entry_name(number: int, ticket: TicketId) -> str:
    """The name of a queue entry, without `.md`: `QQQQ-NNNN`."""
    return f"{number:04d}-{ticket}"


def entry_path(number: int, ticket: TicketId) -> str:
    """The path of a pending queue entry."""
    return f"{PENDING}/{entry_name(number, ticket)}.md"


def parse_area_file(name: str) -> AreaName:
    """The area in the name of an area's file; raises `InvalidName`."""
    stem = name.removesuffix(".md")
    if stem == name:
        raise InvalidName(f"{name[:80]!a} is not the name of an area's file: NAME.md")
    return parse_area_name(stem)


@lru_cache(maxsize=256)  # a transition asks half a dozen times for the two names that it touches
def parse_ticket_name(name: str) -> tuple[TicketId, Slug]:
    """The id and the slug in the name of a ticket's file; raises `InvalidName`."""
    stem = name.removesuffix(".md")
    ticket, dash, slug = stem.partition("-")
    if stem == name or not dash:
        raise InvalidName(f"{name[:80]!a} is not the name of a ticket: NNNN-slug.md")
    return parse_ticket_id(ticket), parse_slug(slug)


def parse_entry_name(stem: str) -> tuple[int, TicketId]:
    """The number and the ticket in the name of a queue entry, without `.md`; raises `InvalidName`."""
    number, _, ticket = stem.partition("-")
    return int(parse_ticket_id(number)), parse_ticket_id(ticket)
