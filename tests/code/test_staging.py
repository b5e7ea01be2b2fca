"""The folder in which landings write first: kept from one to the next, and nothing that is in it believed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scriptorium.code.landing import Landed, finish_landing
from tests.code.landings import CHANGES, TICKET, Git, submit, try_landing

if TYPE_CHECKING:
    from tests.code.conftest import Content, Fixture

MOMENT = 1_700_000_000


def _land(fixture: Fixture, files: dict[str, Content]) -> None:
    evidence, commit = submit(fixture, files)
    assert try_landing(fixture, evidence, commit) == Landed(commit)
    finish_landing(fixture.project, TICKET)


def _staging(fixture: Fixture) -> Path:
    return fixture.root / ".scriptorium" / "landing"


@pytest.mark.parametrize(
    "name", ["", "HEAD", "commondir", "gitdir", "tree", "index", "index.lock", "config", "config.worktree"]
)
@pytest.mark.parametrize("target", ["file", "folder"])
def test_links_that_an_agent_planted_are_not_followed(
    fixture: Fixture, run_git: Git, tmp_path: Path, name: str, target: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "folder").mkdir(parents=True)
    (elsewhere / "file").write_text("precious\n")
    os.utime(elsewhere / "folder", (MOMENT, MOMENT))
    _land(fixture, {"one.txt": "one\n"})
    planted = _staging(fixture) / name if name else _staging(fixture)
    if planted.exists():
        planted.rename(tmp_path / "was")
    planted.symlink_to(elsewhere / target)

    _land(fixture, {"two.txt": "two\n"})

    assert (fixture.root / "two.txt").read_text() == "two\n"
    assert run_git(fixture.root, "status", "--porcelain") == ""
    assert {path.name for path in elsewhere.rglob("*")} == {"file", "folder"}
    assert (elsewhere / "file").read_text() == "precious\n"
    assert (elsewhere / "folder").stat().st_mtime == MOMENT, "something was written there for a moment"


def test_files_that_an_agent_planted_do_not_land(fixture: Fixture, run_git: Git) -> None:
    run_git(fixture.root, "config", "extensions.worktreeConfig", "true")
    _land(fixture, {"one.txt": "one\n"})
    staging = _staging(fixture)
    (staging / "config.worktree").write_text("[core]\n\tautocrlf = true\n\tsymlinks = false\n")
    (staging / "index").write_bytes((fixture.project.git_dir / "index").read_bytes()[:-30])
    (staging / "index.lock").write_text("")
    (staging / "tree" / "deep").mkdir()
    (staging / "tree" / "deep" / "two.txt").write_text("planted\n")
    (staging / "tree" / ".gitattributes").write_text("*.txt eol=crlf\n")

    _land(fixture, {"deep/two.txt": "two\n", "link": ("link", "one.txt")})

    assert (fixture.root / "deep" / "two.txt").read_bytes() == b"two\n"
    assert (fixture.root / "link").is_symlink()
    assert run_git(fixture.root, "status", "--porcelain") == ""


def test_the_users_own_attributes_do_not_count(fixture: Fixture, run_git: Git) -> None:
    """Those that count are the landed ones, whether their file changes with them or not."""
    _land(fixture, {".gitattributes": "*.txt text eol=crlf\n"})
    (fixture.root / ".gitattributes").write_text("*.txt -text\n")

    _land(fixture, {"one.txt": "one\n"})

    assert (fixture.root / "one.txt").read_bytes() == b"one\r\n"


def test_a_second_landing_makes_nothing_but_what_it_moves(fixture: Fixture) -> None:
    """On some disks a landing costs as many files as it makes."""
    _land(fixture, {"one.txt": "one\n"})
    kept = {path.name: path.lstat().st_ino for path in _staging(fixture).iterdir()}
    evidence, commit = submit(fixture, {"two.txt": "two\n"})

    assert try_landing(fixture, evidence, commit) == Landed(commit)

    assert {path.name: path.lstat().st_ino for path in _staging(fixture).iterdir()} == kept
    assert set(kept) == {"HEAD", "commondir", "gitdir", "tree"}


def test_git_need_not_read_again_what_was_landed(fixture: Fixture, run_git: Git) -> None:
    run_git(fixture.root, "update-index", "--refresh", check=False)
    _land(fixture, dict(CHANGES))
    # Unlike `status` it does not look into a file whose stat data is not the index's.
    assert run_git(fixture.root, "diff-files") == ""


@pytest.mark.parametrize("links", ["hard links", "none"])
def test_a_change_within_the_indexs_moment_is_not_lost_to_sight(
    fixture: Fixture, run_git: Git, links: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git mistrusts entries no older than their index; one that is written anew must not hide them."""
    run_git(fixture.root, "config", "core.trustctime", "false")
    index, readme = fixture.project.git_dir / "index", fixture.root / "README.md"
    os.utime(readme, (MOMENT, MOMENT))
    run_git(fixture.root, "update-index", "--refresh", check=False)
    readme.write_text("# PROJECT\n")
    for path in (readme, index):
        os.utime(path, (MOMENT, MOMENT))
    assert run_git(fixture.root, "diff-files", "--name-only") == "README.md\n"
    if links == "none":
        monkeypatch.setattr(os, "link", _refuse)

    _land(fixture, {"one.txt": "one\n"})

    assert run_git(fixture.root, "diff-files", "--name-only") == "README.md\n"
    assert index.stat().st_nlink == 1


def _refuse(_source: Path, _target: Path) -> None:
    raise OSError(errno.EPERM, "no hard links here")


def test_a_checkout_without_an_index_gets_one(fixture: Fixture, run_git: Git) -> None:
    (fixture.project.git_dir / "index").unlink()
    _land(fixture, {"one.txt": "one\n"})
    assert run_git(fixture.root, "ls-files") == "one.txt\n"
