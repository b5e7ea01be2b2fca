"""Lets go of the pins that have served their time: at the start, and then a few times a day."""

from __future__ import annotations

from functools import partial

import trio

from scriptorium.actors.events import Tidied, Trouble
from scriptorium.actors.world import World
from scriptorium.code.pin_sweep import Swept, sweep_pins

SWEEP_EVERY_SECONDS = 6 * 3600.0
SWEEP_ON_SECONDS = 60.0
"""After a sweep that left some for the next."""


async def let_pins_go(world: World) -> None:
    """Sweep for as long as the service runs; a failure costs nothing but another try later."""
    while True:
        pause = SWEEP_EVERY_SECONDS
        sweep = partial(sweep_pins, world.project, world.branch, world.now().timestamp())
        try:
            swept = await world.background(sweep)
        except Exception as error:  # nobody restarts this task, and nothing waits for it
            world.events.publish(Trouble(f"cannot let go of old pins: {error}"))
        else:
            _tell(world, swept)
            pause = SWEEP_ON_SECONDS if swept.more else SWEEP_EVERY_SECONDS
        await trio.sleep(pause)


def _tell(world: World, swept: Swept) -> None:
    if swept.names:
        first = f", {swept.names[0]} the first" if len(swept.names) > 1 else f": {swept.names[0]}"
        what = f"let go of {len(swept.names)} old pins of {swept.tickets} finished tickets{first}"
        world.events.publish(Tidied(what))
