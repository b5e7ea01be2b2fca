"""Tickets that wait for each other, so that none of them is ever begun: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scriptorium.plan.ids import TicketId, ticket_number


def cycles(waits: Mapping[TicketId, tuple[TicketId, ...]]) -> Iterator[tuple[TicketId, ...]]:
    """A cycle for each group of tickets that can never be begun, from its lowest ticket on.

    `waits` has the tickets that are not begun, and what each depends on; what is not in it counts as done.
    """
    never = _never(waits)
    next_of = {ticket: next(name for name in waits[ticket] if name in never) for ticket in never}
    # Each has exactly one that it is followed to, so every walk ends in the one cycle of its group.
    walked: set[TicketId] = set()
    for start in sorted(next_of, key=ticket_number):
        walk: dict[TicketId, None] = {}
        here = start
        while here not in walked and here not in walk:
            walk[here] = None
            here = next_of[here]
        if here in walk:
            order = list(walk)
            yield _from_lowest(order[order.index(here) :])
        walked.update(walk)


def _never(waits: Mapping[TicketId, tuple[TicketId, ...]]) -> set[TicketId]:
    """The tickets that wait, directly or not, for a ticket that waits for itself."""
    left = {ticket: sum(name in waits for name in names) for ticket, names in waits.items()}
    dependents: dict[TicketId, list[TicketId]] = {}
    for ticket, names in waits.items():
        for name in names:
            dependents.setdefault(name, []).append(ticket)
    ready = [ticket for ticket, count in left.items() if not count]
    while ready:
        for dependent in dependents.get(ready.pop(), ()):
            left[dependent] -= 1
            if not left[dependent]:
                ready.append(dependent)
    return {ticket for ticket, count in left.items() if count}


def _from_lowest(cycle: list[TicketId]) -> tuple[TicketId, ...]:
    start = cycle.index(min(cycle, key=ticket_number))
    return (*cycle[start:], *cycle[:start])
