"""What the Manager writes becomes tickets, or is refused with everything that is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan.area import Marker
from scriptorium.plan.drafts import MAX_DRAFT_BYTES, MAX_DRAFTS, DraftsRefused, TicketDraft, validate_drafts
from scriptorium.plan.layout import parse_ticket_name
from scriptorium.plan.memory import snapshot_from_files
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.ticket import Ticket
from scriptorium.plan.transitions import CreateTickets, RecordRun, ReopenTicket

from .plans import CORE, DOCS, EMPTY_PLAN, REOPENED, draft_text, run_note, ticket_text

DRAFT = draft_text()


def plan(files: dict[str, str] | None = None) -> Snapshot:
    encoded = {path: text.encode() for path, text in (files or {}).items()}
    return snapshot_from_files(
        EMPTY_PLAN | {"areas/core.md": b"Core.\n", "areas/docs.md": b"Docs.\n"} | encoded
    )


def accepted(files: dict[str, str], snapshot: Snapshot | None = None) -> tuple[TicketDraft, ...]:
    encoded = {path: text.encode() for path, text in files.items()}
    return validate_drafts(CORE, encoded, snapshot or plan())


def refused(files: dict[str, bytes], snapshot: Snapshot | None = None) -> tuple[str, ...]:
    with pytest.raises(DraftsRefused) as error:
        validate_drafts(CORE, files, snapshot or plan())
    return error.value.reasons


def test_a_batch_comes_in_the_order_of_its_ids() -> None:
    depends = "**Depends:** `zebra`, 0007\n"
    batch = accepted(
        {
            "tickets/open/ant.md": draft_text("Ant", fields=depends),
            "zebra.md": draft_text("Z"),
            "bee.md": draft_text("B"),
        },
        plan({"tickets/stuck/0007-x.md": ticket_text("X")}),
    )
    assert [draft.slug for draft in batch] == ["bee", "zebra", "ant"]
    assert batch[2].depends == ("zebra", "0007")


@pytest.mark.req("V1-13")
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.txt", DRAFT.encode(), "tickets/open/<slug>.md"),
        ("2024.md", DRAFT.encode(), "all digits"),
        ("-rf.md", DRAFT.encode(), "not a slug"),
        ("../x.md", DRAFT.encode(), "not a slug"),
        (".git.md", DRAFT.encode(), "not a slug"),
        ("a\n.md", DRAFT.encode(), "not a slug"),
        (f"{'x' * 300}.md", DRAFT.encode(), "not a slug"),
        ("x.md", b"\xff", "UTF-8"),
        ("x.md", DRAFT.encode() + b"x" * MAX_DRAFT_BYTES, "is the limit"),
        ("x.md", b"just text\n", "title"),
        ("x.md", f"{DRAFT}\n# Second ticket\n".encode(), "second title"),
        ("x.md", f"{DRAFT}\n**Depends:** y\n".encode(), "fields after its header"),
        ("x.md", draft_text(fields="**Priority:** soon\n").encode(), "priority"),
        ("x.md", b"# T\n\n## Goal\n\nx\n", "Acceptance Criteria"),
        ("x.md", b"# T\n\n## Goal\n\n## Acceptance Criteria\n\n- a\n", '"## Goal" is missing or empty'),
        ("x.md", f"{DRAFT}\n## Run 1\n\n- Outcome: submitted\n".encode(), "only scriptorium writes"),
        ("x.md", f"{DRAFT}\n## Reopened 1\n".encode(), "only scriptorium writes"),
        ("x.md", f"{DRAFT}\n```\nopen\n".encode(), "not closed"),
        ("x.md", draft_text(fields="**Depends:** nobody\n").encode(), "nobody"),
        ("x.md", draft_text(fields="**Depends:** 0042\n").encode(), "0042"),
        ("x.md", draft_text(fields="**Depends:** x\n").encode(), "depends on itself"),
    ],
)
def test_what_is_wrong_is_said(name: str, content: bytes, reason: str) -> None:
    (said,) = refused({name: content})
    assert reason in said
    assert said.isprintable()


@pytest.mark.req("V1-13")
def test_a_circle_is_refused() -> None:
    files = {
        f"{slug}.md": draft_text(slug, fields=f"**Depends:** {on}\n").encode()
        for slug, on in (("a", "b"), ("b", "a"))
    }
    assert refused(files | {"c.md": DRAFT.encode()}) == (
        "these tickets depend on each other in a circle: a, b",
    )


def test_everything_that_is_wrong_is_said_at_once() -> None:
    files = {"a.md": b"", "b.md": b"\xff", "c.md": f"{DRAFT}\n# X\n".encode(), "ok.md": DRAFT.encode()}
    assert [reason.split(":")[0] for reason in refused(files)] == ["'a.md'", "'b.md'", "'c.md'"]


def test_too_many_at_once_are_refused() -> None:
    files = {f"t{n}.md": draft_text(str(n)).encode() for n in range(MAX_DRAFTS + 1)}
    assert "is the limit" in refused(files)[-1]


def test_a_heading_in_a_fence_is_no_second_ticket() -> None:
    text = DRAFT.replace("None.", "```\n# Not a title\n**Depends:** x\n## Run 1\n```")
    assert len(accepted({"x.md": text})) == 1


@pytest.mark.parametrize("value", ["none", "None", "-", ""])
def test_words_for_no_dependency_are_understood(value: str) -> None:
    (draft,) = accepted({"x.md": draft_text(fields=f"**Depends:** {value}\n")})
    assert draft.depends == ()


@pytest.mark.req("V1-15")
def test_the_same_output_again_makes_nothing_new() -> None:
    files = {
        "one.md": draft_text("One"),
        "two.md": draft_text("Two", fields="**Depends:** one\n**Priority:** high\n"),
    }
    snapshot = plan()
    edits = CreateTickets(CORE, snapshot.areas[CORE].oid, accepted(files), 0).apply(snapshot)
    after = plan(dict(edits.writes))
    assert set(after.tickets) == {"0001", "0002"}
    assert accepted(files, after) == ()


@pytest.mark.req("V1-15")
def test_a_ticket_is_known_again_whatever_has_happened_to_it() -> None:
    text = ticket_text("One", fields="**Priority:** high\n**Branch:** b\n")
    snapshot = plan({"tickets/in-progress/0001-other-slug.md": text})
    (text,) = RecordRun(next(iter(snapshot.tickets)), run_note()).apply(snapshot).writes.values()
    snapshot = plan({"tickets/in-progress/0001-other-slug.md": text})
    (text,) = ReopenTicket(next(iter(snapshot.tickets)), REOPENED).apply(snapshot).writes.values()
    for state in ("open", "done", "stuck"):
        assert accepted({"one.md": draft_text("One")}, plan({f"tickets/{state}/0001-x.md": text})) == ()


def test_who_depends_on_a_known_ticket_depends_on_its_id() -> None:
    snapshot = plan({"tickets/done/0005-one.md": ticket_text("One")})
    (two,) = accepted(
        {"one.md": draft_text("One"), "two.md": draft_text("Two", fields="**Depends:** one\n")}, snapshot
    )
    assert two.depends == ("0005",)


def test_a_ticket_of_another_area_or_with_other_words_is_new() -> None:
    snapshot = plan(
        {"tickets/done/0005-one.md": ticket_text("One", area=DOCS), "tickets/done/0006-x.md": "damaged"}
    )
    assert len(accepted({"one.md": draft_text("One")}, snapshot)) == 1
    snapshot = plan({"tickets/done/0005-one.md": ticket_text("One")})
    assert len(accepted({"one.md": draft_text("One").replace("and well", "better")}, snapshot)) == 1


def test_a_file_that_is_a_ticket_already_is_passed_over() -> None:
    snapshot = plan({"tickets/open/0005-one.md": ticket_text("One")})
    assert accepted({"tickets/open/0005-one.md": "changed by the Manager"}, snapshot) == ()


SLUGS = [f"s{n}" for n in range(6)]


@pytest.mark.slow
@pytest.mark.req("V1-13")
@given(
    st.dictionaries(
        st.sampled_from(SLUGS), st.lists(st.sampled_from([*SLUGS, "0003"]), max_size=3), min_size=1
    ),
    st.integers(0, 20_000),
)
def test_any_batch_gets_rising_ids_that_respect_dependence_or_is_refused(
    batch: dict[str, list[str]], floor: int
) -> None:
    snapshot = plan({"tickets/done/0003-x.md": ticket_text("Other")})
    files = {
        f"{slug}.md": draft_text(slug, fields=f"**Depends:** {', '.join(names)}\n")
        for slug, names in batch.items()
    }
    try:
        checked = accepted(files, snapshot)
    except DraftsRefused as refusal:
        assert refusal.reasons
        return
    oid = snapshot.areas[CORE].oid
    edits = CreateTickets(CORE, oid, checked, floor).apply(snapshot)
    names_given = [path.rpartition("/")[2] for path in edits.writes if path.startswith("tickets/open/")]
    ids = {str(slug): str(ticket) for ticket, slug in map(parse_ticket_name, names_given)}
    assert set(ids) == set(batch)
    assert sorted(int(name) for name in ids.values()) == list(
        range(max(floor, 3) + 1, max(floor, 3) + 1 + len(batch))
    )
    for slug, names in batch.items():
        ticket = Ticket.parse(edits.writes[f"tickets/open/{ids[slug]}-{slug}.md"])
        assert ticket.depends == tuple(dict.fromkeys(ids.get(name, name) for name in names))
        assert all(int(name) < int(ids[slug]) for name in ticket.depends)
    assert edits.writes["tickets/.areas/core"] == Marker(oid).render()
