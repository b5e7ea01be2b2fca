"""Each real CLI when a run does not go as it should: every run ends, is told of, and the work goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scriptorium.plan.notes import ReopenReason, TimeoutKind
from tests.system.history import assert_finished, shown
from tests.system.places import Place

from .cli_place import (
    Act,
    Story,
    bury_orphans,
    config,
    conversion,
    kill_agents,
    make_cli_place,
    plant_ticket,
    play,
)
from .clis import EACH_CLI, Cli
from .model_server import (
    BreakOff,
    CallTool,
    Conversation,
    Fault,
    KeepSilent,
    Limit,
    Refuse,
    Say,
    Script,
    Shell,
    Step,
    by_role,
)

pytestmark = pytest.mark.slow

RUN = ("run", "--until-idle", "--port", "0")
SUBMIT = CallTool("submit_pr", {"summary": "Add inches"})
WRONG = conversion("inches", 2.5)
RIGHT = (conversion("inches", 2.54), SUBMIT, Say("Submitted."))


@pytest.fixture(params=EACH_CLI)
def cli(request: pytest.FixtureRequest) -> Cli:
    """Each of them."""
    found: Cli = request.param
    return found


@pytest.fixture
def place(cli: Cli, tmp_path: Path) -> Iterator[Place]:
    """A repository with one ticket in its plan."""
    made = make_cli_place(cli, tmp_path)
    plant_ticket(made, "inches")
    yield made
    left = made.clear_away()
    bury_orphans(made)
    assert left == []


def configure(cli: Cli, place: Place, *, tickets: object = None, **coding: object) -> None:
    """Change the repository's config."""
    more = {} if tickets is None else {"tickets": tickets}
    place.commit({"scriptorium.json": json.dumps(config(cli, **coding) | more)})


def in_turn(*starts: Sequence[Step | Fault]) -> Script:
    """The coding agent's starts go like this, one after the other; each has its own prompt."""
    seen: list[tuple[str, ...]] = []

    def code(asked: Conversation) -> Sequence[Step | Fault]:
        if asked.prompts not in seen:
            seen.append(asked.prompts)
        return starts[seen.index(asked.prompts)]

    return by_role(coding=code)


def run(cli: Cli, place: Place, script: Script, *acts: Act) -> Story:
    """These acts, by default one life of the service to its end; the model could answer all it was asked."""
    story = play(cli, place, script, *(acts or (RUN,)))
    assert all(done.returncode == 0 for done in story.done), story.told
    assert story.model.faults == []
    assert_finished(place, landed=1)
    return story


def outcomes(story: Story) -> list[tuple[int, str, bool]]:
    """The notes of the runs: attempt, outcome, whether it counts."""
    return [(note.attempt, note.outcome, note.counted) for note in story.ticket("inches").runs]


@pytest.mark.req("CA-07", "CA-09", "V1-20")
def test_an_agent_that_does_not_submit_is_resumed_and_told_what_is_there(cli: Cli, place: Place) -> None:
    story = run(cli, place, in_turn([WRONG, Say("I am done, I think.")], RIGHT))
    first, second = story.runs
    assert not first.is_resumed
    words = cli.resume_words(first.session)
    assert second.argv[-len(words) :] == words
    assert second.session == first.session
    asked = story.conversations[-1]
    assert [prompt.strip() for prompt in asked.prompts] == [text.strip() for text in story.prompts("inches")]
    for said in (
        "Attempt 1 ended without a submission",
        "I am done, I think.",
        "  units/inches.py",
        "The check `make test` fails",
        "AssertionError: inches: 2.5 is not 2.54",
    ):
        assert said in asked.prompt
    assert outcomes(story) == [(1, "ended without a submission", True), (2, "submitted", False)]


@pytest.mark.req("CA-07", "CA-09")
def test_an_agent_that_never_submits_hands_its_ticket_back_with_its_work(cli: Cli, place: Place) -> None:
    configure(cli, place, maxAttempts=2)
    gives_up = [Say("I am done, I think.")]
    look = Shell("cat units/inches.py")
    story = run(cli, place, in_turn([WRONG, *gives_up], gives_up, [look, *RIGHT]))
    (reopened,) = story.ticket("inches").reopens
    assert reopened.reason is ReopenReason.ATTEMPTS_USED_UP
    assert [counted for _, _, counted in outcomes(story)] == [True, True, False]
    asked = story.conversations[-1]
    assert reopened.detail in asked.prompt
    assert asked.outputs[0].strip().endswith("FACTOR = 2.5"), "the work of before is gone"


@pytest.mark.req("CA-06", "CA-09")
def test_a_cli_that_waits_for_a_silent_model_is_ended_by_the_watchdog(cli: Cli, place: Place) -> None:
    configure(cli, place, noOutputTimeout=4)
    story = run(cli, place, in_turn([WRONG, KeepSilent()], RIGHT, RIGHT))
    first = story.ticket("inches").runs[0]
    assert (first.outcome, first.timeout, first.counted) == ("failed", TimeoutKind.NO_OUTPUT, True)
    assert "time limit: no-output" in story.prompts("inches")[1]
    assert story.runs[1].session == story.runs[0].session


@pytest.mark.req("CA-07", "CA-09")
def test_a_rate_limit_twice_takes_no_attempt(cli: Cli, place: Place) -> None:
    """There is but one attempt: had one of the faults taken it, the ticket would have been reopened."""
    configure(cli, place, maxAttempts=1, tickets={"maxReopens": 0})
    story = run(cli, place, in_turn([WRONG, Limit(1)], [Limit(1)], RIGHT))
    assert len(re.findall(r"[Rr]ate limit.*; no new agent before ", story.told)) == 2
    assert len(story.runs) == 3
    assert len({each.session for each in story.runs}) == 1
    assert story.ticket("inches").counted_attempts == 0
    assert outcomes(story)[-1] == (3, "submitted", False)
    for each in story.runs:
        assert story.log_of(each).exists()
    assert [each.events[-1]["type"] for each in story.runs[:2]] == [cli.failed_event] * 2


@pytest.mark.req("CA-07", "CA-09", "V1-05")
@pytest.mark.parametrize("fault", [Refuse(503), BreakOff()], ids=["overloaded", "broken off"])
def test_a_service_ends_and_goes_on_while_the_provider_is_waited_for(
    cli: Cli, place: Place, fault: Fault
) -> None:
    configure(cli, place, maxAttempts=1, tickets={"maxReopens": 0})

    def stop_while_it_waits(story: Story) -> None:
        service = story.place.run()
        service.wait_for("no new agent before")
        service.stop()

    story = run(cli, place, in_turn([WRONG, fault], RIGHT), stop_while_it_waits, RUN)
    assert len({each.session for each in story.runs}) == 1
    assert story.ticket("inches").counted_attempts == 0
    assert outcomes(story)[-1] == (2, "submitted", False)


def hold(place: Place) -> tuple[Shell, Shell]:
    """The steps of an agent that has worked and is at work still when it is killed."""
    return WRONG, Shell(f"touch {place.aside / 'at-work'}; exec sleep 100")


def await_at_work(place: Place) -> None:
    place.await_path(place.aside / "at-work")


@pytest.mark.req("CA-07", "CA-09")
@pytest.mark.parametrize("agents_too", [False, True], ids=["service", "service and agent"])
def test_a_run_goes_on_after_a_kill_of_the_service(cli: Cli, place: Place, agents_too: bool) -> None:
    configure(cli, place, maxAttempts=1, tickets={"maxReopens": 0})

    def kill(story: Story) -> None:
        service = story.place.run()
        await_at_work(place)
        service.kill()
        if agents_too:
            kill_agents(story)

    look = Shell("cat units/inches.py")
    story = run(cli, place, in_turn(hold(place), [look, *RIGHT]), kill, RUN)
    first, second = story.runs
    assert (second.is_resumed, second.session) == (True, first.session)
    assert len(story.conversations[-1].prompts) == 2
    assert story.conversations[-1].outputs[0].strip().endswith("FACTOR = 2.5"), "the work of before is gone"
    assert outcomes(story) == [(2, "submitted", False)]
    assert shown(place, "main", "units/inches.py") == "FACTOR = 2.54\n"


@pytest.mark.req("CA-07", "CA-09")
def test_an_agent_that_is_killed_is_started_again_in_its_session(cli: Cli, place: Place) -> None:
    def kill(story: Story) -> None:
        service = story.place.run("--until-idle")
        await_at_work(place)
        kill_agents(story)
        assert service.end() == 0, service.log

    story = run(cli, place, in_turn(hold(place), RIGHT), kill)
    first, second = story.runs
    assert (second.is_resumed, second.session) == (True, first.session)
    assert outcomes(story) == [(1, "failed", True), (2, "submitted", False)]
    assert "was killed by signal 9" in story.prompts("inches")[1]
