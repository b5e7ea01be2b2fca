"""One service on a repository, the other commands beside it, and where it listens."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import MakePlace
from .history import assert_sound, ids, stop_when_landed
from .places import SPEC, Place, Work, part
from .service import is_alive

pytestmark = pytest.mark.slow

HELD = Work("a1", [[part("a1"), ["hold", "a1"], ["submit"]]])


@contextmanager
def taken(port: int = 0) -> Iterator[int]:
    """A port of loopback that another program listens on."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.req("V1-02")
def test_a_second_run_ends_at_once_and_names_the_first(make: MakePlace) -> None:
    place: Place = make({"alpha": [HELD]})
    first = place.run()
    place.await_held("a1")
    second = place.run()
    assert second.end() == 1
    assert f"process {first.pid}" in second.log
    assert second.log.count("\n") == 1
    # It disturbed nothing:
    assert first.process.poll() is None
    assert is_alive(place.events("start", "a1")[0]["pid"])
    place.let_go("a1")
    stop_when_landed(place, first, 1)


@pytest.mark.req("V1-29", "V1-30")
def test_the_other_commands_work_while_it_runs(make: MakePlace) -> None:
    place: Place = make({"alpha": [HELD]})
    service = place.run()
    address = service.listening()
    place.await_held("a1")
    ticket = ids(place)["a1"]

    status = place.status()
    assert status["tickets"] == {"open": 0, "in-progress": 1, "done": 0, "stuck": 0}
    (agent,) = status["agents"]
    assert (agent["ticket"], agent["branch"], agent["harness"], agent["attempt"]) == (
        ticket, f"scriptorium/ticket-{ticket}", "command", 1,
    )  # fmt: skip
    assert agent["pid"] == place.events("start", "a1")[0]["pid"]
    assert status["service"] == {"running": True, "pid": service.pid, "endpoint": address}
    assert status["base"] == {
        "branch": "main", "oid": place.git("rev-parse", "main").strip(), "health": "green",
        "since": None, "check": None, "log": None,
    }  # fmt: skip
    text = place.scriptorium("status").stdout.splitlines()
    assert text[:4] == ["Open: 0", "In Progress: 1", "Done: 0", f"Active Agent: {ticket}"]

    rows = json.loads(place.scriptorium("worktrees", "--json").stdout)
    assert [(row["ticket"], row["branch"]) for row in rows if row["ticket"]] == [
        (ticket, f"scriptorium/ticket-{ticket}")
    ]
    done = place.scriptorium("plan", "--from", "-", stdin=SPEC + "\nAnd more.\n")
    assert done.returncode == 0, done.stderr
    service.wait_for("architect started")

    place.let_go("a1")
    service.wait_for(f"{ticket} landed")
    service.stop()
    assert place.status()["service"] == {"running": False, "pid": None, "endpoint": None}
    assert_sound(place)


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(make: MakePlace) -> None:
    place: Place = make({"alpha": [HELD]})
    with taken() as port:
        service = place.run("--port", str(port))
        assert service.end() == 1
        assert str(port) in service.log
        assert service.log.count("\n") == 1
    assert place.events() == []
    assert_sound(place)


def test_a_port_of_the_config_that_is_taken_is_an_error(make: MakePlace) -> None:
    with taken() as port:
        place: Place = make({}, config={"endpoints": {"local": f"http://127.0.0.1:{port}"}})
        service = place.run_as_configured()
        assert service.end() == 1
        assert str(port) in service.log


@pytest.mark.req("V1-03")
def test_the_default_port_gives_way_and_that_is_said(make: MakePlace) -> None:
    place: Place = make({}, spec=None, planted=False)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(taken(8097))
        except OSError:
            pytest.skip("another program of this machine listens on the default port, and may end any time")
        service = place.run_as_configured()
        address = service.listening()
        assert "8097" not in address
        assert "8097 is taken" in service.log
        assert place.status()["service"]["endpoint"] == address
        service.stop()
