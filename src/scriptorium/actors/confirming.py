"""A red result is believed only after it came again; what passes then is a flake, kept and said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from attrs import evolve

from scriptorium.actors import events
from scriptorium.actors.world import NoVerdict, World
from scriptorium.code.evidence import Flake, Result, Verdict
from scriptorium.code.flakes import SeenFlake, add_flake
from scriptorium.plan.ids import TicketId


async def confirmed(run: Callable[[], Awaitable[Verdict | NoVerdict]], reruns: int) -> Verdict | NoVerdict:
    """The verdict of `run`, which is called again up to `reruns` times while the result is red.

    Green after red is green, with the first failure as its `flake`. No verdict ends it at once.
    """
    first = found = await run()
    for _ in range(reruns):
        if not isinstance(found, Verdict) or found.result is Result.GREEN:
            break
        found = await run()
    if not isinstance(first, Verdict) or not isinstance(found, Verdict):
        return found
    if first.result is Result.RED and found.result is Result.GREEN:
        return evolve(found, flake=Flake(first.command or "", first.exit_code, first.log))
    return found


async def tell_flake(world: World, ticket: TicketId | None, verdict: Verdict) -> None:
    """If the verdict has a flake: keep it for `status`, and say so. `ticket` is None for the base branch."""
    flake = verdict.flake
    if flake is None:
        return
    world.events.publish(events.FlakyCheck(ticket, flake.command, flake.log))
    seen = SeenFlake(ticket or "base", flake.command, flake.exit_code, flake.log, world.timestamp())
    try:
        await world.offload(partial(add_flake, world.project.state_dir, seen))
    except OSError as error:  # it is in the verdict too; nothing rests on the list
        world.events.publish(events.Trouble(f"a flaky check could not be noted: {error}"))
