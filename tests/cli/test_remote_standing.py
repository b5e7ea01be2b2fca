"""What ``status`` says of the remote: with a service, without one, and when nothing is pushed."""

from __future__ import annotations

import json
from pathlib import Path

import pygit2
import pytest

from scriptorium.cli.remote_standing import RemoteView, remote_view
from scriptorium.config import Config, RemoteConfig
from scriptorium.plan.ids import Oid

from .planned import commit

PUSHED = Config(remote=RemoteConfig("origin", push=True))
SAID = {"name": "origin", "branch": "main", "tip": "a" * 40, "behind": 2, "error": "down", "since": "then"}


@pytest.fixture
def repo(tmp_path: Path) -> pygit2.Repository:
    """A repository that knows of `origin` one commit less than it has."""
    first = commit(tmp_path / "repo", {"a": "1"})
    commit(tmp_path / "repo", {"a": "2"})
    repo = pygit2.Repository(str(tmp_path / "repo"))
    repo.references.create("refs/remotes/origin/main", pygit2.Oid(hex=first))
    return repo


def view(repo: pygit2.Repository, config: Config, said: Path | None = None) -> RemoteView | None:
    return remote_view(repo, config, "main", Oid(str(repo.head.target)), said)


def test_nothing_is_said_where_nothing_is_pushed(repo: pygit2.Repository) -> None:
    assert view(repo, Config()) is None
    assert view(repo, Config(remote=RemoteConfig("origin"))) is None


def test_without_a_service_the_repository_says_what_was_seen_last(repo: pygit2.Repository) -> None:
    found = view(repo, PUSHED)
    assert found is not None
    assert (found.behind, found.error) == (1, None)
    assert found.line == f"Remote: origin/main at {str(found.tip)[:12]}, lacks 1 commit of main"
    repo.references.delete("refs/remotes/origin/main")
    unknown = view(repo, PUSHED)
    assert unknown is not None
    assert unknown.line == "Remote: origin/main, not known where"
    assert unknown.document()["behind"] is None


def test_a_service_is_believed(repo: pygit2.Repository, tmp_path: Path) -> None:
    path = tmp_path / "condition.json"
    path.write_text(json.dumps({"lines": [], "remote": SAID}))
    found = view(repo, PUSHED, path)
    assert found is not None
    assert found.document() == SAID
    assert found.line == "Remote: origin/main at aaaaaaaaaaaa, lacks 2 commits of main"
    assert RemoteView("origin", "main", "b" * 40, 0).line == "Remote: origin/main at bbbbbbbbbbbb, up to date"


@pytest.mark.parametrize(
    "said", ["", "[]", '{"remote": 1}', json.dumps({"remote": SAID | {"tip": 1}}), json.dumps({"remote": {}})]
)
def test_what_cannot_be_read_is_passed_over(repo: pygit2.Repository, tmp_path: Path, said: str) -> None:
    path = tmp_path / "condition.json"
    path.write_text(said)
    found = view(repo, PUSHED, path)
    assert found is not None
    assert found.behind == 1
