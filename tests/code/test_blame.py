"""Which commit of the base's first-parent line brought a line: as git says it, for whatever the file is."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import pygit2
import pytest

from scriptorium.code import blame
from scriptorium.code.blame import NoSuchLine, Share, find_file, last_change, line_origin, shares
from scriptorium.code.repository import branch_tip
from scriptorium.plan.ids import Oid

from .conftest import Content, Fixture, git


def land(fixture: Fixture, files: Mapping[str, Content]) -> Oid:
    """Land as scriptorium does: an agent's commit on the base, merged with it."""
    tip = fixture.tip()
    work = fixture.commit(files, parents=[tip], message="the agent's own")
    return fixture.commit(files, parents=[tip, work], branch=fixture.branch, message="landed")


def origin(fixture: Fixture, path: str, line: int) -> Oid:
    repo = fixture.open()
    return line_origin(repo, find_file(repo, fixture.tip(), path), line)


def test_a_line_is_of_the_landing_and_not_of_the_agents_commit(bare: Fixture) -> None:
    first = bare.tip()
    landed = land(bare, {"src/lib/words.txt": "alpha\nBETA\ngamma\n"})
    later = land(bare, {"other": "x"})
    assert [origin(bare, "src/lib/words.txt", line) for line in (1, 2, 3)] == [first, landed, first]
    repo = bare.open()
    file = find_file(repo, later, "src/lib/words.txt")
    assert shares(repo, file) == (Share(landed, 1), Share(first, 2))
    assert last_change(repo, file) == landed
    assert file.line(2) == "BETA"


def test_a_change_that_left_no_line_is_the_last_all_the_same(bare: Fixture) -> None:
    shorter = land(bare, {"src/lib/words.txt": "alpha\nbeta\n"})
    repo = bare.open()
    file = find_file(repo, shorter, "src/lib/words.txt")
    assert last_change(repo, file) == shorter
    assert [share.commit for share in shares(repo, file)] != [shorter]


def test_a_file_that_was_deleted_came_with_what_brought_it_back(bare: Fixture) -> None:
    land(bare, {"src/app.py": None})
    again = land(bare, {"src/app.py": "print('one')\n"})
    repo = bare.open()
    assert last_change(repo, find_file(repo, again, "src/app.py")) == again
    assert origin(bare, "src/app.py", 1) == again


def test_it_says_what_git_says(bare: Fixture) -> None:
    random = Random(4)  # noqa: S311 - an example to repeat, not a secret
    lines = [f"line {number % 5}\n" for number in range(20)]
    path = "a.txt"
    for step in range(25):
        gone: dict[str, Content] = {path: None} if step and step % 8 == 0 else {}
        path = f"b{step}.txt" if gone else path
        place = random.randrange(len(lines))
        match random.randrange(4):
            case 0:
                lines[place] = f"changed {random.randrange(5)}\n"
            case 1:
                lines.insert(place, f"new {random.randrange(5)}\n")
            case 2:
                del lines[place]
            case _:
                lines = [*lines[place:], *lines[:place]]
        land(bare, {**gone, path: "".join(lines)})
    repo = bare.open()
    said = git(bare.root, "blame", "--first-parent", "--no-abbrev", "-s", "main", "--", path).splitlines()
    expected = [line.lstrip("^")[:40] for line in said]
    assert [origin(bare, path, line)[: len(found)] for line, found in enumerate(expected, 1)] == expected
    found = shares(repo, find_file(repo, bare.tip(), path))
    assert {share.commit: share.lines for share in found} == {c: expected.count(c) for c in set(expected)}


@pytest.mark.parametrize(
    ("path", "line", "problem"),
    [
        ("none.txt", 1, "there is no such file"),
        ("src/app.py/below", 1, "there is no such file"),
        ("..", 1, "there is no such file"),
        ("", 1, "there is no such file"),
        (".", 1, "it is a folder"),
        ("src", 1, "it is a folder"),
        ("module", 1, "it is a submodule"),
        ("src/app.py", 2, "there is no line 2; its lines are 1 only"),
        ("src/app.py", 0, "there is no line 0"),
        ("src/lib/words.txt", 4, "its lines are 1 to 3"),
        ("empty", 1, "its lines are none: it is empty"),
        ("binary", 1, "it is binary"),
        ("large", 1, "it is larger than 64 bytes"),
    ],
)
def test_what_is_not_there_is_said(
    bare: Fixture, monkeypatch: pytest.MonkeyPatch, path: str, line: int, problem: str
) -> None:
    monkeypatch.setattr(blame, "MAX_FILE_BYTES", 64)
    repo = bare.open()
    bare.commit({"empty": "", "binary": b"a\0b\n", "large": "x\n" * 40}, branch="main")
    tip = repo[bare.tip()].peel(pygit2.Commit)
    with_module = repo.TreeBuilder(tip.tree)
    with_module.insert("module", tip.id, pygit2.enums.FileMode.COMMIT)
    who = pygit2.Signature("A", "a@b", 1_700_000_000, 0)
    commit = Oid(str(repo.create_commit(None, who, who, "m", with_module.write(), [tip.id])))
    with pytest.raises(NoSuchLine, match=problem):
        line_origin(repo, find_file(repo, commit, path), line)


def test_a_file_without_lines_has_a_last_change_all_the_same(bare: Fixture) -> None:
    landed = land(bare, {"binary": b"a\0b\n"})
    later = land(bare, {"x": "y"})
    repo = bare.open()
    file = find_file(repo, later, "binary")
    assert (last_change(repo, file), shares(repo, file)) == (landed, ())


def test_a_name_need_not_be_text(bare: Fixture) -> None:
    landed = land(bare, {"placeholder": "one\ntwo"})
    repo = bare.open()
    tree = repo[landed].peel(pygit2.Tree)
    raw = tree.read_raw().replace(b"placeholder", b"pl\xffceholder")
    who = pygit2.Signature("A", "a@b", 1_700_000_000, 0)
    named = repo.odb.write(pygit2.enums.ObjectType.TREE, raw)
    tip = Oid(str(repo.create_commit(None, who, who, "m", named, [])))
    assert line_origin(repo, find_file(repo, tip, "pl\udcffceholder"), 2) == tip


def test_history_is_followed_only_so_far(bare: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blame, "MAX_COMMITS", 3)
    line = [land(bare, {"other": f"{number}\n"}) for number in range(5)]
    repo = bare.open()
    file = find_file(repo, line[-1], "src/app.py")
    assert line_origin(repo, file, 1) == line[2]
    assert shares(repo, file) == (Share(line[2], 1),)
    assert last_change(repo, file) == line[2]


def test_the_branch_and_no_checkout_is_looked_at(fixture: Fixture) -> None:
    (fixture.root / "src" / "app.py").write_text("other\n")
    assert origin(fixture, "src/app.py", 1) == branch_tip(fixture.open(), "main")
