"""The plan branch in numbers, read from the names in its folders alone.

``status`` is called by scripts and prompts many times a minute. Reading a whole snapshot, with the text of
every ticket, would take it longer than the interpreter, git and everything else together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import pygit2
from attrs import frozen

from scriptorium.plan.ids import InvalidName, Oid, TicketId
from scriptorium.plan.layout import ACTIVE, KEEP, PENDING, TicketState, parse_entry_name, parse_ticket_name
from scriptorium.plan.refs import PLAN_REF, read_ref

ACTIVE_LIMIT_BYTES = 64 * 1024
Named = TypeVar("Named")


@frozen
class Tally:
    """How many tickets are in each state, which wait in the merge queue (in its order) and which is landing.

    ``problems`` has the path of each file that is named as nothing there may be, and why.
    """

    commit: Oid
    tickets: Mapping[str, int]
    pending: Sequence[TicketId]
    active: TicketId | None
    problems: Sequence[tuple[str, str]]


def read_tally(repo: pygit2.Repository) -> Tally | None:
    """The plan in numbers; None when there is no plan branch. Raises RefError when it cannot be read."""
    commit = read_ref(repo, PLAN_REF)
    if commit is None:
        return None
    plan, problems = _Plan(repo[commit].peel(pygit2.Tree)), list[tuple[str, str]]()
    tickets = {
        str(state): len(plan.named(state.folder, parse_ticket_name, problems)) for state in TicketState
    }
    entries = sorted(plan.named(PENDING, lambda name: parse_entry_name(name.removesuffix(".md")), problems))
    active = plan.active(problems)
    waiting = [ticket for number, ticket in entries if (number, ticket) != active]
    return Tally(commit, tickets, waiting, active[1] if active else None, problems)


class _Plan:
    def __init__(self, tree: pygit2.Tree) -> None:
        self._tree = tree

    def named(
        self, folder: str, parse: Callable[[str], Named], problems: list[tuple[str, str]]
    ) -> list[Named]:
        """What the files of a folder are named for; a name that says nothing goes to ``problems``."""
        found: list[Named] = []
        for name in self._files(folder):
            try:
                found.append(parse(name))
            except InvalidName as error:
                problems.append((f"{folder}/{name}", str(error)))
        return found

    def active(self, problems: list[tuple[str, str]]) -> tuple[int, TicketId] | None:
        """The entry that is being landed."""
        blob = self._at(ACTIVE)
        if blob is None:
            return None
        from scriptorium.plan.queue_entry import parse_active  # noqa: PLC0415 - only while one lands

        text = blob.data[:ACTIVE_LIMIT_BYTES] if isinstance(blob, pygit2.Blob) else b""
        try:
            return parse_active(text.decode())
        except ValueError as error:
            problems.append((ACTIVE, str(error)))
            return None

    def _files(self, folder: str) -> Iterator[str]:
        tree = self._at(folder)
        if isinstance(tree, pygit2.Tree):
            yield from (entry.name or "" for entry in tree if entry.name != KEEP)

    def _at(self, path: str) -> pygit2.Object | None:
        try:
            return self._tree[path]
        except KeyError:
            return None
