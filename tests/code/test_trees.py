"""What trees say, read once for many looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import FileMode, ObjectType

from scriptorium.code import trees
from scriptorium.code.trees import Leaf, UnsafeTree, raw_entries, read_tree
from scriptorium.plan.ids import Oid

if TYPE_CHECKING:
    from tests.code.conftest import Fixture


def test_a_tree_is_read_as_pygit2_has_it(fixture: Fixture) -> None:
    repo = fixture.open()
    tree = repo[fixture.tip()].peel(pygit2.Tree)
    expected = {str(entry.name).encode(): Leaf(FileMode(entry.filemode), entry.id) for entry in tree}
    for _ in range(2):
        assert raw_entries(tree) == expected


def test_files_are_found_below_folders(fixture: Fixture) -> None:
    leaves, top = read_tree(fixture.open(), fixture.commit({"a/b/c": "1\n", "a/d": "2\n"}))
    assert {b"a/b/c", b"a/d"} <= leaves.keys()
    folder = top[b"a"]
    assert isinstance(folder, dict)
    assert folder.keys() == {b"b", b"d"}


def test_a_name_that_leads_out_of_the_folder_is_refused_each_time(fixture: Fixture) -> None:
    repo = fixture.open()
    blob = repo.create_blob(b"x")
    bad = repo.odb.write(ObjectType.TREE, b"100644 ..\0" + blob.raw)
    who = pygit2.Signature("a", "a@localhost")
    commit = repo.create_commit(None, who, who, "bad", bad, [])
    for _ in range(2):
        with pytest.raises(UnsafeTree):
            read_tree(repo, Oid(str(commit)))


def test_what_is_remembered_of_trees_has_a_bound_in_bytes(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bytes: a name may have many thousands."""
    monkeypatch.setattr(trees, "REMEMBERED_BYTES", 1000)
    recent = trees._Recent()
    monkeypatch.setattr(trees, "_recent", recent)
    repo = fixture.open()
    blob = repo.create_blob(b"x")
    made = []
    for name, size in ((b"a", 370), (b"b", 370), (b"c", 370), (b"d", 1001)):
        made.append(repo.odb.write(ObjectType.TREE, b"100644 " + name * size + b"\0" + blob.raw))
        tree = repo[made[-1]]
        assert isinstance(tree, pygit2.Tree)
        assert raw_entries(tree) == {name * size: Leaf(FileMode.BLOB, blob)}
    assert [recent.get(oid) is not None for oid in made] == [False, True, True, False]
