"""What stops the work from going on, how that is said, and that it goes on by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import ParkSpec, UpdateSpec

from .conftest import MakePlace
from .history import assert_finished, assert_sound, ids, landings, shown, stop_when_landed, subjects, tickets
from .places import SPEC, Place, Work, good, part
from .service import marked
from .waiting import until

pytestmark = pytest.mark.slow

# ---------------------------------------------------------------- the base is red


@pytest.mark.req("V1-27", "V1-28")
def test_a_red_base_halts_everything_until_a_person_mends_it(make: MakePlace) -> None:
    place: Place = make(
        {"alpha": [good("a1")], "beta": [good("b1")]}, files={"parts/broken.txt": "bad\n"}, planted=False
    )
    service = place.run()
    service.wait_for("base branch main is red")
    status = place.status()
    assert status["base"]["health"] == "red"
    (said,) = [line for line in place.scriptorium("status").stdout.splitlines() if "red since" in line]
    assert "make test" in said  # why
    assert ".scriptorium/logs/" in said  # where to look
    log = place.root / said.rpartition(" see ")[2].strip()
    assert "parts/broken.txt" in log.read_text()
    assert "make test" in service.wait_for("base branch main is red.*")[0]
    assert place.events() == []
    assert len(subjects(place)) == 2  # initialize, update spec

    place.commit({"parts/broken.txt": "good again\n"})
    service.wait_for("base branch main is green")
    stop_when_landed(place, service, 2)
    assert not [line for line in place.scriptorium("status").stdout.splitlines() if "red since" in line]


@pytest.mark.req("V1-28")
def test_a_base_that_turns_red_in_the_middle_halts_the_queue_but_takes_submissions(make: MakePlace) -> None:
    place: Place = make(
        {"alpha": [Work("a1", [[part("a1"), ["hold", "a1"], ["submit"]]]), good("a2")]}, gated=True
    )
    service = place.run()
    place.await_held("a1")
    broken = place.commit({"parts/broken.txt": "bad\n"})
    service.wait_for("base branch main is red")
    place.let_go("a1")
    assert place.await_told("answer", "a1")["accepted"]
    service.wait_for(f"{ids(place)['a1']} attempt 1 submitted")
    checked = len(place.checks())
    assert place.status()["queue"] == {"pending": [ids(place)["a1"]], "active": None}
    assert place.git("rev-parse", "main").strip() == broken

    place.commit({"parts/broken.txt": "good\n"})
    stop_when_landed(place, service, 2)
    assert len(place.checks(ids(place)["a1"])) == 1
    assert len(place.checks()) > checked


@pytest.mark.req("V1-28")
def test_until_idle_ends_on_a_red_base_and_says_since_when(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")]}, files={"parts/broken.txt": "bad\n"})
    service = place.finish(code=1)
    red, waits = service.leftovers
    assert red.startswith("base red since 20")
    assert waits.startswith(ids(place)["a1"])
    assert tickets(place)["a1"] == "open"
    assert place.events() == []


@pytest.mark.req("V1-28")
def test_a_recheck_finds_out_at_once_that_what_is_outside_is_mended(make: MakePlace) -> None:
    command = 'test -e "$SCRIPTORIUM_REPO/../aside/up"'
    place: Place = make({"alpha": [good("a1")]}, config={"checks": [command]})
    service = place.run()
    service.wait_for("base branch main is red since 20.*")
    base = place.status()["base"]
    assert (base["health"], base["check"]) == ("red", command)
    assert (place.root / base["log"]).is_file()
    assert f"red since {base['since']}: `{command}` fails" in place.scriptorium("status").stdout
    (place.aside / "up").touch()
    done = place.scriptorium("recheck")
    assert (done.returncode, done.stderr) == (0, "")
    assert "The running service checks it again now." in done.stdout
    service.wait_for("base branch main is green")  # and not only after the minute
    stop_when_landed(place, service, 1)


@pytest.mark.req("V1-28", "V1-33")
def test_with_recovery_a_ticket_mends_the_red_base_and_the_work_goes_on(make: MakePlace) -> None:
    place: Place = make(
        {"alpha": [good("a1")]},
        config={"recovery": True},
        files={"parts/broken.txt": "bad\n"},
        acts={"unknown": [[["write", "parts/broken.txt", "good\n"], ["submit"]]]},  # a title of many words
    )
    slug = f"recover-base-{place.git('rev-parse', 'main')[:12]}"
    service = place.finish()
    assert "0002 is to make the base branch main green again" in service.log
    assert_finished(place, landed=2)
    assert tickets(place) == {"a1": "done", slug: "done"}
    assert [told["name"] for told in place.events("start")] == ["unknown", "a1"]
    prompt = place.events("start", "unknown")[0]["prompt"]
    assert "`make test` exits with 2" in prompt
    assert "> parts/broken.txt" in prompt  # the end of the output, quoted
    checked = place.scriptorium("check")
    assert (checked.returncode, checked.stdout.count("recover")) == (0, 0), checked.stdout


# ---------------------------------------------------------------- uncommitted work in the way


@pytest.mark.req("V1-25")
def test_uncommitted_work_in_the_way_is_not_touched_and_the_landing_waits(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1", ["write", "parts/first.txt", "good, and new\n"])]})
    mine = place.root / "parts" / "first.txt"
    mine.write_text("good, and mine\n")
    before = place.git("rev-parse", "main")
    service = place.finish(code=1)
    ticket = ids(place)["a1"]
    (blocked,) = [line for line in service.leftovers if "blocked by" in line]
    assert blocked.startswith(f"landing blocked by parts/first.txt: ticket {ticket} ")
    assert mine.read_text() == "good, and mine\n"
    assert not (place.root / "parts" / "a1.txt").exists()
    assert place.git("rev-parse", "main") == before
    assert place.git("status", "--porcelain") == " M parts/first.txt\n"
    assert_sound(place)

    place.git("stash")
    assert place.finish().leftovers == []
    assert_finished(place, landed=1)
    assert len(place.events("start", "a1")) == 1
    assert shown(place, "stash@{0}", "parts/first.txt") == "good, and mine\n"


@pytest.mark.req("V1-25")
def test_a_running_service_sees_that_the_way_is_free(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")]})
    mine = place.root / "parts" / "a1.txt"
    mine.write_text("good, untracked and mine\n")
    service = place.run()
    service.wait_for("cannot land, uncommitted changes are in the way: parts/a1.txt")
    assert "blocked by parts/a1.txt" in place.scriptorium("status").stdout
    assert mine.read_text() == "good, untracked and mine\n"
    mine.rename(place.aside / "kept.txt")
    stop_when_landed(place, service, 1)


# ---------------------------------------------------------------- what is left, line by line


def _edit(place: Place, name: str, change: Callable[[str], bytes]) -> None:
    """A hand edit of an open ticket, committed by the user on the plan branch."""
    folder = place.aside / "plan"
    place.git("worktree", "add", "-q", str(folder), "scriptorium/plan")
    file = folder / "tickets" / "open" / name
    file.write_bytes(change(file.read_text()))
    place.git("-C", str(folder), "commit", "-q", "-a", "-m", "by hand")
    place.git("worktree", "remove", str(folder))


def _depends(place: Place, slug: str, on: str) -> None:
    """Make a ticket depend on another one."""
    line = f"**Depends:** {on}\n\n## Goal"
    _edit(place, f"{ids(place)[slug]}-{slug}.md", lambda text: text.replace("## Goal", line).encode())


NEVER = Work("never", [[["exit", 1]]])


def test_what_is_stuck_and_what_waits_for_it_is_said(make: MakePlace) -> None:
    place: Place = make(
        {"alpha": [NEVER], "beta": [good("waits", depends="0001")]},
        config={"agents": {"coding": {"maxAttempts": 1}}, "tickets": {"maxReopens": 0}},
    )
    service = place.finish(code=1)
    assert service.leftovers == [
        "0001 stuck: never (to try again: scriptorium unpark 0001)",
        "0002 waits for 0001 (stuck): waits",
    ]
    assert len(place.events("start", "never")) == 1
    assert "Stuck: 1" in place.scriptorium("status").stdout.splitlines()


def test_what_waits_for_a_ticket_that_is_missing_or_unreadable_is_said(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")], "beta": [good("b1")], "gamma": [good("c1")]})
    number = ids(place)
    _depends(place, "a1", "0999")
    _depends(place, "b1", number["c1"])
    _edit(place, f"{number['c1']}-c1.md", lambda _text: b"\xff\xfe no ticket\n")
    service = place.finish(code=1)
    unreadable, *waiting = service.leftovers
    assert unreadable.startswith(f"unreadable: tickets/open/{number['c1']}-c1.md: ")
    assert waiting == [
        f"{number['a1']} waits for 0999 (missing): a1",
        f"{number['b1']} waits for {number['c1']} (unreadable): b1",
    ]


@pytest.mark.req("V1-06", "V1-07")
def test_no_spec_is_said(make: MakePlace) -> None:
    place: Place = make({}, spec=None, planted=False)
    service = place.finish(code=1)
    (line,) = service.leftovers
    assert line.startswith("no spec: ")
    assert place.events() == []


def test_planning_that_failed_is_said(make: MakePlace) -> None:
    place: Place = make({"alpha": []}, planted=False, acts={"architect": [[["exit", 1]]]})
    service = place.finish(code=1)
    (line,) = service.leftovers
    assert line.startswith("planning failed: ")
    assert [told["role"] for told in place.events("start")] == ["architect"] * 3
    # A changed text is a new chance.
    PlanRepository(place.root / ".git").commit(UpdateSpec(SPEC + "\nMore.\n"))
    place.finish(code=1)
    assert len(place.events("start")) == 6


def test_an_area_that_cannot_be_ticketed_is_said_and_stops_no_other(make: MakePlace) -> None:
    place: Place = make({"alpha": [], "beta": [good("b1")]}, planted=False, acts={"alpha": [[["exit", 1]]]})
    service = place.finish(code=1)
    (line,) = service.leftovers
    assert line.startswith("planning failed: area alpha ")
    assert tickets(place) == {"b1": "done"}
    assert len(landings(place)) == 1


def test_everything_done_says_nothing_and_a_second_life_finds_nothing_to_do(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")]}, planted=False)
    assert place.finish().leftovers == []
    before = subjects(place)
    assert place.finish().leftovers == []
    assert subjects(place) == before
    assert_finished(place, landed=1)
    until(lambda: not marked(place.root), "the end of everything")


def test_parked_by_an_earlier_life_is_said_too(make: MakePlace) -> None:
    place: Place = make({}, planted=False)
    plan = PlanRepository(place.root / ".git")
    spec = plan.read().spec
    assert spec is not None
    plan.commit(ParkSpec(spec.oid))
    assert place.finish(code=1).leftovers[0].startswith("planning failed: ")
