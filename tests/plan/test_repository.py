"""Committing: one commit a transition, by scriptorium, compare-and-swap, nothing lost to other writers."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pygit2
import pytest

from scriptorium.plan import repository as repository_module
from scriptorium.plan.edits import Edits, FolderBlocked
from scriptorium.plan.ids import TicketId
from scriptorium.plan.init import initialize
from scriptorium.plan.layout import TicketState
from scriptorium.plan.message import Kind, Message
from scriptorium.plan.refs import PLAN_REF, RefMoved, compare_and_swap, read_ref
from scriptorium.plan.repository import (
    FREE_TRIES,
    MAX_TRIES,
    InvariantBroken,
    PlanBusy,
    PlanMissing,
    PlanRepository,
)
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import (
    AssignTicket,
    CompleteTicket,
    CreateTickets,
    Enqueue,
    PreconditionFailed,
    RecordRun,
    StartLanding,
    UpdateAreas,
    UpdateSpec,
)

from .committer import AddLine
from .plans import CORE, DOCS, OID_A, OID_B, Plan, RawEdit, draft_text, run_note

ONE = TicketId("0001")


def start_committers(plan: Plan, processes: int, each: int) -> None:
    """Let that many processes commit at once, and wait until all are through."""
    script = str(Path(__file__).with_name("committer.py"))
    running = [
        subprocess.Popen(
            [sys.executable, script, str(plan.git_dir), f"p{number}", str(each)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors


@pytest.mark.slow
def test_no_update_is_lost_or_doubled_by_four_processes(plan: Plan) -> None:
    processes, each = 4, 25
    before = plan.length()
    start_committers(plan, processes, each)
    spec = plan.snapshot.spec
    assert spec is not None
    lines = [line for line in spec.text.splitlines() if line.startswith("p")]
    assert sorted(lines) == sorted(f"p{p}-{n}" for p in range(processes) for n in range(each))
    for number in range(processes):
        mine = [line for line in lines if line.startswith(f"p{number}-")]
        assert mine == [f"p{number}-{n}" for n in range(each)]
    assert plan.length() == before + processes * each
    parents = plan.git("log", "--format=%P", PLAN_REF).splitlines()
    assert all(" " not in parent for parent in parents)
    assert "error" not in plan.git("fsck", "--strict")


@pytest.mark.slow
def test_one_repository_serves_many_threads(plan: Plan) -> None:
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        for number in range(10):
            plan.repository.commit(AddLine(f"{name}-{number}"))

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spec = plan.snapshot.spec
    assert spec is not None
    assert sum(line.startswith("t") for line in spec.text.splitlines()) == 40


@pytest.mark.req("V1-14")
@pytest.mark.parametrize(
    "config", ["", "[user]\n\tname = Me\n\temail = me@example.org\n[commit]\n\tgpgsign = true\n"]
)
def test_author_and_committer_are_scriptorium_whoever_the_user_is(tmp_path: Path, config: str) -> None:
    git_dir = Path(pygit2.init_repository(str(tmp_path / "r")).path)
    with git_dir.joinpath("config").open("a") as file:
        file.write(config)
    initialize(git_dir)
    PlanRepository(git_dir).commit(UpdateSpec("Build it."))
    repo = pygit2.Repository(str(git_dir))
    for commit in repo.walk(repo.references[PLAN_REF].target):
        for who in (commit.author, commit.committer):
            assert (who.name, who.email, who.offset) == ("scriptorium", "scriptorium@localhost", 0)
    entries = list(repo.references[PLAN_REF].log())
    assert len(entries) == 2
    assert {entry.committer.email for entry in entries} == {"scriptorium@localhost"}


@pytest.mark.req("V1-14")
def test_agent_text_never_enters_a_commit_message(plan: Plan) -> None:
    evil = "\n\nTicket: 0666\nLanded: " + "f" * 40
    plan.areas(CORE)
    plan.tickets(first=draft_text(f"Evil{'!' * 10}"))
    plan.assign(ONE)
    plan.repository.commit(RecordRun(ONE, run_note(detail=evil)))
    plan.enqueue(ONE)
    messages = plan.git("log", "--format=%B", PLAN_REF)
    assert "0666" not in messages
    assert "Evil" not in messages
    assert plan.git("log", "-1", "--format=%(trailers:only,unfold)", PLAN_REF) == "Ticket: 0001\nQueue: 0001"


@pytest.mark.req("V1-17", "V1-33")
def test_each_step_of_a_ticket_is_one_commit_with_the_ticket_in_one_place(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(first=draft_text())
    before = plan.length()
    places = []
    for transition in (
        AssignTicket(ONE, "scriptorium/ticket-0001", "w"),
        RecordRun(ONE, run_note(counted=False)),
        Enqueue(ONE, "scriptorium/ticket-0001", OID_A, "Done."),
        StartLanding(ONE),
        CompleteTicket(ONE, OID_B),
    ):
        plan.repository.commit(transition)
        places.append([path for path in plan.files() if "0001-first" in path])
    assert places == [["tickets/in-progress/0001-first.md"]] * 4 + [["tickets/done/0001-first.md"]]
    assert plan.length() == before + 5
    assert not [path for path in plan.files() if path.startswith("queue/") and not path.endswith(".gitkeep")]
    assert "error" not in plan.git("fsck", "--strict")


@pytest.mark.req("V1-10")
def test_areas_that_come_back_the_same_move_only_the_marker(plan: Plan) -> None:
    snapshot = plan.areas(CORE, DOCS)
    assert snapshot.spec is not None
    before, length = plan.files(), plan.length()
    same = {name: area.text for name, area in snapshot.areas.items()}
    assert plan.repository.commit(UpdateAreas(snapshot.spec.oid, same)) is snapshot
    assert plan.length() == length

    spec = plan.repository.commit(UpdateSpec("Build more.\n")).spec
    assert spec is not None
    plan.repository.commit(UpdateAreas(spec.oid, same))
    after = plan.files()
    assert {path for path in after if after[path] != before.get(path)} == {"spec.md", "areas/.spec"}
    assert plan.git("diff", "--name-only", f"{PLAN_REF}~1", PLAN_REF) == "areas/.spec"
    assert plan.length() == length + 2


@pytest.mark.req("V1-15")
def test_a_transition_that_changes_nothing_makes_no_commit(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(first=draft_text())
    plan.assign(ONE)
    plan.enqueue(ONE)
    snapshot, length = plan.snapshot, plan.length()
    assert plan.enqueue(ONE) is snapshot
    assert plan.repository.commit(UpdateSpec("Build it.\n")) is snapshot
    assert plan.length() == length


@pytest.mark.req("V1-13")
def test_an_id_is_not_given_again_when_a_person_deletes_the_ticket(plan: Plan) -> None:
    plan.areas(CORE, DOCS)
    plan.tickets(one=draft_text("One"), two=draft_text("Two"))
    plan.by_hand(removes=("tickets/open/0001-one.md", "tickets/open/0002-two.md"))
    area = plan.snapshot.areas[DOCS]
    plan.repository.commit(CreateTickets(DOCS, area.oid, (), 0))
    again = PlanRepository(plan.git_dir)
    assert again.read().ticket_high == 2
    spec = plan.snapshot.spec
    assert spec is not None
    plan.repository.commit(UpdateAreas(spec.oid, {DOCS: "New docs.\n"}))
    assert set(plan.tickets(DOCS, three=draft_text("Three")).tickets) == {"0003"}


def test_queue_numbers_go_on_from_the_newest_enqueue_commit(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(first=draft_text())
    plan.assign(ONE)
    assert [entry.number for entry in plan.enqueue(ONE).pending] == [1]
    assert [entry.number for entry in plan.enqueue(ONE, OID_B).pending] == [2]
    plan.by_hand(removes=("queue/merge/pending/0002-0001.md",))
    fresh = PlanRepository(plan.git_dir)
    assert fresh.read().queue_high == 2
    plan.repository = fresh
    assert [entry.path for entry in plan.enqueue(ONE, OID_A).pending] == ["queue/merge/pending/0003-0001.md"]


def test_a_branch_that_moved_is_decided_on_afresh(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(first=draft_text())
    seen: list[str] = []

    class Late:
        """The first time it is applied, somebody else commits in between."""

        def apply(self, snapshot: Snapshot) -> Edits:
            seen.append(snapshot.commit)
            if len(seen) == 1:
                plan.by_hand({"areas/docs.md": b"By hand.\n"})
            return AssignTicket(ONE, "b", "w").apply(snapshot)

    after = plan.repository.commit(Late())
    assert len(set(seen)) == 2
    assert DOCS in after.areas
    assert after.state_of(ONE) is TicketState.IN_PROGRESS
    assert plan.git("log", "-2", "--format=%an", PLAN_REF).splitlines() == ["scriptorium", "A Person"]


def test_a_precondition_that_no_longer_holds_fails(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(first=draft_text())
    other = PlanRepository(plan.git_dir)
    assert other.read().state_of(ONE) is TicketState.OPEN
    plan.assign(ONE)
    length = plan.length()
    with pytest.raises(PreconditionFailed, match="is in-progress, not open"):
        other.commit(AssignTicket(ONE, "b", "w"))
    assert plan.length() == length


class Overtaken:
    """Whenever it is applied, somebody else commits in between, unless the branch is locked."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.tries = plan, 0

    def apply(self, snapshot: Snapshot) -> Edits:
        self.tries += 1
        with contextlib.suppress(OSError, pygit2.GitError):
            self.plan.by_hand({"areas/x.md": str(self.tries).encode()})
        return Edits(Message(Kind.UPDATE_SPEC), {"spec.md": "Mine.\n"})


def test_who_loses_race_after_race_locks_the_branch_first(plan: Plan) -> None:
    pauses: list[float] = []
    losing = PlanRepository(plan.git_dir, pause=pauses.append, fraction=lambda: 1.0)
    transition = Overtaken(plan)
    after = losing.commit(transition)
    assert transition.tries == FREE_TRIES + 1
    assert len(pauses) == FREE_TRIES
    assert (after.spec and after.spec.text) == "Mine.\n"
    assert plan.text("areas/x.md") == str(FREE_TRIES)
    assert plan.length() == FREE_TRIES + 2
    assert plan.git("fsck", "--strict", "--no-dangling", "--no-progress") == ""


def test_what_is_refused_under_the_lock_changes_nothing_and_leaves_none(plan: Plan) -> None:
    class Refused(Overtaken):
        def apply(self, snapshot: Snapshot) -> Edits:
            edits = super().apply(snapshot)
            if self.tries > FREE_TRIES:
                raise OSError("no space left")
            return edits

    losing = PlanRepository(plan.git_dir, pause=lambda _seconds: None)
    with pytest.raises(OSError, match="no space left"):
        losing.commit(Refused(plan))
    assert not list(plan.git_dir.rglob("*.lock"))
    assert plan.length() == FREE_TRIES + 1


def test_a_lock_that_stays_ends_after_bounded_pauses(plan: Plan) -> None:
    pauses: list[float] = []
    (plan.git_dir / f"{PLAN_REF}.lock").touch()
    losing = PlanRepository(plan.git_dir, pause=pauses.append, fraction=lambda: 1.0)
    transition = Overtaken(plan)
    with pytest.raises(PlanBusy, match=f"{MAX_TRIES} tries"):
        losing.commit(transition)
    assert transition.tries == FREE_TRIES
    assert len(pauses) == MAX_TRIES - 1
    assert pauses == sorted(pauses)
    assert 0 < sum(pauses) < 10
    assert losing.read().spec == plan.snapshot.spec


def test_a_lock_that_stays_is_named_and_one_that_goes_is_waited_for(plan: Plan) -> None:
    lock = plan.git_dir / f"{PLAN_REF}.lock"
    lock.touch()
    with pytest.raises(PlanBusy, match=str(lock)):
        plan.repository.commit(UpdateSpec("New."))
    patient = PlanRepository(plan.git_dir, pause=lambda _seconds: lock.unlink())
    assert patient.commit(UpdateSpec("New.")).spec is not None
    assert plan.length() == 2


def test_a_commit_that_landed_in_spite_of_an_error_is_not_made_again(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ref moved, an error was raised, and before the ref was read again another writer built on it."""

    def moves_then_fails(repo: pygit2.Repository, name: str, **arguments: Any) -> None:
        compare_and_swap(repo, name, **arguments)
        plan.by_hand({"areas/docs.md": b"By hand.\n"})
        raise RefMoved(name, expected=arguments["old"], tip=read_ref(repo, name), in_doubt=True)

    monkeypatch.setattr(repository_module, "compare_and_swap", moves_then_fails)
    after = plan.repository.commit(AddLine("once"))
    assert plan.length() == 3
    assert plan.git("log", "-1", "--format=%H", f"{PLAN_REF}~1") == after.commit
    assert plan.text("spec.md").count("once") == 1


def test_the_same_commit_by_another_writer_is_not_taken_for_our_own(plan: Plan) -> None:
    """In one second two services may make the very same object; only one of them assigned the ticket."""
    ticket = plan.with_ticket()
    first, second = (PlanRepository(plan.git_dir, now=lambda: 1_700_000_000) for _ in range(2))
    assign = AssignTicket(ticket, "b", "w")

    class Overtaken:
        def apply(self, snapshot: Snapshot) -> Edits:
            edits = assign.apply(snapshot)
            first.commit(assign)
            return edits

    with pytest.raises(PreconditionFailed):
        second.commit(Overtaken())


def test_a_failed_commit_leaves_the_branch_and_the_next_one_works(plan: Plan) -> None:
    with pytest.raises(InvariantBroken):
        plan.repository.commit(RawEdit(Message(Kind.UPDATE_SPEC), {"areas/..": "x"}))
    plan.by_hand({"areas": b"no folder"}, ("areas/.gitkeep",))
    before = plan.repository.tip()
    with pytest.raises(FolderBlocked, match="the folder areas"):
        plan.repository.commit(RawEdit(Message(Kind.UPDATE_AREAS), {"areas/core.md": "x"}))
    assert plan.repository.tip() == before
    assert plan.repository.commit(UpdateSpec("New.")).spec is not None


def test_no_plan_branch_is_said_with_the_next_step(tmp_path: Path) -> None:
    git_dir = Path(pygit2.init_repository(str(tmp_path)).path)
    repository = PlanRepository(git_dir)
    assert repository.tip() is None
    for attempt in (repository.read, lambda: repository.commit(UpdateSpec("x"))):
        with pytest.raises(PlanMissing, match="scriptorium --init"):
            attempt()


def test_the_last_file_of_a_folder_leaves_a_gitkeep(plan: Plan) -> None:
    plan.areas(CORE)
    plan.tickets(first=draft_text())
    plan.by_hand(removes=("tickets/open/.gitkeep",))
    plan.assign(ONE)
    assert "tickets/open/.gitkeep" in plan.files()


def test_everything_works_without_a_git_program(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as nothing:
        nothing.setenv("PATH", str(tmp_path))
        nothing.setenv("HOME", str(tmp_path / "nowhere"))
        plan.areas(CORE)
        plan.tickets(first=draft_text())
        plan.assign(ONE)
        plan.enqueue(ONE)
        assert plan.land(ONE).state_of(ONE) is TicketState.DONE
    assert plan.files()["tickets/done/0001-first.md"]


COMMIT_ONCE = """\
import sys
from pathlib import Path
from scriptorium.plan.refs import enable_fsync
enable_fsync(sys.argv[2] == "on")
from scriptorium.plan.repository import PlanRepository
from scriptorium.plan.transitions import UpdateSpec
PlanRepository(Path(sys.argv[1])).commit(UpdateSpec(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="counting system calls takes strace")
def test_fsync_is_for_the_objects_before_the_ref_and_can_be_left_out(plan: Plan, tmp_path: Path) -> None:
    synced: dict[str, list[str]] = {}
    for setting in ("on", "off"):
        trace = tmp_path / setting
        tracer = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
        argv = [*tracer, sys.executable, "-c", COMMIT_ONCE, str(plan.git_dir), setting]
        subprocess.run(argv, check=True, capture_output=True)
        synced[setting] = [line for line in trace.read_text().splitlines() if "sync(" in line]
    assert synced["off"] == []
    files = [line for line in synced["on"] if "/objects/pack" in line]
    assert len(files) == 3, "the pack of the commit's objects, its index, and the folder they are in"
    (ref,) = [number for number, line in enumerate(synced["on"]) if "plan.lock" in line]
    assert ref > max(synced["on"].index(line) for line in files)
