"""What an agent is shown of a conflict: the files, who changed them on the base, the hunks; all bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import FileMode

from scriptorium.code import base_changes
from scriptorium.code.base_changes import CHANGES_NAMED, BaseChange
from scriptorium.code.conflicts import SHOWN_BYTES, ConflictedFile
from scriptorium.code.hunks import HUNK_LINES, conflict_hunks, patch_hunks
from scriptorium.code.merge import Conflicted, merge
from scriptorium.code.repository import signature
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Content, Fixture

Files = Mapping[str, "Content"]
LINES = [f"line {number}\n" for number in range(200)]
TEXT = "".join(LINES)


def conflicts(fixture: Fixture, base: Oid, submission: Oid) -> Sequence[ConflictedFile]:
    outcome = merge(fixture.project, base, submission)
    assert isinstance(outcome, Conflicted)
    assert outcome.refused == ""
    return outcome.files


def between(fixture: Fixture, first: Files, ours: Files, theirs: Files) -> dict[str, str]:
    """The conflicts of two sides that began with `first`: what is shown, by path."""
    start = fixture.commit(first, parents=[fixture.tip()])
    base = fixture.commit(ours, parents=[start])
    submission = fixture.commit(theirs, parents=[start])
    return {file.path: file.shown for file in conflicts(fixture, base, submission)}


def changed(**at: str) -> str:
    """The long text with some lines changed: `l5="x"`."""
    return "".join(
        f"{at[f'l{number}']}\n" if f"l{number}" in at else line for number, line in enumerate(LINES)
    )


@pytest.mark.req("V1-26")
def test_the_files_in_conflict_are_named_with_their_hunks(bare: Fixture) -> None:
    found = between(
        bare,
        {"a": "one\n", "b/words": "alpha\nbeta\ngamma\n", "c": "c\n"},
        {"a": "yours\n", "b/words": "alpha\nbéta\ngamma\n", "c": "C\n"},
        {"a": "mine\n", "b/words": "alpha\nBETA\ngamma\n"},
    )
    assert list(found) == ["a", "b/words"]
    assert found["a"] == "@@ line 1 @@\n<<<<<<< base\nyours\n=======\nmine\n>>>>>>> submission\n"
    assert "\nalpha\n<<<<<<< base\nbéta\n=======\nBETA\n>>>>>>> submission\ngamma\n" in found["b/words"]


def test_only_the_surroundings_of_a_hunk_are_shown(bare: Fixture) -> None:
    found = between(bare, {"a": TEXT}, {"a": changed(l100="yours")}, {"a": changed(l100="mine")})
    assert found["a"].startswith("@@ line 98 @@\nline 97\nline 98\nline 99\n<<<<<<< base\nyours\n")
    assert found["a"].endswith(">>>>>>> submission\nline 101\nline 102\nline 103\n")


def test_a_file_is_shown_by_three_hunks_and_each_side_of_a_hunk_is_seen(bare: Fixture) -> None:
    places = (10, 50, 51, 90, 130, 170)
    ours, theirs = ({f"l{place}": f"{who} {place}" for place in places} for who in ("yours", "mine"))
    found = between(bare, {"a": TEXT}, {"a": changed(**ours)}, {"a": changed(**theirs)})["a"]
    assert found.count("<<<<<<< base") == 3
    assert found.endswith("[… 2 more places in this file …]\n")
    ours["l10"], theirs["l10"] = "y\n" * 500, "m\n" * 500 + "z" * 5_000
    found = between(bare, {"a": TEXT}, {"a": changed(**ours)}, {"a": changed(**theirs)})["a"]
    assert "\ny\n" in found
    assert "\nm\n" in found
    assert len(found) < 2_000
    (_, first, *_) = found.split("@@ line ")
    assert len(first.splitlines()) <= HUNK_LINES


def test_neighbouring_hunks_do_not_show_a_line_twice() -> None:
    text = "1\n<<<<<<< base\na\n=======\nb\n>>>>>>> submission\n2\n3\n"
    shown = conflict_hunks(text * 2)
    assert shown.count("\n2\n3\n") == 2
    assert shown.count("\n1\n") == 2
    assert "\n3\n1\n@@ line 10 @@\n<<<<<<< base\n" in shown


@pytest.mark.parametrize("text", ["", "none\n", "<<<<<<< base\nopen\n", "=======\n>>>>>>> submission\n"])
def test_no_hunk_where_there_is_none(text: str) -> None:
    assert conflict_hunks(text) == ""
    assert patch_hunks(text) == ""


def test_only_newlines_end_a_line_and_returns_go(bare: Fixture) -> None:
    found = between(bare, {"a": "1\r\n"}, {"a": "x\fy\u2028z\r\n"}, {"a": "2\r\n"})["a"]
    assert found.startswith("@@ line 1 @@\n<<<<<<< base\nx\fy\u2028z\n=======\n2\n")


def test_what_is_shown_is_bounded_in_all_and_all_files_are_named(bare: Fixture) -> None:
    names = [f"f{number:03}" for number in range(103)]
    found = between(
        bare, dict.fromkeys(names, "x\n"), dict.fromkeys(names, "ü" * 99 + "\n"), dict.fromkeys(names, "é\n")
    )
    assert list(found) == names
    assert sum(len(shown.encode()) for shown in found.values()) <= SHOWN_BYTES
    assert found[names[10]]
    assert not any(found[name] for name in names[100:])


@pytest.mark.parametrize(
    ("first", "ours", "theirs", "said"),
    [
        ("text\n", None, "changed\n", "deleted or renamed by the base, changed by the submission:\n@@"),
        ("text\n", "changed\n", None, "deleted or renamed by the submission, changed by the base:\n@@"),
        (b"\0one", b"\0two", b"\0three", "binary"),
        (b"\0one", None, b"\0three", "deleted or renamed by the base, changed by the submission\n"),
        (b"caf\xe9\n", b"caf\xe8\n", b"caf\xea\n", "not UTF-8"),
        ("x\n", "y" * 1_100_000 + "\n", "z\n", "too large"),
        ("x\n", ("link", "y"), "z\n", "a symbolic link on the base, a file in the submission"),
        (("link", "x"), ("link", "y"), ("link", "z"), "a symbolic link, to y on the base, to z in the"),
        ("x\n", "y\r\n", "z\n", "lines end in CRLF on the base, in LF in the submission\n@@"),
        ("x\ny\n", "y\r\ny\n", "z\r\ny\r\n", "in LF and CRLF on the base, in CRLF in the submission\n@@"),
    ],
)
def test_conflicts_of_every_kind_are_described(
    bare: Fixture, first: Content, ours: Content, theirs: Content, said: str
) -> None:
    (shown,) = between(bare, {"thing": first}, {"thing": ours}, {"thing": theirs}).values()
    assert said in shown


def test_a_file_where_the_other_side_has_a_folder(bare: Fixture) -> None:
    found = between(bare, {}, {"place/inside": "a folder\n"}, {"place": "a file\n"})
    assert found == {"place": "a file in the submission, a folder in the base\n"}


def test_renames_that_do_not_agree(bare: Fixture) -> None:
    found = between(bare, {"a": TEXT}, {"a": None, "b": TEXT}, {"a": None, "c": TEXT})
    assert list(found) == ["a", "b", "c"]
    assert found["a"].startswith("renamed by one side")
    assert found["b"].startswith("renamed to this by the base")
    found = between(
        bare, {"a": TEXT, "b": TEXT.upper()}, {"a": None, "c": TEXT}, {"b": None, "c": TEXT.upper()}
    )
    assert found["b"] == "renamed by the submission, to a name that the base uses too\n"


def test_a_file_that_an_attribute_keeps_from_being_merged(fixture: Fixture) -> None:
    fixture.land({".gitattributes": "a -merge\n"})
    found = between(fixture, {"a": TEXT}, {"a": changed(l5="yours")}, {"a": changed(l150="mine")})
    assert "an attribute keeps it from being merged by lines" in found["a"]


def test_a_submodule(bare: Fixture) -> None:
    def at(oid: str, parent: Oid) -> Oid:
        repo = bare.open()
        index = pygit2.Index()
        index.read_tree(repo[parent].peel(pygit2.Tree))
        index.add(pygit2.IndexEntry("mod", pygit2.Oid(hex=oid * 40), FileMode.COMMIT))
        parents: list[pygit2.Oid | str] = [parent]
        tree = index.write_tree(repo)
        return Oid(str(repo.create_commit(None, signature(), signature(), "m", tree, parents)))

    start = at("1", bare.tip())
    (file,) = conflicts(bare, at("2", start), at("3", start))
    assert file.shown == f"a submodule, at {'2' * 40} on the base, at {'3' * 40} in the submission\n"


# ---------------------------------------------------------------- who changed it


def landing(fixture: Fixture, base: Oid, ticket: str, files: Files, *, message: str = "") -> Oid:
    """A commit as landing makes it."""
    repo = fixture.open()
    submission = fixture.commit(files, parents=[base])
    text = message or f"Title ({ticket})\n\n    Ticket: 9999\n\nTicket: {ticket}\nSubmitted: {submission}\n"
    parents: list[pygit2.Oid | str] = [base, submission]
    tree = repo[submission].peel(pygit2.Tree).id
    return Oid(str(repo.create_commit(None, signature(), signature(), text, tree, parents)))


@pytest.mark.req("V1-26")
def test_the_landings_that_changed_a_file_are_named_newest_first(bare: Fixture) -> None:
    start = bare.tip()
    submission = bare.commit({"a": "mine\n", "b": "mine\n"}, parents=[start])
    first = landing(bare, start, "0003", {"a": "3\n", "c": "3\n"})
    second = landing(bare, first, "0004", {"c": "4\n"})
    third = bare.commit({"b": "by hand\n"}, parents=[second])
    fourth = landing(bare, third, "0007", {"a": "7\n"})
    a, b = conflicts(bare, fourth, submission)
    assert a.changes == (BaseChange(fourth, TicketId("0007")), BaseChange(first, TicketId("0003")))
    assert b.changes == (BaseChange(third, None),)
    assert [str(change) for change in (*a.changes[:1], *b.changes)] == [
        f"ticket 0007 in {fourth[:10]}", f"commit {third[:10]}",
    ]  # fmt: skip


def test_what_the_submission_was_made_on_is_not_the_other_side(bare: Fixture) -> None:
    before = landing(bare, bare.tip(), "0001", {"a": "1\n"})
    submission = bare.commit({"a": "mine\n"}, parents=[before])
    after = landing(bare, before, "0002", {"a": "2\n"})
    (file,) = conflicts(bare, after, submission)
    assert [change.ticket for change in file.changes] == ["0002"]


def test_the_search_is_bounded(bare: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_changes, "LANDINGS_READ", 8)
    tip = start = bare.tip()
    submission = bare.commit({"a": "mine\n", "old": "mine\n"}, parents=[start])
    tip = landing(bare, tip, "0001", {"old": "1\n"})
    for number in range(2, 10):
        tip = landing(bare, tip, f"{number:04d}", {"a": f"{number}\n"})
    a, old = conflicts(bare, tip, submission)
    assert [change.ticket for change in a.changes] == ["0009", "0008", "0007", "0006", "0005"]
    assert len(a.changes) == CHANGES_NAMED
    assert old.changes == ()


def test_only_scriptoriums_own_merges_are_landings_of_a_ticket(bare: Fixture) -> None:
    message = "Mine\n\nTicket: 0001\n"
    start = bare.tip()
    submission = bare.commit({"a": "mine\n"}, parents=[start])
    first = bare.commit({"a": "1\n"}, parents=[start], message=message)
    second = bare.commit({"a": "2\n"}, parents=[first, bare.commit({}, parents=[start])], message=message)
    third = landing(bare, second, "0003", {"a": "3\n"}, message="Ticket: 0003\n\nsaid before\n")
    (file,) = conflicts(bare, third, submission)
    assert file.changes == (BaseChange(third, None), BaseChange(second, None), BaseChange(first, None))
