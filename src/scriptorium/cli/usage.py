"""What agents have used, for ``status``: by ticket where there is work left, and in all."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from scriptorium.cli.progress import Progress
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.spent import Spent
from scriptorium.plan.ticket import TicketUnreadable


@frozen
class Usage:
    """``tickets`` are those that are not done and have had a run. ``done`` tells whether ``total`` has the
    done tickets in it: there may be ten thousand, and each has to be read for that."""

    total: Spent
    tickets: Mapping[TicketId, Spent]
    done: bool

    def document(self) -> dict[str, object]:
        """As it stands under ``usage`` in ``status --json``."""
        return {
            "total": _document(self.total),
            "includesDone": self.done,
            "tickets": {ticket: _document(spent) for ticket, spent in self.tickets.items()},
        }


def usage_of(plan: Snapshot, *, with_done: bool) -> Usage:
    """What the runs in the tickets' notes say, of a ticket's whole life. A done ticket that is damaged counts
    nothing; ``scriptorium check`` names it. ``with_done`` reads every done ticket and says how far it is."""
    tickets = {
        file.id: spent
        for state in TicketState
        if state is not TicketState.DONE
        for file in plan.in_state(state)
        if (spent := Spent.of(file.ticket.runs)).runs
    }
    done = _of_done(plan) if with_done else ()
    return Usage(sum_of((*tickets.values(), *done)), dict(sorted(tickets.items())), done=with_done)


def _of_done(plan: Snapshot) -> list[Spent]:
    found: list[Spent] = []
    files = plan.in_state(TicketState.DONE)
    with Progress("done tickets") as progress:
        for number, file in enumerate(files):
            progress.at(number, len(files))
            try:
                found.append(Spent.of(file.ticket.runs))
            except TicketUnreadable:
                continue
    return found


def sum_of(parts: tuple[Spent, ...]) -> Spent:
    """All of them together."""
    return Spent(
        sum(part.runs for part in parts),
        sum(part.seconds for part in parts),
        sum(part.tokens for part in parts),
        sum(part.cost_usd for part in parts),
    )


def in_words(usage: Usage, most: int) -> list[str]:
    """The lines of ``status``; none while nobody has used anything. The tickets that used most come first."""
    if not usage.total.runs and not usage.done:
        return []
    of = "in all" if usage.done else "by tickets that are not done (in all: scriptorium status --usage)"
    shown = [f"Used {of}: {_words(usage.total)}"]
    ranked = sorted(usage.tickets.items(), key=lambda item: (-item[1].tokens, -item[1].seconds, item[0]))
    shown += [f"  {ticket}: {_words(spent)}" for ticket, spent in ranked[:most]]
    if len(ranked) > most:
        shown.append(f"  and {len(ranked) - most} more")
    return shown


def _words(spent: Spent) -> str:
    runs = f"{spent.runs} run{'' if spent.runs == 1 else 's'}"
    cost = f", ${spent.cost_usd:,.2f}" if spent.cost_usd else ""
    return f"{runs}, {spent.seconds / 3600:,.1f} h, {spent.tokens:,} tokens{cost}"


def _document(spent: Spent) -> dict[str, object]:
    return {
        "runs": spent.runs,
        "seconds": spent.seconds,
        "tokens": spent.tokens,
        "costUsd": spent.cost_usd,
    }
