"""Real children that do what agents do to survive; none may, and no bystander may come to harm."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from scriptorium.harness.proc import read_stat
from scriptorium.harness.process import OutcomeKind, ProcessOutcome, ProcessRunner, ProcessSpec
from scriptorium.harness.records import RunFacts, read_records

from .worlds import new_run_id

PYTHON = (sys.executable, "-I", "-S", "-c")

DOUBLE_FORK = """
import os, sys, time
def escape(then):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            then()
        os._exit(0)
    os.wait()
def rest():
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(600)
def rest_unmarked():
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    os.execve(sys.executable, ["python", "-I", "-S", "-c", code], {})
"""

HEADLESS = (
    DOUBLE_FORK
    + """
import ctypes, threading
def live_on():
    while b") Z " not in open("/proc/self/stat", "rb").read():
        pass
    rest()
def headless():
    threading.Thread(target=live_on).start()
    exit_of_one_thread = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
    ctypes.CDLL(None).syscall(exit_of_one_thread, 0)
"""
)


def spec(folder: Path, *argv: str, **changes: Any) -> ProcessSpec:
    settings: dict[str, Any] = {
        "run_id": new_run_id(),
        "argv": argv,
        "cwd": folder,
        "env": {"PATH": os.environ["PATH"]},
        "log": folder / f"{new_run_id()}.jsonl",
        "hard_timeout_seconds": 60.0,
    }
    return ProcessSpec(**(settings | changes))


def runner_in(folder: Path, **settings: Any) -> ProcessRunner:
    return ProcessRunner(folder / "runs", durable=False, **settings)


def lives(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.ended


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted


class Pids:
    """Collects the pids that a child prints, and stops it once there are enough."""

    def __init__(self, wanted: int, then: Callable[[], None]) -> None:
        self.all: list[int] = []
        self.alive_before: list[bool] = []
        self._wanted = wanted
        self._then = then

    def on_line(self, line: bytes) -> None:
        self.all.append(int(line))
        if len(self.all) == self._wanted:
            self.alive_before = [lives(pid) for pid in self.all]
            self._then()

    @property
    def left(self) -> list[int]:
        return [pid for pid in self.all if lives(pid)]


async def stopped_after(
    folder: Path, wanted: int, *argv: str, **settings: Any
) -> tuple[ProcessOutcome, Pids]:
    """Run a child until it printed so many pids, then stop it; all of them lived until then."""
    stop = trio.Event()
    pids = Pids(wanted, stop.set)
    run = spec(folder, *argv, stop_grace_seconds=0.0)
    outcome = await runner_in(folder, **settings).run(run, on_line=pids.on_line, stop=stop)
    assert pids.alive_before == [True] * wanted
    assert outcome.kind is OutcomeKind.STOPPED
    assert outcome.all_gone
    return outcome, pids


@pytest.mark.req("CA-06")
async def test_a_forking_child_takes_its_family_along(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5; do (echo $(exec sh -c 'echo $PPID'); exec sleep 600) & done; wait"
    _, pids = await stopped_after(tmp_path, 5, "/bin/sh", "-c", script)
    assert pids.left == []


@pytest.mark.req("CA-06")
async def test_a_setsid_double_fork_is_found_by_its_mark(tmp_path: Path) -> None:
    _, pids = await stopped_after(tmp_path, 1, *PYTHON, DOUBLE_FORK + "escape(rest); rest()")
    assert pids.left == []


@pytest.mark.req("CA-06")
async def test_the_middle_one_of_a_double_fork_is_reaped(tmp_path: Path) -> None:
    """It has ended before the first one, whose child it was and who has not waited for it."""
    unwaited = DOUBLE_FORK.replace("os.wait()", "os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)")
    outcome = await runner_in(tmp_path).run(spec(tmp_path, *PYTHON, unwaited + "escape(rest)"))
    assert (outcome.kind, outcome.all_gone) == (OutcomeKind.EXITED, True)


@pytest.mark.req("CA-06")
async def test_an_escape_without_mark_is_found_where_only_runs_make_sessions(tmp_path: Path) -> None:
    program = DOUBLE_FORK + "escape(rest_unmarked)\ntime.sleep(600)"
    _, pids = await stopped_after(tmp_path, 1, *PYTHON, program, adopts_orphans=True)
    assert pids.left == []


@pytest.mark.req("CA-06")
async def test_an_escape_without_mark_is_found_when_it_was_seen_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is still the child of a member when it is seen, and an orphan when the run ends.
    monkeypatch.setattr("scriptorium.harness.watch.OBSERVE_SECONDS", 0.05)
    program = """
import os, sys, time
if (child := os.fork()) == 0:
    os.setsid()
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    os.execve(sys.executable, ["python", "-I", "-S", "-c", code], {})
os.wait()
"""
    observed = trio.Event()
    runner = runner_in(tmp_path)
    stop = trio.Event()
    pids = Pids(1, lambda: None)
    run = spec(tmp_path, *PYTHON, program, stop_grace_seconds=0.0)

    async def stop_once_seen() -> None:
        from scriptorium.harness.membership import ProcessId
        from scriptorium.harness.runtree import RunTree

        look = RunTree.look

        def looking(tree: RunTree) -> Any:
            found = look(tree)
            if pids.all and pids.all[0] in found:
                assert ProcessId.of(found[pids.all[0]])
                observed.set()
            return found

        monkeypatch.setattr(RunTree, "look", looking)
        await observed.wait()
        stop.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_once_seen)
        await runner.run(run, on_line=pids.on_line, stop=stop)
    assert pids.left == []


@pytest.mark.req("CA-06")
@pytest.mark.parametrize("begin", ["headless()", "escape(headless)\nrest()"], ids=["child", "escaped"])
async def test_a_process_whose_first_thread_has_ended_is_no_zombie(tmp_path: Path, begin: str) -> None:
    """It shows as one and lives on in another thread."""
    wanted = 1 if begin == "headless()" else 2
    _, pids = await stopped_after(tmp_path, wanted, *PYTHON, HEADLESS + begin)
    assert pids.left == []


HOP = """
import os
open_until_the_last_has_ended = os.open("fifo", os.O_WRONLY)
hops = 0
while True:
    if os.fork():
        os._exit(0)
    hops += 1
    if hops == 50:
        os.write(1, b"x\\n")
"""


@pytest.mark.req("CA-06")
@pytest.mark.parametrize("step", ["", "    os.setsid()"], ids=["in its group", "in a new session each time"])
async def test_a_process_that_takes_a_new_pid_all_the_time_is_caught(tmp_path: Path, step: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    # The first process waits, so that the others have hopped for a while when they are ended.
    program = "import os, time\nif os.fork(): time.sleep(600)" + HOP + step
    stop = trio.Event()
    run = spec(tmp_path, *PYTHON, program, stop_grace_seconds=0.0)
    try:
        # Nothing on those that have ended says whose they were: a service takes them for a run's.
        runner = runner_in(tmp_path, adopts_orphans=True)
        outcome = await runner.run(run, on_line=lambda _line: stop.set(), stop=stop)
        assert os.read(reading, 1) == b""  # nobody has it open any more
    finally:
        os.close(reading)
    assert (outcome.kind, outcome.all_gone) == (OutcomeKind.STOPPED, True)


@pytest.mark.req("CA-06")
@pytest.mark.parametrize("step", ["", "os.setsid()"], ids=["in its group", "in a new session each"])
async def test_more_processes_than_there_are_descriptors(tmp_path: Path, step: str) -> None:
    program = f"""
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(120):
    if os.fork() == 0:
        {step}
        time.sleep(600)
os.write(1, b"%d\\n" % os.getpid())
time.sleep(600)
"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(descriptors()) + 100, hard))
    try:
        outcome, pids = await stopped_after(tmp_path, 1, *PYTHON, program)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert pids.left == []
    assert outcome.killed <= 121


@pytest.mark.req("CA-06")
async def test_without_a_descriptor_to_look_with_nobody_is_taken_for_gone(tmp_path: Path) -> None:
    stop = trio.Event()
    hoard: list[int] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def use_up_all(line: bytes) -> None:
        pids.on_line(line)
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(descriptors()) + 20, hard))
        with suppress(OSError):
            while True:
                hoard.append(os.open("/dev/null", os.O_RDONLY))

    def give_back() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        while hoard:
            os.close(hoard.pop())

    async def let_it_look_in_vain() -> None:
        await stop.wait()
        await trio.testing.wait_all_tasks_blocked()
        give_back()

    pids = Pids(1, stop.set)
    program = DOUBLE_FORK + "escape(rest)\ntime.sleep(600)"
    run = spec(tmp_path, *PYTHON, program, stop_grace_seconds=0.0)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(let_it_look_in_vain)
            outcome = await runner_in(tmp_path).run(run, on_line=use_up_all, stop=stop)
    finally:
        give_back()
    assert (outcome.kind, outcome.all_gone, pids.left) == (OutcomeKind.STOPPED, True, [])


@pytest.mark.req("CA-06")
async def test_what_hides_after_its_start_is_known_by_its_parent_when_it_is_stopped(tmp_path: Path) -> None:
    """It is a child of the first process until that ends, and an orphan that shows nothing afterwards."""
    program = DOUBLE_FORK + "if os.fork() == 0:\n    os.setsid()\n    rest_unmarked()\nos.wait()"
    stop = trio.Event()
    pids = Pids(1, stop.set)
    outcome = await runner_in(tmp_path).run(spec(tmp_path, *PYTHON, program), on_line=pids.on_line, stop=stop)
    survivors = pids.left
    kill(survivors)
    assert (outcome.kind, survivors) == (OutcomeKind.STOPPED, [])


@pytest.mark.req("CA-06")
async def test_a_stopped_child_is_killed(tmp_path: Path) -> None:
    _, pids = await stopped_after(tmp_path, 1, "/bin/sh", "-c", "echo $$; kill -STOP $$")
    assert pids.left == []


@pytest.mark.req("CA-06")
async def test_a_stopped_child_is_woken_to_hear_the_polite_stop(tmp_path: Path) -> None:
    stop = trio.Event()
    run = spec(tmp_path, "/bin/sh", "-c", "trap 'echo bye; exit 7' TERM; echo $$; kill -STOP $$; :")
    outcome = await runner_in(tmp_path).run(run, on_line=lambda _line: stop.set(), stop=stop)
    assert (outcome.kind, outcome.exit_code) == (OutcomeKind.STOPPED, 7)


@pytest.mark.req("CA-06")
async def test_a_stop_asks_the_first_process_and_not_what_it_started(tmp_path: Path) -> None:
    """An agent ends its own tools, in its own order."""
    stop = trio.Event()
    heard: list[bytes] = []
    tool = "trap 'echo tool asked' TERM; echo ready; while :; do sleep 0.01; done"
    on_term = "trap 'echo agent asked; kill -9 $tool; exit 4' TERM"
    agent = f"({tool}) & tool=$!; {on_term}; echo ready; while :; do sleep 0.01; done"

    def on_line(line: bytes) -> None:
        heard.append(line)
        if heard == [b"ready", b"ready"]:
            stop.set()

    outcome = await runner_in(tmp_path).run(
        spec(tmp_path, "/bin/sh", "-c", agent), on_line=on_line, stop=stop
    )
    assert heard[2:] == [b"agent asked"]
    assert (outcome.kind, outcome.exit_code) == (OutcomeKind.STOPPED, 4)


@pytest.mark.req("CA-06")
async def test_what_a_shell_leaves_behind_may_end_by_itself(tmp_path: Path) -> None:
    """The shell ends at once; the program that it waited for is asked then, and given a moment."""
    stop = trio.Event()
    program = "trap 'sleep 0.02; echo saved; exit' TERM; echo ready; while :; do sleep 0.01; done"
    run = spec(tmp_path, "/bin/sh", "-c", f"({program}) & wait")
    outcome = await runner_in(tmp_path).run(run, on_line=lambda _line: stop.set(), stop=stop)
    assert (outcome.kind, outcome.signal) == (OutcomeKind.STOPPED, 15)
    assert run.log.read_bytes() == b"ready\nsaved\n"


@pytest.mark.req("CA-06")
async def test_a_shell_that_waits_for_a_program_hears_the_stop_when_that_ends(tmp_path: Path) -> None:
    stop = trio.Event()
    script = "trap 'echo saved; exit 3' TERM; echo ready; sleep 600"
    run = spec(tmp_path, "/bin/sh", "-c", script, stop_grace_seconds=0.05)
    outcome = await runner_in(tmp_path).run(run, on_line=lambda _line: stop.set(), stop=stop)
    assert (outcome.kind, outcome.exit_code) == (OutcomeKind.STOPPED, 3)
    assert run.log.read_bytes() == b"ready\nsaved\n"


async def test_a_hundred_megabytes_of_output_are_logged_and_bounded_in_memory(tmp_path: Path) -> None:
    run = spec(tmp_path, "/bin/sh", "-c", "head -c 100000000 /dev/zero; echo end", log_limit_bytes=10**9)
    outcome = await runner_in(tmp_path).run(run)
    assert outcome.kind is OutcomeKind.EXITED
    assert run.log.stat().st_size == 100_000_004
    assert outcome.tail.endswith(b"\0end\n")
    assert len(outcome.tail) == 16 * 1024


@contextmanager
def bystanders(program: Path, number: int, *, sessions: bool = True) -> Iterator[list[int]]:
    """Processes of the same name and arguments that belong to nobody's run."""
    started = [
        subprocess.Popen([program, "600"], env={}, start_new_session=sessions and index % 2 == 0)
        for index in range(number)
    ]
    try:
        yield [each.pid for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()


@pytest.mark.req("CA-06")
@pytest.mark.parametrize("adopts_orphans", [False, True])
async def test_twenty_bystanders_of_the_same_name_survive(tmp_path: Path, adopts_orphans: bool) -> None:
    program = tmp_path / "agent"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with bystanders(program, 20, sessions=not adopts_orphans) as others:
        script = "for i in 1 2 3; do ./agent 600 & echo $!; done; wait"
        _, pids = await stopped_after(tmp_path, 3, "/bin/sh", "-c", script, adopts_orphans=adopts_orphans)
        assert pids.left == []
        assert [pid for pid in others if not lives(pid)] == []


@pytest.mark.slow
@pytest.mark.req("CA-06")
@pytest.mark.parametrize("adopts_orphans", [False, True])
async def test_another_run_s_processes_and_orphans_survive(tmp_path: Path, adopts_orphans: bool) -> None:
    runner = runner_in(tmp_path, adopts_orphans=adopts_orphans)
    ready, stop_first, first_over = trio.Event(), trio.Event(), trio.Event()
    first = Pids(2, stop_first.set)

    async def run_first() -> None:
        await ready.wait()
        run = spec(tmp_path, *PYTHON, DOUBLE_FORK + "escape(rest); rest()", stop_grace_seconds=0.0)
        await runner.run(run, on_line=first.on_line, stop=stop_first)
        first_over.set()

    stop_second = trio.Event()
    second = Pids(3, ready.set)

    async def check_second() -> None:
        await first_over.wait()
        assert first.left == []
        assert second.left == second.all
        stop_second.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_first)
        nursery.start_soon(check_second)
        program = DOUBLE_FORK + "escape(rest); escape(rest_unmarked); rest()"
        run = spec(tmp_path, *PYTHON, program, stop_grace_seconds=0.0)
        await runner.run(run, on_line=second.on_line, stop=stop_second)
    survivors = second.left
    kill(survivors)  # without `adopts_orphans` the one that hides everything is out of reach
    assert len(survivors) == (0 if adopts_orphans else 1)


async def test_a_child_gets_its_own_session_and_group_no_descriptors_umask_and_the_mark(
    tmp_path: Path,
) -> None:
    script = (
        "umask; ls /proc/self/fd | wc -l; echo $SCRIPTORIUM_RUN; ps -o sid=,pgid= -p $$ | tr -s ' '; echo $$"
    )
    secret = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(secret, True)
    lines: list[bytes] = []
    run = spec(tmp_path, "/bin/sh", "-c", script)
    try:
        await runner_in(tmp_path).run(run, on_line=lines.append)
    finally:
        os.close(secret)
    umask, descriptors, mark, session, pid = lines
    assert umask == b"0077"
    assert int(descriptors) == 4  # 0, 1, 2 and the folder that ls reads
    assert mark.decode() == run.run_id
    assert session.split() == [pid, pid]


async def test_no_descriptor_and_no_child_is_left_after_many_runs(tmp_path: Path) -> None:
    runner = runner_in(tmp_path)
    await runner.run(spec(tmp_path, "/bin/true"))
    before = descriptors()
    for _ in range(10):
        await runner.run(spec(tmp_path, "/bin/sh", "-c", "sleep 600 & echo x >&2", stdin=b"x"))
    assert descriptors() == before


async def test_a_working_directory_that_is_not_there(tmp_path: Path) -> None:
    run = spec(tmp_path, "true", cwd=tmp_path / "gone")
    outcome = await runner_in(tmp_path).run(run)
    assert outcome.error == f"{tmp_path}/gone: No such file or directory: the working directory of true"


async def test_a_program_that_is_not_on_the_path(tmp_path: Path) -> None:
    run = spec(tmp_path, "no-such-agent", env={"PATH": "/bin"})
    outcome = await runner_in(tmp_path).run(run)
    missing = "could not start: no-such-agent: not found on PATH (/bin)"
    assert outcome.describe() == f"{missing}; install it, or set its path in scriptorium.json"


async def test_an_argument_that_no_process_can_have(tmp_path: Path) -> None:
    outcome = await runner_in(tmp_path).run(spec(tmp_path, "true", "a\0b"))
    assert outcome.kind is OutcomeKind.COULD_NOT_START


async def test_the_record_is_synced_before_the_process_starts(tmp_path: Path) -> None:
    runner = ProcessRunner(tmp_path / "runs")
    run = spec(tmp_path, "/bin/sh", "-c", f"cat {tmp_path}/runs/*.json", record=RunFacts("coding", "0001"))
    outcome = await runner.run(run)
    assert b'"ticket": "0001"' in outcome.tail
    assert list((tmp_path / "runs").iterdir()) == []


SERVICE = """
import sys, os, trio
from pathlib import Path
from scriptorium.harness.process import *
folder = Path(sys.argv[1])
def on_line(line):
    os.write(1, line + b"\\n")
spec = ProcessSpec(run_id=sys.argv[2], argv=tuple(sys.argv[3:]), cwd=folder, env=dict(os.environ),
                   log=folder / "log", hard_timeout_seconds=60.0, record=RunFacts("coding", "0007"))
trio.run(lambda: ProcessRunner(folder / "runs").run(spec, on_line=on_line))
"""


def killed_service(folder: Path, run_id: str, program: str) -> list[int]:
    """Start a service in a process of its own, let it run a child that prints two pids, and kill it."""
    argv = [sys.executable, "-c", SERVICE, str(folder), run_id, *PYTHON, program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        pids = [int(service.stdout.readline()) for _ in range(2)]
        service.kill()
    return pids


@pytest.mark.slow
async def test_what_a_killed_service_left_is_swept_by_the_next(tmp_path: Path) -> None:
    run_id = new_run_id()
    program = DOUBLE_FORK + "escape(rest); rest()"
    pids = killed_service(tmp_path, run_id, program)
    assert [lives(pid) for pid in pids] == [True, True]
    (record,) = read_records(tmp_path / "runs")
    assert record.alive

    with bystanders(Path(shutil.which("sleep") or "/bin/sleep"), 3) as others:
        (dead,) = await runner_in(tmp_path).sweep_dead_service()
        assert all(map(lives, others))
    assert (dead.record.run_id, dead.record.facts.ticket, dead.killed) == (run_id, "0007", 2)
    assert dead.all_gone
    assert not any(map(lives, pids))
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_record_of_another_boot_kills_nothing(tmp_path: Path) -> None:
    from attrs import evolve

    from scriptorium.harness.records import RunRecord, write_record

    me = read_stat(os.getpid())
    assert me is not None
    record = RunRecord(new_run_id(), RunFacts(), "2030-01-01T00:00:00Z", ("x",), "another boot")
    write_record(tmp_path / "runs", evolve(record, pid=me.pid, start_time=me.start_time), durable=False)
    (dead,) = await runner_in(tmp_path).sweep_dead_service()
    assert (dead.killed, dead.all_gone) == (0, True)


async def test_a_record_whose_pid_is_another_s_by_now_kills_nothing(tmp_path: Path) -> None:
    from scriptorium.harness.records import RunRecord, write_record

    with bystanders(Path(shutil.which("sleep") or "/bin/sleep"), 2) as (pid, _):
        stat = read_stat(pid)
        assert stat is not None
        record = RunRecord(new_run_id(), RunFacts(), "2030-01-01T00:00:00Z", ("sleep",))
        write_record(tmp_path / "runs", record.with_process(pid, stat.start_time - 100), durable=False)
        (dead,) = await runner_in(tmp_path).sweep_dead_service()
        assert dead.killed == 0
        assert lives(pid)


async def test_a_damaged_record_still_finds_its_processes(tmp_path: Path) -> None:
    run_id = new_run_id()
    with subprocess_with({"PATH": os.environ["PATH"], "SCRIPTORIUM_RUN": run_id}) as pid:
        await damaged_record_is_swept(tmp_path, run_id, pid)


@contextmanager
def subprocess_with(env: dict[str, str]) -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"], env=env, start_new_session=True) as process:
        try:
            yield process.pid
        finally:
            process.kill()


async def damaged_record_is_swept(tmp_path: Path, run_id: str, pid: int) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / f"{run_id}.json").write_text('{"run_id": ')
    (dead,) = await runner_in(tmp_path).sweep_dead_service()
    assert dead.killed == 1
    assert not lives(pid)
