"""Agents, checks and hands that do what they should not: an answer to each, and the rest goes on."""

from __future__ import annotations

import sys

import pytest

from .conftest import MakePlace
from .history import (
    assert_finished,
    assert_sound,
    ids,
    landings,
    pins,
    shown,
    stop_when_landed,
    subjects,
    tickets,
)
from .places import Place, Work, good, part
from .service import is_alive, marked

pytestmark = pytest.mark.slow

MEGABYTES = 100


def test_a_bad_ticket_file_stops_nothing(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1")], "beta": [good("b1")]})
    folder = place.aside / "plan"
    place.git("worktree", "add", "-q", str(folder), "scriptorium/plan")
    (folder / "tickets" / "open" / "0007-bad.md").write_bytes(b"\xff\xfe\0 not a ticket")
    (folder / "tickets" / "open" / "no-number-at-all.md").write_text("# What is this?\n")
    place.git("-C", str(folder), "add", "-A")
    place.git("-C", str(folder), "commit", "-q", "-m", "by hand")
    place.git("worktree", "remove", str(folder))
    service = place.finish(code=1)
    assert len(landings(place)) == 2
    assert all(line.startswith("unreadable: tickets/open/") for line in service.leftovers)
    assert "tickets/open/0007-bad.md" in "".join(service.leftovers)
    status = place.scriptorium("status")
    assert status.returncode == 0
    assert "Unreadable: tickets/open/no-number-at-all.md" in status.stdout


@pytest.mark.req("CA-04")
def test_an_agent_that_prints_a_hundred_megabytes(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1", ["print-megabytes", MEGABYTES])]})
    place.finish()
    assert_finished(place, landed=1)
    log = place.root / ".scriptorium" / "logs" / ids(place)["a1"] / "1.jsonl"
    assert log.stat().st_size >= MEGABYTES * 1024 * 1024
    # The ticket's note of the run is bounded whatever was said.
    note = shown(place, "scriptorium/plan", f"tickets/done/{ids(place)['a1']}-a1.md")
    assert len(note) < 100_000


@pytest.mark.req("CA-06", "V1-24")
def test_what_an_agent_leaves_running_ends_before_its_work_is_checked(make: MakePlace) -> None:
    place: Place = make({"alpha": [good("a1", ["leave-daemon", "left"])]}, gated=True)
    place.hold_check(ids(place)["a1"])
    service = place.run()
    place.await_checking(ids(place)["a1"])
    daemon = int((place.aside / "left.pid").read_text())
    assert not is_alive(daemon) or daemon not in marked(place.root)
    place.let_check(ids(place)["a1"])
    stop_when_landed(place, service, 1)


@pytest.mark.req("V1-24")
def test_what_an_agent_leaves_lying_about_is_not_checked_but_pinned(make: MakePlace) -> None:
    """A stray file that was written after the submission, and one that git ignores."""
    work = Work(
        "a1",
        [
            [
                part("a1"),
                ["write", "ignored.log", "stray\n"],
                ["submit"],
                ["write", "parts/stray.txt", "bad\n"],
            ]
        ],
    )
    place: Place = make({"alpha": [work]}, files={".gitignore": "*.log\n"}, gated=True)
    place.finish()
    ticket = ids(place)["a1"]
    (checked,) = place.checks(ticket)
    assert set(checked["files"]) == {*place.git("ls-files").splitlines()} - {".gitignore"}
    assert "parts/a1.txt" in checked["files"]
    assert shown(place, pins(place, "work", ticket)[-1], "parts/stray.txt") == "bad\n"
    assert "parts/stray.txt" in shown(place, "scriptorium/plan", f"tickets/done/{ticket}-a1.md")
    assert_finished(place, landed=1)


@pytest.mark.req("V1-18")
def test_an_agent_that_destroys_the_git_file_of_its_worktree(make: MakePlace) -> None:
    """Its work is gone for git, not for us: what can be saved is, and the next attempt has a worktree."""
    work = Work(
        "a1",
        [
            [part("a1", "half"), ["remove", ".git"], ["submit"], ["exit", 1]],
            [["read", ".git"], part("a1"), ["submit"]],
        ],
    )
    place: Place = make({"alpha": [work]})
    user = place.root / "parts" / "first.txt"
    before = place.git("rev-parse", "main")
    service = place.finish()
    assert len(place.events("start", "a1")) <= 2, service.log
    assert shown(place, "main", "parts/a1.txt").endswith("a1\n")
    assert place.git("rev-parse", "main") != before
    assert user.read_text() == "good first\n"
    assert_finished(place, landed=1)


def test_an_agent_that_destroys_its_whole_worktree(make: MakePlace) -> None:
    work = Work(
        "a1",
        [
            [["remove", ".git"], ["remove", "parts"], ["remove", "Makefile"], ["exit", 1]],
            [part("a1"), ["submit"]],
        ],
    )
    place: Place = make({"alpha": [work]})
    place.finish()
    assert shown(place, "main", "parts/first.txt") == "good first\n"
    assert_finished(place, landed=1)


@pytest.mark.req("V1-21")
def test_a_nested_repository_is_refused_with_the_reason_and_can_be_mended(make: MakePlace) -> None:
    work = Work(
        "a1",
        [
            [
                part("a1"),
                ["nested-repository", "vendor/other"],
                ["submit", "With a repository in it"],
                ["remove", "vendor"],
                ["submit", "Without"],
            ]
        ],
    )
    place: Place = make({"alpha": [work]})
    place.finish()
    refused, accepted = place.events("answer", "a1")
    assert not refused["accepted"]
    assert "vendor/other" in refused["message"]
    assert accepted["accepted"]
    assert len(subjects(place, "enqueue")) == 1
    assert_finished(place, landed=1)


@pytest.mark.req("V1-21")
def test_a_submission_of_nothing_is_refused_and_does_not_land(make: MakePlace) -> None:
    place: Place = make({"alpha": [Work("a1", [[["submit"]], [part("a1"), ["submit"]]])]})
    place.finish()
    refused, accepted = place.events("answer", "a1")
    assert (refused["accepted"], accepted["accepted"]) == (False, True)
    assert_finished(place, landed=1)


@pytest.mark.req("V1-24", "V1-26")
def test_a_check_that_hangs_is_killed_with_its_descendants(make: MakePlace) -> None:
    program = (
        "import os, signal, sys\n"
        "if not os.path.exists('parts/hang.txt'): sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\n"
        "while True: signal.pause()\n"
    )
    work = Work(
        "a1",
        [
            [part("a1"), ["write", "parts/hang.txt", "x\n"], ["submit"]],
            [["remove", "parts/hang.txt"], ["submit"]],
        ],
    )
    place: Place = make(
        {"alpha": [work]}, config={"checks": [[sys.executable, "-c", program]], "checkTimeout": 1}
    )
    place.finish()
    again = place.events("start", "a1")[1]["prompt"]
    assert "checks-failed" in again
    assert "time limit" in again
    assert_finished(place, landed=1)


@pytest.mark.req("V1-24")
def test_a_check_that_prints_a_hundred_megabytes_is_kept_whole_and_told_in_part(make: MakePlace) -> None:
    program = (
        "import os, sys\n"
        "if not os.path.exists('parts/loud.txt'): sys.exit(0)\n"
        f"for _ in range({MEGABYTES}): sys.stdout.buffer.write((b'x' * 1023 + b'\\n') * 1024)\n"
        "print('the last line'); sys.exit(3)\n"
    )
    work = Work(
        "a1",
        [
            [part("a1"), ["write", "parts/loud.txt", "x\n"], ["submit"]],
            [["remove", "parts/loud.txt"], ["submit"]],
        ],
    )
    place: Place = make({"alpha": [work]}, config={"checks": [[sys.executable, "-c", program]]})
    place.finish()
    ticket = ids(place)["a1"]
    logs = sorted((place.root / ".scriptorium" / "logs" / ticket).glob("check-*.log"))
    assert logs[0].stat().st_size > MEGABYTES * 1024 * 1024
    assert logs[0].read_bytes().endswith(b"the last line\n")
    note = shown(place, "scriptorium/plan", f"tickets/done/{ticket}-a1.md")
    assert "the last line" in note
    assert "exit code 3" in note
    assert len(note) < 100_000
    assert_finished(place, landed=1)


@pytest.mark.req("V1-22", "V1-23", "V1-24")
def test_of_two_submissions_the_second_is_checked_upon_the_first(make: MakePlace) -> None:
    """Both are queued before either is checked; the second's tree holds what the first landed."""
    held = [["hold", slug] for slug in ("a1", "b1")]
    place: Place = make(
        {
            "alpha": [Work("a1", [[part("a1"), ["submit"], held[0]]])],
            "beta": [Work("b1", [[part("b1"), ["submit"], held[1]]])],
        },
        gated=True,
    )
    service = place.run()
    place.await_held("a1")
    place.await_held("b1")
    number = ids(place)
    assert sorted(place.status()["queue"]["pending"]) == sorted([number["a1"], number["b1"]])
    # As long as its agent lives nothing of it is checked.
    assert place.checks(number["a1"]) == place.checks(number["b1"]) == []
    place.hold_check(number["a1"])
    place.let_go("a1")
    place.await_checking(number["a1"])
    place.let_go("b1")
    service.wait_for(f"{number['b1']} attempt 1 submitted")
    assert place.checks(number["b1"]) == []
    assert place.status()["queue"]["active"] == number["a1"]
    place.let_check(number["a1"])
    stop_when_landed(place, service, 2)
    (first,), (second,) = place.checks(number["a1"]), place.checks(number["b1"])
    assert "parts/b1.txt" not in first["files"]
    assert {"parts/a1.txt", "parts/b1.txt"} <= set(second["files"])


def test_an_agent_cannot_reach_the_files_of_the_user(make: MakePlace) -> None:
    """A planner's folder has a repository of its own, so that git does not walk up into the user's."""
    place: Place = make(
        {"alpha": [good("a1")]}, planted=False, acts={"architect": [[["git", "checkout", "--", ":/"]]]}
    )
    mine = place.root / "parts" / "first.txt"
    mine.write_text("good, and not committed\n")
    place.finish()
    assert mine.read_text() == "good, and not committed\n"
    assert tickets(place) == {"a1": "done"}
    mine.write_text("good first\n")
    assert_sound(place)
