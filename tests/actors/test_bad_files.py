"""One bad file stops nothing: it is set aside and told of once, everything else goes on, and its own work too
when a person has mended it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from scriptorium.actors import merge_queue
from scriptorium.actors.architect import AreasRefused, areas_of
from scriptorium.actors.events import AttemptStarted, Mended, Parked, SetAside, Trouble
from scriptorium.actors.set_aside import news_of
from scriptorium.actors.world import AgentJob, SubmitToRun
from scriptorium.code.landing import land
from scriptorium.code.scratch import Returned
from scriptorium.harness.interface import AgentOutcome
from scriptorium.plan.layout import AREAS_FROM, TicketState
from scriptorium.plan.transitions import ParkArea, UnparkArea, UnparkSpec
from scriptorium.runtime import ChildCrashed
from scriptorium.testing import ended

from .stage import CORE, DOCS, EVENTS_KEPT, SPEC, Stage, drafts, good, t

BAD = b"<<<<<<< HEAD\nno ticket\n"


def bad(stage: Stage, path: str, content: bytes = BAD) -> bytes:
    """Make the file unreadable, as a person might; returns what it held."""
    before = stage.git("show", f"scriptorium/plan:{path}").encode() + b"\n"
    stage.plan.by_hand({path: content})
    return before


def set_aside(stage: Stage) -> list[str]:
    return [event.path for event in stage.heard(SetAside)]


def unreadable(leftovers: tuple[str, ...]) -> list[str]:
    return [line.split(": ")[1] for line in leftovers if line.startswith("unreadable: ")]


async def mend_when(stage: Stage, is_so: Callable[[], bool], path: str, text: bytes) -> None:
    """Run one life in which the file is mended as soon as that is so, until all that then follows is done."""
    stage.raise_curtain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        with trio.fail_after(3600):
            await until(stage, is_so)
            stage.plan.by_hand({path: text})
            await until(stage, lambda: set(stage.states().values()) == {"done"} and problems(stage) == [])
        stage.stop.set()


async def until(stage: Stage, is_so: Callable[[], bool]) -> None:
    """Wait, while the stage runs, until that is so."""
    with stage.world.events.subscribe(EVENTS_KEPT) as subscription:
        while not is_so():
            await anext(subscription)


def problems(stage: Stage) -> list[str]:
    return [problem.path for problem in stage.snapshot.problems]


# ------------------------------------------------------------------------------------------- tickets


async def test_an_unreadable_open_ticket_waits_and_the_others_land(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(a=drafts("one"), b=drafts("two"))
    path = stage.file("one").path
    text = bad(stage, path)
    await mend_when(stage, lambda: stage.states() == {"two": "done"}, path, text)
    assert set_aside(stage) == [path]
    assert [event.path for event in stage.heard(Mended)] == [path]
    assert stage.heard(ChildCrashed) == []
    assert stage.states() == {"one": "done", "two": "done"}


async def test_what_is_left_names_the_bad_file_and_who_waits_for_it(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(a=drafts("one"), b=drafts("two", two="**Depends:** 0001\n"))
    path = stage.file("one").path
    bad(stage, path)
    report = await stage.run()
    assert unreadable(report.leftovers) == [path]
    assert "0002 waits for 0001 (unreadable): two" in report.leftovers


async def test_a_ticket_that_becomes_unreadable_while_its_agent_works_keeps_its_work(
    stage: Stage, autojump_clock: MockClock
) -> None:
    texts: dict[str, bytes] = {}

    async def sabotaged(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        (job.cwd / "half.txt").write_text("half\n")
        path = stage.file("one").path
        texts[path] = bad(stage, path)
        return ended()

    stage.cast.coding["one"] = [sabotaged, good]
    stage.tickets(a=drafts("one"), b=drafts("two"))
    report = await stage.run()
    ((path, text),) = texts.items()
    assert unreadable(report.leftovers) == [path]
    assert stage.states() == {"two": "done"}
    assert stage.refs("refs/scriptorium/work/0001") != []
    assert "tickets/0001-one" in stage.git("worktree", "list")
    assert (stage.heard(ChildCrashed), stage.heard(Parked)) == ([], [])
    stage.plan.by_hand({path: text})
    assert (await stage.run()).leftovers == ()
    assert stage.show("main", "half.txt") == "half"


async def test_a_submission_for_a_ticket_that_cannot_be_read_is_refused_with_the_reason(
    stage: Stage, autojump_clock: MockClock
) -> None:
    answers: list[str] = []

    async def submits(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        path = stage.file("one").path
        text = bad(stage, path)
        (job.cwd / "one.txt").write_text("one\n")
        answers.append((await submit("Did it.")).message)
        stage.plan.by_hand({path: text})
        answers.append((await submit("Did it.")).message)
        return ended()

    stage.cast.coding["one"] = [submits]
    stage.tickets(core=drafts("one"))
    await stage.run()
    assert answers[0].startswith("Not submitted: tickets/in-progress/0001-one.md: ")
    assert answers[1].startswith("Submitted ticket 0001")
    assert stage.states() == {"one": "done"}


async def test_a_landing_whose_ticket_becomes_unreadable_holds_nobody_up(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """It is named in `active.md` and being checked when a person breaks it."""
    judge, texts = stage.judge, dict[str, bytes]()

    def breaks(folder: object) -> object:
        if not texts and (stage.root / ".scriptorium/worktrees/tickets/0001-one/parts/one.txt").exists():
            path = "tickets/in-progress/0001-one.md"
            if stage.snapshot.active is not None:
                texts[path] = bad(stage, path)
        return judge(folder)  # type: ignore[arg-type]

    stage.judge = breaks  # type: ignore[assignment]
    stage.tickets(a=drafts("one"), b=drafts("two"))
    report = await stage.run()
    assert stage.states() == {"two": "done"}
    assert unreadable(report.leftovers) == ["tickets/in-progress/0001-one.md"]
    stage.plan.by_hand(texts)
    assert (await stage.run()).leftovers == ()
    assert stage.states() == {"one": "done", "two": "done"}
    assert len(stage.landed()) == 2


async def test_a_ticket_that_becomes_unreadable_once_the_base_has_it_is_done_when_it_is_mended(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: dict[str, bytes] = {}

    def lands(*words: object) -> object:
        landed = land(*words)  # type: ignore[arg-type]
        if not texts:
            path = "tickets/in-progress/0001-one.md"
            texts[path] = bad(stage, path)
        return landed

    monkeypatch.setattr(merge_queue, "land", lands)
    stage.tickets(a=drafts("one"), b=drafts("two", two="**Priority:** low\n"))
    stage.set(max_agents=1)
    await stage.run()
    assert stage.states() == {"two": "done"}
    assert len(stage.landed()) == 2
    assert stage.refs("refs/scriptorium/landing") == []
    assert not any("0002" in trouble.what for trouble in stage.heard(Trouble)), "the other was not to blame"
    stage.plan.by_hand(texts)
    assert (await stage.run()).leftovers == ()
    assert len(stage.landed()) == 2


@pytest.mark.parametrize("state", [TicketState.STUCK, TicketState.DONE])
async def test_a_bad_ticket_that_nobody_works_on_stops_nobody(
    stage: Stage, autojump_clock: MockClock, state: TicketState
) -> None:
    stage.tickets(a=drafts("one"))
    stage.plan.by_hand({f"{state.folder}/0007-old.md": BAD})
    report = await stage.run()
    assert stage.states()["one"] == "done"
    # A done ticket's text matters to nobody, and is not read; `scriptorium check` reads it.
    assert unreadable(report.leftovers) == (
        [f"{state.folder}/0007-old.md"] if state is TicketState.STUCK else []
    )


async def test_a_ticket_in_two_places_is_left_alone_until_one_is_gone(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.tickets(a=drafts("one"), b=drafts("two"))
    file = stage.file("one")
    stage.plan.by_hand({"tickets/stuck/0001-one.md": file.ticket.text.encode()})
    report = await stage.run()
    assert unreadable(report.leftovers) == [file.path, "tickets/stuck/0001-one.md"]
    assert stage.states() == {"two": "done"}
    stage.plan.by_hand({}, ("tickets/stuck/0001-one.md",))
    assert (await stage.run()).leftovers == ()


# ----------------------------------------------------------------------------------------- the queue


async def test_a_bad_queue_entry_waits_for_a_person_and_its_ticket_with_it(
    stage: Stage, autojump_clock: MockClock
) -> None:
    entries: dict[str, bytes] = {}

    async def breaks(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        outcome = await good(job, submit)
        (entry,) = (entry for entry in stage.snapshot.pending if entry.ticket == t(1))
        entries[entry.path] = bad(stage, entry.path)
        return outcome

    stage.cast.coding["one"] = [breaks, good]
    stage.tickets(a=drafts("one"), b=drafts("two"))
    report = await stage.run()
    assert unreadable(report.leftovers) == list(entries)
    assert "0001 in the merge queue: one" in report.leftovers
    assert stage.states() == {"one": "in-progress", "two": "done"}
    assert len([event for event in stage.heard(AttemptStarted) if event.ticket == t(1)]) == 1
    stage.plan.by_hand(entries)
    assert (await stage.run()).leftovers == ()
    assert stage.states() == {"one": "done", "two": "done"}


async def test_a_new_submission_takes_the_place_of_an_entry_that_cannot_be_read(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async def again(job: AgentJob, submit: SubmitToRun) -> AgentOutcome:
        await good(job, submit)
        bad(stage, stage.snapshot.pending[0].path)
        (job.cwd / "more.txt").write_text("more\n")
        assert (await submit("And more.")).accepted
        return ended()

    stage.cast.coding["one"] = [again]
    stage.tickets(core=drafts("one"))
    assert (await stage.run()).leftovers == ()
    assert stage.show("main", "more.txt") == "more"


async def test_a_bad_active_file_is_written_anew(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one"))
    stage.plan.by_hand({"queue/merge/active.md": BAD})
    await stage.run()
    assert stage.states() == {"one": "done"}
    assert problems(stage) == []


# ------------------------------------------------------------------------------------------ planning


async def test_an_unreadable_area_waits_and_the_others_are_ticketed(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE, DOCS)
    stage.cast.drafts = {"core": drafts("one"), "docs": drafts("two")}
    text = bad(stage, "areas/core.md", b"\xff\xfe")
    report = await stage.run()
    assert unreadable(report.leftovers) == ["areas/core.md"]
    assert stage.states() == {"two": "done"}
    stage.plan.by_hand({"areas/core.md": text})
    assert (await stage.run()).leftovers == ()
    assert stage.states() == {"one": "done", "two": "done"}


async def test_an_unreadable_area_is_no_fault_of_the_architect(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE, DOCS)
    bad(stage, "areas/core.md", b"\xff\xfe")
    stage.spec("# Another spec\n")
    stage.cast.areas = {"docs": "New docs.\n"}
    report = await stage.run()
    assert stage.cast.played["architect"] == 1
    assert stage.snapshot.areas[DOCS].text == "New docs.\n"
    assert unreadable(report.leftovers) == ["areas/core.md"]


def test_what_the_architect_spoils_itself_is_its_fault() -> None:
    path = "areas/core.md"
    spoiled = Returned(frozenset({path}), {path: b"\xff"}, frozenset({path}), frozenset(), ())
    left = Returned(frozenset({path}), {path: b"\xff", "areas/docs.md": b"x"}, frozenset(), frozenset(), ())
    with pytest.raises(AreasRefused, match="not UTF-8"):
        areas_of(spoiled, {path})
    numbered = Returned(frozenset(), {"areas/0001.md": b"x"}, frozenset({"areas/0001.md"}), frozenset(), ())
    with pytest.raises(AreasRefused, match="would read as a ticket's id"):
        areas_of(numbered)
    assert areas_of(left, {path}) == {DOCS: "x"}


@pytest.mark.parametrize("how", ["mended", "unparked"])
async def test_an_unreadable_marker_of_an_area_costs_no_agent_run(
    stage: Stage, autojump_clock: MockClock, how: str
) -> None:
    """What came of the text is not known, and a run is dear: a person has to say."""
    stage.plan.areas(CORE, DOCS)
    stage.cast.drafts = {"core": drafts("one"), "docs": drafts("two")}
    path = "tickets/.areas/core"
    stage.plan.by_hand({path: b"<<<<<<< HEAD\n"})
    report = await stage.run()
    assert "manager core" not in stage.cast.played
    assert stage.states() == {"two": "done"}
    (line,) = (line for line in report.leftovers if line.startswith(f"unreadable: {path}"))
    assert "scriptorium unpark core" in line
    if how == "mended":
        stage.plan.by_hand({path: f"{stage.snapshot.areas[CORE].oid} ok\n".encode()})
    else:
        stage.plan.repository.commit(UnparkArea(CORE))
    assert (await stage.run()).leftovers == ()
    assert stage.states() == ({"two": "done"} if how == "mended" else {"one": "done", "two": "done"})


async def test_an_unreadable_marker_of_the_spec_costs_no_agent_run(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE)
    stage.cast.areas = {"core": "The core.\n"}
    stage.cast.drafts = {"core": drafts("one")}
    stage.plan.by_hand({AREAS_FROM: b"?\n"})
    report = await stage.run()
    assert "architect" not in stage.cast.played
    assert stage.states() == {"one": "done"}
    assert unreadable(report.leftovers) == [AREAS_FROM]
    stage.plan.repository.commit(UnparkSpec())
    assert (await stage.run()).leftovers == ()
    assert stage.cast.played["architect"] == 1


async def test_an_unreadable_spec_stops_planning_alone(stage: Stage, autojump_clock: MockClock) -> None:
    stage.tickets(core=drafts("one"))
    stage.plan.by_hand({"spec.md": b"\xff"})
    report = await stage.run()
    assert stage.states() == {"one": "done"}
    assert [line.partition(": it")[0] for line in report.leftovers] == ["unreadable: spec.md"]
    stage.plan.by_hand({"spec.md": SPEC.encode()})
    stage.cast.areas = {"core": "The core.\n"}
    await stage.run()
    assert stage.cast.played["architect"] == 1


# ------------------------------------------------------------------------------------ what is said of it


def test_each_fault_is_told_once_and_so_is_its_end() -> None:
    assert news_of({}, {"a": "x"}) == [SetAside("a", "x")]
    assert news_of({"a": "x"}, {"a": "x"}) == []
    assert news_of({"a": "x"}, {"a": "y", "b": "z"}) == [SetAside("a", "y"), SetAside("b", "z")]
    assert news_of({"a": "x", "b": "z"}, {"b": "z"}) == [Mended("a")]


async def test_a_parked_area_is_taken_up_by_a_service_that_runs(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE)
    stage.plan.repository.commit(ParkArea(CORE, stage.snapshot.areas[CORE].oid))
    stage.cast.drafts = {"core": drafts("one")}
    assert "scriptorium unpark core" in (await stage.run()).leftovers[0]
    stage.raise_curtain()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: stage.run(until_idle=False, new=False))
        await wait_all_tasks_blocked()
        stage.plan.repository.commit(UnparkArea(CORE))
        with trio.fail_after(60):
            await until(stage, lambda: stage.states() == {"one": "done"})
        stage.stop.set()
    assert stage.heard(Trouble) == []
