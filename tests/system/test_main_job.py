"""The main job, end to end, with agents of every kind: one run of the whole, looked at from all sides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakePlace
from .history import (
    SCRIPTORIUM,
    assert_finished,
    check_tree,
    ids,
    landings,
    pins,
    plan_log,
    shown,
    subjects,
    tickets,
)
from .places import Place, Work, good, make_place, part
from .service import Service, marked

pytestmark = pytest.mark.slow

RESOLVED = "good alpha and beta\n"


def _conflicting(slug: str, text: str) -> Work:
    """Writes the file that another one writes too; once it came back, settles the conflict."""
    first = ["write", "parts/shared.txt", f"good {text}\n"]
    again = ["write", "parts/shared.txt", RESOLVED]
    return Work(
        slug,
        [
            [["together", 4], first, ["submit"]],
            [["read", "parts/shared.txt"], again, ["submit"]],
        ],
    )


WORKS = {
    "alpha": [_conflicting("a1", "alpha"), good("a2", depends="a1"), good("a3", depends="a2")],
    "beta": [
        _conflicting("b1", "beta"),
        Work("b2", [[part("b2", "bad"), ["submit"]], [part("b2"), ["submit"]]], depends="b1"),
        good("b3", depends="b2"),
    ],
    "gamma": [
        Work("c1", [[["together", 4], part("c1", "half")], [["exit", 0]]]),
        Work("c2", [[part("c2", "half")], [["read", "parts/c2.txt"], part("c2"), ["submit"]]]),
        good("c3", depends="c2"),
    ],
    "delta": [
        Work(
            "d1",
            [
                [["together", 4], ["leave-daemon", "left"], ["kill-self", 9]],
                [["kill-self", 11]],
                [part("d1"), ["submit"]],
            ],
        ),
        Work("d2", [[part("d2"), ["exit", 1]]]),
        good("d3", depends="d1"),
    ],
}
STUCK = ("c1", "d2")
FIRST_TRY = ("a2", "a3", "b3", "c3", "d3")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = make_place(
        tmp_path_factory.mktemp("main-job"),
        WORKS,
        config={
            "agents": {"coding": {"maxAttempts": 3}},
            "tickets": {"maxReopens": 1},
            "concurrency": {"maxAgents": 4},
        },
        planted=False,
    )
    yield made
    assert made.clear_away() == []


@pytest.fixture(scope="module")
def service(place: Place) -> Service:
    """The one life in which everything happens."""
    service = place.run("--until-idle")
    service.end()
    return service


@pytest.mark.req("V1-02", "V1-35")
def test_every_ticket_ends_done_or_stuck_and_the_exit_says_so(place: Place, service: Service) -> None:
    expected = {work.slug: "done" for works in WORKS.values() for work in works}
    expected |= dict.fromkeys(STUCK, "stuck")
    assert tickets(place) == expected, service.log
    number = ids(place)
    assert sorted(service.leftovers) == sorted(
        f"{number[slug]} stuck: {slug} (to try again: scriptorium unpark {number[slug]})" for slug in STUCK
    )
    assert service.process.returncode == 1


@pytest.mark.req("V1-35", "V1-07", "V1-12")
def test_the_spec_became_areas_and_the_areas_tickets_once_each(place: Place, service: Service) -> None:
    assert [told["role"] for told in place.events("start", "architect")] == ["architect"]
    managers = sorted(told["name"] for told in place.events("start") if told["role"] == "manager")
    assert managers == sorted(WORKS)
    assert len(subjects(place, "update areas from spec")) == 1
    assert len(subjects(place, "create tickets from areas")) == len(WORKS)
    assert sorted(ids(place).values()) == [f"{number:04d}" for number in range(1, 13)]


@pytest.mark.req("V1-25", "V1-27")
def test_the_base_is_green_at_every_first_parent_commit(
    place: Place, service: Service, tmp_path: Path
) -> None:
    commits = place.git("rev-list", "--first-parent", "main").split()
    assert len(commits) == 1 + len(WORKS) * 3 - len(STUCK)
    assert [check_tree(place, commit, tmp_path / commit) for commit in commits] == [0] * len(commits)
    # The check can tell: the submission that came back fails it.
    bad = pins(place, "submitted", ids(place)["b2"])[0]
    assert check_tree(place, bad, tmp_path / "bad") != 0


@pytest.mark.req("V1-14", "V1-33")
def test_every_plan_commit_is_scriptoriums_and_each_move_is_one(place: Place, service: Service) -> None:
    log = plan_log(place)
    assert {(commit.author, commit.committer) for commit in log} == {(SCRIPTORIUM, SCRIPTORIUM)}
    # The audit, which reads each commit as exactly one transition, is part of this:
    assert_finished(place, landed=len(WORKS) * 3 - len(STUCK))


@pytest.mark.req("V1-14")
def test_a_ticket_that_lands_at_its_first_try_costs_at_most_five_commits(
    place: Place, service: Service
) -> None:
    number = ids(place)
    log = plan_log(place)
    for slug in FIRST_TRY:
        about = [commit.subject for commit in log if commit.ticket == number[slug]]
        own = [subject.removeprefix("scriptorium: ") for subject in about if " create " not in subject]
        assert own[0] == f"assign ticket {number[slug]}-{slug}"
        assert own[-1] == f"complete ticket {number[slug]}"
        assert len(own) <= 5, own


@pytest.mark.req("V1-25", "V1-23")
def test_what_landed_has_the_base_and_the_submission_as_parents(place: Place, service: Service) -> None:
    first = place.git("rev-list", "--first-parent", "--max-parents=0", "main").strip()
    found = landings(place)
    assert [landing.base for landing in found] == [first, *(landing.oid for landing in found[:-1])]
    by_commit = {commit.trailers.get("Landed"): commit.ticket for commit in plan_log(place)}
    for landing in found:
        assert landing.submission == pins(place, "submitted", str(by_commit[landing.oid]))[-1]


@pytest.mark.req("V1-22")
def test_one_lands_at_a_time(place: Place, service: Service) -> None:
    """From `start landing` to what came of it, the plan branch tells of no other landing."""
    active: str | None = None
    for commit in plan_log(place):
        kind = commit.subject.removeprefix("scriptorium: ").split(" ")[0]
        if kind == "start":
            assert active is None
            active = commit.ticket
        elif active is not None and commit.ticket == active:
            assert kind in {"complete", "reopen", "park"}
            active = None
    assert active is None


def _spans(place: Place) -> list[tuple[float, float]]:
    """From when to when each agent lived."""
    ends = {told["pid"]: told["at"] for told in place.events("end")}
    return [(told["at"], ends[told["pid"]]) for told in place.events("start")]


def test_four_agents_at_once_and_never_more(place: Place, service: Service) -> None:
    spans = _spans(place)
    assert max(sum(start <= at < end for start, end in spans) for at, _ in spans) == 4


def test_never_more_agents_than_allowed(make: MakePlace) -> None:
    """Five areas and two places, planners included: there is always more to do than may be done at once."""
    works = {
        area: [good(f"{area}1", ["together", 2]), good(f"{area}2")] for area in ("a", "b", "c", "d", "e")
    }
    place: Place = make(works, planted=False, config={"concurrency": {"maxAgents": 2}})
    place.finish()
    spans = _spans(place)
    assert len(spans) == 1 + 5 + 10
    assert max(sum(start <= at < end for start, end in spans) for at, _ in spans) == 2
    assert_finished(place, landed=10)


@pytest.mark.req("V1-17")
def test_an_area_has_one_ticket_in_progress_at_a_time(place: Place, service: Service) -> None:
    area_of = {ids(place)[work.slug]: area for area, works in WORKS.items() for work in works}
    busy: dict[str, str] = {}
    for commit in plan_log(place):
        if commit.ticket is None or " create " in commit.subject:
            continue
        area = area_of[commit.ticket]
        if commit.trailers.get("To") == "in-progress":
            assert area not in busy
            busy[area] = commit.ticket
        elif commit.trailers.get("From") == "in-progress":
            assert busy.pop(area) == commit.ticket


@pytest.mark.req("V1-26")
def test_failed_checks_and_a_conflict_came_back_with_the_reason_and_landed(
    place: Place, service: Service
) -> None:
    assert len(place.events("start", "b2")) == 2
    again = place.events("start", "b2")[1]["prompt"]
    assert "checks-failed" in again
    assert "parts/b2.txt" in again  # the tail of the check's output
    loser = next(slug for slug in ("a1", "b1") if len(place.events("start", slug)) == 2)
    again = place.events("start", loser)[1]["prompt"]
    assert "conflict" in again
    assert "parts/shared.txt" in again
    assert "<<<<<<<" in place.events("read", loser)[0]["text"]
    assert shown(place, "main", "parts/shared.txt") == RESOLVED


@pytest.mark.req("CA-07", "V1-26")
def test_agents_that_never_submit_or_crash_are_tried_again_until_it_is_enough(
    place: Place, service: Service
) -> None:
    # Three attempts for each of two assignments; then the next reopen parks.
    for slug in STUCK:
        assert len(place.events("start", slug)) == 6
        assert len(subjects(place, f"reopen ticket {ids(place)[slug]}")) == 1
        assert len(subjects(place, f"park ticket {ids(place)[slug]}")) == 1
    # Two deaths by a signal, and what was left half done is there at the next attempt.
    assert len(place.events("start", "d1")) == 3
    assert "killed by signal 11" in place.events("start", "d1")[2]["prompt"]
    assert place.events("read", "c2")[0]["text"] == "half c2\n"
    assert shown(place, "main", "parts/c2.txt") == "good c2\n"


@pytest.mark.req("V1-19")
def test_work_that_nobody_submitted_is_pinned_when_its_worktree_goes(place: Place, service: Service) -> None:
    pinned = pins(place, "work", ids(place)["c1"])
    assert shown(place, pinned[-1], "parts/c1.txt") == "half c1\n"
    pinned = pins(place, "work", ids(place)["d2"])
    assert shown(place, pinned[-1], "parts/d2.txt") == "good d2\n"


@pytest.mark.req("V1-19", "V1-25", "CA-06")
def test_nothing_is_left_but_what_landed(place: Place, service: Service) -> None:
    assert marked(place.root) == {}
    assert_finished(place, landed=len(WORKS) * 3 - len(STUCK))
    number = ids(place)
    branches = place.git("for-each-ref", "--format=%(refname:short)", "refs/heads/").split()
    kept = {f"scriptorium/ticket-{number[slug]}" for slug in STUCK}
    assert set(branches) - kept == {"main", "scriptorium/plan"}
    daemon = int((place.aside / "left.pid").read_text())
    assert not Path(f"/proc/{daemon}").exists() or _is_another(daemon, place)
    for path in place.git("ls-files").splitlines():
        assert (place.root / path).read_text() == shown(place, "main", path)


def _is_another(pid: int, place: Place) -> bool:
    """Whether the kernel has given the pid to somebody else since."""
    return pid not in marked(place.root)


@pytest.mark.req("V1-20", "V1-21")
def test_each_agent_was_told_its_ticket_and_credited_with_it(place: Place, service: Service) -> None:
    number = ids(place)
    for told in place.events("start"):
        if told["role"] == "coding":
            assert told["ticket"] == number[told["name"]]
            assert f"Make {told['name']}." in told["prompt"]
            assert "scriptorium submit" in told["prompt"]
    answers: list[dict[str, Any]] = place.events("answer")
    assert all(told["accepted"] for told in answers)
    enqueued = [commit.ticket for commit in plan_log(place) if " enqueue " in commit.subject]
    assert sorted(filter(None, enqueued)) == sorted(told["ticket"] for told in answers)
    for landing, following in pairwise(landings(place)):
        assert landing.oid == following.base


@pytest.mark.req("V1-25")
def test_every_landing_has_its_receipt_and_a_line_leads_back_to_its_ticket(
    place: Place, service: Service
) -> None:
    number = ids(place)
    keys = ("Ticket", "Area", "Attempts", "Evidence", "Submitted")
    wanted = "|".join(f"%(trailers:key={key},valueonly,separator=%x2c)" for key in keys)
    receipts = place.git("log", "--first-parent", "--merges", f"--format={wanted}", "main").splitlines()
    assert len({receipt.split("|")[0] for receipt in receipts}) == len(receipts) == len(landings(place))
    assert all(all(receipt.split("|")) for receipt in receipts), receipts
    done = place.scriptorium("why", "parts/d1.txt:1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["landed"], told["ticketId"], told["area"]) == (True, number["d1"], "delta")
    assert told["ticket"]["state"] == "done"
    assert (told["agent"]["harness"], told["agent"]["attempt"]) == ("command", 3)
    assert (place.root / told["agent"]["log"]).exists()
    assert (told["evidence"]["kept"], told["evidence"]["result"]) == (True, "green")
    assert told["spec"]["text"] == "Build the parts."
    by_hand = json.loads(place.scriptorium("why", "parts/first.txt:1", "--json").stdout)
    assert (by_hand["landed"], by_hand["ticketId"]) == (False, None)
