"""What the process runner promises, shown on children in memory and on real ones alike."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from scriptorium.harness.process import Activity, OutcomeKind, ProcessOutcome, ProcessRunner
from scriptorium.harness.records import read_records

from .worlds import Act, FakeChild, VirtualWorld, World, spec_for

PROMPT = b"p" * 10_000_000


async def prints(child: FakeChild) -> int:
    await child.print(b"one\ntwo\n")
    await child.complain(b"oops\n")
    return 0


async def fails(child: FakeChild) -> int:
    await child.print(b"no\n")
    return 3


async def dies(child: FakeChild) -> int:
    return -9


async def echoes(child: FakeChild) -> int:
    await child.print(await child.read_prompt())
    return 0


async def never_reads(child: FakeChild) -> int:
    await child.print(b"done\n")
    return 0


async def stalls(child: FakeChild) -> int:
    await child.print(b"hello\n")
    await child.asked.wait()
    return -15


async def chatters(child: FakeChild) -> int:
    while not child.asked.is_set():
        await child.print(b"reconnecting\n")
        await trio.sleep(1)
    return -15


async def ignores_term(child: FakeChild) -> int:
    await child.print(b"deaf\n")
    await trio.sleep_forever()
    raise AssertionError


async def ends_politely(child: FakeChild) -> int:
    await child.print(b"ready\n")
    await child.asked.wait()
    await child.print(b"saved\n")
    return 0


async def leaves_a_pipe_open(child: FakeChild) -> int:
    child.holds_pipe = True
    await child.print(b"gone\n")
    return 0


PRINTS = Act("echo one; echo two; echo oops >&2", prints)
FAILS = Act("echo no; exit 3", fails)
DIES = Act("kill -9 $$", dies)
ECHOES = Act("cat", echoes)
NEVER_READS = Act("echo done", never_reads)
STALLS = Act("echo hello; exec sleep 600", stalls)
CHATTERS = Act("while :; do echo reconnecting; sleep 0.01; done", chatters)
IGNORES_TERM = Act("trap '' TERM; echo deaf; while :; do sleep 600; done", ignores_term)
ENDS_POLITELY = Act("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done", ends_politely)
LEAVES_A_PIPE_OPEN = Act("sleep 600 & echo gone", leaves_a_pipe_open)


def go(world: World, act: Act, body: Callable[[ProcessRunner], Awaitable[ProcessOutcome]]) -> ProcessOutcome:
    """Run a body with a runner; afterwards no record is left."""

    async def main() -> ProcessOutcome:
        async with trio.open_nursery() as nursery:
            outcome = await body(world.runner(nursery, act))
            nursery.cancel_scope.cancel()
        return outcome

    outcome: ProcessOutcome = world.run(main)
    runs = world.folder / "runs"
    assert not runs.exists() or list(runs.iterdir()) == []
    return outcome


def run(world: World, act: Act, **changes: Any) -> ProcessOutcome:
    """Run a behaviour to its end."""
    return go(world, act, lambda runner: runner.run(spec_for(world, act, **changes)))


@pytest.mark.req("CA-08")
def test_a_run_that_succeeds(world: World) -> None:
    outcome = run(world, PRINTS)
    assert (outcome.kind, outcome.exit_code, outcome.signal) == (OutcomeKind.EXITED, 0, None)
    assert outcome.all_gone
    assert not outcome.truncated


@pytest.mark.req("CA-08")
def test_a_run_that_fails(world: World) -> None:
    outcome = run(world, FAILS)
    assert (outcome.kind, outcome.exit_code) == (OutcomeKind.FAILED, 3)
    assert outcome.describe() == "failed with exit code 3"


def test_a_run_that_a_foreign_signal_ends(world: World) -> None:
    outcome = run(world, DIES)
    assert (outcome.kind, outcome.exit_code, outcome.signal) == (OutcomeKind.SIGNALED, None, 9)


def test_a_program_that_is_not_there(world: World) -> None:
    outcome = run(world, PRINTS, argv=("/nonexistent/agent",))
    assert outcome.kind is OutcomeKind.COULD_NOT_START
    assert outcome.error == "/nonexistent/agent: No such file or directory"


@pytest.mark.req("CA-04")
def test_standard_output_is_logged_byte_for_byte_and_standard_error_beside_it(world: World) -> None:
    outcome = run(world, PRINTS)
    log = world.folder / "logs" / "1.jsonl"
    assert log.read_bytes() == b"one\ntwo\n"
    assert log.with_name("1.jsonl.stderr").read_bytes() == b"oops\n"
    assert sorted(outcome.tail.split()) == [b"one", b"oops", b"two"]
    assert outcome.stderr_tail == b"oops\n"


def test_merged_standard_error_goes_to_the_one_log(world: World) -> None:
    run(world, PRINTS, merge_stderr=True)
    log = world.folder / "logs" / "1.jsonl"
    assert log.read_bytes() == b"one\ntwo\noops\n"
    assert [path.name for path in log.parent.iterdir()] == ["1.jsonl"]


@pytest.mark.req("CA-04")
def test_a_log_is_never_written_over(world: World) -> None:
    log = world.folder / "logs" / "1.jsonl"
    log.parent.mkdir()
    log.write_bytes(b"earlier\n")
    outcome = run(world, PRINTS)
    assert outcome.kind is OutcomeKind.COULD_NOT_START
    assert outcome.error == f"{log}: the log is there already and is not written over"
    assert log.read_bytes() == b"earlier\n"


@pytest.mark.req("CA-04")
def test_a_log_ends_at_its_limit_with_a_marker(world: World) -> None:
    outcome = run(world, PRINTS, log_limit_bytes=5)
    marker = json.dumps({"type": "scriptorium.log_limit", "limit_bytes": 5}).encode()
    assert (world.folder / "logs" / "1.jsonl").read_bytes() == b"one\nt\n" + marker + b"\n"
    assert outcome.truncated


@pytest.mark.req("CA-04")
def test_secrets_are_masked_wherever_the_output_goes(world: World) -> None:
    async def leaks(child: FakeChild) -> int:
        await child.print(b"the key is sk-abcd")
        await child.print(b"efgh12345\n")
        return 0

    act = Act("printf 'the key is sk-abcd'; sleep 0.01; echo efgh12345", leaks)
    lines: list[bytes] = []

    def on_line(line: bytes) -> None:
        lines.append(line)

    outcome = go(
        world,
        act,
        lambda runner: runner.run(spec_for(world, act, secrets=("sk-abcdefgh12345",)), on_line=on_line),
    )
    assert (world.folder / "logs" / "1.jsonl").read_bytes() == b"the key is [masked]\n"
    assert outcome.tail == b"the key is [masked]\n"
    assert lines == [b"the key is [masked]"]


@pytest.mark.req("CA-02")
def test_a_large_prompt_is_written_while_its_echo_is_read(world: World) -> None:
    outcome = run(world, ECHOES, stdin=PROMPT)
    assert outcome.kind is OutcomeKind.EXITED
    assert (world.folder / "logs" / "1.jsonl").read_bytes() == PROMPT


@pytest.mark.req("CA-02")
def test_a_child_that_never_reads_its_prompt_does_not_hang_the_run(world: World) -> None:
    assert run(world, NEVER_READS, stdin=PROMPT).kind is OutcomeKind.EXITED


@pytest.mark.req("CA-02", "CA-06")
def test_a_stalling_child_that_never_reads_its_prompt_is_stopped(patient_world: World) -> None:
    outcome = run(patient_world, STALLS, stdin=PROMPT, no_output_timeout_seconds=patient_world.short)
    assert outcome.kind is OutcomeKind.NO_OUTPUT


@pytest.mark.req("CA-06", "CA-08")
def test_a_child_that_falls_silent_is_stopped(patient_world: World) -> None:
    outcome = run(patient_world, STALLS, no_output_timeout_seconds=patient_world.short)
    assert (outcome.kind, outcome.signal) == (OutcomeKind.NO_OUTPUT, 15)
    assert outcome.tail == b"hello\n"


@pytest.mark.req("CA-06")
def test_the_hard_limit_ends_a_child_that_talks_on(patient_world: World) -> None:
    outcome = run(
        patient_world,
        CHATTERS,
        no_output_timeout_seconds=patient_world.short,
        hard_timeout_seconds=patient_world.short * 3,
    )
    assert outcome.kind is OutcomeKind.HARD_TIMEOUT
    assert b"reconnecting" in outcome.tail


@pytest.mark.req("CA-06")
def test_chatter_that_is_no_progress_does_not_feed_the_no_output_clock(patient_world: World) -> None:
    outcome = go(
        patient_world,
        CHATTERS,
        lambda runner: runner.run(
            spec_for(patient_world, CHATTERS, no_output_timeout_seconds=patient_world.short),
            on_line=lambda _line: Activity(progress=False),
        ),
    )
    assert outcome.kind is OutcomeKind.NO_OUTPUT


@pytest.mark.req("CA-06")
def test_chatter_on_standard_error_feeds_the_clock_only_where_it_is_activity(patient_world: World) -> None:
    async def complains(child: FakeChild) -> int:
        while not child.asked.is_set():
            await child.complain(b"warning\n")
            await trio.sleep(1)
        return 0

    act = Act("while :; do echo warning >&2; sleep 0.01; done", complains)
    limits = {
        "no_output_timeout_seconds": patient_world.short,
        "hard_timeout_seconds": patient_world.short * 3,
    }
    assert run(patient_world, act, **limits).kind is OutcomeKind.HARD_TIMEOUT
    log = patient_world.folder / "logs" / "2.jsonl"
    outcome = run(patient_world, act, **limits, stderr_is_activity=False, log=log)
    assert outcome.kind is OutcomeKind.NO_OUTPUT


@pytest.mark.req("CA-06")
def test_the_no_output_clock_pauses_while_a_tool_call_is_open(patient_world: World) -> None:
    async def works(child: FakeChild) -> int:
        await child.print(b"open\n")
        await trio.sleep(patient_world.short * 3)
        await child.print(b"close\n")
        await child.asked.wait()
        return 0

    act = Act(f"echo open; sleep {patient_world.short * 3}; echo close; sleep 600", works)
    heard: list[bytes] = []

    def on_line(line: bytes) -> Activity:
        heard.append(line)
        return Activity(open_calls=int(line == b"open"))

    outcome = go(
        patient_world,
        act,
        lambda runner: runner.run(
            spec_for(patient_world, act, no_output_timeout_seconds=patient_world.short), on_line=on_line
        ),
    )
    assert heard == [b"open", b"close"]
    assert outcome.kind is OutcomeKind.NO_OUTPUT


@pytest.mark.req("CA-06")
def test_the_hard_limit_holds_while_a_tool_call_is_open(patient_world: World) -> None:
    outcome = go(
        patient_world,
        STALLS,
        lambda runner: runner.run(
            spec_for(
                patient_world,
                STALLS,
                no_output_timeout_seconds=patient_world.short / 2,
                hard_timeout_seconds=patient_world.short,
            ),
            on_line=lambda _line: Activity(open_calls=1),
        ),
    )
    assert (outcome.kind, outcome.signal) == (OutcomeKind.HARD_TIMEOUT, 15)


@pytest.mark.req("CA-06")
def test_a_child_that_closes_its_output_and_lives_on_is_stopped(patient_world: World) -> None:
    async def closes(child: FakeChild) -> int:
        child.out.close()
        child.err.close()
        await child.asked.wait()
        return -15

    act = Act("exec >&- 2>&-; exec sleep 600", closes)
    outcome = run(patient_world, act, no_output_timeout_seconds=patient_world.short)
    assert (outcome.kind, outcome.signal) == (OutcomeKind.NO_OUTPUT, 15)


@pytest.mark.req("CA-06")
def test_a_child_that_ignores_sigterm_is_killed_after_the_grace(patient_world: World) -> None:
    outcome = run(patient_world, IGNORES_TERM, no_output_timeout_seconds=patient_world.short)
    assert (outcome.kind, outcome.signal) == (OutcomeKind.NO_OUTPUT, 9)
    assert outcome.killed >= 1
    assert outcome.all_gone


@pytest.mark.req("CA-06")
def test_a_descendant_that_holds_the_pipe_open_does_not_hang_the_run(world: World) -> None:
    outcome = run(world, LEAVES_A_PIPE_OPEN)
    assert outcome.kind is OutcomeKind.EXITED
    assert outcome.killed == 1
    assert outcome.tail == b"gone\n"
    assert not outcome.truncated


def test_a_stranger_who_holds_the_pipe_delays_the_end_for_a_bounded_time(tmp_path: Path) -> None:
    async def hands_it_on(child: FakeChild) -> int:
        child.stranger_holds_pipe = True
        await child.print(b"mine\n")
        return 0

    world = VirtualWorld(tmp_path)
    outcome = run(world, Act("", hands_it_on))
    assert (outcome.kind, outcome.duration_seconds) == (OutcomeKind.EXITED, 2.0)
    assert outcome.tail == b"mine\n"
    assert outcome.truncated


def test_a_stop_lets_the_child_save_its_work(world: World) -> None:
    async def body(runner: ProcessRunner) -> ProcessOutcome:
        stop = trio.Event()

        def on_line(line: bytes) -> None:
            if line == b"ready":
                stop.set()

        return await runner.run(
            spec_for(world, ENDS_POLITELY, stop_grace_seconds=30.0), on_line=on_line, stop=stop
        )

    outcome = go(world, ENDS_POLITELY, body)
    assert (outcome.kind, outcome.exit_code) == (OutcomeKind.STOPPED, 0)
    assert (world.folder / "logs" / "1.jsonl").read_bytes() == b"ready\nsaved\n"


def test_a_run_that_is_stopped_before_it_starts_starts_nothing(world: World) -> None:
    async def body(runner: ProcessRunner) -> ProcessOutcome:
        stop = trio.Event()
        stop.set()
        return await runner.run(spec_for(world, PRINTS), stop=stop)

    assert go(world, PRINTS, body).kind is OutcomeKind.STOPPED
    assert not (world.folder / "logs").exists()


def test_a_run_that_is_killed_from_elsewhere_ends_as_stopped(world: World) -> None:
    async def body(runner: ProcessRunner) -> ProcessOutcome:
        spec = spec_for(world, IGNORES_TERM)
        heard = trio.Event()

        async def kill() -> None:
            await heard.wait()
            assert await runner.kill_run(spec.run_id) >= 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            return await runner.run(spec, on_line=lambda _line: heard.set())
        raise AssertionError

    outcome = go(world, IGNORES_TERM, body)
    assert (outcome.kind, outcome.signal) == (OutcomeKind.STOPPED, 9)


def test_kill_all_now_ends_every_run_as_stopped(world: World) -> None:
    async def body(runner: ProcessRunner) -> ProcessOutcome:
        outcomes: list[ProcessOutcome] = []
        waiting = {1, 2, 3}

        async def one(number: int) -> None:
            def on_line(_line: bytes) -> None:
                waiting.discard(number)
                if not waiting:
                    runner.kill_all_now()

            log = world.folder / "logs" / f"{number}.jsonl"
            outcomes.append(await runner.run(spec_for(world, IGNORES_TERM, log=log), on_line=on_line))

        async with trio.open_nursery() as nursery:
            for number in (1, 2, 3):
                nursery.start_soon(one, number)
        assert {outcome.kind for outcome in outcomes} == {OutcomeKind.STOPPED}
        assert len(outcomes) == 3
        return outcomes[0]

    go(world, IGNORES_TERM, body)


def test_the_record_tells_of_the_run_while_it_lasts(world: World) -> None:
    async def body(runner: ProcessRunner) -> ProcessOutcome:
        spec = spec_for(world, PRINTS)
        pids: list[int] = []

        def started(pid: int) -> None:
            pids.append(pid)

        def on_line(_line: bytes) -> None:
            (record,) = read_records(runner.runs_dir)
            assert record.run_id == spec.run_id
            assert record.argv == spec.argv
            assert record.started == "2030-01-02T12:00:00Z"
            assert [record.pid] == pids

        return await runner.run(spec, on_line=on_line, started=started)

    assert go(world, PRINTS, body).kind is OutcomeKind.EXITED


def test_two_runs_of_one_id_are_refused(world: World) -> None:
    async def body(runner: ProcessRunner) -> ProcessOutcome:
        spec = spec_for(world, ENDS_POLITELY, stop_grace_seconds=30.0)
        started, stop = trio.Event(), trio.Event()

        async def again() -> None:
            await started.wait()
            with pytest.raises(ValueError, match="is running already"):
                await runner.run(spec)
            stop.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(again)
            return await runner.run(spec, on_line=lambda _line: started.set(), stop=stop)
        raise AssertionError

    assert go(world, ENDS_POLITELY, body).kind is OutcomeKind.STOPPED


def test_what_a_listener_raises_kills_the_run_and_comes_out(world: World) -> None:
    def on_line(_line: bytes) -> None:
        raise LookupError("what is this?")

    async def body(runner: ProcessRunner) -> ProcessOutcome:
        with pytest.raises(LookupError, match="what is this"):
            await runner.run(spec_for(world, IGNORES_TERM), on_line=on_line)
        return ProcessOutcome(OutcomeKind.STOPPED)

    go(world, IGNORES_TERM, body)


def test_a_line_longer_than_the_limit_is_passed_on_cut_and_logged_whole(world: World) -> None:
    async def long_line(child: FakeChild) -> int:
        await child.print(b"x" * 3_000_000 + b"\nshort\n")
        return 0

    act = Act("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo short", long_line)
    lines: list[int] = []
    go(
        world,
        act,
        lambda runner: runner.run(spec_for(world, act), on_line=lambda line: lines.append(len(line))),
    )
    assert lines == [1024 * 1024, 5]
    assert (world.folder / "logs" / "1.jsonl").stat().st_size == 3_000_007
