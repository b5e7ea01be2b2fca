"""A snapshot says what is on the branch; what cannot be read is set aside, and nothing else suffers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pygit2
import pytest
from pygit2.enums import FileMode

from scriptorium.plan._text import printable
from scriptorium.plan.area import Marker
from scriptorium.plan.ids import AreaName, Oid, TicketId
from scriptorium.plan.layout import TicketState
from scriptorium.plan.memory import MemoryObjects, snapshot_from_files
from scriptorium.plan.queue_entry import QueueEntry, render_active
from scriptorium.plan.reader import SnapshotReader
from scriptorium.plan.reading import PlanReader
from scriptorium.plan.refs import PLAN_REF
from scriptorium.plan.snapshot import Numbers, Snapshot
from scriptorium.plan.ticket import MAX_TICKET_BYTES, TicketUnreadable
from scriptorium.plan.trees import Tree

from .plans import CORE, EMPTY_PLAN, OID_A, Plan, draft_text, ticket_text

TEXT = ticket_text().encode()
ENTRY = QueueEntry(7, TicketId("0002"), "scriptorium/ticket-0002", OID_A, "Done.")
FULL_PLAN = EMPTY_PLAN | {
    "areas/core.md": b"The core.\n",
    "areas/.spec": Marker(OID_A).render().encode(),
    "tickets/.areas/core": Marker(OID_A, failed=True).render().encode(),
    "tickets/open/0001-one.md": TEXT,
    "tickets/in-progress/0002-two.md": TEXT,
    "tickets/done/0003-three.md": TEXT,
    "tickets/stuck/12345-four.md": TEXT,
    ENTRY.path: ENTRY.render().encode(),
    "queue/merge/active.md": render_active(ENTRY).encode(),
    "decisions/0001-why.md": b"Because.\n",
}


def problems_of(snapshot: Snapshot) -> dict[str, str]:
    return {problem.path: problem.reason for problem in snapshot.problems}


def with_files(files: dict[str, bytes]) -> Snapshot:
    return snapshot_from_files(FULL_PLAN | files)


def assert_the_rest_is_there(snapshot: Snapshot) -> None:
    assert snapshot.spec is not None
    assert CORE in snapshot.areas
    assert {"0001", "0002", "0003", "12345"} <= snapshot.tickets.keys()
    assert snapshot.active == ENTRY


def test_everything_on_the_branch_is_found() -> None:
    snapshot = with_files({})
    assert snapshot.problems == ()
    assert snapshot.spec is not None
    assert (snapshot.spec.text, snapshot.spec.is_placeholder) == ("Build it.\n", False)
    assert snapshot.areas[CORE].text == "The core.\n"
    assert (snapshot.areas_from, snapshot.ticketed) == (Marker(OID_A), {CORE: Marker(OID_A, failed=True)})
    assert [(file.id, file.state, file.slug) for file in snapshot.tickets.values()] == [
        ("0001", TicketState.OPEN, "one"),
        ("0002", TicketState.IN_PROGRESS, "two"),
        ("0003", TicketState.DONE, "three"),
        ("12345", TicketState.STUCK, "four"),
    ]
    assert snapshot.in_state(TicketState.DONE)[0].ticket.title == "Do it"
    assert (snapshot.pending, snapshot.active) == ((ENTRY,), ENTRY)
    assert (snapshot.queue_high, snapshot.ticket_high) == (7, 12345)


def test_an_empty_tree_is_an_empty_plan() -> None:
    snapshot = snapshot_from_files({})
    assert (snapshot.spec, snapshot.tickets, snapshot.pending, snapshot.problems) == (None, {}, (), ())


@pytest.mark.req("V1-32")
@pytest.mark.parametrize("other", ["tickets/done/0001-one.md", "tickets/open/0001-other.md"])
def test_a_ticket_in_two_places_is_set_aside(other: str) -> None:
    snapshot = with_files({other: TEXT})
    assert set(problems_of(snapshot)) == {"tickets/open/0001-one.md", other}
    assert "0001" not in snapshot.tickets
    assert snapshot.find(TicketId("0001")) is None
    assert snapshot.state_of(TicketId("0001")) is None
    assert not [file for state in TicketState for file in snapshot.in_state(state) if file.id == "0001"]
    assert {"0002", "0003", "12345"} == set(snapshot.tickets)


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("tickets/open/0009-x.md", b"# T\n\xff\n", "not UTF-8, at byte 4"),
        ("tickets/open/0009-x.md", b"no title", "title"),
        ("tickets/open/0009-x.md", b"# T\n" + b"x" * MAX_TICKET_BYTES, "is the limit"),
        ("tickets/open/-rf.md", TEXT, "not a ticket id"),
        ("tickets/open/0009-../x.md", TEXT, "not the name of a ticket"),
        ("tickets/open/0009-.git.md", TEXT, "not a slug"),
        ("tickets/open/0009-a\n.md", TEXT, "not a slug"),
        (f"tickets/open/0009-{'x' * 300}.md", TEXT, "not a slug"),
        ("tickets/open/00009-x.md", TEXT, "not a ticket id"),
        ("tickets/open/0009.md", TEXT, "not the name of a ticket"),
        ("tickets/open/0009-x.txt", TEXT, "not the name of a ticket"),
        ("tickets/done/..", TEXT, "not the name of a ticket"),
        ("tickets/in-progress/0009-x.md/0010-y.md", TEXT, "a folder, not a file"),
        ("areas/..md", b"x", "not the name of an area"),
        ("areas/Core.md", b"x", "not the name of an area"),
        ("areas/notes.txt", b"x", "NAME.md"),
        ("areas/core2.md", b"\xff", "UTF-8"),
        ("tickets/.areas/-rf", b"x", "not the name of an area"),
        ("tickets/.areas/docs", b"x y z", "not a marker"),
        ("queue/merge/pending/0008-0001.md", b"\xff", "UTF-8"),
        ("queue/merge/pending/0008-0001.md", b"# Merge request", "Ticket"),
        ("queue/merge/pending/x.md", ENTRY.render().encode(), "not a ticket id"),
        ("queue/merge/pending/0008-0002.md", ENTRY.render().encode(), "has an entry already"),
        ("queue/merge/pending/0007-0002", ENTRY.render().encode(), "belongs in"),
    ],
)
def test_one_bad_file_stops_nothing(path: str, content: bytes, reason: str) -> None:
    snapshot = with_files({path: content})
    (found,) = snapshot.problems
    assert printable(path).startswith(found.path)
    assert reason in found.reason
    assert found.reason.isprintable()
    assert_the_rest_is_there(snapshot)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"- Entry: 0007-0001\n", b"- Entry: ../..\n", b"- Entry: 0006-0002\n"]
)
def test_a_damaged_active_file_names_nobody(content: bytes) -> None:
    snapshot = with_files({"queue/merge/active.md": content})
    assert snapshot.active is None
    assert set(problems_of(snapshot)) == {"queue/merge/active.md"}


def test_a_damaged_spec_is_no_spec() -> None:
    snapshot = with_files({"spec.md": b"\xff"})
    assert snapshot.spec is None
    assert set(problems_of(snapshot)) == {"spec.md"}


def test_a_done_ticket_is_read_when_it_is_asked_for() -> None:
    snapshot = with_files({"tickets/done/0009-x.md": b"\xff"})
    assert snapshot.problems == ()
    assert snapshot.state_of(TicketId("0009")) is TicketState.DONE
    with pytest.raises(TicketUnreadable, match="UTF-8"):
        _ = snapshot.tickets[TicketId("0009")].ticket


@pytest.mark.parametrize("folder", ["tickets", "tickets/open", "areas", "queue", "queue/merge/pending"])
def test_a_file_in_the_place_of_a_folder_is_said_to_be_one(folder: str) -> None:
    files = {path: text for path, text in FULL_PLAN.items() if not path.startswith(f"{folder}/")}
    snapshot = snapshot_from_files(files | {folder: b"no folder"})
    assert "where a folder belongs" in problems_of(snapshot)[folder]


def test_a_number_is_taken_even_by_a_file_that_is_no_ticket() -> None:
    assert with_files({"tickets/stuck/20000_by_hand": b""}).ticket_high == 20000
    assert with_files({f"tickets/stuck/{'9' * 300}-x.md": b""}).ticket_high == 12345


def test_numbers_come_from_history_too() -> None:
    snapshot = snapshot_from_files(FULL_PLAN, numbers=Numbers(queue=9, ticket=30000))
    assert (snapshot.queue_high, snapshot.ticket_high) == (9, 30000)


def test_links_submodules_and_odd_modes_in_a_real_tree(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(good=draft_text())
    repo = pygit2.Repository(str(plan.git_dir))
    good = repo.create_blob(TEXT)
    link = repo.create_blob(b"/etc/passwd")
    odd = repo.TreeBuilder()
    odd.insert("0004-link.md", link, FileMode.LINK)
    odd.insert("0005-module.md", repo.references[PLAN_REF].target, FileMode.COMMIT)
    odd.insert("0006-run.md", good, FileMode.BLOB_EXECUTABLE)
    stuck = odd.write()
    raw = b"".join(
        b"100644 %s\0%s" % (name, bytes.fromhex(str(good)))
        for name in (b"..", b".GIT", b"0007-\xff.md", b"0008-a/b.md")
    )
    done = repo.odb.write(2, raw)
    index = pygit2.Index()
    index.read_tree(repo[repo.references[PLAN_REF].target].peel(pygit2.Tree))
    root = repo.TreeBuilder(index.write_tree(repo))
    tickets = repo.TreeBuilder(root.get("tickets").id)
    tickets.insert("stuck", stuck, FileMode.TREE)
    tickets.insert("done", done, FileMode.TREE)
    root.insert("tickets", tickets.write(), FileMode.TREE)
    who = pygit2.Signature("A Person", "person@example.org", 0, 0)
    repo.create_commit(PLAN_REF, who, who, "odd", root.write(), [repo.references[PLAN_REF].target])

    snapshot = plan.snapshot
    found = problems_of(snapshot)
    assert found["tickets/stuck/0004-link.md"] == "it is a symbolic link, not a file"
    assert found["tickets/stuck/0005-module.md"] == "it is a submodule, not a file"
    assert {path.rpartition("/")[2] for path in found if "done" in path} >= {"..", ".GIT", "0007-\\xff.md"}
    assert set(snapshot.tickets) == {"0001", "0006"}
    assert plan.assign(TicketId("0001")).state_of(TicketId("0001")) is TicketState.IN_PROGRESS


class Counting(MemoryObjects):
    """Counts what is read, and takes in more files."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.read: Counter[str] = Counter()

    def tree(self, oid: Oid, like: Tree | None = None) -> Tree:
        self.read["tree"] += 1
        return super().tree(oid, like)

    def blob(self, oid: Oid, limit: int) -> bytes:
        self.read["blob"] += 1
        return super().blob(oid, limit)

    def replaced_by(self, files: Mapping[str, bytes]) -> Oid:
        later = MemoryObjects(files)
        self._objects.update(later._objects)
        self.read.clear()
        return later.root


def test_only_what_has_changed_is_read_again() -> None:
    files = FULL_PLAN | {f"tickets/open/{n:04d}-x.md": ticket_text(str(n)).encode() for n in range(100, 200)}
    objects = Counting(files)
    reader = SnapshotReader(objects)
    first = reader.read(OID_A, objects.root, Numbers)
    assert objects.read["blob"] > 100

    again = reader.read(OID_A, objects.replaced_by(files), Numbers)
    assert objects.read["blob"] == 0
    assert objects.read["tree"] <= 5
    assert again.folders[TicketState.OPEN] is first.folders[TicketState.OPEN]

    moved = dict(files)
    moved["tickets/in-progress/0150-x.md"] = moved.pop("tickets/open/0150-x.md")
    after = reader.read(OID_A, objects.replaced_by(moved), Numbers)
    assert objects.read["blob"] == 0
    assert after.state_of(TicketId("0150")) is TicketState.IN_PROGRESS

    edited = files | {"tickets/open/0150-x.md": ticket_text("new").encode()}
    last = reader.read(OID_A, objects.replaced_by(edited), Numbers)
    assert objects.read["blob"] == 1
    assert last.tickets[TicketId("0150")].ticket.title == "new"
    assert last.tickets[TicketId("0151")] is first.tickets[TicketId("0151")]


def test_memory_and_git_agree(plan: Plan) -> None:
    """The in-memory plan is a fake of the real one; here both read the same files."""
    tip = plan.by_hand(FULL_PLAN | {"tickets/open/0009-x.md": b"\xff"})
    real = PlanReader(plan.git_dir).read()
    fake = with_files({"tickets/open/0009-x.md": b"\xff"})
    assert real.commit == tip
    assert real.tree == fake.tree
    assert (real.tickets, real.problems, real.pending) == (fake.tickets, fake.problems, fake.pending)
    assert (real.spec, real.areas, real.ticketed) == (fake.spec, fake.areas, fake.ticketed)


def test_nothing_is_read_twice_while_the_branch_stands_still(plan: Plan) -> None:
    plan.with_ticket()
    reader = PlanReader(plan.git_dir)
    assert reader.read() is reader.read()
    before = reader.read()
    plan.by_hand({"areas/more.md": b"More.\n"})
    assert reader.read() is not before
    assert AreaName("more") in reader.read().areas
