"""An agent's worktree is deleted before the next start: what was pinned of it is gone on from."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from .conftest import MakePlace
from .history import assert_finished, ids, pins, shown
from .places import Place, Work, part

pytestmark = pytest.mark.slow

HALF = [part("a1", "half"), ["hold", "first"]]
LOOK = [["read", "parts/a1.txt"], part("a1"), ["submit"]]


def lose_worktree(place: Place) -> None:
    (worktree,) = (place.root / ".scriptorium" / "worktrees" / "tickets").iterdir()
    shutil.rmtree(worktree)


def git_clean(place: Place) -> None:
    """What a user types who wants a clean checkout, and which takes all of scriptorium's own folder."""
    place.git("clean", "-q", "-ffdx")
    assert not (place.root / ".scriptorium").exists()


@pytest.mark.req("V1-34", "V1-19")
@pytest.mark.parametrize("lose", [lose_worktree, git_clean])
def test_of_a_stopped_service(make: MakePlace, lose: Callable[[Place], None]) -> None:
    place: Place = make({"alpha": [Work("a1", [HALF, LOOK])]})
    service = place.run()
    place.await_held("first")
    service.stop()
    ticket = ids(place)["a1"]
    assert shown(place, pins(place, "work", ticket)[-1], "parts/a1.txt") == "half a1\n"
    lose(place)
    place.finish()
    assert place.events("read", "a1")[0]["text"] == "half a1\n"
    assert_finished(place, landed=1)


@pytest.mark.req("V1-34", "V1-19")
def test_of_a_killed_service(make: MakePlace) -> None:
    """The start after the kill pins the work; it is killed too, and only then is the worktree lost."""
    place: Place = make({"alpha": [Work("a1", [HALF, [["hold", "second"]], LOOK])]})
    first = place.run()
    place.await_held("first")
    first.kill()
    second = place.run()
    place.await_held("second")
    second.kill()
    lose_worktree(place)
    place.finish()
    assert place.events("read", "a1")[0]["text"] == "half a1\n"
    assert_finished(place, landed=1)


def test_a_lock_file_that_was_cleaned_away_lets_in_no_second_service(make: MakePlace) -> None:
    place: Place = make({"alpha": [Work("a1", [[part("a1"), ["submit"]]])]}, spec=None, planted=False)
    first = place.run()
    first.listening()
    (place.root / ".scriptorium" / "lock").unlink()
    second = place.run()
    assert second.end() == 1
    assert "already running" in second.log
    first.stop()
