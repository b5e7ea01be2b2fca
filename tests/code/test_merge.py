"""Merging in memory: each outcome, and what an agent is shown of a conflict."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import ObjectType

from scriptorium.code.merge import (
    EXCERPT_LIMIT_BYTES,
    AlreadyLanded,
    Conflicted,
    Merged,
    NothingToLand,
    merge,
)
from scriptorium.plan.ids import Oid

if TYPE_CHECKING:
    from tests.code.conftest import Fixture


def conflict(fixture: Fixture, base: Oid, submission: Oid) -> Conflicted:
    outcome = merge(fixture.project, base, submission)
    assert isinstance(outcome, Conflicted)
    return outcome


@pytest.mark.req("V1-23")
def test_merged_tree_has_both_sides(fixture: Fixture) -> None:
    start = fixture.tip()
    submission = fixture.commit({"theirs": "t\n"}, parents=[start])
    base = fixture.land({"ours": "o\n"})
    outcome = merge(fixture.project, base, submission)
    assert isinstance(outcome, Merged)
    assert (outcome.base, outcome.submission) == (base, submission)
    assert fixture.tree(outcome.tree) == fixture.tree(start) | {"ours": b"o\n", "theirs": b"t\n"}


def test_merging_on_an_unmoved_base_gives_the_submissions_tree(bare: Fixture) -> None:
    submission = bare.commit({"new": "n\n"}, parents=[bare.tip()])
    outcome = merge(bare.project, bare.tip(), submission)
    assert isinstance(outcome, Merged)
    assert bare.tree(outcome.tree) == bare.tree(submission)


def test_merging_touches_neither_files_nor_refs(fixture: Fixture, run_git: Callable[..., str]) -> None:
    submission = fixture.commit({"README.md": "other\n"}, parents=[fixture.tip()])
    fixture.land({"README.md": "changed\n"})
    before = run_git(fixture.root, "for-each-ref"), run_git(fixture.root, "status", "--porcelain")
    conflict(fixture, fixture.tip(), submission)
    assert before == (run_git(fixture.root, "for-each-ref"), run_git(fixture.root, "status", "--porcelain"))


def test_conflict_names_the_files_and_shows_the_hunks(fixture: Fixture) -> None:
    start = fixture.tip()
    submission = fixture.commit(
        {"README.md": "# Mine\n", "src/lib/words.txt": "alpha\nBETA\ngamma\n"}, parents=[start]
    )
    base = fixture.land({"README.md": "# Yours\n", "src/lib/words.txt": "alpha\nbéta\ngamma\n"})
    outcome = conflict(fixture, base, submission)
    assert outcome.files == ("README.md", "src/lib/words.txt")
    assert "--- README.md\n<<<<<<< base\n# Yours\n=======\n# Mine\n>>>>>>> submission\n" in outcome.excerpt
    assert "\nbéta\n=======\nBETA\n" in outcome.excerpt


def test_only_the_surroundings_of_a_hunk_are_shown(fixture: Fixture) -> None:
    lines = [f"line {number}\n" for number in range(200)]
    start = fixture.land({"long": "".join(lines)})
    submission = fixture.commit({"long": "".join([*lines[:100], "mine\n", *lines[101:]])}, parents=[start])
    base = fixture.land({"long": "".join([*lines[:100], "yours\n", *lines[101:]])})
    excerpt = conflict(fixture, base, submission).excerpt
    assert "@@ line 98 @@\nline 97\nline 98\nline 99\n<<<" in excerpt
    assert "line 103\n" in excerpt
    assert "line 104\n" not in excerpt


def test_excerpt_is_bounded_and_names_all_files(fixture: Fixture) -> None:
    names = [f"file-{number:03}" for number in range(60)]
    start = fixture.land(dict.fromkeys(names, "x\n"))
    submission = fixture.commit(dict.fromkeys(names, "é" * 300 + "\n"), parents=[start])
    base = fixture.land(dict.fromkeys(names, "ü" * 300 + "\n"))
    outcome = conflict(fixture, base, submission)
    assert len(outcome.files) == 60
    assert len(outcome.excerpt.encode()) <= EXCERPT_LIMIT_BYTES
    assert outcome.excerpt.endswith("[… more conflicts are left out …]\n")


@pytest.mark.parametrize(
    ("first", "ours", "theirs", "said"),
    [
        ("text\n", None, "changed\n", "the base deleted this file"),
        ("text\n", "changed\n", None, "the submission deleted this file"),
        (b"\0one", b"\0two", b"\0three", "not text"),
        (b"caf\xe9\n", b"caf\xe8\n", b"caf\xea\n", "not text"),
        ("x\n", "y" * 2_000_000 + "\n", "z\n", "not text"),
    ],
)
def test_conflicts_that_have_no_hunks_are_described(
    fixture: Fixture, first: str | bytes, ours: str | bytes | None, theirs: str | bytes | None, said: str
) -> None:
    start = fixture.land({"thing": first})
    submission = fixture.commit({"thing": theirs}, parents=[start])
    base = fixture.commit({"thing": ours}, parents=[start])
    outcome = conflict(fixture, base, submission)
    assert outcome.files == ("thing",)
    assert said in outcome.excerpt


def test_a_file_where_the_other_side_has_a_folder(fixture: Fixture) -> None:
    start = fixture.tip()
    submission = fixture.commit({"place": "a file\n"}, parents=[start])
    base = fixture.land({"place/inside": "a folder\n"})
    assert conflict(fixture, base, submission).files == ("place",)


def test_file_names_that_are_not_utf8_are_named(fixture: Fixture) -> None:
    def at(text: str) -> Oid:
        repo = fixture.open()
        blob = repo.create_blob(text.encode())
        tree = repo.write(ObjectType.TREE, b"100644 caf\xe9\0" + blob.raw)
        parents = [] if text == "x\n" else [pygit2.Oid(hex=start)]
        who = pygit2.Signature("A", "a@example.org", 1, 0)
        return Oid(str(repo.create_commit(None, who, who, "m", tree, parents)))

    start = at("x\n")
    assert conflict(fixture, at("y\n"), at("z\n")).files == ("caf\udce9",)


@pytest.mark.parametrize("unchanged", ["the same change", "no change"])
def test_nothing_to_land(fixture: Fixture, unchanged: str) -> None:
    start = fixture.tip()
    if unchanged == "no change":
        submission = fixture.commit({}, parents=[start])
        base = start
    else:
        submission = fixture.commit({"README.md": "same\n"}, parents=[start], message="theirs")
        base = fixture.land({"README.md": "same\n"})
    assert merge(fixture.project, base, submission) == NothingToLand()


def test_already_landed_says_with_which_commit(fixture: Fixture) -> None:
    start = fixture.tip()
    submission = fixture.commit({"new": "n\n"}, parents=[start])
    for number in range(3):
        start = fixture.commit({f"before-{number}": "x\n"}, parents=[start])
    landed = tip = fixture.commit({"new": "n\n"}, parents=[start, submission])
    for number in range(5):
        tip = fixture.commit({f"after-{number}": "x\n"}, parents=[tip])
    assert merge(fixture.project, tip, submission) == AlreadyLanded(landed)
    assert merge(fixture.project, landed, submission) == AlreadyLanded(landed)
    assert merge(fixture.project, submission, submission) == AlreadyLanded(submission)


@pytest.mark.parametrize("name", [b".git", b"..", b".GIT"])
def test_a_tree_that_git_refuses_is_the_submissions_fault(fixture: Fixture, name: bytes) -> None:
    repo = fixture.open()
    inner = repo.write(ObjectType.TREE, b"100644 config\0" + repo.create_blob(b"evil").raw)
    tree = repo.write(ObjectType.TREE, b"40000 " + name + b"\0" + inner.raw)
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    parents: list[pygit2.Oid | str] = [pygit2.Oid(hex=fixture.tip())]
    submission = Oid(str(repo.create_commit(None, who, who, "m", tree, parents)))
    outcome = conflict(fixture, fixture.tip(), submission)
    assert outcome.files == ()
    assert "invalid path" in outcome.excerpt


def test_a_missing_commit_is_an_error(fixture: Fixture) -> None:
    with pytest.raises(KeyError):
        merge(fixture.project, fixture.tip(), Oid("1" * 40))
