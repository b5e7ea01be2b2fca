"""Comparing trees by their bytes finds what comparing them entry by entry finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptorium.plan._audit_steps import read_line, steps
from scriptorium.plan._tree_changes import _EMPTY, Change, _compare
from scriptorium.plan.ids import Oid, TicketId
from scriptorium.plan.objects import GitObjects, ObjectMissing
from scriptorium.plan.refs import PLAN_REF

from .plans import CORE, Plan, draft_text

# Names and oids that look like each other, so that entries are the same by chance at the wrong places.
NAMES = st.sampled_from(
    [b"a", b"b", b"ab", b"100644 x", b"z" * 30, b"0001-one.md", b"0002-two.md"]
) | st.binary(min_size=1, max_size=3).filter(lambda name: not set(name) & {0, 47})
OIDS = st.sampled_from([b"\0" * 20, b"\1" * 20, (b"100644 a\0" * 3)[:20]]) | st.binary(
    min_size=20, max_size=20
)
TREES = st.dictionaries(NAMES, OIDS, max_size=12)


def serialized(tree: dict[bytes, bytes]) -> bytes:
    return b"".join(b"100644 %s\0%s" % (name, tree[name]) for name in sorted(tree))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_what_differs_is_found_and_nothing_else(trees: list[dict[bytes, bytes]]) -> None:
    folder, before = _EMPTY, dict[bytes, bytes]()
    for after in trees:
        folder, changes = _compare(folder, serialized(after))
        values = {
            name: Change(*(None if name not in side else b"100644 " + side[name] for side in (before, after)))
            for name in before.keys() | after.keys()
        }
        assert changes == {name: change for name, change in values.items() if change.before != change.after}
        ends = [*folder.starts[1:], len(folder.raw)] if folder.starts else []
        assert [folder.raw[start:end] for start, end in zip(folder.starts, ends, strict=True)] == [
            b"100644 %s\0%s" % (name, after[name]) for name in sorted(after)
        ]
        before = after


@pytest.mark.parametrize("raw", [b"100644 a", b"100644 a\0short", b"100644 a\0" + b"x" * 20 + b"rest"])
def test_a_damaged_tree_is_said_to_be(raw: bytes) -> None:
    with pytest.raises(ObjectMissing, match="tree of the plan branch"):
        _compare(_EMPTY, raw)


def test_the_steps_are_what_git_shows(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    plan.assign(TicketId("0001"))
    gone = ("areas/core.md", "areas/.spec", "areas/.gitkeep")
    plan.by_hand({"README.md": b"x", "notes/deep/a": b"x", "areas": b"a file"}, gone)
    plan.by_hand({"areas/new.md": b"x", "notes/deep/b": b"y"}, ("areas", "README.md"))
    objects = GitObjects(plan.git_dir)
    line = read_line(plan.git_dir, objects, Oid(plan.git("rev-parse", PLAN_REF)))
    assert len(line) == plan.length()
    for step in steps(objects, line):
        shown = plan.git("show", "-m", "--root", "--name-status", "--no-renames", "--format=", step.commit)
        theirs = {words.partition("\t")[::2] for words in shown.splitlines() if "\tnotes/" not in words}
        words = {"added": "A", "removed": "D", "modified": "M"}
        ours = {(words[change.word], path) for path, change in step.changes.items() if path != "notes"}
        assert ours == theirs
