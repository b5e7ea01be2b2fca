"""``status``: the exact text and JSON of the contract, from git and records alone."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pygit2
import pytest
from attrs import evolve

from scriptorium.cli import main
from scriptorium.code.check_commands import check_commands
from scriptorium.code.evidence import Result, Verdict, VerdictStore, checks_key
from scriptorium.code.red_since import keep_red_since
from scriptorium.code.repository import discover, open_repository
from scriptorium.harness.proc import read_stat
from scriptorium.harness.records import RunFacts, RunRecord, write_record, write_service_record
from scriptorium.plan.ids import AreaName, Oid, ticket_id
from scriptorium.plan.layout import TicketState
from scriptorium.plan.notes import ReopenNote, ReopenReason, RunNote
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    Enqueue,
    ParkArea,
    ParkSpec,
    ParkTicket,
    RecordRun,
    StartLanding,
    UpdateSpec,
)

from .conftest import Scriptorium
from .planned import WHO, commit, move, plan_of
from .test_init import contents, git

pytestmark = pytest.mark.req("V1-29")


@pytest.fixture
def planned(repo: Path) -> Path:
    """Nine tickets: five open, one waiting in the queue, two done, one stuck."""
    plan = plan_of(repo, 9)
    move(plan, 1, TicketState.DONE)
    move(plan, 2, TicketState.DONE)
    move(plan, 3, TicketState.STUCK)
    move(plan, 4, TicketState.IN_PROGRESS, queued=True)
    return repo


def tip(root: Path) -> str:
    return git(root, "rev-parse", "main")


def running(root: Path, run_id: str, facts: RunFacts, *, alive: bool = True) -> None:
    """A run record, of this very process when the run is to be alive."""
    stat = read_stat(os.getpid())
    assert stat is not None
    record = RunRecord(run_id, facts, "2024-05-06T07:08:09Z", ("agent",))
    write_record(
        root / ".scriptorium" / "runs",
        record.with_process(stat.pid, stat.start_time + (0 if alive else 1)),
        durable=False,
    )


def verdict(
    root: Path, result: Result, *, no_checks: bool = False, checks: tuple[str, ...] | None = None
) -> None:
    """What the service would have written about the base branch's tip."""
    repo = open_repository(discover(root))
    tree = Oid(git(root, "rev-parse", "main^{tree}"))
    key = checks_key(check_commands(repo, tree, checks))
    found = Verdict(tree, key, result, no_checks=no_checks, finished=FINISHED)
    if result is Result.RED:
        found = evolve(found, command="make test", log=".scriptorium/logs/base/check-1.log")
    VerdictStore(root / ".scriptorium" / "verdicts").put(found)


def text(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["status", "-C", str(root)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out.splitlines()


def document(root: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["status", "--json", "-C", str(root)]) == 0
    loaded: dict[str, object] = json.loads(capsys.readouterr().out)
    return loaded


RUN = RunNote(
    outcome="submitted", harness="codex", attempt=1, counted=False, started="2026-01-02T03:04:05Z",
    duration_seconds=3600.0,
)  # fmt: skip
FINISHED = "2024-05-06T07:08:09Z"
NOTHING_USED = {"runs": 0, "seconds": 0, "tokens": 0, "costUsd": 0}
CODING = RunFacts(
    role="coding",
    ticket="0005",
    branch="scriptorium/ticket-0005",
    worktree=".scriptorium/worktrees/tickets/0005-ticket-4",
    harness="codex",
    attempt=2,
)


def test_an_empty_plan(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_of(repo, 0)
    assert text(repo, capsys) == [
        "Open: 0",
        "In Progress: 0",
        "Done: 0",
        "Active Agent: none",
        "Merge Queue: nothing waits",
        f"Base: main at {tip(repo)[:12]}, unknown",
        "Service: not running",
    ]


def test_the_text(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running(planned, "a", CODING)
    running(planned, "b", RunFacts(role="manager", area="core", harness="codex", attempt=1))
    running(planned, "c", RunFacts(role="check", worktree="x"))
    running(planned, "d", CODING, alive=False)
    verdict(planned, Result.GREEN)
    record = write_service_record(
        planned / ".scriptorium" / "service.json", endpoint="http://127.0.0.1:8097", started="now"
    )
    said = {"lines": ["landing blocked by a\x1b.txt"]}
    (planned / ".scriptorium" / "condition.json").write_text(json.dumps(said))
    assert text(planned, capsys) == [
        "Open: 5",
        "In Progress: 1",
        "Done: 2",
        "Stuck: 1",
        "Active Agent: manager for core",
        "  Harness: codex",
        "  Attempt: 1",
        "  Started: 2024-05-06T07:08:09Z",
        f"  PID: {os.getpid()}",
        "Active Agent: 0005",
        "  Branch: scriptorium/ticket-0005",
        "  Worktree: .scriptorium/worktrees/tickets/0005-ticket-4",
        "  Harness: codex",
        "  Attempt: 2",
        "  Started: 2024-05-06T07:08:09Z",
        f"  PID: {os.getpid()}",
        "Merge Queue: 0004",
        "Given up: 0003; to try one again: scriptorium unpark NAME (or --all)",
        f"Base: main at {tip(planned)[:12]}, green",
        f"Service: running, pid {record.pid}, http://127.0.0.1:8097",
        "landing blocked by a\\x1b.txt",
    ]


def test_the_json(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running(planned, "a", CODING)
    verdict(planned, Result.RED)
    write_service_record(planned / ".scriptorium" / "service.json", endpoint="http://[::1]:1", started="now")
    assert document(planned, capsys) == {
        "tickets": {"open": 5, "in-progress": 1, "done": 2, "stuck": 1},
        "agents": [
            {
                "ticket": "0005",
                "branch": "scriptorium/ticket-0005",
                "worktree": ".scriptorium/worktrees/tickets/0005-ticket-4",
                "harness": "codex",
                "attempt": 2,
                "started": "2024-05-06T07:08:09Z",
                "pid": os.getpid(),
            }
        ],
        "queue": {"pending": ["0004"], "active": None},
        "base": {
            "branch": "main",
            "oid": tip(planned),
            "health": "red",
            "since": FINISHED,
            "check": "make test",
            "log": ".scriptorium/logs/base/check-1.log",
        },
        "remote": None,
        "service": {"running": True, "pid": os.getpid(), "endpoint": "http://[::1]:1"},
        "flakes": {"count": 0, "last": []},
        "usage": {"total": NOTHING_USED, "includesDone": False, "tickets": {}},
    }


def test_a_landing_ticket_is_active_and_no_longer_pending(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scriptorium.plan.ids import TicketId
    from scriptorium.plan.repository import PlanRepository
    from scriptorium.plan.transitions import StartLanding

    PlanRepository(planned / ".git").commit(StartLanding(TicketId("0004")))
    assert document(planned, capsys)["queue"] == {"pending": [], "active": "0004"}
    assert "Merge Queue: nothing waits; landing 0004" in text(planned, capsys)


def test_a_service_that_died_is_not_running_and_its_words_are_not_repeated(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = planned / ".scriptorium" / "service.json"
    write_service_record(path, endpoint="http://127.0.0.1:1", started="now")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "start_time": record["start_time"] + 1}))
    (planned / ".scriptorium" / "condition.json").write_text('{"lines": ["old news"]}')
    assert text(planned, capsys)[-1] == "Service: not running"
    assert document(planned, capsys)["service"] == {"running": False, "pid": None, "endpoint": None}


@pytest.mark.parametrize("damage", ["", "[]", '{"lines": 5}', '{"lines": [5, "told"]}', "\xff", "[" * 9999])
def test_a_damaged_record_is_passed_over(
    planned: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    state = planned / ".scriptorium"
    write_service_record(state / "service.json", endpoint="http://127.0.0.1:1", started="now")
    (state / "condition.json").write_text(damage, encoding="latin-1")
    (state / "runs").mkdir()
    (state / "runs" / "x.json").write_text(damage, encoding="latin-1")
    (state / "verdicts").mkdir()
    shown = text(planned, capsys)
    assert [line for line in shown if not line.startswith(("Service", "told"))][-1].startswith("Base")


def test_the_verdict_is_of_the_tip_and_of_the_checks_that_are_set(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def health() -> object:
        base = document(planned, capsys)["base"]
        assert isinstance(base, dict)
        return base["health"]

    assert health() == "unknown"
    verdict(planned, Result.GREEN)
    assert health() == "green"
    (planned / "scriptorium.json").write_text('{"checks": ["make lint"]}')
    assert health() == "unknown"
    verdict(planned, Result.RED, checks=("make lint",))
    assert health() == "red"
    commit(planned, {"Makefile": "test:\n\t@false\n"})
    assert health() == "unknown"


def test_nothing_to_run_is_said(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_of(repo, 1)
    commit(repo, {"README": "no makefile\n"})
    verdict(repo, Result.GREEN, no_checks=True)
    assert text(repo, capsys)[-2] == f"Base: main at {tip(repo)[:12]}, green (no checks)"


def test_a_base_that_cannot_be_told_is_said_and_fails_nothing(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planned / "scriptorium.json").write_text('{"baseBranch": "missing"}')
    assert text(planned, capsys)[-2].startswith("Base: not known: ")
    nothing = {"since": None, "check": None, "log": None}
    assert document(planned, capsys)["base"] == {"branch": None, "oid": None, "health": "unknown", **nothing}


@pytest.mark.req("V1-28")
def test_a_red_base_is_shown_with_when_it_turned_red_and_with_what_fails(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def line() -> str:
        return next(line for line in text(planned, capsys) if line.startswith("Base: "))

    verdict(planned, Result.RED)
    why = "`make test` fails, see .scriptorium/logs/base/check-1.log"
    assert line() == f"Base: main at {tip(planned)[:12]}, red since {FINISHED}: {why}"
    keep_red_since(planned / ".scriptorium", "main", "2024-01-01T00:00:00Z")  # as the service saw it first
    assert line() == f"Base: main at {tip(planned)[:12]}, red since 2024-01-01T00:00:00Z: {why}"
    write_service_record(
        planned / ".scriptorium" / "service.json", endpoint="http://127.0.0.1:1", started="now"
    )
    told = {"lines": ["base red since 2024-01-01T00:00:00Z: branch main: the same", "something else"]}
    (planned / ".scriptorium" / "condition.json").write_text(json.dumps(told))
    shown = text(planned, capsys)
    assert "something else" in shown
    assert not [line for line in shown if line.startswith("base red")]  # said once
    verdict(planned, Result.GREEN)
    assert line() == f"Base: main at {tip(planned)[:12]}, green"


def test_files_that_are_none_of_the_plan_are_named(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("tickets/open/notes.txt", "tickets/open/12-x.md", "queue/merge/active.md")
    by_hand(planned, dict.fromkeys(names, b"odd"))
    shown = text(planned, capsys)
    assert shown[0] == "Open: 5"
    assert [
        line.partition(": ")[2].partition(": ")[0] for line in shown if line.startswith("Unreadable")
    ] == [
        "queue/merge/active.md",
        "tickets/open/12-x.md",
        "tickets/open/notes.txt",
    ]


def test_files_that_cannot_be_read_are_named_with_the_reason(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan_of(repo, 1)
    bad = {
        "spec.md": b"\xff",
        "areas/docs.md": b"\xff",
        "areas/.spec": b"?",
        "tickets/.areas/core": b"?",
        "tickets/open/0001-ticket-0.md": b"<<<<<<< HEAD\n",
        "tickets/stuck/0007-x.md": b"",
        "queue/merge/pending/0001-0001.md": b"",
    }
    by_hand(repo, bad)
    shown = text(repo, capsys)
    assert shown[:4] == ["Open: 1", "In Progress: 0", "Done: 0", "Stuck: 1"]
    told = dict(line.split(": ", 2)[1:] for line in shown if line.startswith("Unreadable: "))
    assert told.keys() == bad.keys()
    assert told["tickets/open/0001-ticket-0.md"] == "it does not begin with a title (# …)"


def by_hand(root: Path, files: dict[str, bytes]) -> None:
    """A commit on the plan branch that follows no rule."""
    git = pygit2.Repository(str(root))
    tip = git.references["refs/heads/scriptorium/plan"].target
    index = pygit2.Index()
    index.read_tree(git[tip].peel(pygit2.Tree))
    for path, content in files.items():
        index.add(pygit2.IndexEntry(path, git.create_blob(content), pygit2.enums.FileMode.BLOB))
    git.create_commit("refs/heads/scriptorium/plan", WHO, WHO, "by hand", index.write_tree(git), [tip])


def test_what_planning_gave_up_is_named(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_of(repo, 0)
    by_hand(repo, {"areas/core.md": b"# Hard\n"})
    core = plan.read().areas[AreaName("core")]
    plan.commit(ParkArea(core.name, core.oid))
    spec = plan.commit(UpdateSpec("# Too hard\n")).spec
    assert spec is not None
    plan.commit(ParkSpec(spec.oid))
    assert "Given up: core, spec; to try one again: scriptorium unpark NAME (or --all)" in text(repo, capsys)


def test_without_a_plan_it_says_what_to_do(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "-C", str(repo)]) == 1
    assert capsys.readouterr().err.endswith("make it with: scriptorium --init\n")


@pytest.mark.req("V1-00d")
def test_a_faulty_configuration_is_exit_78_with_every_fault(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (planned / "scriptorium.json").write_text('{"agents": {"coding": {"modle": 1}}, "checks": "make"}')
    assert main(["status", "-C", str(planned)]) == 78
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == (
        'scriptorium: scriptorium.json: agents.coding.modle: unknown key (did you mean "model"?)'
    )
    assert len(shown) == 2


@pytest.mark.slow
@pytest.mark.req("V1-00a")
def test_it_changes_nothing_and_waits_for_no_lock(scriptorium: Scriptorium, planned: Path) -> None:
    (planned / ".scriptorium").mkdir()
    with (planned / ".scriptorium" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (planned / ".git" / "refs" / "heads" / "scriptorium" / "plan.lock").touch()
        (planned / ".git" / "index.lock").touch()
        before = contents(planned)
        done = scriptorium("status", cwd=planned / ".scriptorium")
        asked_again = scriptorium("-C", str(planned), "status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Open: 5\nIn Progress: 1\nDone: 2\nStuck: 1\nActive Agent: none\n")
    assert json.loads(asked_again.stdout)["tickets"]["open"] == 5
    assert contents(planned) == before


@pytest.mark.slow
def test_the_short_way_and_the_parser_s_way_give_the_same(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from scriptorium.cli.app import dispatch

    assert main(["status", "-C", str(planned), "--json"]) == 0
    short = capsys.readouterr().out
    assert dispatch(["status", "-C", str(planned), "--json"]) == 0
    assert capsys.readouterr().out == short


@pytest.mark.req("CA-10")
def test_what_agents_have_used(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_of(repo, 3)
    for number, tokens in ((1, 1_000_000), (2, 500), (3, 2_000)):
        ticket = ticket_id(number)
        plan.commit(AssignTicket(ticket, f"scriptorium/ticket-{ticket}", "x"))
        plan.commit(RecordRun(ticket, evolve(RUN, tokens_in=tokens, cost_usd=tokens / 1000)))
        if number == 1:
            plan.commit(Enqueue(ticket, f"scriptorium/ticket-{ticket}", Oid("1" * 40), "Did it."))
            plan.commit(StartLanding(ticket))
            plan.commit(CompleteTicket(ticket, Oid("1" * 40)))
        if number == 2:
            plan.commit(ParkTicket(ticket, ReopenNote(reason=ReopenReason.CONFLICT)))
    by_ticket = ["  0003: 1 run, 1.0 h, 2,000 tokens, $2.00", "  0002: 1 run, 1.0 h, 500 tokens, $0.50"]
    assert text(repo, capsys)[-3:] == [
        "Used by tickets that are not done (in all: scriptorium status --usage): "
        "2 runs, 2.0 h, 2,500 tokens, $2.50",
        *by_ticket,
    ]
    assert main(["status", "--usage", "-C", str(repo)]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "Used in all: 3 runs, 3.0 h, 1,002,500 tokens, $1,002.50",
        *by_ticket,
    ]
    used = {"runs": 1, "seconds": 3600.0, "tokens": 500, "costUsd": 0.5}
    assert main(["status", "--usage", "--json", "-C", str(repo)]) == 0
    whole = json.loads(capsys.readouterr().out)["usage"]
    assert whole["total"] == {"runs": 3, "seconds": 10800.0, "tokens": 1_002_500, "costUsd": 1002.5}
    assert whole["includesDone"] is True
    assert list(whole["tickets"]) == ["0002", "0003"]
    assert whole["tickets"]["0002"] == used
    assert document(repo, capsys)["usage"] == {
        **whole, "includesDone": False,
        "total": {"runs": 2, "seconds": 7200.0, "tokens": 2500, "costUsd": 2.5},
    }  # fmt: skip
