"""`kill -9` of `run` in the middle, and started again: the same work is finished, by itself, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import MakePlace
from .history import assert_finished, assert_sound, ids, landings, pins, shown, subjects, tickets
from .places import Place, Work, good, part
from .service import Service, is_alive, marked
from .waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.slow

MANY = 600
"""Files of a change that takes so long to land that a kill in the middle of the landing can be aimed."""


def _works(files: int = 1) -> dict[str, list[Work]]:
    """Four tickets; `files` is the size of the change that the first one of beta makes."""
    return {
        "alpha": [
            Work(
                "a1",
                [
                    [part("a1", "half"), ["leave-daemon", "orphan"], ["hold", "a1"], part("a1"), ["submit"]],
                    [["read", "parts/a1.txt"], part("a1"), ["submit"]],
                ],
            ),
            good("a2", depends="a1"),
        ],
        "beta": [
            Work(
                "b1",
                [
                    [["write-many", "many", files], part("b1"), ["submit"], ["hold", "b1"]],
                    [["write-many", "many", files], part("b1"), ["submit"]],
                ],
            ),
            good("b2", depends="b1"),
        ],
    }


def _planning(place: Place, service: Service) -> None:
    """A manager runs; nothing has been ticketed."""
    place.await_held("alpha")


def _agents_run(place: Place, service: Service) -> None:
    """One agent is in the middle of its work, with an orphan in a session of its own."""
    place.await_held("a1")


def _submitted(place: Place, service: Service) -> None:
    """The answer has been given, and the agent still runs."""
    place.await_held("b1")
    place.await_held("a1")


def _checks_run(place: Place, service: Service) -> None:
    """The merged tree of b1 is being checked."""
    place.hold_check(ids(place)["b1"])
    place.let_go("b1")
    place.await_checking(ids(place)["b1"])


def _landing(place: Place, service: Service) -> None:
    """The landing ref of b1 is there: files and base are moving."""
    place.let_go("b1")
    place.await_landing("b1")


def _landed(place: Place, service: Service) -> None:
    """The base has b1, and the next ticket is under way."""
    place.let_go("b1")
    service.wait_for(rf"{ids(place)['b1']} landed")


def _one_bystander(folder: Path) -> subprocess.Popen[bytes]:
    """A process of the user's, in a worktree of scriptorium's, that has nothing to do with it."""
    program = "import signal, sys; sys.stdout.write('up'); sys.stdout.flush(); signal.pause()"
    found = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, stdout=subprocess.PIPE, start_new_session=True
    )
    assert found.stdout is not None
    assert found.stdout.read(2) == b"up"
    found.stdout.close()
    return found


@pytest.mark.req("V1-34", "V1-19")
@pytest.mark.parametrize("moment", [_planning, _agents_run, _submitted, _checks_run, _landing, _landed])
def test_killed_and_started_again_it_finishes_the_same_work(
    make: MakePlace, moment: Callable[[Place, Service], None]
) -> None:
    planning = moment is _planning
    place: Place = make(
        _works(MANY if moment is _landing else 1),
        planted=not planning,
        gated=True,
        acts={"alpha": [[["leave-daemon", "orphan"], ["hold", "alpha"]], []]} if planning else None,
    )
    first = place.run()
    moment(place, first)
    if moment in {_agents_run, _submitted}:
        place.await_file("orphan.pid")
    first.kill()
    bystander = _one_bystander(place.root)
    try:
        orphans = list(marked(place.root))
        if moment is not _landed:
            assert orphans, "there was nothing to be orphaned"
        assert_sound(place, over=False)
        place.gates.open_all()

        second = place.finish()

        assert [pid for pid in orphans if is_alive(pid)] == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait(PATIENCE_SECONDS)
    assert second.leftovers == []
    assert_finished(place, landed=4)
    assert tickets(place) == dict.fromkeys(("a1", "a2", "b1", "b2"), "done")
    for slug in ("a1", "a2", "b1", "b2"):
        assert shown(place, "main", f"parts/{slug}.txt") == f"good {slug}\n"
    for name in ("spec", "areas from spec"):
        assert len(subjects(place, f"update {name}")) == 1
    assert len(subjects(place, "create tickets")) == 2


@pytest.mark.req("V1-34")
def test_work_in_progress_of_a_killed_life_is_pinned_and_continued(make: MakePlace) -> None:
    place: Place = make(_works())
    place.let_go("b1")
    first = place.run()
    place.await_held("a1")
    first.kill()
    second = place.finish()
    ticket = ids(place)["a1"]
    assert shown(place, f"refs/scriptorium/work/{ticket}/1", "parts/a1.txt") == "half a1\n"
    assert f"{ticket}: pinned the work in progress" in second.log
    # The next attempt found what the first had left, and did not count as its second.
    assert place.events("read", "a1")[0]["text"] == "half a1\n"
    assert len(place.events("start", "a1")) == 2
    assert subjects(place, f"reopen ticket {ticket}") == []


@pytest.mark.req("V1-34")
def test_a_submission_that_was_answered_is_never_lost(make: MakePlace) -> None:
    place: Place = make({"beta": _works()["beta"]})
    first = place.run()
    place.await_held("b1")
    assert place.await_told("answer", "b1")["accepted"]
    first.kill()
    place.finish()
    # The submission itself landed; nobody was asked to do the work again.
    assert len(place.events("start", "b1")) == 1
    assert landings(place)[0].submission == pins(place, "submitted", ids(place)["b1"])[0]
    assert_finished(place, landed=2)


def _await_step(place: Place, service: Service) -> None:
    """Wait until the plan branch moves, or the service has nothing left to do."""
    ref = place.root / ".git" / "refs" / "heads" / "scriptorium" / "plan"
    before = ref.read_text()
    until(
        lambda: ref.read_text() != before or service.process.poll() is not None,
        lambda: f"a step in:\n{service.log}",
        look_again_seconds=0.001,
    )


@pytest.mark.req("V1-34")
def test_killed_again_and_again_after_every_few_steps(make: MakePlace) -> None:
    """Each life is killed a few plan commits after it began to work, until one finds nothing left to do."""
    place: Place = make({area: [good(f"{area}{n}") for n in (1, 2)] for area in ("alpha", "beta", "gamma")})
    lives = 0
    for steps in (1, 2, 3, 5, 4, 1, 2, 3):
        service = place.run("--until-idle")
        lives += 1
        for _ in range(steps):
            _await_step(place, service)
        service.kill()
        assert_sound(place, over=False)
        if service.process.returncode == 0:
            break
    assert lives > 3, "it was not killed often enough for this to say anything"
    assert place.finish().leftovers == []
    assert_finished(place, landed=6)
    assert len(subjects(place, "complete ticket")) == 6


@pytest.mark.req("V1-34")
def test_the_locks_that_a_kill_leaves_are_removed_and_only_those(make: MakePlace) -> None:
    place: Place = make({"alpha": [Work("a1", [[["hold", "a1"]], [part("a1"), ["submit"]]])]})
    first = place.run()
    place.await_held("a1")
    first.kill()
    heads = place.root / ".git" / "refs" / "heads"
    (heads / "scriptorium" / "plan.lock").touch()
    (heads / "scriptorium" / f"ticket-{ids(place)['a1']}.lock").touch()
    (heads / "mine.lock").touch()
    service = place.finish()
    assert "removed the stale lock" in service.log
    assert (heads / "mine.lock").exists()
    assert not (heads / "scriptorium" / "plan.lock").exists()
    (heads / "mine.lock").unlink()
    assert_finished(place, landed=1)


@pytest.mark.req("V1-34")
def test_the_orphan_that_hid_in_a_session_of_its_own_is_found(make: MakePlace) -> None:
    place: Place = make({"alpha": _works()["alpha"]})
    first = place.run()
    place.await_held("a1")
    orphan = int(place.await_file("orphan.pid").read_text())
    assert os.getsid(orphan) != os.getsid(first.pid)
    first.send(signal.SIGKILL)
    first.end()
    assert is_alive(orphan)
    second = place.run()
    second.listening()
    # Before anything new is started, the server included:
    assert not is_alive(orphan)
    place.let_go("a1")
    second.stop()
    assert place.finish().leftovers == []
    assert_finished(place, landed=2)
