"""Two agents that change the same lines: what the second is told, when, and how it goes on."""

from __future__ import annotations

import pytest

from .conftest import MakePlace
from .history import assert_finished, ids, landings, shown, tickets
from .places import Place, Work

pytestmark = pytest.mark.slow

SHARED = "parts/shared.txt"
RESOLVED = "good first and second\n"


@pytest.mark.req("V1-21", "V1-26", "V1-20")
def test_the_second_is_told_at_its_submission_and_goes_on_with_the_merge_laid_out(make: MakePlace) -> None:
    first = Work("first", [[["write", SHARED, "good first\n"], ["submit"]]])
    second = Work(
        "second",
        [
            [["write", SHARED, "good second\n"], ["hold", "second"], ["submit"], ["submit-by-command"]],
            [["read", SHARED], ["write", SHARED, RESOLVED], ["submit"]],
        ],
    )
    place: Place = make({"alpha": [first], "beta": [second]}, gated=True)
    number = ids(place)
    place.hold_check(number["first"])
    service = place.run("--until-idle")
    place.await_checking(number["first"])
    place.let_go("second")
    answer = place.await_told("answer", "second")
    assert answer["accepted"]
    assert "It will conflict:\n" in answer["message"]
    assert (
        f"- with ticket {number['first']}, which is before it in the queue, in {SHARED}" in answer["message"]
    )
    printed = place.await_told("printed", "second")
    assert (printed["code"], printed["text"]) == (0, f"{answer['message']}\n")

    place.let_check(number["first"])
    assert service.end() == 0, service.log
    assert tickets(place) == {"first": "done", "second": "done"}
    landed = landings(place)[0].oid
    again = place.events("start", "second")[1]["prompt"]
    assert f"--- {SHARED} (changed on main by ticket {number['first']} in {landed[:10]})" in again
    assert "<<<<<<< base\ngood first\n=======\ngood second\n>>>>>>> submission\n" in again
    left = place.events("read", "second")[0]["text"]
    assert left.startswith("<<<<<<< HEAD\ngood second\n=======\ngood first\n>>>>>>> ")
    assert "conflict" not in place.events("answer", "second")[-1]["message"]
    assert shown(place, "main", SHARED) == RESOLVED
    assert_finished(place, landed=2)
