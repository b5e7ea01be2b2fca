"""The trace: each message has an id and the id of its cause, in events and as lines of JSON."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.runtime import (
    Backoff,
    Context,
    EventStream,
    MessageTraced,
    Overflow,
    Ref,
    StopReason,
    Supervisor,
    TraceKind,
    trace_lines,
)

from .clerk import Diary, Do, Note, clerk, crash, seen_on, stream, until

PUT, HANDLED, DEAD = TraceKind.PUT, TraceKind.HANDLED, TraceKind.DEAD


def brief(event: MessageTraced) -> tuple[TraceKind, int, int | None, str | None, str]:
    return (event.kind, event.id, event.cause, event.sender, event.receiver)


async def test_a_message_is_put_and_handled_or_dead(autojump_clock: MockClock) -> None:
    events, news = stream()

    async def slow(_context: object) -> None:
        await trio.sleep(3)

    async with Supervisor("top", backoff=Backoff(0.0), events=events) as supervisor:
        ref = await supervisor.start_child(clerk(Diary()))
        await ref.tell(Note("before"))
        await trio.sleep(1)
        ref.trace(True)
        await ref.tell(Do(slow))
        with pytest.raises(ValueError, match="crash"):
            await ref.ask(Do(crash))
        ref.tell_nowait(Note("last"))
        await wait_all_tasks_blocked()
        ref.trace(False)
        await ref.tell(Note("after"))
        await wait_all_tasks_blocked()
    seen: list[MessageTraced] = await seen_on(news, MessageTraced)
    assert [(event.kind, event.id) for event in seen] == [
        (PUT, 1),
        (PUT, 2),
        (HANDLED, 1),
        (DEAD, 2),
        (PUT, 3),
        (HANDLED, 3),
    ]
    put, _, handled, dead, last, _ = seen
    assert (put.sender, put.receiver, put.message_type, put.cause) == (None, "top/clerk", "Do", None)
    assert put.at_seconds == pytest.approx(1)
    assert put.duration_seconds is None
    assert handled.at_seconds == pytest.approx(4)
    assert handled.duration_seconds == pytest.approx(3)
    assert (dead.error, dead.duration_seconds, handled.error) == ("ValueError: crash", 0, None)
    assert last.summary == "Note(text='last')"


async def test_causes_lead_from_actor_to_actor(nursery: trio.Nursery) -> None:
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        supervisor.trace(True)
        b = await supervisor.start_child(clerk(Diary(), "b"))
        a = await supervisor.start_child(clerk(Diary(), "a"))

        async def both_ways(context: Context[Any]) -> None:
            await b.tell(Note("told"))
            await b.ask(Note("asked"))
            async with trio.open_nursery() as inner:
                inner.start_soon(b.tell, Note("by a task"))

        await a.tell(Do(both_ways))
        await a.tell(Note("of its own"))
        await wait_all_tasks_blocked()
        await b.tell(Note("from outside"))
        await wait_all_tasks_blocked()
    puts = [event for event in await seen_on(news, MessageTraced) if event.kind is PUT]
    assert [brief(event)[1:] for event in puts] == [
        (1, None, None, "top/a"),
        (2, None, None, "top/a"),
        (3, 1, "top/a", "top/b"),
        (4, 1, "top/a", "top/b"),
        (5, 1, "top/a", "top/b"),
        (6, None, None, "top/b"),
    ]


async def test_a_message_without_a_trace_is_nobodys_cause() -> None:
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        a = await supervisor.start_child(clerk(Diary(), "a"))
        b = await supervisor.start_child(clerk(Diary(), "b"))
        b.trace(True)

        async def tell_b(_context: object) -> None:
            await b.tell(Note("x"))

        for traced in (True, False):
            a.trace(traced)
            await a.ask(Do(tell_b))
        await wait_all_tasks_blocked()
    puts = [event for event in await seen_on(news, MessageTraced) if event.kind is PUT]
    assert [(event.receiver, event.cause) for event in puts] == [
        ("top/a", None),
        ("top/b", 1),
        ("top/b", None),
    ]


async def test_causes_lead_through_timers_watches_and_tasks(autojump_clock: MockClock) -> None:
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        other = await supervisor.start_child(clerk(Diary(), "other"))
        ref = await supervisor.start_child(clerk(Diary()))
        ref.trace(True)

        async def background(context: Context[Any]) -> None:
            await trio.sleep(5)
            await context.ref.tell(Note("task"))

        def ended(_reason: StopReason) -> Note:
            return Note("watch")

        async def begin(context: Context[Any]) -> None:
            context.send_after(3.0, Note("timer"))
            context.watch(other, ended)
            context.nursery.start_soon(background, context)

        await ref.tell(Do(begin))
        await trio.sleep(1)
        await supervisor.stop_child("other")
        await trio.sleep(10)
    puts = [event for event in await seen_on(news, MessageTraced) if event.kind is PUT]
    assert [(event.summary, event.cause, event.sender) for event in puts[1:]] == [
        ("Note(text='watch')", 1, "top/clerk"),
        ("Note(text='timer')", 1, "top/clerk"),
        ("Note(text='task')", 1, "top/clerk"),
    ]


async def test_the_supervisor_chooses_whom_to_trace() -> None:
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        refs = {name: await supervisor.start_child(clerk(Diary(), name)) for name in "ab"}
        supervisor.trace(lambda child: child in {"b", "c"})
        refs["c"] = await supervisor.start_child(clerk(Diary(), "c"))
        for ref in refs.values():
            await ref.tell(Note("x"))
        await wait_all_tasks_blocked()
        supervisor.trace(False)
        for ref in refs.values():
            await ref.tell(Note("x"))
    puts = [event for event in await seen_on(news, MessageTraced) if event.kind is PUT]
    assert [event.receiver for event in puts] == ["top/b", "top/c"]


async def test_what_waits_for_room_is_put_when_it_has_it(nursery: trio.Nursery) -> None:
    events, news = stream()
    release = trio.Event()
    async with Supervisor("top", events=events) as supervisor:
        ref = await supervisor.start_child(clerk(Diary(), mailbox_capacity=1))
        ref.trace(True)
        await ref.tell(until(release))
        await wait_all_tasks_blocked()
        await ref.tell(Note("fills"))
        nursery.start_soon(ref.tell, Note("waits"))
        with trio.move_on_after(0):
            await ref.tell(Note("gives up"))
        await wait_all_tasks_blocked()
        assert [event.kind for event in await seen_on(news, MessageTraced)] == [PUT, PUT]
        release.set()
        await wait_all_tasks_blocked()
    seen = await seen_on(news, MessageTraced)
    assert [(event.kind, event.summary[:10]) for event in seen] == [
        (HANDLED, "Do(work=<f"),
        (PUT, "Note(text="),
        (HANDLED, "Note(text="),
        (HANDLED, "Note(text="),
    ]


async def test_every_end_of_a_message_is_in_the_trace(nursery: trio.Nursery) -> None:
    events, news = stream()
    async with Supervisor("top", events=events) as supervisor:
        spec = clerk(Diary(), mailbox_capacity=1, overflow=Overflow.DROP_OLDEST, stop_grace_seconds=0)
        ref = await supervisor.start_child(spec)
        ref.trace(True)
        await ref.tell(until(trio.Event()))
        await wait_all_tasks_blocked()
        await ref.tell(Note("dropped"))
        await ref.tell(Note("left"))
    dead = [event for event in await seen_on(news, MessageTraced) if event.kind is DEAD]
    assert [(event.id, event.error) for event in dead] == [
        (2, "MessageDropped: the request to actor 'clerk' was dropped: the mailbox was full"),
        (1, "ActorStopped: actor 'clerk' has stopped: it was told to stop"),
        (3, "ActorStopped: actor 'clerk' has stopped: it was told to stop"),
    ]


async def test_the_summary_is_short_whatever_the_message_is() -> None:
    events, news = stream()

    class Awkward:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    async with Supervisor("top", events=events) as supervisor:
        ref: Ref[Any] = await supervisor.start_child(clerk(Diary()))
        await ref.suspend()
        ref.trace(True)
        for message in (Note("x" * 10_000), list(range(10**6)), Awkward(), {"a": ["b"] * 1000}):
            await ref.tell(message)
        seen = await seen_on(news, MessageTraced)
    assert [len(event.summary) <= 200 for event in seen] == [True] * 4


async def test_lines_of_json(nursery: trio.Nursery) -> None:
    events = EventStream()
    lines: list[str] = []
    await nursery.start(trace_lines, events, lines.append)
    async with Supervisor("top", events=events) as supervisor:
        supervisor.trace(True)
        ref = await supervisor.start_child(clerk(Diary()))
        await ref.ask(Note("x"))
    await wait_all_tasks_blocked()
    assert all(line.endswith("\n") for line in lines)
    put, handled = map(json.loads, lines)
    assert (put["kind"], handled["kind"]) == ("put", "handled")
    assert put | {"at_seconds": 0} == {
        "kind": "put",
        "id": 1,
        "cause": None,
        "sender": None,
        "receiver": "top/clerk",
        "message_type": "Note",
        "summary": "Note(text='x')",
        "at_seconds": 0,
        "duration_seconds": None,
        "error": None,
    }
    nursery.cancel_scope.cancel()


async def test_lines_that_came_too_late_are_counted(nursery: trio.Nursery) -> None:
    events = EventStream()
    lines: list[str] = []
    write = lines.append
    async with Supervisor("top", events=events) as supervisor:
        supervisor.trace(True)
        ref = await supervisor.start_child(clerk(Diary()))
        await ref.suspend()

        async def write_lines(*, task_status: trio.TaskStatus[None]) -> None:
            await trace_lines(events, write, capacity=4, task_status=task_status)

        await nursery.start(write_lines)
        for number in range(10):
            ref.tell_nowait(Note(str(number)))
        await wait_all_tasks_blocked()
        assert [json.loads(line).get("lost") for line in lines] == [6, None, None, None, None]
        ref.tell_nowait(Note("10"))
        await wait_all_tasks_blocked()
        assert json.loads(lines[-1])["summary"] == "Note(text='10')"
        nursery.cancel_scope.cancel()
