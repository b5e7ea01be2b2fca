"""The Manager: splits each changed area into tickets, several areas at once, once for each text."""

from __future__ import annotations

import re
from functools import partial
from typing import ClassVar

from attrs import define

from scriptorium.actors.crew import Place
from scriptorium.actors.events import PlannerFailed, TicketsCreated, Trouble
from scriptorium.actors.pause import Pauses
from scriptorium.actors.planner_faults import note_start, note_trouble, problems_section
from scriptorium.actors.planner_run import PlannerAttempt, PlannerRun, run_planner
from scriptorium.actors.planning import areas_to_ticket
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.used_ids import highest_used_id
from scriptorium.actors.world import Role, View, World
from scriptorium.code.scratch import Returned
from scriptorium.plan.area import Area
from scriptorium.plan.drafts import DraftsRefused, validate_drafts
from scriptorium.plan.ids import AreaName
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.transitions import CreateTickets, ParkArea, PreconditionFailed
from scriptorium.prompts import Prompts, fenced

_TICKET_FILE = re.compile(r"tickets/open/([^/]+)")


@define
class _Tries:
    """How often the manager failed for one text of an area, and what was wrong the last time."""

    oid: str
    failed: int = 0
    problems: tuple[str, ...] = ()


class Manager(Reconciler):
    """Looks at: areas newer than their tickets. Does: runs the manager agent per area, commits tickets."""

    name: ClassVar[str] = "manager"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._running: set[AreaName] = set()
        self._tries: dict[AreaName, _Tries] = {}
        self._pauses = Pauses.none()

    async def reconcile(self, view: View) -> bool:
        """Start a run for each area that needs one, as far as there are places."""
        areas = areas_to_ticket(view.snapshot, self._running)
        if areas and self.waits(self._pauses):
            return not self._running and self._pauses.trouble.until is None
        if view.base_is_green and view.can_tell(Role.MANAGER) and not self.world.stopping.is_set():
            for area in areas:
                place = self.place_for(Role.MANAGER)
                if place is None:
                    break
                self._running.add(area.name)
                self.nursery.start_soon(self._ticket_area, view, area, place)
        return not self._running and not (areas and self.held_back(Role.MANAGER))

    async def _ticket_area(self, view: View, area: Area, place: Place) -> None:
        try:
            await self._try(view.snapshot, view.prompts, area, place)
        except Exception as error:  # one area must not end the agents of the others
            note_trouble(self.world, self._pauses, f"{self.name} of {area.name}", error)
        finally:
            place.release()
            self._running.discard(area.name)
            self.nudge()

    async def _try(self, snapshot: Snapshot, prompts: Prompts, area: Area, place: Place) -> None:
        tries = self._tries.get(area.name)
        if tries is None or tries.oid != area.oid:
            tries = self._tries[area.name] = _Tries(area.oid)
        problems = problems_section(tries.problems)
        prompt = prompts.render("manager", area=area.name, text=fenced(area.text), problems=problems)
        run = PlannerRun(Role.MANAGER, snapshot.commit, prompt, tries.failed + 1, area.name)
        attempt = await run_planner(self.world, run, stop=self.world.stopping)
        place.release()
        if attempt.stopped:
            return
        note_start(self.world, self._pauses, Role.MANAGER, attempt)
        if attempt.not_its_fault:
            return
        if attempt.failed:
            await self._fail(area, tries, (attempt.failure,))
            return
        try:
            await self._commit(snapshot, area, attempt)
        except DraftsRefused as refused:
            await self._fail(area, tries, refused.reasons)
        except PreconditionFailed as changed:
            # The area's text moved on while the manager ran: the next look plans the new text.
            self.world.events.publish(Trouble(f"manager of {area.name}: discarded, {changed}"))

    async def _commit(self, snapshot: Snapshot, area: Area, attempt: PlannerAttempt) -> None:
        unreadable = _unreadable(attempt.returned)
        if unreadable:
            raise DraftsRefused(unreadable)
        drafts = validate_drafts(area.name, new_ticket_files(attempt.returned), snapshot)
        floor = await self.world.offload(partial(highest_used_id, self.world.project))
        after = await self.world.plan.commit(CreateTickets(area.name, area.oid, drafts, floor))
        self._tries.pop(area.name, None)
        created = tuple(sorted(after.tickets.keys() - snapshot.tickets.keys()))
        mine = tuple(ticket for ticket in created if after.tickets[ticket].ticket.area == area.name)
        self.world.events.publish(TicketsCreated(area.name, mine))
        strays = _strays(attempt.returned)
        if strays:
            self.world.events.publish(
                Trouble(f"manager of {area.name}: discarded changes to {', '.join(strays[:20])}")
            )

    async def _fail(self, area: Area, tries: _Tries, reasons: tuple[str, ...]) -> None:
        tries.failed += 1
        tries.problems = reasons
        final = tries.failed >= self.world.config.agents.manager.max_attempts
        self.world.events.publish(PlannerFailed(area.name, "; ".join(reasons), final))
        if final:
            self._tries.pop(area.name, None)
            try:
                await self.world.plan.commit(ParkArea(area.name, area.oid))
            except PreconditionFailed:
                return  # the text has changed meanwhile: the next look plans the new one


def new_ticket_files(returned: Returned) -> dict[str, bytes]:
    """What the manager wrote as new tickets: file name below `tickets/open/` -> content."""
    return {
        match[1]: returned.files[path]
        for path in sorted(returned.changed)
        if path not in returned.exported_paths and (match := _TICKET_FILE.fullmatch(path))
    }


def _unreadable(returned: Returned) -> list[str]:
    """What is wrong with those new tickets that are no text: passed over, their work would be forgotten."""
    return [
        f"{path}: not a plain file of a readable size"
        for path in returned.odd
        if path not in returned.exported_paths and _TICKET_FILE.fullmatch(path)
    ]


def _strays(returned: Returned) -> list[str]:
    new = {f"tickets/open/{name}" for name in new_ticket_files(returned)}
    return sorted((returned.changed | returned.removed | set(returned.odd)) - new)
