"""Shows the demo's progress: a table that is redrawn on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from scriptorium.actors import events as news
from scriptorium.demo.progress import Progress

_STYLES = {"landed": "green", "reopened": "yellow", "stuck": "red", "agent at work": "cyan"}
LINES_SHOWN = 6


class Display(Protocol):
    """What hears of every event, after the progress has taken it."""

    def show(self, event: object, elapsed_seconds: float) -> None:
        """Show what is new."""
        ...


class Lines:
    """One line for each event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, event: object, elapsed_seconds: float) -> None:
        """Print the event's line."""
        line = line_for(event, elapsed_seconds)
        if line is not None:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveTable:
    """The tickets in a table, with the last few events below it."""

    def __init__(self, live: Live, progress: Progress) -> None:
        self._live = live
        self._progress = progress
        self._last: list[str] = []

    def show(self, event: object, elapsed_seconds: float) -> None:
        """Redraw with the event's line added."""
        line = line_for(event, elapsed_seconds)
        if line is not None:
            self._last = [*self._last, line][-LINES_SHOWN:]
            self._live.update(self._draw())

    def _draw(self) -> Table:
        outer = Table.grid()
        table = Table("Ticket", "Title", "State", "Attempts", box=None, padding=(0, 2, 0, 0))
        for ticket, found in sorted(self._progress.tickets.items()):
            state = f"[{_STYLES.get(found.state, 'default')}]{found.state}[/]"
            table.add_row(ticket, found.title, state, str(found.attempts or ""))
        outer.add_row(table)
        for line in self._last:
            outer.add_row(f"[dim]{line.replace('[', chr(92) + '[')}[/]")
        return outer


@contextmanager
def open_display(console: Console, progress: Progress) -> Iterator[Display]:
    """The display that suits the console, for as long as the block runs."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, refresh_per_second=12) as live:
        yield LiveTable(live, progress)


def line_for(event: object, elapsed_seconds: float) -> str | None:
    """The line of an event, with the time since the start in front; None for what is of no interest here."""
    if not isinstance(event, news.Event):
        return None
    return f"{elapsed_seconds:5.1f} s  {news.describe(event)}"
