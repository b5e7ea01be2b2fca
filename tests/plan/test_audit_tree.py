"""Everything that can be wrong with the plan as it is has a rule, which names the file."""

from __future__ import annotations

import pytest
from attrs import frozen

from scriptorium.plan._audit_cycles import cycles
from scriptorium.plan.audit import Audit, Finding, Severity
from scriptorium.plan.ids import TicketId
from scriptorium.plan.start import PlanUnusable, look_over

from .plans import CORE, DOCS, EMPTY_PLAN, Plan, draft_text, ticket_text

pytestmark = pytest.mark.req("V1-32")
TEXT = ticket_text().encode()
ERROR, NOTE = Severity


@pytest.fixture
def sound(plan: Plan) -> Plan:
    """A plan with the areas core and docs, tickets 0001 and 0002 open, and nothing wrong with it."""
    plan.areas(CORE, DOCS)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    return plan


def found(plan: Plan) -> list[Finding]:
    return list(Audit(plan.git_dir).tree())


def depending(on: str) -> bytes:
    return ticket_text(fields=f"**Depends:** {on}\n").encode()


@frozen
class Planted:
    """What a person committed, and what is said of it."""

    rule: str
    path: str
    writes: dict[str, bytes]
    removes: tuple[str, ...] = ()
    severity: Severity = ERROR


OPEN = "tickets/open/0001-one.md"
PLANTED = {
    "a ticket in two folders": Planted("duplicate-ticket", OPEN, {"tickets/done/0001-one.md": TEXT}),
    "a ticket twice in one": Planted("duplicate-ticket", OPEN, {"tickets/open/0001-other.md": TEXT}),
    "a name that is no ticket's": Planted("bad-name", "tickets/open/12-x.md", {"tickets/open/12-x.md": TEXT}),
    "a name that is no area's": Planted("bad-name", "areas/No.md", {"areas/No.md": b"x"}),
    "a name that is no entry's": Planted(
        "bad-name", "queue/merge/pending/x.md", {"queue/merge/pending/x.md": b"x"}
    ),
    "a ticket without an area": Planted("unreadable", OPEN, {OPEN: b"# One\n"}),
    "a priority that is none": Planted(
        "unreadable", OPEN, {OPEN: ticket_text(fields="**Priority:** soon\n").encode()}
    ),
    "a done ticket that is none": Planted(
        "unreadable", "tickets/done/0009-x.md", {"tickets/done/0009-x.md": b"\xff"}
    ),
    "a spec that is not UTF-8": Planted("unreadable", "spec.md", {"spec.md": b"\xff"}),
    "a link": Planted("unreadable", OPEN, {OPEN: b"->/etc/passwd"}),
    "a marker that is none": Planted("unreadable", "tickets/.areas/core", {"tickets/.areas/core": b"x"}),
    "an active.md that is none": Planted(
        "active-entry", "queue/merge/active.md", {"queue/merge/active.md": b"x"}
    ),
    "a dependency that is missing": Planted("depends-missing", OPEN, {OPEN: depending("0099")}),
    "a dependency on itself": Planted("depends-cycle", OPEN, {OPEN: depending("0001")}),
    "tickets that wait for each other": Planted(
        "depends-cycle", OPEN, {OPEN: depending("0002"), "tickets/open/0002-two.md": depending("0001")}
    ),
    "a folder that is none of ours": Planted(
        "outside-layout", "tickets/in-progres", {"tickets/in-progres/0001-one.md": TEXT}
    ),
    "a file beside the queue": Planted("outside-layout", "queue/notes.md", {"queue/notes.md": b"x"}),
    "a file at the top": Planted("outside-layout", "README.md", {"README.md": b"x"}, severity=NOTE),
    "a folder that is not kept": Planted("folder-kept", "areas", {}, ("areas/.gitkeep",)),
    "a folder that is gone": Planted(
        "folder-kept", "queue/merge/pending", {}, ("queue/merge/pending/.gitkeep",)
    ),
    "a file for a folder": Planted(
        "folder-blocked",
        "queue/merge/pending",
        {"queue/merge/pending": b"x"},
        ("queue/merge/pending/.gitkeep",),
    ),
    "decisions that are a file": Planted(
        "folder-blocked", "decisions", {"decisions": b"x"}, ("decisions/.gitkeep",)
    ),
    "an area that is gone": Planted("area-gone", OPEN, {}, ("areas/core.md",), NOTE),
    "a marker of an area that is gone": Planted(
        "marker-without-area", "tickets/.areas/core", {}, ("areas/core.md",), NOTE
    ),
    "areas of a person's own": Planted("areas-unmarked", "areas/.spec", {}, ("areas/.spec",), NOTE),
    "a ticket that nobody assigned": Planted(
        "no-branch", "tickets/in-progress/0009-x.md", {"tickets/in-progress/0009-x.md": TEXT}, severity=NOTE
    ),
    "two at work in an area": Planted(
        "area-twice",
        "tickets/in-progress/0009-x.md",
        {"tickets/in-progress/0008-x.md": TEXT, "tickets/in-progress/0009-x.md": TEXT},
        severity=NOTE,
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_named(sound: Plan, name: str) -> None:
    planted = PLANTED[name]
    assert found(sound) == []
    sound.by_hand(planted.writes, planted.removes)
    same = [
        finding for finding in found(sound) if (finding.rule, finding.path) == (planted.rule, planted.path)
    ]
    assert [finding.severity for finding in same] == [planted.severity]
    others = {finding.rule for finding in found(sound) if finding.severity is ERROR} - {planted.rule}
    assert others == set()


def test_a_marker_that_was_lost_is_told_from_one_that_was_never_there(sound: Plan) -> None:
    sound.by_hand({}, ("tickets/.areas/core",))
    audit = Audit(sound.git_dir)
    last = list(audit.history())[-1]
    assert (last.rule, last.path, last.commit) == ("area-unmarked", "tickets/.areas/core", None)


def test_a_path_that_would_fool_a_terminal_is_escaped_and_bounded(sound: Plan) -> None:
    sound.by_hand({"tickets/open/\x1b[2J.md": b"x", f"tickets/open/{'x' * 4000}.md": b"x"})
    paths = [finding.path or "" for finding in found(sound)]
    assert all(path.isprintable() and len(path) < 2100 for path in paths)
    assert "tickets/open/\\x1b[2J.md" in paths


def test_the_start_of_a_service_says_one_line_and_refuses_only_what_stops_all(sound: Plan) -> None:
    assert look_over(sound.git_dir, sound.snapshot) is None
    sound.by_hand({"tickets/done/0009-x.md": b"\xff", "README.md": b"x"})
    assert look_over(sound.git_dir, sound.snapshot) is None  # a done ticket is not read at the start
    sound.by_hand({OPEN: b"# One\n", "tickets/open/x.md": b"x"})
    said = look_over(sound.git_dir, sound.snapshot)
    assert said is not None
    assert OPEN in said
    assert ", and 1 more; work goes on, and `scriptorium check` names it all" in said
    sound.by_hand({"decisions": b"x"}, ("decisions/.gitkeep",))
    assert look_over(sound.git_dir, sound.snapshot) is not None
    sound.by_hand({"tickets/stuck": b"x"}, ("tickets/stuck/.gitkeep",))
    with pytest.raises(PlanUnusable, match=r"tickets/stuck: .*move it away; scriptorium check says"):
        look_over(sound.git_dir, sound.snapshot)


def ids(*numbers: int) -> tuple[TicketId, ...]:
    return tuple(TicketId(f"{number:04d}") for number in numbers)


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ({}, []),
        ({1: (2, 3), 2: (3,), 3: (9,)}, []),
        ({1: (1,)}, [(1,)]),
        ({3: (2,), 2: (1,), 1: (3,), 4: (1,), 5: (4, 9)}, [(1, 3, 2)]),
        ({1: (2,), 2: (1,), 5: (6,), 6: (5,)}, [(1, 2), (5, 6)]),
        ({number: (number + 1,) for number in range(1, 3000)} | {3000: (1,)}, [tuple(range(1, 3001))]),
    ],
)
def test_tickets_that_wait_for_each_other(
    waits: dict[int, tuple[int, ...]], expected: list[tuple[int, ...]]
) -> None:
    given = {TicketId(f"{ticket:04d}"): ids(*names) for ticket, names in waits.items()}
    assert list(cycles(given)) == [ids(*cycle) for cycle in expected]


def test_the_empty_plan_is_sound(plan: Plan) -> None:
    assert set(EMPTY_PLAN) == set(plan.files())
    assert found(plan) == []
