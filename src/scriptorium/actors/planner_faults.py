"""What the Architect and the Manager do about a run that went wrong: wait, say so, tell the planner."""

from __future__ import annotations

from scriptorium.actors.events import Trouble
from scriptorium.actors.pause import Pauses
from scriptorium.actors.planner_run import PlannerAttempt
from scriptorium.actors.provider import note_provider
from scriptorium.actors.world import Role, World
from scriptorium.prompts import listed_fenced

PROBLEMS_TOLD = 50
PROBLEM_CHARACTERS = 1_000
"""A planner's own file names and words are in them."""


def note_start(world: World, pauses: Pauses, role: Role, attempt: PlannerAttempt) -> None:
    """Begin or end a role's pause after an attempt, and say so in the conditions."""
    pauses.trouble.end()
    if attempt.outcome is not None and not attempt.could_not_start:
        note_provider(world, world.agents.harness_name(role), role.value, attempt.outcome)
    if not attempt.could_not_start:
        pauses.missing.end()
        world.conditions.set_halted(role.value, None)
        return
    seconds = pauses.missing.begin()
    world.events.publish(Trouble(f"{role.value} {attempt.failure}; trying again in {seconds:.0f} s"))
    world.conditions.set_halted(role.value, attempt.failure)


def note_trouble(world: World, pauses: Pauses, who: str, error: Exception) -> None:
    """scriptorium itself failed around a planner's run, on a full disk say. Leave the role alone a while."""
    world.events.publish(Trouble(f"{who}: {error!r}; trying again in {pauses.trouble.begin():.0f} s"))


def problems_section(problems: tuple[str, ...]) -> str:
    """The part of a planner's prompt that says what was wrong with its last try; empty for none."""
    if not problems:
        return ""
    listed = listed_fenced(problems, most=PROBLEMS_TOLD, characters=PROBLEM_CHARACTERS)
    return f"## What was wrong with your last try\n\n{listed}\n"
