"""Bringing the base into a ticket's branch before an agent goes on with it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from scriptorium.code import preparing
from scriptorium.code.pins import ref_names
from scriptorium.code.worktrees import Prepared, prepare_worktree
from scriptorium.plan.ids import Oid, TicketId

if TYPE_CHECKING:
    from tests.code.conftest import Content, Fixture

ONE = TicketId("0001")
BRANCH = "scriptorium/ticket-0001"
Git = Callable[..., str]


def _prepare(fixture: Fixture, *, merge_base: bool = True) -> Prepared:
    return prepare_worktree(fixture.project, ONE, "fix-it", fixture.tip(), merge_base=merge_base)


def _earlier_try(fixture: Fixture, **files: str) -> Oid:
    content = {name.replace("_", "."): text for name, text in (files or {"work_txt": "work\n"}).items()}
    return fixture.commit(content, parents=[fixture.tip()], branch=BRANCH)


@pytest.mark.req("V1-18")
@pytest.mark.parametrize("kind", ["fixture", "bare"])
def test_a_base_that_moved_on_is_merged_into_the_earlier_try(
    request: pytest.FixtureRequest, kind: str, run_git: Git
) -> None:
    fixture: Fixture = request.getfixturevalue(kind)
    earlier = _earlier_try(fixture)
    base = fixture.land({"theirs.txt": "theirs\n"})

    prepared = _prepare(fixture)

    assert (prepared.merged, prepared.conflicts) == (True, ())
    assert fixture.tip(BRANCH) == prepared.head
    assert run_git(fixture.root, "rev-parse", f"{BRANCH}^1", f"{BRANCH}^2").split() == [earlier, base]
    assert run_git(fixture.root, "log", "-1", "--format=%an <%ae> %cn <%ce>", BRANCH).strip() == (
        "scriptorium <scriptorium@localhost> scriptorium <scriptorium@localhost>"
    )
    assert run_git(prepared.path, "status", "--porcelain") == ""
    assert (prepared.path / "theirs.txt").exists()
    assert (prepared.path / "work.txt").exists()


def test_a_branch_with_nothing_of_its_own_goes_forward_without_a_commit(fixture: Fixture) -> None:
    _prepare(fixture)
    base = fixture.land({"theirs.txt": "theirs\n"})

    prepared = _prepare(fixture)

    assert (prepared.head, prepared.merged) == (base, True)
    assert (prepared.path / "theirs.txt").exists()
    assert fixture.tip(BRANCH) == base


def test_without_merge_base_nothing_is_brought_in(fixture: Fixture) -> None:
    earlier = _earlier_try(fixture)
    fixture.land({"theirs.txt": "theirs\n"})

    prepared = _prepare(fixture, merge_base=False)

    assert (prepared.head, prepared.merged) == (earlier, False)
    assert fixture.tip(BRANCH) == earlier


def test_uncommitted_work_keeps_the_base_out(fixture: Fixture) -> None:
    prepared = _prepare(fixture)
    (prepared.path / "README.md").write_text("# being changed\n")
    fixture.land({"theirs.txt": "theirs\n"})

    again = _prepare(fixture)

    assert (again.head, again.merged, again.conflicts) == (prepared.head, False, ())
    assert (prepared.path / "README.md").read_text() == "# being changed\n"
    assert not (prepared.path / "theirs.txt").exists()


def _conflict(fixture: Fixture) -> tuple[Oid, Oid]:
    """An earlier try and a base that changed the same line; the base has another file besides."""
    earlier = _earlier_try(fixture, README_md="# Ours\n", work_txt="work\n")
    base = fixture.land({"README.md": "# Theirs\n", "theirs.txt": "theirs\n"})
    return earlier, base


@pytest.mark.req("V1-18")
def test_a_conflict_is_left_as_git_merge_leaves_it(fixture: Fixture, tmp_path: Path, run_git: Git) -> None:
    earlier, base = _conflict(fixture)
    run_git(fixture.root, "worktree", "add", "-q", "--detach", str(tmp_path / "by-git"), earlier)
    run_git(tmp_path / "by-git", "merge", base, check=False)

    prepared = _prepare(fixture)

    assert prepared.conflicts == ("README.md",)
    assert (prepared.head, prepared.merged) == (earlier, False)
    assert fixture.tip(BRANCH) == earlier
    status = ("status", "--porcelain")
    assert run_git(prepared.path, *status) == run_git(tmp_path / "by-git", *status)
    assert run_git(prepared.path, "rev-parse", "MERGE_HEAD").strip() == base
    text = (prepared.path / "README.md").read_text()
    assert text.startswith("<<<<<<< ")
    assert "# Ours\n=======\n# Theirs\n>>>>>>> " in text
    staged = ("ls-files", "--stage")
    assert run_git(prepared.path, *staged) == run_git(tmp_path / "by-git", *staged)


@pytest.mark.req("V1-26")
def test_conflicts_of_every_kind_are_left_as_git_merge_leaves_them(
    fixture: Fixture, tmp_path: Path, run_git: Git
) -> None:
    """The content of each file and its mode, and what git says of it; but for the labels in the markers."""
    text = "".join(f"line {number}\n" for number in range(30))

    def side(name: str) -> dict[str, Content]:
        changed = text.replace("line 5\n", f"{name}\n")
        return {
            "text": changed, "returns": changed, "tool": ("exec", changed), "binary": f"\0{name}".encode(),
            "added": f"{name}\n", "link": ("link", name),
        }  # fmt: skip

    start = fixture.land(
        {
            ".gitattributes": "returns text eol=crlf\n",
            "text": text,
            "returns": text,
            "tool": ("exec", text),
            "binary": b"\0",
            "link": ("link", "first"),
            "mine": text,
            "yours": text,
        }
    )
    ours: dict[str, Content] = {"mine": f"{text}more\n", "yours": None}
    theirs: dict[str, Content] = {"mine": None, "yours": f"{text}more\n"}
    fixture.commit(side("ours") | ours, parents=[start], branch=BRANCH)
    base = fixture.commit(side("theirs") | theirs, parents=[start], branch=fixture.branch)
    run_git(fixture.root, "worktree", "add", "-q", "--detach", str(tmp_path / "git"), BRANCH)
    run_git(tmp_path / "git", "merge", base, check=False)

    prepared = _prepare(fixture)

    names = ["added", "binary", "link", "mine", "returns", "text", "tool", "yours"]
    assert list(prepared.conflicts) == names
    assert b"\r\n<<<<<<< HEAD\r\nours\r\n" in (prepared.path / "returns").read_bytes()
    for name in names:
        found, expected = prepared.path / name, tmp_path / "git" / name
        assert found.lstat().st_mode == expected.lstat().st_mode
        assert found.is_symlink() or found.read_bytes() == expected.read_bytes()
    assert (prepared.path / "link").readlink() == (tmp_path / "git" / "link").readlink()
    status = run_git(tmp_path / "git", "status", "--porcelain")
    assert run_git(prepared.path, "status", "--porcelain") == status


def test_a_merge_that_is_still_open_is_named_again(fixture: Fixture) -> None:
    earlier, _base = _conflict(fixture)
    prepared = _prepare(fixture)
    (prepared.path / "README.md").write_text("# half resolved\n")

    again = _prepare(fixture)

    assert (again.head, again.conflicts) == (earlier, ("README.md",))
    assert (prepared.path / "README.md").read_text() == "# half resolved\n"


def test_a_merge_that_the_agent_gave_up_is_left_again(fixture: Fixture, run_git: Git) -> None:
    _conflict(fixture)
    prepared = _prepare(fixture)
    run_git(prepared.path, "merge", "--abort")

    assert _prepare(fixture).conflicts == ("README.md",)
    assert "<<<<<<< " in (prepared.path / "README.md").read_text()


def test_an_operation_that_the_agent_left_open_is_left_alone(fixture: Fixture, run_git: Git) -> None:
    prepared = _prepare(fixture)
    other = fixture.commit({"README.md": "# Other\n"})
    (prepared.path / "README.md").write_text("# Mine\n")
    run_git(prepared.path, "commit", "-qam", "mine")
    run_git(prepared.path, "cherry-pick", other, check=False)
    fixture.land({"theirs.txt": "theirs\n"})

    again = _prepare(fixture)

    assert (again.merged, again.conflicts) == (False, ())
    assert run_git(prepared.path, "rev-parse", "CHERRY_PICK_HEAD").strip() == other


def test_histories_that_have_nothing_in_common_are_not_merged(fixture: Fixture) -> None:
    alone = fixture.commit({"alone.txt": "x\n"}, parents=[], branch=BRANCH)

    prepared = _prepare(fixture)

    assert (prepared.head, prepared.merged, prepared.conflicts) == (alone, False, ())


class Killed(BaseException):
    """Stands for a SIGKILL."""


@frozen
class Crash:
    """Where a preparation is cut short."""

    continued: bool
    conflict: bool
    step: str
    after: bool


CRASHES = [
    Crash(*case)
    for case in itertools.product(
        (True, False),
        (True, False),
        ("check_out", "leave_merge", "compare_and_swap", "finish"),
        (True, False),
    )
]


@pytest.mark.req("V1-18")
@pytest.mark.parametrize("crash", CRASHES, ids=str)
def test_a_crash_while_the_base_is_brought_in_is_made_good(
    fixture: Fixture, crash: Crash, monkeypatch: pytest.MonkeyPatch, run_git: Git
) -> None:
    earlier = _earlier_try(fixture, README_md="# Ours\n")
    if crash.continued:
        _prepare(fixture)
    base = fixture.land({"README.md": "# Theirs\n"} if crash.conflict else {"theirs.txt": "theirs\n"})
    real: Callable[..., object] = getattr(preparing, crash.step)

    def killed(*arguments: object, **named: object) -> object:
        if crash.after:
            real(*arguments, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(preparing, crash.step, killed)
        with contextlib.suppress(Killed):  # not every step is taken in every case
            _prepare(fixture)

    prepared = _prepare(fixture)

    assert ref_names(fixture.open(), "refs/scriptorium/") == ()
    if crash.conflict:
        assert prepared.conflicts == ("README.md",)
        assert prepared.head == earlier
        assert run_git(prepared.path, "rev-parse", "MERGE_HEAD").strip() == base
        assert run_git(prepared.path, "status", "--porcelain") == "UU README.md\n"
    else:
        assert run_git(prepared.path, "rev-parse", "HEAD^1", "HEAD^2").split() == [earlier, base]
        assert run_git(prepared.path, "status", "--porcelain") == ""
