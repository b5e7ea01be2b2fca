"""The whole job with each real CLI, from a prompt to landed code; a script plays the model's part."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scriptorium.harness.interface import last_message_path
from scriptorium.plan.notes import ReopenReason
from tests.system.history import (
    assert_finished,
    check_tree,
    ids,
    landings,
    plan_log,
    shown,
    subjects,
    tickets,
)

from .cli_place import Story, conversion, draft, make_cli_place, play, write
from .clis import EACH_CLI, KEY, Cli
from .contract_words import WORDS
from .model_server import TOKENS_IN, TOKENS_OUT, CallTool, Conversation, Say, Shell, Step, by_role

pytestmark = pytest.mark.slow

PROMPT = "I want a library that converts lengths and weights."
SPEC = "# Units\n\nConverts inches and feet to centimetres, and pounds to grams.\n"
AREAS = {
    "length": "# Length\n\nEverything that is long: units/inches.py and units/feet.py.\n",
    "weight": "# Weight\n\nEverything that is heavy: units/pounds.py.\n",
}
DRAFTS = {
    "length": {
        "inches": draft("inches", notes="An inch was not always what it is now."),
        "feet": draft("feet", depends="inches"),
    },
    "weight": {"pounds": draft("pounds")},
}
ATTEMPTS = {"inches": 2, "feet": 1, "pounds": 1}
CAME_BACK = "Your submission came back (checks-failed)"


def summary(slug: str) -> str:
    return f"Add {slug}\n\nThe factor is in units/{slug}.py, and nowhere else."


def submit(slug: str) -> CallTool:
    return CallTool("submit_pr", {"summary": summary(slug)})


def last_message(slug: str) -> str:
    return f"{slug} can be converted."


def manager(asked: Conversation) -> Sequence[Step]:
    (area,) = (name for name in AREAS if f"## The area: {name}\n" in asked.prompt)
    return [*(write(f"tickets/open/{slug}.md", text) for slug, text in DRAFTS[area].items()), Say("Planned.")]


def coding(cli: Cli, asked: Conversation, pipe: Path) -> Sequence[Step]:
    """What the agents do. The first two wait for each other at a pipe: they are seen to run at once."""
    found = re.search(r"^## The ticket: \d{4} (\w+)$", asked.prompt, re.MULTILINE)
    assert found is not None
    slug = found[1]
    end = (submit(slug), Say(last_message(slug)))
    match slug:
        case "inches" if CAME_BACK in asked.prompt:
            return Shell("cat units/inches.py"), conversion("inches", 2.54), *end
        case "inches":
            return Shell(f"timeout 60 cat {pipe}"), conversion("inches", 2.5), *end
        case "pounds":
            meet = Shell(f"timeout 60 sh -c 'echo the other is here > {pipe}'")
            return meet, conversion("pounds", 453.59237), *end
        case _:
            # This one gives away all that it was given.
            told = asked.outputs[0] if asked.outputs else ""
            tell = Shell(f'echo "token=$SCRIPTORIUM_MCP_TOKEN, key=${cli.key_name}."')
            return tell, conversion("feet", 30.48), submit("feet"), Say(f"{last_message('feet')} {told}")


@pytest.fixture(scope="module", params=EACH_CLI)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The one job that these tests look at from all sides."""
    cli: Cli = request.param
    place = make_cli_place(cli, tmp_path_factory.mktemp(cli.name))
    pipe = place.aside / "pipe"
    os.mkfifo(pipe)
    script = by_role(
        planning=[write("spec.md", SPEC), Say("The spec says what you asked for.")],
        architect=[*(write(f"areas/{name}.md", text) for name, text in AREAS.items()), Say("Two areas.")],
        manager=manager,
        coding=lambda asked: coding(cli, asked, pipe),
    )
    yield play(cli, place, script, ("--init",), ("plan", PROMPT), ("run", "--until-idle", "--port", "0"))
    assert place.clear_away() == []


@pytest.mark.req("V1-35", "CA-09", "V1-00a", "V1-02", "V1-14")
def test_a_prompt_becomes_landed_code(story: Story) -> None:
    assert [done.returncode for done in story.done] == [0, 0, 0], story.told
    assert story.model.faults == []
    assert tickets(story.place) == dict.fromkeys(DRAFTS["length"] | DRAFTS["weight"], "done")
    assert_finished(story.place, landed=3)
    assert shown(story.place, "main", "units/inches.py") == "FACTOR = 2.54\n"
    assert story.last.stdout == ""


@pytest.mark.req("V1-25", "V1-26")
def test_the_base_is_green_at_every_first_parent_commit(story: Story, tmp_path: Path) -> None:
    for commit in story.place.git("rev-list", "--first-parent", "main").split():
        assert check_tree(story.place, commit, tmp_path / commit) == 0


@pytest.mark.req("V1-09", "V1-13")
def test_each_document_of_an_agent_is_one_commit(story: Story) -> None:
    spec, areas, batches = "update spec from architect", "update areas from spec", "create tickets from areas"
    assert subjects(story.place)[:4] == ["initialize plan branch", spec, areas, batches]
    assert len(subjects(story.place, batches)) == len(AREAS)
    assert shown(story.place, "scriptorium/plan", "spec.md") == SPEC
    for name, text in AREAS.items():
        assert shown(story.place, "scriptorium/plan", f"areas/{name}.md") == text
    assert story.ticket("feet").depends == (ids(story.place)["inches"],)


def test_every_question_to_the_model_comes_from_a_known_role(story: Story) -> None:
    steps = {"planning": 2, "architect": 3, "manager": 3 + 2, "coding": 2 * 4 + 4 + 4}
    assert Counter(asked.role for asked in story.conversations) == steps
    assert [asked.role for asked in story.conversations[:5]] == ["planning"] * 2 + ["architect"] * 3
    assert Counter(run.role for run in story.runs) == {"architect": 2, "manager": 2, "coding": 4}
    assert Counter(run.area for run in story.runs if run.role == "manager") == dict.fromkeys(AREAS, 1)
    for request in story.questions:
        assert request.body is not None
        assert request.conversation is not None
        assert request.body["model"] == story.cli.model
        assert story.cli.key_in(request.headers) == KEY
        assert story.cli.offers_submit(request) == (request.conversation.role == "coding")


@pytest.mark.req("V1-07", "V1-08", "V1-12")
def test_planners_get_what_they_plan_from(story: Story) -> None:
    planning, architect, managers = (
        list(dict.fromkeys(asked.prompt for asked in story.conversations if asked.role == role))
        for role in ("planning", "architect", "manager")
    )
    assert len(planning) == len(architect) == 1
    assert PROMPT in planning[0]
    assert SPEC in architect[0]
    for text in AREAS.values():
        assert sum(text in prompt for prompt in managers) == 1


@pytest.mark.req("V1-20")
def test_a_coding_agent_gets_all_that_it_needs(story: Story) -> None:
    (prompt,) = story.prompts("feet")
    ticket = story.ticket("inches")
    first, _ = story.prompts("inches")
    for said in (ticket.goal, ticket.acceptance, ticket.notes, AREAS["length"], "`submit_pr`", "`make test`"):
        assert said.strip() in first
    assert "What happened before" not in first + prompt


@pytest.mark.req("V1-20", "V1-26")
def test_an_agent_whose_work_failed_its_checks_is_told_what_went_wrong(story: Story) -> None:
    _, again = story.prompts("inches")
    (reopened,) = story.ticket("inches").reopens
    assert (reopened.reason, reopened.command) == (ReopenReason.CHECKS_FAILED, "make test")
    assert reopened.detail in again
    assert "AssertionError: inches: 2.5 is not 2.54" in again
    # It goes on where it was: the file with the wrong factor is there.
    outputs = next(asked.outputs for asked in story.conversations if asked.prompt == again and asked.outputs)
    assert "FACTOR = 2.5" in outputs[0].splitlines()


@pytest.mark.req("V1-21")
def test_each_submission_is_credited_to_its_own_ticket(story: Story) -> None:
    met = [
        output for asked in story.conversations for output in asked.outputs if "the other is here" in output
    ]
    assert met, "the first two agents did not run at once"
    queued = [commit for commit in plan_log(story.place) if "enqueue" in commit.subject]
    assert Counter(commit.ticket for commit in queued) == {
        ids(story.place)[slug]: attempts for slug, attempts in ATTEMPTS.items()
    }
    slugs = {number: slug for slug, number in ids(story.place).items()}
    for commit in queued:
        (path,) = story.place.git(
            "diff-tree", "--no-commit-id", "--name-only", "-r", commit.oid, "--", "queue/merge/pending"
        ).split()
        entry = shown(story.place, commit.oid, path)
        assert all(line in entry for line in summary(slugs[str(commit.ticket)]).splitlines())
        assert f"scriptorium/ticket-{commit.ticket}" in entry
    for landing in landings(story.place):
        message = story.place.git("log", "-1", "--format=%B", landing.oid)
        (slug,) = (slug for slug in ATTEMPTS if f"Ticket: {ids(story.place)[slug]}\n" in message)
        assert f"    {summary(slug).splitlines()[-1]}\n" in message


@pytest.mark.req("CA-10")
@pytest.mark.parametrize("slug", ATTEMPTS)
def test_the_note_of_each_run_is_in_its_ticket(story: Story, slug: str) -> None:
    notes = story.ticket(slug).runs
    assert [note.attempt for note in notes] == [*range(1, ATTEMPTS[slug] + 1)]
    for note, run in zip(notes, story.runs_of(slug), strict=True):
        said = (story.cli.name, story.cli.model)
        assert (note.outcome, note.harness, note.model, note.exit_code) == ("submitted", *said, 0)
        assert (note.tokens_in, note.tokens_out) == (4 * TOKENS_IN, 4 * TOKENS_OUT)
        assert story.place.root / note.log == story.log_of(run)
        assert note.detail.startswith(last_message(slug))
        assert note.unsubmitted == ()


@pytest.mark.req("CA-04", "CA-09")
def test_the_logs_hold_every_byte_that_was_printed(story: Story) -> None:
    found = [story.log_of(run) for run in story.runs]
    assert sorted(found) == sorted(story.logs)
    names = ("architect", "manager-length", "manager-weight", *ids(story.place).values())
    assert {path.parent.name for path in found} == set(names)
    for run in story.runs:
        ends = [run.events[0]["type"], run.events[-1]["type"]]
        assert ends == [story.cli.first_event, story.cli.last_event]


@pytest.mark.req("CA-05", "CA-09")
def test_the_last_message_is_in_a_file_and_a_planner_s_is_told(story: Story) -> None:
    said = Counter(story.last_message_of(run).split(".")[0] for run in story.runs)
    end_of_ticket = {last_message(slug).removesuffix("."): times for slug, times in ATTEMPTS.items()}
    assert said == {"The spec says what you asked for": 1, "Two areas": 1, "Planned": 2} | end_of_ticket
    assert "The spec says what you asked for.\n" in story.done[1].stdout


@pytest.mark.req("CA-03", "CA-02", "CA-09", "CA-11")
def test_the_cli_is_started_as_the_contract_says(story: Story) -> None:
    listening = re.search(r"listening on (\S+)", story.last.stderr)
    assert listening is not None
    for run in story.runs:
        assert run.parent[1] == str(Path(sys.executable).with_name("scriptorium"))
        last_message = last_message_path(story.log_of(run))
        assert run.argv == WORDS[story.cli.name](run, listening[1], last_message)


@pytest.mark.req("CA-03", "CA-04")
def test_no_secret_is_seen_anywhere(story: Story) -> None:
    """One agent printed its token and the provider's key, and said them; the model saw both."""
    (feet,) = story.runs_of("feet")
    assert feet.token
    assert any(f"token={feet.token}, key={KEY}." in text for text in _outputs(story))
    assert feet.token.encode() in feet.printed
    secrets = [KEY.encode(), *(run.token.encode() for run in story.runs if run.token)]
    assert len(secrets) == 1 + sum(ATTEMPTS.values())
    seen = {
        "arguments": "\n".join(word for run in story.runs for word in run.argv).encode(),
        "what was told": story.told.encode(),
        "history": story.place.git("log", "--all", "-p", "--format=%B").encode(),
    }
    files = (path for path in (story.place.root / ".scriptorium").rglob("*") if path.is_file())
    seen |= {str(path): path.read_bytes() for path in files}
    assert [name for name, content in seen.items() for secret in secrets if secret in content] == []
    assert "token=[masked], key=[masked]." in story.last_message_of(feet)


def _outputs(story: Story) -> Iterator[str]:
    return (output for asked in story.conversations for output in asked.outputs)


def test_only_coding_agents_have_a_token_and_each_run_its_own(story: Story) -> None:
    tokens = [run.token for run in story.runs if run.role == "coding"]
    assert len(set(tokens)) == len(tokens) == sum(ATTEMPTS.values())
    assert [run.token for run in story.runs if run.role != "coding"] == [None] * 4
