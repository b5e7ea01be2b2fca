"""The whole process and a remote over the network: pushed, refused, killed in between, silent."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from .git_server import GitServer
from .places import Place, good, make_place

pytestmark = pytest.mark.slow

REMOTE = {"remote": {"name": "origin", "push": True}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, server: GitServer) -> Iterator[Place]:
    place = make_place(tmp_path, {"core": [good("one")]}, config=REMOTE)
    place.git("remote", "add", "origin", server.url)
    yield place
    assert place.clear_away() == []


def tip(place: Place) -> str:
    return place.git("rev-parse", "main").strip()


def test_a_kill_between_landing_and_push_is_settled_by_asking(place: Place, server: GitServer) -> None:
    place.git("push", "-q", "origin", "main")
    before = server.tip()
    server.hold_pushes()
    service = place.run()
    server.await_held()
    service.wait_for("0001 landed as")
    service.kill()
    server.hook(None)
    server.refuse_held()
    landed = tip(place)
    assert server.tip() == before != landed
    assert (
        f"Remote: origin/main at {before[:12]}, lacks 2 commits of main" in place.scriptorium("status").stdout
    )
    place.finish()
    assert server.tip() == landed == tip(place)
    assert server.refs() == ["refs/heads/main"]
    assert place.status()["remote"] == {
        "name": "origin", "branch": "main", "tip": landed, "behind": 0, "error": None, "since": None,
    }  # fmt: skip


def test_a_hook_that_refuses_is_quoted_and_holds_up_nothing_but_the_push(
    place: Place, server: GitServer
) -> None:
    server.hook("printf 'read docs/\\033[1mPUSHING' >&2; exit 1")
    service = place.run()
    service.wait_for("remote origin: pre-receive hook declined: read docs/ .1mPUSHING$")
    service.wait_for("0001 landed as")
    said = place.scriptorium("status").stdout
    assert re.search(
        r"^not pushed: origin/main lacks \d commits?, since .*: pre-receive hook declined: ", said, re.M
    )
    assert place.status()["remote"]["error"].startswith("pre-receive hook declined")
    service.stop()
    assert server.tip() == ""


def test_a_stop_does_not_wait_for_a_server_that_says_nothing(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place.git("remote", "set-url", "origin", f"git://127.0.0.1:{silent.getsockname()[1]}/x.git")
        service = place.run()
        connection, _ = silent.accept()
        with connection:
            service.stop()
        assert "remote origin:" not in service.log, "it waited until the server was given up"


def test_a_remote_that_is_not_there_ends_the_start_with_what_to_do(place: Place) -> None:
    place.git("remote", "remove", "origin")
    service = place.run()
    assert service.end() == 1
    assert "git remote add origin URL" in service.log
