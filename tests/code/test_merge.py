"""Merging in memory: each outcome, and what an agent is shown of a conflict."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import ObjectType

from scriptorium.code.merge import AlreadyLanded, Conflicted, Merged, NothingToLand, merge
from scriptorium.plan.ids import Oid

if TYPE_CHECKING:
    from tests.code.conftest import Fixture


def conflict(fixture: Fixture, base: Oid, submission: Oid) -> Conflicted:
    outcome = merge(fixture.project, base, submission)
    assert isinstance(outcome, Conflicted)
    return outcome


def paths(outcome: Conflicted) -> list[str]:
    return [file.path for file in outcome.files]


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


def test_file_names_that_are_not_utf8_are_named(fixture: Fixture) -> None:
    def at(text: str) -> Oid:
        repo = fixture.open()
        blob = repo.create_blob(text.encode())
        tree = repo.write(ObjectType.TREE, b"100644 caf\xe9\0" + blob.raw)
        parents = [] if text == "x\n" else [pygit2.Oid(hex=start)]
        who = pygit2.Signature("A", "a@example.org", 1, 0)
        return Oid(str(repo.create_commit(None, who, who, "m", tree, parents)))

    start = at("x\n")
    assert paths(conflict(fixture, at("y\n"), at("z\n"))) == ["caf\udce9"]


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
    assert "invalid path" in outcome.refused


def test_a_missing_commit_is_an_error(fixture: Fixture) -> None:
    with pytest.raises(KeyError):
        merge(fixture.project, fixture.tip(), Oid("1" * 40))


def test_a_base_that_was_reset_gets_back_what_the_submission_was_made_on(fixture: Fixture) -> None:
    """As git merges it: who takes a landing back for good reverts it."""
    start = fixture.tip()
    landed = fixture.commit({"landed": "l\n"}, parents=[start])
    submission = fixture.commit({"new": "n\n"}, parents=[landed])
    outcome = merge(fixture.project, start, submission)
    assert isinstance(outcome, Merged)
    assert fixture.tree(outcome.tree) == fixture.tree(submission)


def test_a_submission_without_common_history_is_refused(fixture: Fixture) -> None:
    """libgit2 alone would put the files of both side by side, and the base would have two roots."""
    outcome = conflict(fixture, fixture.tip(), fixture.commit({"new": "n\n"}, parents=[]))
    assert outcome.files == ()
    assert "shares no history" in outcome.refused


def test_several_merge_bases_are_merged_first(fixture: Fixture, run_git: Callable[..., str]) -> None:
    """Criss-cross: each side has merged the other before. Either merge base alone would give a conflict."""
    lines = [f"line {number}\n" for number in range(30)]

    def text(**changed: str) -> str:
        return "".join(f"{changed.get(f'l{number}', line[:-1])}\n" for number, line in enumerate(lines))

    start = fixture.land({"a": text()})
    x = fixture.commit({"a": text(l5="X")}, parents=[start])
    y = fixture.commit({"a": text(l20="Y")}, parents=[start])
    one = fixture.commit({"a": text(l5="X", l20="Y")}, parents=[x, y])
    other = fixture.commit({"a": text(l5="X2", l20="Y")}, parents=[y, x])
    outcome = merge(fixture.project, one, other)
    assert isinstance(outcome, Merged)
    assert fixture.tree(outcome.tree)["a"].decode() == text(l5="X2", l20="Y")
    if run_git(fixture.root, "merge-tree", "--write-tree", one, other, check=False):  # git 2.38 and newer
        assert run_git(fixture.root, "merge-tree", "--write-tree", one, other).strip() == outcome.tree


def test_a_mode_that_one_side_changed_is_kept_and_two_modes_of_one_new_file_conflict(
    fixture: Fixture,
) -> None:
    """Of two modes libgit2 alone would take the base's, and the submission's would be lost without a word."""
    start = fixture.land({"old": "text\n"})
    base = fixture.commit({"old": ("exec", "text\n")}, parents=[start])
    outcome = merge(fixture.project, base, fixture.commit({"old": "more\n", "b": "b\n"}, parents=[start]))
    assert isinstance(outcome, Merged)
    assert fixture.modes(outcome.tree)["old"] == 0o100755
    submission = fixture.commit({"new": ("exec", "same\n"), "other": "o\n"}, parents=[start])
    base = fixture.commit({"new": "same\n"}, parents=[start])
    (file,) = conflict(fixture, base, submission).files
    assert file.path == "new"
    assert "it is not executable, unlike" in file.shown
    assert [change.commit for change in file.changes] == [base]
