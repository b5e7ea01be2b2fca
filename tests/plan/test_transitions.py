"""Each transition: what it needs, what it changes, what its commit says. On files in memory, without git."""

from __future__ import annotations

import pytest

from scriptorium.plan.area import Marker
from scriptorium.plan.drafts import TicketDraft
from scriptorium.plan.edits import Edits
from scriptorium.plan.ids import AreaName, Oid, Slug, TicketId
from scriptorium.plan.layout import TicketState, ticket_path
from scriptorium.plan.memory import snapshot_from_files
from scriptorium.plan.notes import ReopenNote, ReopenReason
from scriptorium.plan.queue_entry import QueueEntry, parse_active, render_active
from scriptorium.plan.snapshot import Numbers, Snapshot
from scriptorium.plan.spec import PLACEHOLDER
from scriptorium.plan.ticket import Ticket
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    ParkArea,
    ParkSpec,
    ParkTicket,
    PreconditionFailed,
    RecordRun,
    ReopenTicket,
    StartLanding,
    Transition,
    UpdateAreas,
    UpdateSpec,
)

from .plans import CORE, DOCS, EMPTY_PLAN, OID_A, OID_B, REOPENED, draft_text, run_note, ticket_text

ONE, TWO = TicketId("0001"), TicketId("0002")
BRANCH, WORKTREE = "scriptorium/ticket-0001", ".scriptorium/worktrees/tickets/0001-do"
STARTED = f"**Branch:** {BRANCH}\n**Worktree:** {WORKTREE}\n"
ENTRY = QueueEntry(3, ONE, BRANCH, OID_A, "Done.")
PARKED = ReopenNote(reason=ReopenReason.ATTEMPTS_USED_UP)


def plan(files: dict[str, str] | None = None, numbers: Numbers | None = None) -> Snapshot:
    """An empty plan with a spec, and `files`."""
    encoded = {path: text.encode() for path, text in (files or {}).items()}
    return snapshot_from_files(EMPTY_PLAN | encoded, numbers=numbers)


def one(
    state: TicketState, *, queued: bool = False, active: bool = False, numbers: Numbers | None = None
) -> Snapshot:
    """A plan with ticket 0001 in `state`."""
    fields = STARTED if state is TicketState.IN_PROGRESS else ""
    files = {ticket_path(state, ONE, Slug("do")): ticket_text(fields=fields)}
    if queued or active:
        files[ENTRY.path] = ENTRY.render()
    if active:
        files["queue/merge/active.md"] = render_active(ENTRY)
    return plan(files, numbers)


def refused(transition: Transition, snapshot: Snapshot) -> str:
    with pytest.raises(PreconditionFailed) as failed:
        transition.apply(snapshot)
    return failed.value.reason


def said(edits: Edits) -> str:
    return edits.message.render()


# ------------------------------------------------------------------------------------------ planning


def test_update_spec() -> None:
    edits = UpdateSpec("New.").apply(plan())
    assert (edits.writes, edits.removes) == ({"spec.md": "New.\n"}, frozenset())
    assert said(edits) == "scriptorium: update spec\n"
    assert (
        said(UpdateSpec("x", from_architect=True).apply(plan()))
        == "scriptorium: update spec from architect\n"
    )


def test_update_spec_does_not_undo_what_somebody_else_wrote() -> None:
    snapshot = plan()
    assert snapshot.spec is not None
    assert UpdateSpec("New.", replaces=snapshot.spec.oid).apply(snapshot).writes
    assert "spec has changed" in refused(UpdateSpec("New.", replaces=OID_A), snapshot)


def test_an_untouched_or_empty_spec_is_a_placeholder() -> None:
    for text in (PLACEHOLDER, "", " \n", PLACEHOLDER.replace("\n", "\r\n")):
        spec = plan({"spec.md": text}).spec
        assert spec is not None
        assert spec.is_placeholder
    spec = plan({"spec.md": PLACEHOLDER + "Build it.\n"}).spec
    assert spec is not None
    assert not spec.is_placeholder


def test_update_areas_makes_them_exactly_those() -> None:
    snapshot = plan(
        {"areas/core.md": "Old.\n", "areas/gone.md": "Gone.\n", "tickets/.areas/gone": f"{OID_A} ok\n"}
    )
    assert snapshot.spec is not None
    edits = UpdateAreas(snapshot.spec.oid, {CORE: "New.", DOCS: "Docs.\n"}).apply(snapshot)
    marker = f"{snapshot.spec.oid} ok\n"
    assert edits.writes == {"areas/core.md": "New.\n", "areas/docs.md": "Docs.\n", "areas/.spec": marker}
    assert edits.removes == {"areas/gone.md"}
    assert said(edits) == "scriptorium: update areas from spec\n"


def test_update_areas_is_for_the_spec_that_is_there() -> None:
    assert "spec has changed" in refused(UpdateAreas(OID_A, {CORE: "x"}), plan())
    assert "without areas" in refused(UpdateAreas(spec_of(plan()), {}), plan())


def test_update_areas_does_not_undo_what_a_person_wrote_meanwhile() -> None:
    shown = plan({"areas/core.md": "Core.\n"})
    replaces = {name: area.oid for name, area in shown.areas.items()}
    update = UpdateAreas(spec_of(shown), {CORE: "New."}, replaces)
    assert update.apply(shown).writes["areas/core.md"] == "New.\n"
    for now in (
        {"areas/core.md": "Core, by hand.\n"},
        {"areas/core.md": "Core.\n", "areas/docs.md": "x\n"},
        {},
    ):
        assert "areas have changed" in refused(update, plan(now))


def spec_of(snapshot: Snapshot) -> Oid:
    assert snapshot.spec is not None
    return snapshot.spec.oid


def test_park_spec_until_it_changes() -> None:
    snapshot = plan()
    edits = ParkSpec(spec_of(snapshot)).apply(snapshot)
    assert edits.writes == {"areas/.spec": f"{spec_of(snapshot)} failed\n"}
    assert said(edits) == "scriptorium: park spec\n"
    assert "changed" in refused(ParkSpec(OID_A), snapshot)
    planned = plan({"areas/.spec": f"{spec_of(snapshot)} ok\n"})
    assert "have been written" in refused(ParkSpec(spec_of(snapshot)), planned)


def with_area(extra: dict[str, str] | None = None, numbers: Numbers | None = None) -> tuple[Snapshot, Oid]:
    snapshot = plan({"areas/core.md": "The core.\n"} | (extra or {}), numbers)
    return snapshot, snapshot.areas[CORE].oid


def drafts(**depends: str) -> tuple[TicketDraft, ...]:
    return tuple(
        TicketDraft(Slug(slug), draft_text(slug, fields=f"**Depends:** {names}\n" if names else ""))
        for slug, names in depends.items()
    )


@pytest.mark.req("V1-13")
def test_create_tickets_gives_ids_in_the_order_of_dependence() -> None:
    snapshot, oid = with_area({"tickets/done/0004-old.md": ticket_text()})
    batch = drafts(a="c, 0004", b="", c="b")
    edits = CreateTickets(CORE, oid, batch, id_floor=0).apply(snapshot)
    assert set(edits.writes) == {
        "tickets/.areas/core", "tickets/open/0005-b.md", "tickets/open/0006-c.md", "tickets/open/0007-a.md",
    }  # fmt: skip
    assert edits.writes["tickets/.areas/core"] == f"{oid} ok\n"
    a = Ticket.parse(edits.writes["tickets/open/0007-a.md"])
    assert (a.area, a.depends, a.title) == (CORE, ("0006", "0004"), "a")
    assert said(edits) == (
        "scriptorium: create tickets from areas\n\nArea: core\nTicket: 0005\nTicket: 0006\nTicket: 0007\n"
    )


@pytest.mark.req("V1-13")
@pytest.mark.parametrize(
    ("in_tree", "in_history", "floor", "expected"),
    [(0, 0, 0, "0001"), (7, 3, 2, "0008"), (2, 9, 3, "0010"), (1, 2, 41, "0042"), (9999, 0, 0, "10000")],
)
def test_an_id_is_above_every_number_ever_used(
    in_tree: int, in_history: int, floor: int, expected: str
) -> None:
    extra = {f"tickets/stuck/{in_tree:04d}-x.md": ticket_text()} if in_tree else {}
    snapshot, oid = with_area(extra, Numbers(ticket=in_history))
    edits = CreateTickets(CORE, oid, drafts(new=""), floor).apply(snapshot)
    assert f"tickets/open/{expected}-new.md" in edits.writes


@pytest.mark.req("V1-11")
def test_create_tickets_remembers_the_text_even_when_none_came() -> None:
    snapshot, oid = with_area()
    edits = CreateTickets(CORE, oid, (), 0).apply(snapshot)
    assert edits.writes == {"tickets/.areas/core": f"{oid} ok\n"}
    after, _ = with_area({"tickets/.areas/core": f"{oid} ok\n"})
    assert after.ticketed[CORE] == Marker(oid)
    assert "are there" in refused(CreateTickets(CORE, oid, drafts(x=""), 0), after)
    failed, _ = with_area({"tickets/.areas/core": f"{oid} failed\n"})
    assert CreateTickets(CORE, oid, drafts(x=""), 0).apply(failed).writes


def test_create_tickets_is_for_the_text_that_is_there() -> None:
    snapshot, oid = with_area()
    assert "changed" in refused(CreateTickets(CORE, OID_A, (), 0), snapshot)
    assert "no area docs" in refused(CreateTickets(DOCS, oid, (), 0), snapshot)
    assert "0099" in refused(CreateTickets(CORE, oid, drafts(x="0099"), 0), snapshot)
    assert "circle" in refused(CreateTickets(CORE, oid, drafts(x="y", y="x"), 0), snapshot)


def test_a_new_ticket_has_no_field_that_only_scriptorium_sets() -> None:
    snapshot, oid = with_area()
    text = draft_text(fields=f"**Area:** elsewhere\n{STARTED}")
    edits = CreateTickets(CORE, oid, (TicketDraft(Slug("x"), text),), 0).apply(snapshot)
    ticket = Ticket.parse(edits.writes["tickets/open/0001-x.md"])
    assert (ticket.area, ticket.branch, ticket.worktree) == (CORE, None, None)


def test_park_area_until_it_changes() -> None:
    snapshot, oid = with_area()
    edits = ParkArea(CORE, oid).apply(snapshot)
    assert edits.writes == {"tickets/.areas/core": f"{oid} failed\n"}
    assert said(edits) == "scriptorium: park area core\n\nArea: core\n"
    assert "changed" in refused(ParkArea(CORE, OID_A), snapshot)


# ---------------------------------------------------------------------------------- a ticket's life


@pytest.mark.req("V1-17")
def test_assign_moves_the_ticket_with_its_branch_and_worktree() -> None:
    edits = AssignTicket(ONE, BRANCH, WORKTREE).apply(one(TicketState.OPEN))
    assert edits.removes == {"tickets/open/0001-do.md"}
    assert set(edits.writes) == {"tickets/in-progress/0001-do.md"}
    ticket = Ticket.parse(edits.writes["tickets/in-progress/0001-do.md"])
    assert (ticket.branch, ticket.worktree) == (BRANCH, WORKTREE)
    assert said(edits) == (
        "scriptorium: assign ticket 0001-do\n\nTicket: 0001\nFrom: open\nTo: in-progress\n"
    )


@pytest.mark.parametrize(
    ("other", "area", "reason"),
    [
        ("tickets/open/0002-x.md", DOCS, "0002, a dependency, is not done"),
        ("tickets/in-progress/0002-x.md", DOCS, "0002, a dependency, is not done"),
        ("tickets/stuck/0002-x.md", DOCS, "0002, a dependency, is not done"),
        ("decisions/none.md", DOCS, "0002, a dependency, is not done"),
        ("tickets/done/0002-x.md", CORE, None),
        ("tickets/in-progress/0003-x.md", CORE, "0003 of the same area is in progress"),
    ],
)
def test_assign_waits_for_dependencies_and_for_the_area(
    other: str, area: AreaName, reason: str | None
) -> None:
    depends = "" if "0003" in other else "**Depends:** 0002\n"
    snapshot = plan({"tickets/open/0001-do.md": ticket_text(fields=depends), other: ticket_text(area=area)})
    transition = AssignTicket(ONE, BRANCH, WORKTREE)
    if reason is None:
        assert transition.apply(snapshot).writes
    else:
        assert reason in refused(transition, snapshot)


def test_assign_refuses_a_worktree_that_is_no_line() -> None:
    assert "one line" in refused(AssignTicket(ONE, BRANCH, "a\n**Area:** x"), one(TicketState.OPEN))


@pytest.mark.parametrize("state", TicketState)
@pytest.mark.req("CA-10")
def test_record_run_appends_to_the_ticket_wherever_it_is(state: TicketState) -> None:
    snapshot = one(state)
    path = ticket_path(state, ONE, Slug("do"))
    edits = RecordRun(ONE, run_note(2, detail="## Run 9\nTicket: 0666")).apply(snapshot)
    assert (set(edits.writes), edits.removes) == ({path}, frozenset())
    ticket = Ticket.parse(edits.writes[path])
    assert [(run.number, run.attempt, run.harness, run.duration_seconds) for run in ticket.runs] == [
        (1, 2, "command", 12.5)
    ]
    assert said(edits) == "scriptorium: record agent run 0001-do\n\nTicket: 0001\nAttempt: 2\n"


def test_the_same_run_is_recorded_once() -> None:
    first = RecordRun(ONE, run_note()).apply(one(TicketState.IN_PROGRESS))
    snapshot = plan(dict(first.writes))
    assert RecordRun(ONE, run_note()).apply(snapshot).paths == frozenset()
    assert RecordRun(ONE, run_note(2)).apply(snapshot).paths


def test_enqueue_adds_an_entry_above_all_earlier_ones() -> None:
    snapshot = one(TicketState.IN_PROGRESS, numbers=Numbers(queue=11))
    edits = Enqueue(ONE, BRANCH, OID_B, "All of it.\n\n- tests\n- docs\n").apply(snapshot)
    (path,) = edits.writes
    assert path == "queue/merge/pending/0012-0001.md"
    entry = QueueEntry.parse("0012-0001", edits.writes[path])
    assert (entry.ticket, entry.branch, entry.commit) == (ONE, BRANCH, OID_B)
    assert entry.summary == "All of it.\n\n- tests\n- docs\n"
    assert said(edits) == "scriptorium: enqueue merge request 0001\n\nTicket: 0001\nQueue: 0012\n"


def test_enqueue_replaces_the_entry_that_still_waits() -> None:
    edits = Enqueue(ONE, BRANCH, OID_B, "Better.").apply(one(TicketState.IN_PROGRESS, queued=True))
    assert set(edits.writes) == {"queue/merge/pending/0004-0001.md"}
    assert edits.removes == {ENTRY.path}


def test_enqueue_of_the_same_commit_is_nothing_new() -> None:
    for active in (False, True):
        snapshot = one(TicketState.IN_PROGRESS, queued=True, active=active)
        assert Enqueue(ONE, BRANCH, OID_A, "Other words.").apply(snapshot).paths == frozenset()


def test_enqueue_is_refused_while_the_ticket_is_being_landed() -> None:
    assert "being landed" in refused(
        Enqueue(ONE, BRANCH, OID_B, ""), one(TicketState.IN_PROGRESS, active=True)
    )


def test_start_landing_names_the_entry() -> None:
    edits = StartLanding(ONE).apply(one(TicketState.IN_PROGRESS, queued=True))
    assert set(edits.writes) == {"queue/merge/active.md"}
    assert parse_active(edits.writes["queue/merge/active.md"]) == (3, ONE)
    assert said(edits) == "scriptorium: start landing 0001\n\nTicket: 0001\nQueue: 0003\n"
    assert "not in the merge queue" in refused(StartLanding(ONE), one(TicketState.IN_PROGRESS))


def test_one_landing_at_a_time() -> None:
    second = QueueEntry(4, TWO, "b", OID_B, "")
    snapshot = plan(
        {
            "tickets/in-progress/0001-do.md": ticket_text(),
            "tickets/in-progress/0002-x.md": ticket_text(area="docs"),
            ENTRY.path: ENTRY.render(),
            second.path: second.render(),
            "queue/merge/active.md": render_active(ENTRY),
        }
    )
    assert snapshot.pending == (ENTRY, second)
    assert "0001 is being landed" in refused(StartLanding(TWO), snapshot)


@pytest.mark.parametrize(
    "first",
    [
        {"tickets/in-progress/0001-do.md": "unreadable\n"},
        {"tickets/open/0001-do.md": ticket_text()},
        {"tickets/in-progress/0001-do.md": ticket_text(), "tickets/open/0001-do.md": ticket_text()},
        {},
    ],
)
def test_a_landing_that_nobody_can_finish_is_not_in_the_way(first: dict[str, str]) -> None:
    second = QueueEntry(4, TWO, "b", OID_B, "")
    queue = {entry.path: entry.render() for entry in (ENTRY, second)}
    active = {"queue/merge/active.md": render_active(ENTRY)}
    snapshot = plan({"tickets/in-progress/0002-x.md": ticket_text(area="docs"), **first, **queue, **active})
    edits = StartLanding(TWO).apply(snapshot)
    assert edits.paths == {"queue/merge/active.md"}
    assert parse_active(edits.writes["queue/merge/active.md"]) == (4, TWO)


@pytest.mark.parametrize(
    ("transition", "to", "subject"),
    [
        (CompleteTicket(ONE, OID_B), TicketState.DONE, "complete ticket 0001"),
        (ReopenTicket(ONE, REOPENED), TicketState.OPEN, "reopen ticket 0001"),
        (ParkTicket(ONE, PARKED), TicketState.STUCK, "park ticket 0001"),
    ],
)
@pytest.mark.parametrize("active", [False, True])
def test_an_outcome_moves_the_ticket_and_empties_the_queue(
    transition: Transition, to: TicketState, subject: str, active: bool
) -> None:
    edits = transition.apply(one(TicketState.IN_PROGRESS, queued=True, active=active))
    path = f"tickets/{to}/0001-do.md"
    queue = {ENTRY.path, "queue/merge/active.md"} if active else {ENTRY.path}
    assert set(edits.writes) == {path}
    assert edits.removes == {"tickets/in-progress/0001-do.md"} | queue
    ticket = Ticket.parse(edits.writes[path])
    assert (ticket.branch, ticket.worktree) == (BRANCH, None)
    landed = f"Landed: {OID_B}\n" if to is TicketState.DONE else ""
    assert said(edits) == f"scriptorium: {subject}\n\nTicket: 0001\nFrom: in-progress\nTo: {to}\n{landed}"


@pytest.mark.parametrize(
    "of_the_first",
    [CompleteTicket(ONE, OID_B, OID_A), ReopenTicket(ONE, REOPENED, ENTRY), ParkTicket(ONE, PARKED, ENTRY)],
)
def test_an_outcome_of_one_submission_says_nothing_of_a_later_one(of_the_first: Transition) -> None:
    of_the_first.apply(one(TicketState.IN_PROGRESS, queued=True))
    later = QueueEntry(4, ONE, BRANCH, OID_B, "Done again.")
    files = {"tickets/in-progress/0001-do.md": ticket_text(fields=STARTED), later.path: later.render()}
    assert "0001" in refused(of_the_first, plan(files))


def test_reopen_and_park_say_why_in_the_ticket() -> None:
    note = ReopenNote(
        reason=ReopenReason.CONFLICT,
        detail="Both changed it.",
        files=("src/a.py", "b\n.py"),
        output_tail="# boom\n",
    )
    reopened = ReopenTicket(ONE, note).apply(one(TicketState.IN_PROGRESS)).writes["tickets/open/0001-do.md"]
    (found,) = Ticket.parse(reopened).reopens
    assert found == note.numbered(1)
    assert Ticket.parse(reopened).reopen_count == 1
    parked = ParkTicket(ONE, note).apply(one(TicketState.OPEN)).writes["tickets/stuck/0001-do.md"]
    assert [(n.parked, n.heading) for n in Ticket.parse(parked).reopens] == [(True, "Parked 1")]


def test_an_entry_of_another_ticket_stays() -> None:
    other = QueueEntry(4, TWO, "b", OID_B, "")
    snapshot = plan(
        {
            "tickets/in-progress/0001-do.md": ticket_text(fields=STARTED),
            "tickets/in-progress/0002-x.md": ticket_text(area="docs"),
            ENTRY.path: ENTRY.render(),
            other.path: other.render(),
            "queue/merge/active.md": render_active(other),
        }
    )
    assert ReopenTicket(ONE, REOPENED).apply(snapshot).removes == {
        ENTRY.path,
        "tickets/in-progress/0001-do.md",
    }


ALL_STATES = set(TicketState)
LEGAL: dict[str, tuple[Transition, set[TicketState]]] = {
    "assign": (AssignTicket(ONE, BRANCH, WORKTREE), {TicketState.OPEN}),
    "enqueue": (Enqueue(ONE, BRANCH, OID_A, "x"), {TicketState.IN_PROGRESS}),
    "complete": (CompleteTicket(ONE, OID_B), {TicketState.IN_PROGRESS}),
    "reopen": (ReopenTicket(ONE, REOPENED), {TicketState.IN_PROGRESS}),
    "park": (ParkTicket(ONE, PARKED), {TicketState.OPEN, TicketState.IN_PROGRESS}),
}


@pytest.mark.parametrize("name", LEGAL)
@pytest.mark.parametrize("state", TicketState)
def test_a_transition_applies_in_its_states_alone(name: str, state: TicketState) -> None:
    transition, legal = LEGAL[name]
    if state in legal:
        assert transition.apply(one(state)).paths
    else:
        assert f"ticket 0001 is {state}" in refused(transition, one(state))


@pytest.mark.parametrize("name", LEGAL)
def test_a_ticket_that_is_gone_doubled_or_unreadable_is_left_alone(name: str) -> None:
    transition, _ = LEGAL[name]
    assert "no ticket 0001" in refused(transition, plan())
    twice = plan({"tickets/open/0001-do.md": ticket_text(), "tickets/done/0001-do.md": ticket_text()})
    assert "there 2 times" in refused(transition, twice)
    assert "title" in refused(transition, plan({"tickets/open/0001-do.md": "no title\n"}))
