"""The Architect and the Manager: once for each text, asked again with reasons, given up in the end."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from scriptorium.actors import events
from scriptorium.actors.world import AgentJob, Role
from scriptorium.code import scratch
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind, ProcessOutcome
from scriptorium.plan.ids import AreaName
from scriptorium.testing import ended

from .stage import CORE, Stage, drafts, no_error_report, write

pytestmark = pytest.mark.slow

COULD_NOT_START = AgentOutcome(ProcessOutcome(OutcomeKind.COULD_NOT_START, error="no such program"))


def leaves(
    files: dict[str, str], outcome: AgentOutcome | None = None
) -> Callable[[AgentJob], Awaitable[AgentOutcome]]:
    """A planner that leaves these files and ends so."""

    async def play(job: AgentJob) -> AgentOutcome:
        await trio.lowlevel.checkpoint()
        for path, text in files.items():
            write(job, path, text)
        return outcome or ended()

    return play


def prompts(stage: Stage, role: Role) -> list[str]:
    return [job.prompt for job in stage.agents.jobs if job.role is role]


# ---------------------------------------------------------------- the architect


@pytest.mark.req("V1-07", "V1-09", "V1-10")
async def test_the_architect_runs_once_for_a_text_and_once_again_after_a_change(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.cast.areas = {"core": "# Core\n"}
    await stage.run()
    assert stage.agents.jobs == []  # the placeholder is no spec
    stage.spec("# Spec 1\n")
    await stage.run()
    (told,) = prompts(stage, Role.ARCHITECT)
    assert told.rstrip().endswith("# Spec 1")
    assert stage.subjects("update areas") == ["update areas from spec"]
    await stage.run()
    assert stage.agents.jobs == []
    stage.spec("# Spec 2\n")
    before = stage.tip("scriptorium/plan")
    await stage.run()
    assert [job.role for job in stage.agents.jobs] == [Role.ARCHITECT]
    # The same areas came back: one commit, that says so and moves nothing else; no manager runs.
    assert stage.git("rev-list", "--count", f"{before}..scriptorium/plan") == "1"
    assert stage.git("diff", "--name-only", before, "scriptorium/plan") == "areas/.spec"


@pytest.mark.req("V1-13")
async def test_areas_that_cannot_be_used_are_asked_for_again_with_the_reasons_and_then_given_up(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()
    bad = leaves({"areas/Bad Name.md": "x\n", "areas/empty.md": " \n"})
    stage.cast.architects = [bad, leaves({}, ended(OutcomeKind.FAILED)), leaves({})]
    report = await stage.run()
    first, second, third = prompts(stage, Role.ARCHITECT)
    assert "What was wrong" not in first
    assert "- areas/empty.md: empty" in second
    assert "- areas/Bad Name.md: " in second
    assert "- failed with exit code 1" in third
    assert [event.final for event in stage.heard(events.PlannerFailed)] == [False, False, True]
    assert stage.subjects("park") == ["park spec"]
    assert any(line.startswith("planning failed") for line in report.leftovers)
    assert (await stage.run()).leftovers == report.leftovers
    assert stage.agents.jobs == []  # given up is given up, also in the next life
    stage.spec("# Better\n")
    stage.cast.architects = [leaves({"areas/core.md": "# Core\n"})]
    assert (await stage.run()).leftovers == ()


async def test_what_the_architect_touches_besides_is_discarded_and_named(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()
    stage.cast.architects = [leaves({"areas/core.md": "# Core\n", "spec.md": "mine\n", "notes.txt": "x\n"})]
    await stage.run()
    assert stage.snapshot.spec is not None
    assert stage.snapshot.spec.text != "mine\n"
    assert any("notes.txt, spec.md" in event.what for event in stage.heard(events.Trouble))


async def test_a_spec_that_changes_while_it_is_being_split_is_split_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec("# Spec 1\n")

    async def overtaken(job: AgentJob) -> AgentOutcome:
        write(job, "areas/old.md", "# Old\n")
        stage.spec("# Spec 2\n")
        return await leaves({})(job)

    stage.cast.architects = [overtaken, leaves({"areas/new.md": "# New\n"})]
    assert (await stage.run()).leftovers == ()
    assert list(stage.snapshot.areas) == ["new"]
    assert any(event.what.startswith("architect: discarded") for event in stage.heard(events.Trouble))
    assert stage.heard(events.PlannerFailed) == []


async def test_a_planner_that_fills_its_folder_is_asked_again(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder that is not read to its end nothing can be said: the other areas may be in the rest."""
    stage.tickets(core=drafts("one"))
    stage.spec("# Another\n")
    monkeypatch.setattr(scratch, "ENTRY_LIMIT", 30)
    flood = {f"build/{number}": "" for number in range(31)}
    stage.cast.architects = [leaves(flood), leaves({"areas/core.md": "The core.\n"})]
    await stage.run()
    (failed,) = stage.heard(events.PlannerFailed)
    assert "more files" in failed.reason
    assert list(stage.snapshot.areas) == ["core"]


# ---------------------------------------------------------------- the manager


@pytest.mark.req("V1-12")
async def test_the_manager_runs_once_for_each_area_several_at_once(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.set(max_agents=2)
    stage.plan.areas(*(AreaName(name) for name in ("a", "b", "c", "d")))
    together: list[int] = []
    at_work = 0

    async def slow(job: AgentJob) -> AgentOutcome:
        nonlocal at_work
        at_work += 1
        together.append(at_work)
        await trio.sleep(100)
        at_work -= 1
        return ended()

    stage.cast.managers = {name: [slow] for name in ("a", "b", "c", "d")}
    assert (await stage.run()).leftovers == ()
    assert sorted(job.area or "" for job in stage.agents.jobs) == ["a", "b", "c", "d"]
    assert max(together) == 2


@pytest.mark.req("V1-13")
async def test_tickets_get_ids_in_the_order_of_their_dependencies(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE)
    (stage.project.logs_dir / "0007").mkdir(parents=True)  # an id that was used, whoever deleted the ticket
    stage.cast.drafts = {"core": drafts("a", "b", "c", a="**Depends:** c\n")}
    stage.set(max_agents=1)
    stage.judge = lambda folder: None
    await stage.run()
    ids = {file.slug: file.id for file in stage.snapshot.tickets.values()}
    assert ids == {"b": "0008", "c": "0009", "a": "0010"}
    assert stage.file("a").ticket.depends == ("0009",)


@pytest.mark.req("V1-13")
async def test_tickets_that_are_refused_are_asked_for_again_with_the_reasons_and_then_given_up(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE)
    stage.set_attempts(2)
    circle = drafts("a", "b", a="**Depends:** b\n", b="**Depends:** a\n")
    stage.cast.managers = {"core": [
        leaves({f"tickets/open/{slug}.md": text for slug, text in circle.items()}),
        leaves({"tickets/open/0001.md": "# x\n"}),
    ]}  # fmt: skip
    report = await stage.run()
    first, second = prompts(stage, Role.MANAGER)
    assert "What was wrong" not in first
    assert "in a circle: a, b" in second
    assert stage.subjects("park") == ["park area core"]
    assert report.leftovers == (
        "planning failed: area core gave no usable tickets"
        " (to try again: change areas/core.md, or scriptorium unpark core)",
    )
    assert stage.snapshot.tickets == {}
    await stage.run()
    assert stage.agents.jobs == []


async def test_a_ticket_that_is_no_plain_file_is_asked_for_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE)
    secret = stage.root / "secret"
    secret.write_text("# Secret\n")

    async def odd(job: AgentJob) -> AgentOutcome:
        await leaves({"tickets/open/good.md": drafts("good")["good"]})(job)
        (job.cwd / "tickets/open/link.md").symlink_to(secret)
        os.mkfifo(job.cwd / "tickets/open/pipe.md")
        with (job.cwd / "tickets/open/huge.md").open("wb") as file:
            file.truncate(1 << 40)
        return ended()

    stage.cast.managers["core"] = [odd, leaves({"tickets/open/two.md": drafts("two")["two"]})]
    await stage.run()
    _first, again = prompts(stage, Role.MANAGER)
    for name in ("link", "pipe", "huge"):
        assert f"- tickets/open/{name}.md: not a plain file of a readable size" in again
    assert stage.states() == {"two": "done"}


@pytest.mark.req("V1-15", "V1-11")
async def test_the_same_tickets_again_are_no_new_tickets(stage: Stage, autojump_clock: MockClock) -> None:
    stage.spec("# Spec 1\n")
    stage.cast.areas = {"core": "# Core\n"}
    stage.cast.drafts = {"core": drafts("one", "two")}
    await stage.run()
    stage.assert_finished("one", "two")
    stage.spec("# Spec 2\n")
    stage.cast.areas = {"core": "# Core, in other words\n"}
    await stage.run()
    assert [job.role for job in stage.agents.jobs] == [Role.ARCHITECT, Role.MANAGER]
    stage.assert_finished("one", "two")


async def test_an_area_that_changes_while_it_is_being_ticketed_is_ticketed_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.plan.areas(CORE)

    async def overtaken(job: AgentJob) -> AgentOutcome:
        write(job, "tickets/open/old.md", drafts("old")["old"])
        stage.plan.by_hand({"areas/core.md": b"Something else.\n"})
        return await leaves({})(job)

    stage.cast.managers = {"core": [overtaken, leaves({"tickets/open/new.md": drafts("new")["new"]})]}
    await stage.run()
    assert stage.states() == {"new": "done"}
    assert any(event.what.startswith("manager of core: discarded") for event in stage.heard(events.Trouble))


# ---------------------------------------------------------------- both


def cannot_start(stage: Stage, role: Role, times: int) -> None:
    """A plan in which this role's program is missing for so many starts."""
    if role is Role.ARCHITECT:
        stage.spec()
        stage.cast.architects = [leaves({}, COULD_NOT_START)] * times + [
            leaves({"areas/core.md": "# Core\n"})
        ]
    else:
        stage.plan.areas(CORE)
        stage.cast.managers = {"core": [leaves({}, COULD_NOT_START)] * times + [leaves({})]}


@pytest.mark.parametrize("role", [Role.ARCHITECT, Role.MANAGER])
async def test_a_planner_that_cannot_be_started_is_waited_for(
    stage: Stage, autojump_clock: MockClock, role: Role
) -> None:
    """Four faults of the machine, a minute apart and doubling, are no failed try; `status` hears of them."""
    cannot_start(stage, role, 4)
    stage.raise_curtain()
    why = COULD_NOT_START.process.describe()
    halted: list[tuple[str, ...]] = []
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(stage.run, until_idle=False, new=False))
        with stage.world.events.subscribe(1000) as subscription:
            async for event in subscription:
                halted.append(stage.world.conditions.lines())
                if isinstance(event, events.TicketsCreated):
                    break
        stage.stop.set()
    assert trio.current_time() - began >= (1 + 2 + 4 + 8) * 60
    assert stage.heard(events.PlannerFailed) == []
    assert (f"the {role.value} {why}",) in halted
    assert halted[-1] == ()
    said = [event.what for event in stage.heard(events.Trouble)]
    assert said == [f"{role.value} {why}; trying again in {wait} s" for wait in (60, 120, 240, 480)]


@pytest.mark.parametrize("role", [Role.ARCHITECT, Role.MANAGER])
async def test_a_missing_program_is_not_written_down(
    stage: Stage, autojump_clock: MockClock, role: Role
) -> None:
    """Whoever waits for idleness is told and not kept; once the program is there, the next life goes on."""
    cannot_start(stage, role, 1)
    before = stage.tip("scriptorium/plan")
    report = await stage.run()
    assert f"the {role.value} {COULD_NOT_START.process.describe()}" in report.leftovers
    assert stage.tip("scriptorium/plan") == before
    assert (await stage.run()).leftovers == ()


@pytest.mark.req("V1-28")
async def test_a_stop_ends_a_planner_at_once_and_the_next_life_starts_it_again(
    stage: Stage, autojump_clock: MockClock
) -> None:
    stage.spec()

    async def stopped(job: AgentJob) -> AgentOutcome:
        stage.stop.set()
        return await trio.sleep_forever()

    stage.cast.architects = [stopped, leaves({"areas/core.md": "# Core\n"})]
    before = stage.tip("scriptorium/plan")
    assert (await stage.run(until_idle=False)).stopped
    assert stage.tip("scriptorium/plan") == before
    assert not list(stage.world.scratch_dir.iterdir())
    assert (await stage.run()).leftovers == ()


@pytest.mark.parametrize("role", [Role.ARCHITECT, Role.MANAGER])
async def test_a_planner_whose_actor_crashes_is_started_again(
    stage: Stage, autojump_clock: MockClock, role: Role
) -> None:
    async def crash(job: AgentJob) -> AgentOutcome:
        raise OSError("the machine")

    stage.spec()
    stage.cast.areas = {"core": "# Core\n"}
    stage.cast.drafts = {"core": drafts("one")}
    if role is Role.ARCHITECT:
        stage.cast.architects = [crash, stage.cast.architect]
    else:
        stage.cast.managers = {"core": [crash, stage.cast.manager]}
    with no_error_report():
        assert (await stage.run()).leftovers == ()
    stage.assert_finished("one")
