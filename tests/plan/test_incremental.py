"""A snapshot that was read from the one before it is the one that is read from nothing, whoever committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scriptorium.plan.ids import NULL_OID, Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.memory import MemoryObjects
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.pack import ObjectKind
from scriptorium.plan.queue_entry import QueueEntry, render_active
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.snapshot import Numbers, Snapshot
from scriptorium.plan.staging import StagedObjects
from scriptorium.plan.ticket import TicketUnreadable
from scriptorium.plan.trees import RawEntry, Tree

from .plans import EMPTY_PLAN, OID_A, Plan, ticket_text

IDS = tuple(TicketId(name) for name in ("0002", "0150", "10000", "0311", "999999999"))
REGULAR = [f"{ticket}-{slug}.md" for ticket in IDS[:3] for slug in ("x", "y")]
ODD = ["00301-x.md", "0310-..md", "0311-1234.md", ".gitkeep", "999999999-x.md", "10000-x.md/0003-x.md"]
NAMES = st.sampled_from([*REGULAR, *REGULAR, *ODD])
STATES = st.sampled_from(["open", "in-progress", "done"])
ENTRIES = tuple(QueueEntry(number, IDS[number % 2], "b", OID_A, "") for number in range(1, 4))
OTHERS = st.sampled_from(
    [*(entry.path for entry in ENTRIES), "queue/merge/active.md", "queue/merge/pending/x.md", "spec.md"]
)
TICKETS = st.builds("tickets/{}/{}".format, STATES, NAMES)
TEXTS = st.sampled_from([ticket_text("One"), ticket_text("Two"), "no ticket", "\xff"]).map(
    lambda text: text.encode("latin-1")
)
QUEUED = st.sampled_from([*(entry.render() for entry in ENTRIES), *map(render_active, ENTRIES)]).map(
    str.encode
)
EDITS = st.dictionaries(TICKETS, st.none() | TEXTS, max_size=4)
QUEUE_EDITS = st.dictionaries(OTHERS, st.none() | TEXTS | QUEUED, max_size=2)
DONE = {f"tickets/done/{number:04d}-x.md": ticket_text(str(number)).encode() for number in range(100, 300)}


def facts(snapshot: Snapshot) -> Iterator[object]:
    """All that a snapshot says, but for the commit."""
    yield snapshot.tree
    yield from (
        snapshot.spec,
        snapshot.pending,
        snapshot.active,
        snapshot.active_ticket,
        snapshot.ticket_high,
    )
    yield snapshot.queue_high
    yield dict(snapshot.tickets)
    yield dict(snapshot.duplicates)
    yield {(problem.path, problem.reason, problem.ticket) for problem in snapshot.problems}
    for ticket in IDS:
        yield (snapshot.find(ticket), snapshot.state_of(ticket), snapshot.entry_paths(ticket))
    for state, folder in snapshot.folders.items():
        yield (state, folder.tree, folder.kept, folder.highest, folder.doubled, set(folder.problems))
        yield (dict(folder.tickets), len(folder.tickets), dict(folder.names), snapshot.in_state(state))
        yield [text_of(snapshot, ticket) for ticket in IDS]


def text_of(snapshot: Snapshot, ticket: TicketId) -> str | None:
    file = snapshot.find(ticket)
    try:
        return None if file is None else file.ticket.text
    except TicketUnreadable as error:
        return str(error)


class Versions(MemoryObjects):
    """The files of many versions."""

    def take(self, files: Mapping[str, bytes]) -> Oid:
        later = MemoryObjects(files)
        self._objects.update(later._objects)
        return later.root


def fits(path: str, files: Mapping[str, bytes]) -> bool:
    """Whether a file can be at `path` beside the others."""
    return not any(
        f"{path}/".startswith(f"{p}/") or f"{p}/".startswith(f"{path}/") for p in files if p != path
    )


@pytest.mark.slow
@pytest.mark.req("V1-32")
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.booleans(), st.lists(st.tuples(EDITS, QUEUE_EDITS), min_size=20, max_size=20))
def test_a_snapshot_is_the_same_however_it_came_about(
    many: bool, rounds: list[tuple[dict[str, bytes | None], dict[str, bytes | None]]]
) -> None:
    files = EMPTY_PLAN | (DONE if many else {})
    objects = Versions(files)
    reader = SnapshotReader(objects)
    reader.read(NULL_OID, objects.root, Numbers)
    for edits, queue_edits in rounds:
        for path, text in (edits | queue_edits).items():
            files = {known: content for known, content in files.items() if known != path}
            if text is not None and fits(path, files):
                files[path] = text
        tree = objects.take(files)
        read = reader.read(NULL_OID, tree, Numbers)
        fresh = SnapshotReader(objects).read(NULL_OID, tree, Numbers)
        assert list(facts(read)) == list(facts(fresh))


@pytest.mark.req("V1-32")
def test_a_plan_that_several_write_is_read_alike_by_a_writer_and_from_nothing(plan: Plan) -> None:
    ticket, text = plan.with_ticket(), ticket_text().encode()
    steps = (
        lambda: plan.by_hand(DONE),
        lambda: plan.assign(ticket),
        lambda: plan.by_hand({"tickets/done/0150-x.md": b"\xff", "tickets/open/0150-y.md": text}),
        lambda: plan.enqueue(ticket),
        lambda: plan.by_hand({"tickets/open/0301-x.md": text}, ("tickets/done/0299-x.md",)),
        lambda: plan.land(ticket),
        lambda: plan.by_hand(removes=("tickets/open/0150-y.md", "tickets/done/0001-first.md")),
    )
    for step in steps:
        step()
        fresh = PlanReader(plan.git_dir).read()
        assert list(facts(plan.snapshot)) == list(facts(fresh))
        assert plan.snapshot.commit == fresh.commit
    assert "error" not in plan.git("fsck", "--strict")


@pytest.mark.parametrize("state", [TicketState.OPEN, TicketState.DONE])
@pytest.mark.parametrize("back", [False, True])
def test_trees_that_git_would_not_write_are_read_alike(plan: Plan, state: TicketState, back: bool) -> None:
    """In no order, a name twice, odd modes: by way of them, and back to an ordered tree."""
    git_objects = GitObjects(plan.git_dir)
    objects = StagedObjects(plan.git_dir, git_objects)
    text = objects.stage(ObjectKind.BLOB, ticket_text().encode())

    def root(*entries: tuple[bytes, bytes]) -> Oid:
        folder = Tree.parse(
            b"".join(b"%s %s\0%s" % (mode, name, bytes.fromhex(text)) for mode, name in entries)
        )
        tickets = {
            str(state).encode(): RawEntry(b"40000", str(state).encode(), _binary(objects.stage_tree(folder)))
        }
        above = RawEntry(b"40000", b"tickets", _binary(objects.stage_tree(Tree().edited(tickets))))
        return objects.stage_tree(Tree().edited({b"tickets": above}))

    ordered = [(b"100644", b"%04d-x.md" % number) for number in range(1, 200)]
    odd = [
        *reversed(ordered),
        (b"120000", b"0007-x.md"),
        (b"100755", b"0300-x.md"),
        (b"040000", b"0301-x.md"),
    ]
    trees = [root(*ordered), root(*odd), root(*ordered, (b"100644", b"0400-x.md"))]
    reader = SnapshotReader(objects)
    for tree in [*trees, *(reversed(trees) if back else ())]:
        read = reader.read(NULL_OID, tree, Numbers)
        assert list(facts(read)) == list(facts(SnapshotReader(objects).read(NULL_OID, tree, Numbers)))


def _binary(oid: Oid) -> bytes:
    return bytes.fromhex(oid)
