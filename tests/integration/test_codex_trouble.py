"""The real Codex CLI when a run does not go as it should: each ends, is told of, and the work goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from scriptorium.plan.notes import TimeoutKind
from tests.system.history import assert_finished, assert_sound, ids, landings, tickets
from tests.system.places import Place

from .codex_place import Story, config, conversion, make_codex_place, plant_ticket, play
from .model_server import BreakOff, CallTool, Conversation, Fault, KeepSilent, Refuse, Say, Step, by_role

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("codex_cli_bin") is None, reason="needs the extra scriptorium[codex]"),
]

RUN = ("run", "--until-idle", "--port", "0")
SUBMIT = CallTool("submit_pr", {"summary": "Add inches"})
RIGHT = (conversion("inches", 2.54), SUBMIT, Say("Submitted."))
FAULTS: dict[str, tuple[Fault, str]] = {
    "overloaded": (Refuse(503, "The model is overloaded."), "503"),
    "too many requests": (Refuse(429, "Slow down."), "429"),
    "broken off": (BreakOff(), "stream disconnected"),
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A repository with one ticket in its plan."""
    made = make_codex_place(tmp_path)
    plant_ticket(made, "inches")
    yield made
    assert made.clear_away() == []


def configure(place: Place, **more: object) -> None:
    """Change the repository's config."""
    place.commit({"scriptorium.json": json.dumps(config() | more)})


def in_turn(*acts: Sequence[Step | Fault], place: Place) -> Story:
    """A run in which the coding agent's starts go like this, one after the other."""

    def code(asked: Conversation) -> Sequence[Step | Fault]:
        return acts[len(asked.prompts) - 1]

    story = play(place, by_role(coding=code), RUN)
    assert story.model.faults == []
    return story


@pytest.mark.req("CA-07", "CA-09", "V1-20")
def test_an_agent_that_does_not_submit_is_resumed_and_told_so(place: Place) -> None:
    story = in_turn([conversion("inches", 2.5), Say("I am done, I think.")], RIGHT, place=place)
    assert story.last.returncode == 0, story.told
    first, second = story.runs
    assert "resume" not in first.argv
    assert second.argv[-3:] == ("resume", first.thread, "-")
    # All else as the first time, but for the files of this attempt.
    both = [[word for word in run.argv if word != str(run.last_message_path)] for run in story.runs]
    assert both[1] == [*both[0][:-1], *second.argv[-3:]]
    assert second.thread == first.thread
    asked = story.conversations[-1]
    assert [prompt.strip() for prompt in asked.prompts] == [text.strip() for text in story.prompts("inches")]
    assert "Attempt 1 ended without a submission" in asked.prompt
    assert "I am done, I think." in asked.prompt
    notes = story.ticket("inches").runs
    assert [(note.attempt, note.outcome, note.counted) for note in notes] == [
        (1, "ended without a submission", True),
        (2, "submitted", False),
    ]
    assert_finished(place, landed=1)


@pytest.mark.req("CA-07", "CA-09")
@pytest.mark.parametrize("kind", FAULTS)
def test_a_model_that_does_not_answer_ends_the_attempt_and_the_next_goes_on(place: Place, kind: str) -> None:
    fault, words = FAULTS[kind]
    story = in_turn([conversion("inches", 2.5), fault], RIGHT, place=place)
    assert story.last.returncode == 0, story.told
    first, second = story.ticket("inches").runs
    assert (first.attempt, first.exit_code) == (1, 1)
    assert words in first.detail
    assert words in story.conversations[-1].prompt
    assert (second.attempt, second.outcome) == (2, "submitted")
    assert all(run.log.read_bytes() == run.masked for run in story.runs)
    assert [run.events[-1]["type"] for run in story.runs] == ["turn.failed", "turn.completed"]
    assert_finished(place, landed=1)


@pytest.mark.req("CA-06", "CA-09")
def test_codex_that_waits_for_a_silent_model_is_ended_by_the_watchdog(place: Place) -> None:
    configure(place, agents={"coding": config()["agents"]["coding"] | {"noOutputTimeout": 5}})
    story = in_turn([conversion("inches", 2.5), KeepSilent()], RIGHT, RIGHT, place=place)
    assert story.last.returncode == 0, story.told
    first = story.ticket("inches").runs[0]
    assert (first.outcome, first.timeout, first.counted) == ("failed", TimeoutKind.NO_OUTPUT, True)
    assert "time limit: no-output" in story.prompts("inches")[1]
    assert_finished(place, landed=1)


def test_a_model_that_refuses_every_time_hangs_nothing(place: Place) -> None:
    """The ticket ends stuck, after a bounded number of attempts, and `run` says so."""
    configure(place, tickets={"maxReopens": 0})
    story = in_turn(*[[Refuse(503)]] * 20, place=place)
    assert story.last.returncode == 1, story.told
    assert tickets(place) == {"inches": "stuck"}
    assert story.last.stdout.startswith(f"{ids(place)['inches']} stuck: inches")
    assert landings(place) == []
    assert_sound(place)
