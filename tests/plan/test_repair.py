"""What can be put right in exactly one way is, in one commit of scriptorium's; all else is left as it is."""

from __future__ import annotations

import pytest

from scriptorium.plan.audit import Audit, Severity, audit_history
from scriptorium.plan.ids import TicketId
from scriptorium.plan.layout import ACTIVE
from scriptorium.plan.mending import mend, possible_repairs
from scriptorium.plan.message import Kind, Message, Trailer
from scriptorium.plan.objects import GitObjects
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.repair import DropActive, DropCopies, DropEntry, PutKeep, RepairPlan, queue_repairs
from scriptorium.plan.repository import InvariantBroken
from scriptorium.plan.transitions import CreateRecoveryTicket, ReopenTicket, StartLanding

from .plans import CORE, DOCS, OID_A, OID_B, REOPENED, Plan, RawEdit, draft_text, red_base

ONE, TWO = TicketId("0001"), TicketId("0002")
OPEN, BEGUN, DONE = (f"tickets/{state}/0001-one.md" for state in ("open", "in-progress", "done"))
ENTRY = "queue/merge/pending/0001-0001.md"


@pytest.fixture
def begun(plan: Plan) -> Plan:
    """Ticket 0001 in progress and in the queue, being landed; 0002 open."""
    plan.areas(CORE, DOCS)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    plan.assign(ONE)
    plan.enqueue(ONE)
    plan.repository.commit(StartLanding(ONE))
    return plan


def move(plan: Plan, source: str, *targets: str) -> None:
    """Move a file by hand, or copy it when it is among its own targets."""
    text = plan.text(source).encode() + b"\n"
    removes = () if source in targets else (source,)
    plan.by_hand(dict.fromkeys((*targets, *set(targets) & {source}), text), removes)


def mended(plan: Plan) -> list[str]:
    """Mend; the paths that the one commit of it changed, as git shows them."""
    before, length = plan.files(), plan.length()
    repairs = mend(plan.git_dir)
    after = plan.files()
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    assert plan.length() == length + bool(repairs)
    assert bool(repairs) == bool(changed)
    if repairs:
        assert plan.git("log", "-1", "--format=%s|%an <%ae>", "scriptorium/plan") == (
            "scriptorium: repair plan branch|scriptorium <scriptorium@localhost>"
        )
        trailers = "".join(f"Repaired: {path}\n" for path in changed).strip()
        assert plan.git("log", "-1", "--format=%b", "scriptorium/plan") == trailers
        last = plan.git("rev-parse", "scriptorium/plan")
        assert [found for found in audit_history(plan.git_dir) if found.commit == last] == []
    assert mend(plan.git_dir) == ()
    return changed


def tree_errors(plan: Plan) -> set[str]:
    return {found.rule for found in Audit(plan.git_dir).tree() if found.severity is Severity.ERROR}


def test_a_sound_plan_is_left_alone(begun: Plan) -> None:
    assert mended(begun) == []


@pytest.mark.parametrize(
    "folder", ["areas", "tickets/stuck", "tickets/open", "queue/merge/pending", "decisions"]
)
def test_a_folder_is_kept_again(begun: Plan, folder: str) -> None:
    if folder == "tickets/open":
        move(begun, "tickets/open/0002-two.md", "tickets/done/0002-two.md")
    keep = f"{folder}/.gitkeep"
    begun.by_hand(removes=(keep,) if keep in begun.files() else ())
    assert mended(begun) == [keep]
    assert tree_errors(begun) == set()


@pytest.mark.parametrize("to", [OPEN, DONE, "tickets/stuck/0001-one.md"])
def test_the_entry_of_a_moved_ticket_goes_with_active_md(begun: Plan, to: str) -> None:
    move(begun, BEGUN, to)
    assert mended(begun) == [ACTIVE, ENTRY]
    assert tree_errors(begun) == set()


def test_the_entry_of_a_deleted_ticket_goes(begun: Plan) -> None:
    begun.by_hand(removes=(BEGUN,))
    assert mended(begun) == [ACTIVE, ENTRY]


def test_an_active_md_that_names_nothing_goes(begun: Plan) -> None:
    begun.by_hand(removes=(ENTRY,))
    assert mended(begun) == [ACTIVE]
    assert tree_errors(begun) == set()


@pytest.mark.parametrize(
    ("writes", "removes"),
    [
        ({BEGUN: b"\xff"}, ()),  # it cannot be read, but is where it was
        ({"tickets/in-progress/0001 one.md": b"# x\n"}, (BEGUN,)),  # perhaps this is meant
        ({DONE: b"# x\n"}, ()),  # it is there twice
        ({"tickets/in-progress": b"x"}, (BEGUN, "tickets/in-progress/.gitkeep")),
    ],
)
def test_an_entry_whose_ticket_may_yet_be_in_progress_stays(
    begun: Plan, writes: dict[str, bytes], removes: tuple[str, ...]
) -> None:
    removes = tuple(path for path in removes if path in begun.files())
    begun.by_hand(writes, removes)
    assert queue_repairs(begun.snapshot) == ()
    assert mended(begun) == []


def test_of_the_same_copies_the_one_stays_that_scriptorium_put_there(begun: Plan) -> None:
    move(begun, BEGUN, BEGUN, OPEN, DONE)
    assert mended(begun) == [DONE, OPEN]
    assert tree_errors(begun) == set()
    assert begun.snapshot.pending != ()


def test_of_copies_of_a_recovery_ticket_the_open_one_stays(begun: Plan) -> None:
    begun.repository.commit(CreateRecoveryTicket(red_base(), 0))
    name = "0003-recover-base-aaaaaaaaaaaa.md"
    move(begun, f"tickets/open/{name}", f"tickets/open/{name}", f"tickets/stuck/{name}")
    assert mended(begun) == [f"tickets/stuck/{name}"]


@pytest.mark.parametrize(
    "again", ["other text", "nobody put it there", "not where it was put", "twice in one"]
)
def test_copies_of_which_nobody_can_tell_are_left(begun: Plan, again: str) -> None:
    match again:
        case "other text":
            begun.by_hand({OPEN: begun.text(BEGUN).encode() + b"\nMore.\n"})
        case "nobody put it there":
            text = begun.text(BEGUN).encode()
            begun.by_hand({f"tickets/{state}/0009-x.md": text for state in ("open", "stuck")})
        case "not where it was put":
            move(begun, BEGUN, OPEN, DONE)
        case _:
            begun.by_hand({"tickets/in-progress/0001-uno.md": begun.text(BEGUN).encode() + b"\n"})
    assert mended(begun) == []
    assert "duplicate-ticket" in tree_errors(begun)


def test_nor_are_copies_of_a_ticket_that_was_submitted_where_a_person_had_put_it(begun: Plan) -> None:
    """The last move says open, the queue says in progress: dropping either would break the other."""
    text = begun.text(BEGUN).encode()
    begun.repository.commit(ReopenTicket(ONE, REOPENED))
    reopened = begun.text(OPEN).encode()
    assert reopened != text
    begun.by_hand({BEGUN: reopened}, (OPEN,))
    begun.enqueue(ONE)
    repairs = (DropCopies(ONE, OPEN, (BEGUN,), begun.snapshot.tickets[ONE].blob),)
    begun.by_hand({OPEN: reopened})
    assert mended(begun) == []
    assert "duplicate-ticket" in tree_errors(begun)
    tip = begun.snapshot.commit
    assert begun.repository.commit(RepairPlan(repairs)).commit == tip


def test_markers_of_areas_that_are_gone_stay(begun: Plan) -> None:
    """They keep the same text, should it come back, from being ticketed twice."""
    begun.by_hand(removes=("areas/core.md",))
    assert mended(begun) == []


def test_a_repair_is_decided_again_on_what_is_there(begun: Plan) -> None:
    move(begun, BEGUN, BEGUN, OPEN)
    begun.by_hand(removes=("decisions/.gitkeep",))
    repairs = possible_repairs(GitObjects(begun.git_dir), begun.snapshot)
    assert {type(repair) for repair in repairs} == {PutKeep, DropCopies}
    begun.by_hand(removes=(OPEN,))  # a person was faster
    begun.repository.commit(RepairPlan(repairs))
    assert begun.message().strip().endswith("Repaired: decisions/.gitkeep")
    assert BEGUN in begun.files()
    tip = begun.snapshot.commit
    assert begun.repository.commit(RepairPlan(repairs)).commit == tip


def test_an_entry_whose_ticket_came_back_stays(begun: Plan) -> None:
    text = begun.text(BEGUN).encode()
    move(begun, BEGUN, OPEN)
    (repair,) = queue_repairs(begun.snapshot)
    assert isinstance(repair, DropEntry)
    begun.by_hand({BEGUN: text}, (OPEN,))
    tip = begun.snapshot.commit
    assert begun.repository.commit(RepairPlan((repair, DropActive(ONE)))).commit == tip


OURS = ("scriptorium", "scriptorium@localhost")


@pytest.mark.parametrize(
    ("writes", "removes", "named", "rule"),
    [
        ({"spec.md": b"x"}, (), ("spec.md",), "foreign-change"),
        ({"decisions/.gitkeep": b"x"}, (), ("decisions/.gitkeep",), "foreign-change"),
        ({}, ("tickets/open/0002-two.md",), ("tickets/open/0002-two.md",), "ticket-lost"),
        ({}, (ENTRY,), (), "wrong-trailer"),
        ({DONE: b"x"}, (BEGUN,), (BEGUN, DONE), "illegal-move"),
    ],
)
@pytest.mark.req("V1-33")
def test_a_repair_is_held_to_what_repairs_do(
    begun: Plan, writes: dict[str, bytes], removes: tuple[str, ...], named: tuple[str, ...], rule: str
) -> None:
    message = Message(Kind.REPAIR, trailers=tuple((Trailer.REPAIRED, path) for path in named))
    commit = begun.by_hand(writes, removes, message=message.render(), author=OURS)
    assert rule in {found.rule for found in audit_history(begun.git_dir) if found.commit == commit}


def test_no_other_transition_may_touch_what_keeps_a_folder(begun: Plan) -> None:
    for path, text in {"decisions/.gitkeep": "x", "tickets/.gitkeep": ""}.items():
        with pytest.raises(InvariantBroken):
            begun.repository.commit(RawEdit(Message(Kind.UPDATE_SPEC), {path: text}))
    with pytest.raises(InvariantBroken):
        begun.repository.commit(RawEdit(Message(Kind.REPAIR), removes=frozenset({"decisions/.gitkeep"})))


def test_the_words_name_the_file(begun: Plan) -> None:
    entry = QueueEntry(1, ONE, "b", OID_A, "")
    for repair in (
        PutKeep("areas"),
        DropEntry(entry, "done"),
        DropActive(ONE),
        DropCopies(ONE, BEGUN, (OPEN, DONE), OID_B),
    ):
        assert repair.words.startswith(repair.path)
