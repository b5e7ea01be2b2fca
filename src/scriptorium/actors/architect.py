"""The Architect: splits a changed spec into areas, once for each text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import ClassVar

from scriptorium.actors.events import AreasWritten, PlannerFailed, Trouble
from scriptorium.actors.pause import Pauses
from scriptorium.actors.planner_faults import note_start, note_trouble, problems_section
from scriptorium.actors.planner_run import PlannerAttempt, PlannerRun, run_planner
from scriptorium.actors.planning import spec_to_split
from scriptorium.actors.reconciler import Reconciler
from scriptorium.actors.world import Role, View, World
from scriptorium.code.scratch import Returned
from scriptorium.plan.ids import AreaName, InvalidName, Oid, parse_area_name
from scriptorium.plan.snapshot import Snapshot
from scriptorium.plan.spec import Spec
from scriptorium.plan.transitions import ParkSpec, PreconditionFailed, UpdateAreas

_AREA_FILE = re.compile(r"areas/([^/]+)\.md")


class AreasRefused(Exception):
    """What the architect left is not a set of areas; the reasons are for the architect."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def areas_of(returned: Returned, set_aside: Collection[str] = ()) -> Mapping[AreaName, str]:
    """The areas that an architect's folder holds, by name. Raises `AreasRefused` with every reason.

    `set_aside` are paths that could not be read before the architect came: left so, they are no fault of its.
    """
    areas: dict[AreaName, str] = {}
    reasons = [
        f"{path}: not a plain file of a readable size"
        for path in returned.odd
        if _AREA_FILE.fullmatch(path) and path not in set_aside
    ]
    for path, content in returned.files.items():
        match = _AREA_FILE.fullmatch(path)
        if match is None or (path in set_aside and path not in returned.changed):
            continue
        try:
            name, text = parse_area_name(match[1]), content.decode()
        except InvalidName as error:
            if path in returned.changed:  # its name may not be what `set_aside` shows of it
                reasons.append(f"{path}: {error}")
        except UnicodeDecodeError:
            reasons.append(f"{path}: not UTF-8 text")
        else:
            areas[name] = text
            if not text.strip():
                reasons.append(f"{path}: empty")
            if name.isdigit() and path in returned.changed:
                reasons.append(f"{path}: all digits would read as a ticket's id: choose another name")
    if not areas and not reasons:
        reasons.append("no area was written: there is no file areas/<area>.md")
    if reasons:
        raise AreasRefused(tuple(reasons))
    return areas


class Architect(Reconciler):
    """Looks at: spec newer than areas. Does: runs the architect agent, commits the areas."""

    name: ClassVar[str] = "architect"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._failures: dict[Oid, int] = {}
        self._problems: tuple[str, ...] = ()
        self._pauses = Pauses.none()

    async def reconcile(self, view: View) -> bool:
        """Run the architect if the spec asks for it and the base branch allows work."""
        spec = spec_to_split(view.snapshot)
        if spec is None or not view.base_is_green or self.world.stopping.is_set():
            return True
        if not view.can_tell(Role.ARCHITECT):
            return True
        if self.waits(self._pauses):
            return self._pauses.trouble.until is None
        place = self.place_for(Role.ARCHITECT)
        if place is None:
            return not self.held_back(Role.ARCHITECT)
        try:
            return await self._split(view, spec)
        except Exception as error:  # the tries that were counted so far must not be forgotten
            note_trouble(self.world, self._pauses, self.name, error)
            self.nudge()
            return False
        finally:
            place.release()

    async def _split(self, view: View, spec: Spec) -> bool:
        attempt = await self._attempt(view, spec)
        if attempt.stopped:
            return True
        note_start(self.world, self._pauses, Role.ARCHITECT, attempt)
        if attempt.not_its_fault:
            self.nudge()
            return False
        if not attempt.failed:
            try:
                await self._commit(view.snapshot, spec, attempt)
            except AreasRefused as refused:
                await self._fail(spec, refused.reasons)
            except PreconditionFailed as changed:
                # Spec or areas moved on while the architect ran: the next look splits what is there then.
                self.world.events.publish(Trouble(f"architect: discarded, {changed}"))
        else:
            await self._fail(spec, (attempt.failure,))
        self.nudge()
        return False

    async def _attempt(self, view: View, spec: Spec) -> PlannerAttempt:
        problems = problems_section(self._problems)
        prompt = view.prompts.render("architect", spec=spec.text, problems=problems)
        number = self._failures.get(spec.oid, 0) + 1
        run = PlannerRun(Role.ARCHITECT, view.snapshot.commit, prompt, number)
        return await run_planner(self.world, run, stop=self.world.stopping)

    async def _commit(self, shown: Snapshot, spec: Spec, attempt: PlannerAttempt) -> None:
        areas = areas_of(attempt.returned, {problem.path for problem in shown.problems})
        replaces = {name: area.oid for name, area in shown.areas.items()}
        snapshot = await self.world.plan.commit(UpdateAreas(spec.oid, areas, replaces))
        self._problems = ()
        self._failures.pop(spec.oid, None)
        self.world.events.publish(AreasWritten(tuple(sorted(snapshot.areas))))
        strays = sorted(
            path
            for path in attempt.returned.changed | attempt.returned.removed
            if not _AREA_FILE.fullmatch(path)
        )
        if strays:
            self.world.events.publish(Trouble(f"architect: discarded changes to {', '.join(strays[:20])}"))

    async def _fail(self, spec: Spec, reasons: tuple[str, ...]) -> None:
        self._problems = reasons
        failures = self._failures[spec.oid] = self._failures.get(spec.oid, 0) + 1
        final = failures >= self.world.config.agents.architect.max_attempts
        self.world.events.publish(PlannerFailed(None, "; ".join(reasons), final))
        if final:
            self._failures.pop(spec.oid)
            self._problems = ()
            try:
                await self.world.plan.commit(ParkSpec(spec.oid))
            except PreconditionFailed:
                return  # the spec has changed meanwhile: the next look sees the new text
