"""What follows for everybody when a model's provider, or its program, does not do its part, or does again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scriptorium.actors.events import Trouble
from scriptorium.actors.world import World
from scriptorium.harness.faults import MAX_WAIT, reset_time
from scriptorium.harness.interface import AgentOutcome
from scriptorium.harness.spec import OutcomeKind


def note_provider(world: World, harness: str, who: str, outcome: AgentOutcome) -> None:
    """After a run: hold the harness's agents back, or let them go on, and say so.

    A run that scriptorium ended, or that could not start, says nothing of the provider.
    """
    throttle = world.crew.throttle(harness)
    if outcome.fault is None:
        if outcome.process.exit_code == 0 and throttle.went_well():
            world.conditions.set_halted(f"provider of {harness}", None)
            world.crew.changed()
        return
    seconds = throttle.fault(_resets_in(world, outcome))
    at = (world.now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    what = f"{who}: the provider of {harness}: {outcome.describe()}; no new agent before {at}"
    world.events.publish(Trouble(what))
    said = f"has trouble ({outcome.fault.value}): no new agent before {at}, then fewer at once"
    world.conditions.set_halted(f"provider of {harness}", said)


def note_start_of_coding(world: World, outcome: AgentOutcome) -> None:
    """Say in the conditions that the program cannot be started, until a run has shown that it can."""
    match outcome.process.kind:
        case OutcomeKind.STOPPED:
            return  # perhaps before its start
        case OutcomeKind.COULD_NOT_START:
            world.conditions.set_halted("coding agent", outcome.describe())
        case _:
            world.conditions.set_halted("coding agent", None)


def _resets_in(world: World, outcome: AgentOutcome) -> float | None:
    """Seconds until the provider is to do its part again, as far as the CLI told."""
    now = world.now()
    if outcome.resets_at is not None:
        try:
            told = datetime.fromtimestamp(outcome.resets_at, UTC)
        except (OverflowError, ValueError, OSError):
            return None
        return (told - now).total_seconds() if now < told <= now + MAX_WAIT else None
    told_in_words = reset_time(outcome.failure or "", now.astimezone())
    return None if told_in_words is None else (told_in_words - now).total_seconds()
