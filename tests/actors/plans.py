"""Plans in memory, for the decisions: tickets in their states, areas, the queue, without a repository."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, field, frozen

from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.layout import KEEP, KEPT_FOLDERS, TicketState
from scriptorium.plan.memory import snapshot_from_files
from scriptorium.plan.notes import ReopenNote, RunNote
from scriptorium.plan.queue_entry import QueueEntry, render_active
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.ticket import Ticket

OID = Oid("a" * 40)
OPEN, IN_PROGRESS, DONE, STUCK = TicketState
SPEC_TEXT = "# A spec\n"


def ticket(
    number: int,
    state: TicketState = OPEN,
    *,
    area: str = "core",
    depends: tuple[int, ...] = (),
    priority: str = "",
    slug: str = "slug",
    log: tuple[RunNote | ReopenNote, ...] = (),
) -> tuple[str, bytes]:
    """The path and the text of a ticket."""
    fields = f"**Area:** {area}\n"
    if depends:
        fields += f"**Depends:** {', '.join(f'{name:04d}' for name in depends)}\n"
    if priority:
        fields += f"**Priority:** {priority}\n"
    made = Ticket.parse(
        f"# Title {number}\n\n{fields}\n## Goal\n\nDo it.\n\n## Acceptance Criteria\n\n- done\n"
    )
    for note in log:
        made = made.with_run(note) if isinstance(note, RunNote) else made.with_reopen(note)
    return f"{state.folder}/{number:04d}-{slug}.md", made.text.encode()


def entry(number: int, of: int, commit: Oid = OID) -> QueueEntry:
    """An entry of the merge queue."""
    name = TicketId(f"{of:04d}")
    return QueueEntry(number, name, f"scriptorium/ticket-{name}", commit, "Summary.")


@frozen
class PlanFiles:
    """The files of a plan, piled up."""

    files: Mapping[str, bytes] = field(factory=lambda: {f"{folder}/{KEEP}": b"" for folder in KEPT_FOLDERS})

    def add(self, path: str, text: str | bytes) -> PlanFiles:
        content = text.encode() if isinstance(text, str) else text
        return evolve(self, files={**self.files, path: content})

    def spec(self, text: str = SPEC_TEXT) -> PlanFiles:
        return self.add("spec.md", text)

    def areas(self, *names: str, of: str | None = None) -> PlanFiles:
        """Areas; `of` is the marker of the spec that they were made from."""
        plan = self
        for name in names:
            plan = plan.add(f"areas/{name}.md", f"The {name}.\n")
        return plan if of is None else plan.add("areas/.spec", of)

    def marked(self, area: str, text: str) -> PlanFiles:
        return self.add(f"tickets/.areas/{area}", text)

    def with_(self, *tickets: tuple[str, bytes]) -> PlanFiles:
        return evolve(self, files={**self.files, **dict(tickets)})

    def queue(self, *entries: QueueEntry, active: QueueEntry | None = None) -> PlanFiles:
        plan = self
        for found in entries:
            plan = plan.add(found.path, found.render())
        return plan if active is None else plan.add("queue/merge/active.md", render_active(active))

    @property
    def snapshot(self) -> Snapshot:
        return snapshot_from_files(self.files)

    def spec_oid(self) -> Oid:
        spec = self.snapshot.spec
        assert spec is not None
        return spec.oid

    def area_oid(self, name: str) -> Oid:
        return self.snapshot.areas[AreaName(name)].oid


def split(*areas: str) -> PlanFiles:
    """A plan with a spec and the areas that were made from it."""
    plan = PlanFiles().spec()
    return plan.areas(*areas, of=f"{plan.spec_oid()} ok\n")
