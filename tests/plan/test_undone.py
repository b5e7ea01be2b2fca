"""A commit that undoes transitions, as one made in an old checkout does, is named with what it undid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from scriptorium.plan._audit_undone import Past, what_it_undid
from scriptorium.plan._tree_changes import Change
from scriptorium.plan.audit import Finding, Severity, audit_history
from scriptorium.plan.by_hand import changed_by_hand
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.transitions import UpdateSpec

from .plans import CORE, Plan, draft_text

ONE = TicketId("0001")
DONE = "tickets/done/0001-one.md"
pytestmark = pytest.mark.req("V1-33")


@pytest.fixture
def lived(plan: Plan) -> Plan:
    """A plan on which ticket 0001 was opened, with a checkout of that moment."""
    plan.areas(CORE)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    plan.git("worktree", "add", "-q", str(plan.root / "old"), "scriptorium/plan")
    return plan


def commit_in_old_checkout(plan: Plan, writes: Mapping[str, str]) -> Oid:
    """The classic: scriptorium has moved on, and somebody commits all that their checkout has."""
    folder = plan.root / "old"
    for path, text in writes.items():
        (folder / path).write_text(text)
    plan.git("-C", str(folder), "add", "-A")
    plan.git("-C", str(folder), "commit", "-q", "-m", "a small correction")
    return Oid(plan.git("rev-parse", "scriptorium/plan"))


def errors(plan: Plan) -> list[Finding]:
    return [finding for finding in audit_history(plan.git_dir) if finding.severity is Severity.ERROR]


def finish(plan: Plan) -> None:
    plan.assign(ONE)
    plan.enqueue(ONE)
    plan.land(ONE)


def test_a_commit_in_an_old_checkout_is_named_with_all_that_it_undid(lived: Plan) -> None:
    finish(lived)
    assert errors(lived) == []
    commit = commit_in_old_checkout(lived, {"spec.md": "Build it, please.\n"})
    (found,) = errors(lived)
    assert (found.rule, found.commit, found.path) == ("undoes-transitions", commit, DONE)
    # The queue was empty then and is empty now: of that, nothing was undone.
    assert found.message.startswith(
        "undoes 2 transitions, as a commit in an old checkout of this branch does: "
    )
    assert re.search(r"complete ticket 0001 \(\w{12}\), assign ticket 0001-one \(\w{12}\)$", found.message)
    notes = [finding for finding in audit_history(lived.git_dir) if finding.commit == commit]
    assert {(finding.rule, finding.path) for finding in notes} == {
        ("undoes-transitions", DONE),
        ("hand-edit", "spec.md"),
    }


def test_what_was_only_partly_undone_is_named_too(lived: Plan) -> None:
    lived.assign(ONE)
    opened = lived.git("rev-parse", "scriptorium/plan~1")
    text = lived.git("show", f"{opened}:tickets/open/0001-one.md") + "\n"
    lived.enqueue(ONE)
    commit = lived.by_hand({"tickets/open/0001-one.md": text.encode()}, ("tickets/in-progress/0001-one.md",))
    (found, left) = errors(lived)
    assert (found.rule, found.commit) == ("undoes-transitions", commit)
    assert "undoes 1 transition," in found.message
    assert "assign ticket 0001-one" in found.message
    assert (left.rule, left.commit) == ("queue-entry", None)


def test_putting_back_what_was_undone_is_no_fault_of_its_own(lived: Plan) -> None:
    finish(lived)
    undoing = commit_in_old_checkout(lived, {})
    lived.git("-C", str(lived.root / "old"), "revert", "--no-edit", "HEAD")
    (found,) = errors(lived)
    assert found.commit == undoing
    (note,) = [finding for finding in audit_history(lived.git_dir) if finding.severity is Severity.NOTE]
    assert note.rule == "undone-by-hand"
    assert undoing[:12] in note.message


def test_a_spec_that_goes_back_is_only_noted(lived: Plan) -> None:
    before = lived.text("spec.md")
    lived.repository.commit(UpdateSpec("Build more.\n"))
    lived.by_hand({"spec.md": before.encode() + b"\n"})
    (note,) = audit_history(lived.git_dir)
    assert (note.severity, note.rule, note.path) == (Severity.NOTE, "undoes-transitions", "spec.md")


@pytest.mark.parametrize(
    ("writes", "removes", "rule"),
    [
        ({}, ("tickets/in-progress/0001-one.md",), "hand-made-change"),
        ({"tickets/stuck/0001-one.md": b"# x\n"}, ("tickets/in-progress/0001-one.md",), "hand-made-move"),
        ({"tickets/in-progress/0001-one.md": b"# x\n"}, (), "hand-made-change"),
    ],
)
def test_what_is_new_undoes_nothing(
    lived: Plan, writes: dict[str, bytes], removes: tuple[str, ...], rule: str
) -> None:
    lived.assign(ONE)
    commit = lived.by_hand(writes, removes)
    assert {finding.rule for finding in errors(lived) if finding.commit == commit} == {rule}


def test_a_running_service_hears_of_what_is_new_once(lived: Plan) -> None:
    finish(lived)
    tip = lived.snapshot.commit
    assert changed_by_hand(lived.git_dir, tip, None) == ()
    lived.by_hand({"spec.md": b"Mine.\n"})
    undoing = commit_in_old_checkout(lived, {})
    now = lived.snapshot.commit
    for since in (None, tip):
        (found,) = changed_by_hand(lived.git_dir, now, since)
        assert (found.rule, found.commit) == ("undoes-transitions", undoing)
    assert changed_by_hand(lived.git_dir, now, now) == ()


def test_a_plan_whose_first_commit_is_another_s_is_looked_at(tmp_path: Path) -> None:
    import pygit2

    from scriptorium.plan.refs import PLAN_REF

    repo = pygit2.init_repository(str(tmp_path))
    who = pygit2.Signature("A Person", "person@example.org", 0, 0)
    tip = repo.create_commit(PLAN_REF, who, who, "mine", repo.TreeBuilder().write(), [])
    assert changed_by_hand(tmp_path / ".git", Oid(str(tip)), None) == ()


def commit(name: str, own: bool = True, **changes: tuple[str, str]) -> Past:
    """Commit `name` with changes as path=(before, after); empty for nothing."""
    return Past(Oid(name * 40), name, own, _changes(changes))


def _changes(changes: Mapping[str, tuple[str, str]]) -> dict[str, Change]:
    return {path: Change(*(side.encode() or None for side in sides)) for path, sides in changes.items()}


@pytest.mark.parametrize(
    ("changes", "undone"),
    [
        ({"p": ("2", "1")}, "b"),  # the last one alone
        ({"p": ("2", "")}, "ba"),  # all that was done to it
        ({"p": ("2", "1"), "q": ("9", "8")}, "b"),  # and something of their own
        ({"p": ("2", "7")}, None),
        ({"r": ("x", "")}, None),  # it went back in part of what a commit was about
        ({"r": ("x", ""), "s": ("y", "")}, "c"),
    ],
)
def test_the_point_it_went_back_to(changes: dict[str, tuple[str, str]], undone: str | None) -> None:
    earlier = [
        commit("b", p=("1", "2")),
        commit("c", r=("", "x"), s=("", "y")),
        commit("a", p=("", "1")),
    ]
    found = what_it_undid(_changes(changes), earlier)
    assert (None if found is None else "".join(past.subject for past in found.commits)) == undone
