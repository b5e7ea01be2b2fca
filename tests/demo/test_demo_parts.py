"""The parts of the demo: its script, its agents, its progress, its display and its graph."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from scriptorium.actors import events as news
from scriptorium.code.repository import discover
from scriptorium.demo import agent
from scriptorium.demo.display import Lines, LiveTable, line_for, open_display
from scriptorium.demo.graph import landings
from scriptorium.demo.progress import Progress
from scriptorium.demo.sample import FILES, make_repository
from scriptorium.demo.script import AREAS, PLAN, Work, work_titled
from scriptorium.plan.ids import AreaName, Oid, TicketId

ONE = TicketId("0001")
ALL = [work for works in PLAN.values() for work in works]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the sample repository, and the folder that an agent works in."""
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def passes(folder: Path) -> bool:
    done = subprocess.run(
        [sys.executable, "-B", "-m", "unittest", "-q"], cwd=folder, capture_output=True, check=False
    )
    return done.returncode == 0


def test_the_script_is_big_enough_and_goes_wrong_twice() -> None:
    assert PLAN.keys() == AREAS.keys()
    assert len(AREAS) >= 3
    assert len(ALL) >= 6
    assert sum(work.first_code is not None for work in ALL) == 1
    rivals = [area for area, works in PLAN.items() if works[0].in_catalogue]
    assert len(rivals) == 2  # begun from the same commit, in different areas: the second one conflicts
    assert len({work.title for work in ALL}) == len({work.slug for work in ALL}) == len(ALL)


@pytest.mark.slow
def test_every_ticket_passes_its_own_test_and_the_first_version_of_one_does_not(sample: Path) -> None:
    for work in ALL:
        agent.write_test(work)
        if work.first_code is not None:
            agent.write_code(work, work.first_code)
            assert not passes(sample)
        agent.write_code(work, work.code)
        if work.in_catalogue:
            agent.enter_in_catalogue(work)
    assert passes(sample)
    assert "first_code" not in (sample / "inkwell/counting.py").read_text()


def test_a_conflict_in_the_catalogue_is_settled_by_keeping_both(sample: Path) -> None:
    agent.CATALOGUE.write_text('TOOLS = [\n<<<<<<< a\n"x.one"\n=======\n"y.two"\n>>>>>>> b\n]\n')
    agent.enter_in_catalogue(work_titled("Make slugs for file names"))
    assert agent.CATALOGUE.read_text().endswith('TOOLS = ["names.slugify", "x.one", "y.two"]\n')


def test_planners_write_what_the_script_says(sample: Path) -> None:
    agent.write_areas(Path("areas"))
    assert {path.stem for path in Path("areas").iterdir()} == set(AREAS)
    for area in AREAS:
        agent.write_tickets(Path("tickets/open"), area)
    assert {path.stem for path in Path("tickets/open").iterdir()} == {work.slug for work in ALL}


def test_an_agent_that_does_not_know_its_ticket_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert agent.code("No ticket here.") == 2
    assert "names no ticket" in capsys.readouterr().err
    with pytest.raises(KeyError):
        work_titled("Something else")


def told(progress: Progress, *events: object) -> None:
    for number, event in enumerate(events):
        progress.take(event, float(number))


def test_progress_follows_the_events() -> None:
    progress = Progress()
    told(
        progress,
        news.TicketsCreated(AreaName("core"), (ONE,)),
        news.TicketAssigned(ONE, "Do it"),
        news.AttemptStarted(ONE, 1, "command"),
        news.AttemptStarted(TicketId("0002"), 1, "command"),
        news.AttemptOver(ONE, 1, "submitted", ""),
        news.Reopened(ONE, "it failed"),
        news.TicketAssigned(ONE, "Do it"),
        news.AttemptStarted(ONE, 2, "command"),
        news.ChecksStarted(None),
        "not an event",
        news.Landed(ONE, Oid("a" * 40)),
        news.Parked(TicketId("0002"), "no"),
    )
    found = progress.tickets[ONE]
    assert (found.state, found.attempts, found.trouble, found.seconds) == ("landed", 2, ["it failed"], 9.0)
    assert progress.tickets[TicketId("0002")].state == "stuck"
    assert progress.most_at_once == 2


def test_planners_are_agents_at_work_too() -> None:
    progress = Progress()
    core, docs = AreaName("core"), AreaName("docs")
    told(progress, news.PlannerStarted(None, 1), news.AreasWritten((core, docs)))
    told(progress, news.PlannerStarted(core, 1), news.PlannerStarted(docs, 1))
    told(progress, news.PlannerFailed(core, "no", final=False), news.TicketsCreated(docs, (ONE,)))
    assert progress.most_at_once == 2
    told(progress, news.AttemptStarted(ONE, 1, "command"))
    assert progress.most_at_once == 2


def test_a_line_for_each_event_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    progress = Progress()
    with open_display(Console(file=out), progress) as display:
        assert isinstance(display, Lines)
        display.show(news.TicketAssigned(ONE, "[red]Do it"), 1.25)
        display.show("not an event", 2.0)
    assert out.getvalue() == "  1.2 s  0001 assigned: [red]Do it\n"
    assert line_for(object(), 0.0) is None


def test_a_table_on_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress()
    event = news.TicketAssigned(ONE, "Do it")
    progress.take(event, 0.0)
    with open_display(Console(file=out, force_terminal=True, width=80), progress) as display:
        assert isinstance(display, LiveTable)
        display.show(event, 0.0)
    assert "Do it" in out.getvalue()
    assert "assigned" in out.getvalue()


def test_the_graph_of_a_branch_without_a_landing_is_its_tip(tmp_path: Path) -> None:
    make_repository(tmp_path / "inkwell", "{}\n")
    (line,) = landings(discover(tmp_path / "inkwell").git_dir, "main")
    assert line.endswith(" inkwell: an empty library of text tools")


def test_works_name_their_module() -> None:
    assert Work("s", "t", "g", "names.slugify", "", "").module == "names"
