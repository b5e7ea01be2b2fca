"""The tickets of a folder by id: versions that differ in a few share the rest, and what is asked of one costs
nothing for the others. Of a done ticket, only the name and the oid are held until somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias, final

from scriptorium.plan.ids import TicketId, ticket_number

if TYPE_CHECKING:
    from scriptorium.plan.snapshot import Folder, TicketFile

Named: TypeAlias = tuple[str, str, str]
"""A ticket that nobody has asked for: id, slug, and oid in binary as Latin-1."""

_FEW_CHANGES: Final = 64
_SHARE: Final = 32
"""Changes are kept beside what is shared up to a 32nd part of it; then both are copied into one."""

_UNTOUCHED: Final = object()


@final
class Files(Mapping[TicketId, "TicketFile"]):
    """Files by ticket. Immutable to the eye; what is shared is completed where it is."""

    def __init__(
        self,
        make: Callable[[Named], TicketFile],
        shared: dict[TicketId, TicketFile | Named] | None = None,
    ) -> None:
        self._make = make
        self._shared = {} if shared is None else shared
        self._changed: dict[TicketId, TicketFile | None] = {}
        self._length = len(self._shared)

    def changed(self, changes: Mapping[TicketId, TicketFile | None]) -> Files:
        """The files with each ticket of `changes` standing for its new file; None for one that is gone."""
        after = Files(self._make, self._shared)
        after._changed = {**self._changed, **changes}
        after._length = self._length + sum(
            (file is not None) - (ticket in self) for ticket, file in changes.items()
        )
        if len(after._changed) > _FEW_CHANGES + len(self._shared) // _SHARE:
            after._shared, after._changed = after._joined(), {}
        return after

    def _joined(self) -> dict[TicketId, TicketFile | Named]:
        joined = dict(self._shared)
        for ticket, file in self._changed.items():
            if file is None:
                joined.pop(ticket, None)
            else:
                joined[ticket] = file
        return joined

    def __getitem__(self, ticket: TicketId) -> TicketFile:
        if ticket in self._changed:
            file = self._changed[ticket]
            if file is None:
                raise KeyError(ticket)
            return file
        found = self._shared[ticket]
        if isinstance(found, tuple):
            # For every version that shares it; of two threads that do so, both make the same.
            found = self._shared[ticket] = self._make(found)
        return found

    def __contains__(self, ticket: object) -> bool:
        changed = self._changed.get(ticket, _UNTOUCHED)  # type: ignore[call-overload]
        return ticket in self._shared if changed is _UNTOUCHED else changed is not None

    def __iter__(self) -> Iterator[TicketId]:
        for ticket in self._shared:
            if ticket not in self._changed:
                yield ticket
        for ticket, file in self._changed.items():
            if file is not None:
                yield ticket

    def __len__(self) -> int:
        return self._length


@final
class Paths(Mapping[TicketId, tuple[str, ...]]):
    """The paths of every file with a ticket's name, readable or not.

    `odd` has them for the tickets that are not exactly one readable file; an id in it may be in `files` too.
    """

    def __init__(self, files: Files, odd: Mapping[TicketId, tuple[str, ...]]) -> None:
        self._files = files
        self.odd = odd

    def __getitem__(self, ticket: TicketId) -> tuple[str, ...]:
        odd = self.odd.get(ticket)
        return (self._files[ticket].path,) if odd is None else odd

    def __contains__(self, ticket: object) -> bool:
        return ticket in self._files or ticket in self.odd

    def __iter__(self) -> Iterator[TicketId]:
        yield from self._files
        for ticket in self.odd:
            if ticket not in self._files:
                yield ticket

    def __len__(self) -> int:
        return len(self._files) + sum(ticket not in self._files for ticket in self.odd)


@final
class Placed(Mapping[TicketId, "TicketFile"]):
    """The tickets in some folders that can be read and are in exactly one place, lowest id first."""

    def __init__(self, folders: tuple[Folder, ...], duplicates: Mapping[TicketId, tuple[str, ...]]) -> None:
        self._folders = folders
        self._duplicates = duplicates

    def __getitem__(self, ticket: TicketId) -> TicketFile:
        if ticket not in self._duplicates:
            for folder in self._folders:
                if ticket in folder.tickets:
                    return folder.tickets[ticket]
        raise KeyError(ticket)

    def __iter__(self) -> Iterator[TicketId]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    @cached_property
    def _ids(self) -> tuple[TicketId, ...]:
        found = {ticket for folder in self._folders for ticket in folder.tickets}
        return tuple(sorted(found.difference(self._duplicates), key=ticket_number))
