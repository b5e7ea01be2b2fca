"""SIGINT and SIGTERM at each phase of `run`, from the first import on: a good end, and nothing lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import MakePlace
from .history import assert_finished, assert_sound, ids, pins, shown, subjects, tickets
from .places import Place, Work, good, part
from .service import Service, catches, is_alive, marked
from .waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.req("V1-05")]

OVER_WITHIN_SECONDS = 15.0
"""The contract *Signals*: the one duration that is promised, and so the one that is measured."""
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def end_in_time(place: Place, service: Service) -> None:
    """After the first signal: exit 0 within the time, no process left, the plan branch valid."""
    began = time.monotonic()
    assert service.end() == 0, service.log
    assert time.monotonic() - began < OVER_WITHIN_SECONDS
    assert "Traceback" not in service.log
    assert_sound(place)


# ---------------------------------------------------------------- the start


def _loaded(pid: int, what: str) -> Callable[[], bool]:
    """Whether the process has got as far as to load this library, or has read this far."""

    def look() -> bool:
        try:
            return what in Path(f"/proc/{pid}/maps").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    return look


@pytest.mark.parametrize(
    "phase",
    ["handlers", "libgit2", "_ssl", "pydantic_core", "libffi", "listening"],
)
@BOTH
def test_while_it_starts(make: MakePlace, phase: str, number: int) -> None:
    """The phases are those of the imports, in their order, seen by the libraries that they load."""
    place: Place = make({"alpha": [good("a1", ["ignore-term"], ["hold", "never"])]})
    service = place.run()
    # Python has a handler for SIGINT from the beginning, so that SIGTERM tells when ours are there.
    until(lambda: catches(service.pid, signal.SIGTERM), "the handlers", look_again_seconds=0.0)
    if phase == "listening":
        service.listening()
    elif phase != "handlers":
        until(_loaded(service.pid, phase), phase, look_again_seconds=0.0)
    service.send(number)
    end_in_time(place, service)
    assert tickets(place)["a1"] in {"open", "in-progress"}


# ---------------------------------------------------------------- at work

STUBBORN = Work(
    "a1",
    [
        [["ignore-term"], part("a1", "half"), ["hold", "a1"], ["submit"]],
        [["read", "parts/a1.txt"], part("a1"), ["submit"]],
    ],
)


@BOTH
def test_while_it_listens_and_has_nothing_to_do(make: MakePlace, number: int) -> None:
    place: Place = make({}, spec=None, planted=False)
    service = place.run()
    service.wait_for("base branch main is green")
    service.send(number)
    end_in_time(place, service)


@BOTH
@pytest.mark.req("V1-19")
def test_while_an_agent_runs_that_does_not_listen(make: MakePlace, number: int) -> None:
    """It is killed after the grace; what it had done is pinned, and the next life continues it."""
    place: Place = make({"alpha": [STUBBORN, good("a2", depends="a1")]}, config={"stopGrace": 1})
    service = place.run()
    place.await_held("a1")
    agent = place.events("start", "a1")[0]["pid"]
    service.send(number)
    service.wait_for("stopping")
    end_in_time(place, service)
    assert not is_alive(agent)
    ticket = ids(place)["a1"]
    assert len(pins(place, "work", ticket)) == 1
    assert shown(place, f"refs/scriptorium/work/{ticket}/1", "parts/a1.txt") == "half a1\n"
    assert tickets(place)["a1"] == "in-progress"

    place.finish()
    assert place.events("read", "a1")[0]["text"] == "half a1\n"
    assert subjects(place, "reopen") == []
    assert_finished(place, landed=2)


def test_while_a_planner_runs(make: MakePlace) -> None:
    place: Place = make(
        {"alpha": [good("a1")]},
        planted=False,
        config={"stopGrace": 1},
        acts={"architect": [[["ignore-term"], ["hold", "architect"]], []]},
    )
    service = place.run()
    place.await_held("architect")
    service.send(signal.SIGTERM)
    end_in_time(place, service)
    assert subjects(place, "update areas") == []
    place.finish()
    assert_finished(place, landed=1)


@BOTH
def test_while_the_checks_run(make: MakePlace, number: int) -> None:
    place: Place = make({"alpha": [good("a1")]}, gated=True)
    place.hold_check(ids(place)["a1"])
    service = place.run()
    place.await_checking(ids(place)["a1"])
    service.send(number)
    end_in_time(place, service)
    assert tickets(place)["a1"] == "in-progress"
    place.let_check(ids(place)["a1"])
    place.finish()
    assert len(place.events("start", "a1")) == 1
    assert_finished(place, landed=1)


def test_while_the_base_is_checked(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")]}, gated=True)
    place.hold_check("base")
    service = place.run()
    place.await_checking("base")
    assert place.events("start") == []
    service.send(signal.SIGTERM)
    end_in_time(place, service)
    place.let_check("base")
    place.finish()
    assert_finished(place, landed=1)


@BOTH
def test_while_it_lands(make: MakePlace, number: int) -> None:
    place: Place = make({"alpha": [good("a1", ["write-many", "many", 600])]})
    service = place.run()
    place.await_landing("a1")
    service.send(number)
    end_in_time(place, service)
    place.finish()
    assert len(place.events("start", "a1")) == 1
    assert_finished(place, landed=1)


@pytest.mark.req("V1-21")
def test_a_submission_made_while_stopping_is_accepted(make: MakePlace) -> None:
    place: Place = make({"alpha": [Work("a1", [[["submit-on-term"], part("a1"), ["hold", "a1"]]])]})
    service = place.run()
    place.await_held("a1")
    service.send(signal.SIGTERM)
    end_in_time(place, service)
    assert place.events("answer", "a1")[0]["accepted"]
    assert len(subjects(place, "enqueue")) == 1
    place.finish()
    assert len(place.events("start", "a1")) == 1
    assert_finished(place, landed=1)


# ---------------------------------------------------------------- impatience


@BOTH
@pytest.mark.req("V1-19")
def test_the_second_signal_ends_everything_at_once(make: MakePlace, number: int) -> None:
    """With a grace that would last much longer; the next start pins what nobody had the time to pin."""
    work = Work("a1", [[["leave-daemon", "daemon"], *STUBBORN.acts[0]], STUBBORN.acts[1]])
    place: Place = make({"alpha": [work]}, config={"stopGrace": 600})
    service = place.run()
    place.await_held("a1")
    processes = list(marked(place.root))
    assert len(processes) >= 2
    service.send(signal.SIGTERM)
    service.wait_for("stopping")
    assert all(is_alive(pid) for pid in processes)
    service.send(number)
    assert service.end() == 0
    until(lambda: not any(map(is_alive, processes)), "the end of its processes")
    ticket = ids(place)["a1"]
    assert pins(place, "work", ticket) == []

    place.finish()
    assert shown(place, f"refs/scriptorium/work/{ticket}/1", "parts/a1.txt") == "half a1\n"
    assert place.events("read", "a1")[0]["text"] == "half a1\n"
    assert_finished(place, landed=1)


def test_a_grace_that_is_set_too_long_does_not_break_the_promise(make: MakePlace) -> None:
    place: Place = make({"alpha": [STUBBORN]}, config={"stopGrace": 3600})
    service = place.run()
    place.await_held("a1")
    service.send(signal.SIGTERM)
    end_in_time(place, service)
    ticket = ids(place)["a1"]
    assert shown(place, f"refs/scriptorium/work/{ticket}/1", "parts/a1.txt") == "half a1\n"
