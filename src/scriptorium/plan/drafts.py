"""New tickets as the Manager writes them: looked at file by file and as a batch, before they become state."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from attrs import frozen

from scriptorium.plan._markdown import fields
from scriptorium.plan._ticket_text import ACCEPTANCE, GOAL, NOTES, Field, TicketText, TicketUnreadable
from scriptorium.plan.ids import AreaName, InvalidName, Slug, TicketId, parse_slug, parse_ticket_id
from scriptorium.plan.layout import TicketState
from scriptorium.plan.recovery import is_recovery
from scriptorium.plan.snapshot import Snapshot, TicketFile
from scriptorium.plan.ticket import Ticket, is_own_section, names_in, parse_priority

MAX_DRAFT_BYTES: Final = 256 << 10
"""A ticket that an agent can work from is a few pages."""

MAX_DRAFTS: Final = 200
"""More tickets than this from one area mean that the area was not divided."""

_FOLDER = f"{TicketState.OPEN.folder}/"


class DraftsRefused(ValueError):
    """The Manager's files cannot become tickets. `reasons` says all that is wrong, for the agent to mend."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


@frozen
class TicketDraft:
    """A new ticket, without an id yet. Its Depends names slugs of the same batch, and ids."""

    slug: Slug
    text: str

    @property
    def depends(self) -> tuple[str, ...]:
        """The names in its Depends field."""
        return names_in(TicketText.parse(self.text).values.get(Field.DEPENDS, ""))


def validate_drafts(
    area: AreaName, files: Mapping[str, bytes], snapshot: Snapshot
) -> tuple[TicketDraft, ...]:
    """The new tickets in `files`, in the order in which they get their ids: dependencies first, then by slug.

    `files` are the Markdown files that the Manager left in `tickets/open/`, by name or by that path. A file
    that has the name of a ticket there is not new, and is passed over. So is one that says what a ticket
    of this area says already; who depends on it then depends on that ticket.

    Raises:
        DraftsRefused: with everything that is wrong, over all files.
    """
    reasons: list[str] = []
    drafts: dict[Slug, TicketDraft] = {}
    existing = {f"{file.name}.md" for file in snapshot.tickets.values()}
    for path in sorted(files):
        name = path.removeprefix(_FOLDER)
        if name in existing:
            continue
        try:
            draft = _read(name, files[path])
        except ValueError as error:
            reasons.append(f"{name[:100]!a}: {error}")
        else:
            drafts[draft.slug] = draft
    if len(drafts) > MAX_DRAFTS:
        reasons.append(f"{len(drafts)} tickets at once; {MAX_DRAFTS} is the limit")
    if not reasons:
        # Where there is nothing new, no ticket need be read: there may be ten thousand.
        drafts = _without_known(drafts, _texts_of(area, snapshot)) if drafts else drafts
        reasons.extend(_unknown_names(drafts, snapshot))
    if reasons:
        raise DraftsRefused(reasons)
    return in_order(tuple(drafts.values()))


def in_order(drafts: Iterable[TicketDraft]) -> tuple[TicketDraft, ...]:
    """The drafts, each after those that it depends on, else by slug; raises `DraftsRefused` for a cycle."""
    by_slug = {draft.slug: draft for draft in drafts}
    waits = {slug: {name for name in draft.depends if name in by_slug} for slug, draft in by_slug.items()}
    followers: dict[str, list[Slug]] = {}
    for slug, names in waits.items():
        for name in names:
            followers.setdefault(name, []).append(slug)
    ready = sorted(slug for slug, names in waits.items() if not names)
    ordered: list[TicketDraft] = []
    while ready:
        slug = heapq.heappop(ready)
        ordered.append(by_slug[slug])
        for follower in followers.get(slug, ()):
            waits[follower].discard(slug)
            if not waits[follower]:
                heapq.heappush(ready, follower)
    if len(ordered) < len(by_slug):
        left = sorted(by_slug.keys() - {draft.slug for draft in ordered})
        raise DraftsRefused([f"these tickets depend on each other in a circle: {', '.join(left)}"])
    return tuple(ordered)


def ticket_from_draft(draft: TicketDraft, area: AreaName, ids: Mapping[str, TicketId]) -> Ticket:
    """The ticket that a draft becomes: its area set, its dependencies by id (`ids` by slug)."""
    text = draft.text
    depends = ", ".join(dict.fromkeys(ids.get(name, name) for name in draft.depends))
    owned = {Field.AREA: area, Field.DEPENDS: depends or None, Field.BRANCH: None, Field.WORKTREE: None}
    for name, value in owned.items():
        text = TicketText.parse(text).with_field(name, value)
    return Ticket.parse(text)


def _read(name: str, content: bytes) -> TicketDraft:
    """One file as a draft; raises `ValueError` with what is wrong with it."""
    stem = name.removesuffix(".md")
    if stem == name:
        raise ValueError("a new ticket is a file tickets/open/<slug>.md")
    slug = parse_slug(stem)
    if is_recovery(slug):
        raise ValueError("a name such as this one is only for tickets that scriptorium itself makes")
    if len(content) > MAX_DRAFT_BYTES:
        raise ValueError(f"it is {len(content)} bytes long; {MAX_DRAFT_BYTES} is the limit")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8, at byte {error.start}") from None
    text = text if text.endswith("\n") else f"{text}\n"
    parsed = TicketText.parse(text)
    faults = tuple(_faults(parsed))
    if faults:
        raise ValueError("; ".join(faults))
    parse_priority(parsed.values.get(Field.PRIORITY, ""))
    return TicketDraft(slug, text)


def _faults(parsed: TicketText) -> Iterable[str]:
    headings = parsed.outline.headings
    if sum(heading.level == 1 for heading in headings) > 1:
        yield "it has a second title (# …): one ticket a file"
    lines = parsed.outline.lines
    known = frozenset(Field)
    if any(
        name in known for _, name, _ in fields(lines, parsed.header_end, len(lines), parsed.outline.fenced)
    ):
        yield "it has ticket fields after its header: one ticket a file, fields right under the title"
    for title in (GOAL, ACCEPTANCE):
        if not (parsed.section(title) or "").strip():
            yield f'the section "## {title}" is missing or empty'
    if parsed.outline.open_fence is not None:
        yield f"a code fence ({parsed.outline.open_fence}) is not closed"
    for heading in headings:
        if is_own_section(heading.title):
            yield f'the section "{heading.title}" is one that only scriptorium writes'


def _texts_of(area: AreaName, snapshot: Snapshot) -> dict[tuple[str, ...], TicketId]:
    """What the tickets of an area say, in every state."""
    texts: dict[tuple[str, ...], TicketId] = {}
    for file in snapshot.tickets.values():
        ticket = _readable(file)
        if ticket is not None and ticket.area == area:
            texts.setdefault(_content(TicketText.parse(ticket.text)), file.id)
    return texts


def _readable(file: TicketFile) -> Ticket | None:
    try:
        return file.ticket
    except TicketUnreadable:
        return None


def _content(parsed: TicketText) -> tuple[str, ...]:
    """What a ticket asks for, whatever has happened to it since, and however its lines end in blanks."""
    sections = (parsed.title, *(parsed.section(title) or "" for title in (GOAL, ACCEPTANCE, NOTES)))
    return tuple("\n".join(line.rstrip() for line in text.split("\n")).strip() for text in sections)


def _without_known(
    drafts: Mapping[Slug, TicketDraft], known: Mapping[tuple[str, ...], TicketId]
) -> dict[Slug, TicketDraft]:
    ids: dict[str, TicketId] = {}
    for slug, draft in drafts.items():
        ticket = known.get(_content(TicketText.parse(draft.text)))
        if ticket is not None:
            ids[slug] = ticket
    return {
        slug: TicketDraft(slug, _renamed(draft, ids)) for slug, draft in drafts.items() if slug not in ids
    }


def _renamed(draft: TicketDraft, ids: Mapping[str, TicketId]) -> str:
    if not ids.keys() & set(draft.depends):
        return draft.text
    depends = ", ".join(ids.get(name, name) for name in draft.depends)
    return TicketText.parse(draft.text).with_field(Field.DEPENDS, depends)


def _unknown_names(drafts: Mapping[Slug, TicketDraft], snapshot: Snapshot) -> Iterable[str]:
    for slug, draft in drafts.items():
        for name in draft.depends:
            if name == slug:
                yield f"{slug}.md: it depends on itself"
            elif name not in drafts and not _is_ticket(name, snapshot):
                yield f"{slug}.md: it depends on {name[:80]!a}: no slug of this batch and no ticket's id"


def _is_ticket(name: str, snapshot: Snapshot) -> bool:
    try:
        return snapshot.state_of(parse_ticket_id(name)) is not None
    except InvalidName:
        return False
