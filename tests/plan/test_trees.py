"""A tree in pieces is the tree: whatever is done to it, and whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scriptorium.plan.trees import FILE, FOLDER, PIECE_ENTRIES, RawEntry, Tree, TreeDamaged

OIDS = st.integers(0, 3).map(lambda number: bytes([number]) * 20)
NAMES = st.one_of(
    st.integers(1, 400).map(lambda number: b"%04d-x.md" % number),
    st.sampled_from(
        [b".gitkeep", b"0200", b"0200-", b"0200-x", b"0200-x.md-", b"0200-x.md0", b"\xff", b"zz"]
    ),
)
MODES = st.sampled_from([FILE, FILE, FILE, FOLDER, b"040000", b"120000"])
ENTRIES = st.builds(RawEntry, MODES, NAMES, OIDS)
CHANGES = st.lists(st.tuples(ENTRIES, st.booleans()), max_size=8)
QUICK = settings(deadline=None, max_examples=60)


def rendered(entries: Mapping[bytes, RawEntry]) -> bytes:
    """The tree object of some entries, as git sorts them."""
    ordered = sorted(entries.values(), key=lambda entry: entry.key)
    return b"".join(b"%s %s\0%s" % entry for entry in ordered)


def many(number: int = 400) -> dict[bytes, RawEntry]:
    """More entries than fit into a few pieces."""
    names = [b"%04d-x.md" % place for place in range(0, 2 * number, 2)]
    return {name: RawEntry(FILE, name, b"\7" * 20) for name in names}


@QUICK
@given(st.integers(0, 400), st.lists(CHANGES, max_size=6))
@example(0, [[(RawEntry(FILE, b"a", b"\1" * 20), True)], [(RawEntry(FILE, b"a", b"\1" * 20), False)]])
@example(
    400,
    [
        [(RawEntry(FOLDER, b"0200-x.md", b"\1" * 20), True)],
        [(RawEntry(FILE, b"0200-x.md-", b"\1" * 20), True)],
        [(RawEntry(FILE, b"0200-x.md", b"\1" * 20), True)],
    ],
)
def test_an_edited_tree_is_the_one_that_git_would_write(
    number: int, rounds: list[list[tuple[RawEntry, bool]]]
) -> None:
    entries = many(number)
    tree = Tree.parse(rendered(entries))
    for changes in rounds:
        edits = {entry.name: entry if there else None for entry, there in changes}
        after = {name: entry for name, entry in {**entries, **edits}.items() if entry is not None}
        edited = tree.edited(edits)
        assert edited.raw == rendered(after)
        assert edited.is_ordered
        assert all(edited.get(name) == after.get(name) for name in {*entries, *edits, b"none"})
        gone, new = edited.changes_since(tree)
        assert set(gone) == set(entries.values()) - set(after.values())
        assert set(new) == set(after.values()) - set(entries.values())
        # Another writer's, which says the same.
        foreign = Tree.parse(rendered(after), tree)
        assert foreign.raw == edited.raw
        assert tuple(map(set, foreign.changes_since(tree))) == (set(gone), set(new))
        assert foreign.changes_since(edited) == edited.changes_since(foreign) == ([], [])
        tree, entries = edited, after


@QUICK
@given(st.lists(ENTRIES, max_size=200), CHANGES)
def test_a_tree_in_no_order_is_put_in_order_when_it_is_edited(
    entries: list[RawEntry], changes: list[tuple[RawEntry, bool]]
) -> None:
    tree = Tree.parse(b"".join(b"%s %s\0%s" % entry for entry in entries))
    by_name = {entry.name: entry for entry in entries}
    assert list(tree.raw_entries()) == entries
    assert all(tree.get(name) == entry for name, entry in by_name.items())
    keys = [entry.key for entry in entries]
    assert tree.is_ordered == all(one < other for one, other in pairwise(keys))
    edits = {entry.name: entry if there else None for entry, there in changes}
    left = {name: entry for name, entry in {**by_name, **edits}.items() if entry is not None}
    if len({entry.key for entry in left.values()}) == len(left):
        assert tree.edited(edits).raw == rendered(left)


@pytest.mark.parametrize("place", [0, 1, PIECE_ENTRIES, 399])
def test_a_change_leaves_the_pieces_that_it_does_not_touch(place: int) -> None:
    entries = many()
    tree = Tree.parse(rendered(entries))
    name = list(entries)[place]
    new = RawEntry(FILE, name, b"\1" * 20)
    for after in (
        tree.edited({name: new}),
        tree.edited({name: None}),
        tree.edited({name + b"-": new._replace(name=name + b"-")}),
        Tree.parse(rendered({**entries, name: new}), tree),
    ):
        assert len(set(after.pieces) - set(tree.pieces)) == 1


def test_pieces_stay_neither_many_nor_large() -> None:
    tree, foreign = Tree(), Tree.parse(rendered(many()))
    written = many()
    for number in range(2000):
        name = b"%04d-y.md" % (number * 7 % 2000)
        entry = RawEntry(FILE, name, b"\1" * 20)
        tree = tree.edited({name: entry})
        if number < 300:
            written[name] = entry
            foreign = Tree.parse(rendered(written), foreign)
    assert max(len(piece.entries) for piece in tree.pieces) <= 2 * PIECE_ENTRIES
    assert len(tree.pieces) <= 2 * 2000 / PIECE_ENTRIES
    assert len(foreign.pieces) <= 700 * 37 / 1024 + 1


def test_a_folder_is_found_far_from_where_a_file_of_its_name_would_be() -> None:
    """All names that go on with a dash are between the two."""
    between = {name: RawEntry(FILE, name, b"\7" * 20) for name in (b"a-%03d" % n for n in range(200))}
    folder, file = RawEntry(FOLDER, b"a", b"\1" * 20), RawEntry(FILE, b"a", b"\1" * 20)
    for there, wanted in ((folder, file), (file, folder)):
        tree = Tree.parse(rendered({**between, b"a": there}))
        assert tree.get(b"a") == there
        assert tree.edited({b"a": wanted}).raw == rendered({**between, b"a": wanted})
        assert tree.edited({b"a": None}).raw == rendered(between)


@pytest.mark.parametrize("raw", [b"x", b"100644 a\0", b"100644 a\0" + b"1" * 19, b"1\0" + b"1" * 20])
def test_what_is_no_tree_is_refused(raw: bytes) -> None:
    before = rendered(many())
    with pytest.raises(TreeDamaged):
        Tree.parse(raw)
    with pytest.raises(TreeDamaged):
        Tree.parse(before + raw, Tree.parse(before))


def test_bytes_that_only_look_like_a_known_end_are_no_end() -> None:
    """The first byte of what was the last piece is the end of an oid here."""
    tree = Tree.parse(rendered(many()))
    last = tree.pieces[-1].raw
    raw = tree.raw[: -len(last)] + b"100644 9\0" + b"\2" * 19 + last
    found = Tree.parse(raw, tree)
    assert found.raw == raw
    assert list(found.raw_entries()) == list(Tree.parse(raw).raw_entries())
    assert found.get(b"9") == RawEntry(FILE, b"9", b"\2" * 19 + b"1")
