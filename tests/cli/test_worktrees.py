"""``worktrees``: a row for each, from the disk and from git."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scriptorium.cli import main
from scriptorium.code.repository import discover, ensure_state_dir
from scriptorium.code.worktrees import prepare_base_worktree, prepare_worktree
from scriptorium.plan.ids import Oid, Slug, TicketId

from .conftest import Scriptorium
from .planned import plan_of
from .test_init import git

pytestmark = pytest.mark.req("V1-30")


@pytest.fixture
def worked(repo: Path) -> Path:
    """A worktree of a ticket, one whose folder is gone, one that git does not know, and the base's."""
    plan_of(repo, 2)
    project = discover(repo)
    ensure_state_dir(project)
    tip = Oid(git(repo, "rev-parse", "main"))
    prepare_worktree(project, TicketId("0001"), Slug("parser"), tip)
    gone = prepare_worktree(project, TicketId("0002"), Slug("lexer"), tip)
    shutil.rmtree(gone.path)
    (gone.path.parent / "0003-odd").mkdir()
    prepare_base_worktree(project, tip)
    git(repo, "worktree", "add", "--quiet", "-b", "mine", str(repo.parent / "mine"))
    return repo


def test_the_text_has_a_row_for_each(worked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worktrees", "-C", str(worked)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    rows = {tuple(line.split(maxsplit=3)) for line in shown.out.splitlines()}
    state = worked / ".scriptorium" / "worktrees"
    base = {row for row in rows if row[1:] == ("-", "-")}
    assert len(base) == 1
    assert rows - base == {
        (f"{state}/tickets/0001-parser", "0001", "scriptorium/ticket-0001"),
        (f"{state}/tickets/0002-lexer", "0002", "scriptorium/ticket-0002", "(its folder is gone)"),
        (f"{state}/tickets/0003-odd", "0003", "-", "(git does not know it)"),
    }


def test_the_json_has_the_same_rows(worked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worktrees", "-C", str(worked)]) == 0
    text = [line.split(maxsplit=3)[:3] for line in capsys.readouterr().out.splitlines()]
    assert main(["worktrees", "--json", "-C", str(worked)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [set(row) for row in rows] == [{"path", "ticket", "branch"}] * len(text)
    assert [[row["path"], row["ticket"] or "-", row["branch"] or "-"] for row in rows] == text


@pytest.mark.slow
@pytest.mark.req("V1-00a")
def test_what_it_lists_is_what_git_lists(scriptorium: Scriptorium, worked: Path) -> None:
    listed = git(worked, "worktree", "list", "--porcelain").splitlines()
    known = {line.removeprefix("worktree ") for line in listed if line.startswith("worktree ")}
    done = scriptorium("worktrees", "--json", cwd=worked / ".scriptorium")
    assert done.returncode == 0
    ours = {row["path"] for row in json.loads(done.stdout)}
    assert {path for path in known if ".scriptorium" in path} <= ours
    assert str(worked) not in ours


def test_none_is_no_row(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worktrees", "-C", str(repo)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["worktrees", "--json", "-C", str(repo)]) == 0
    assert json.loads(capsys.readouterr().out) == []
