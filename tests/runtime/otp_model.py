"""An executable model of OTP's supervisor, written after ``supervisor.erl``; no code of the runtime, no trio.

A tree of supervisors and workers takes one event at a time and carries it through to the end, as
OTP's supervisors do: `World.log` says who started, failed to start, stopped, ended for good, gave up or
shut down, in which order. Where the runtime differs from OTP on purpose the model does as the runtime:

- a supervisor that gave up has crashed (in OTP it exits with ``shutdown``, and if transient stays down);
- a child that ended normally and is started again with its siblings counts its incarnations from 1.
"""

from collections.abc import Iterator
from typing import Literal

import attrs

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "rest_for_one", "one_for_all"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]


@attrs.frozen
class Worker:
    id: str
    restart: Restart = "permanent"
    significant: bool = False


@attrs.frozen
class Group:
    """A supervisor, with at most ``intensity`` restarts in ``period`` seconds."""

    id: str
    children: "tuple[Worker | Group, ...]" = ()
    restart: Restart = "permanent"
    significant: bool = False
    strategy: Strategy = "one_for_one"
    intensity: int = 3
    period: float = 10.0
    auto_shutdown: AutoShutdown = "never"


class StartFailed(Exception):
    """A worker whose turn it was to fail, or something below a supervisor."""


@attrs.define(eq=False)
class Slot:
    """One child's place in its supervisor; ``running`` is OTP's pid, None its ``undefined``.

    Not running, it waits to be started again, unless it has ``ended``.
    """

    spec: "Worker | Group"
    path: str
    incarnation: int = 0
    running: "bool | Team | None" = None
    ended: bool = False


@attrs.define(eq=False)
class Team:
    """A supervisor that runs. ``above`` is where it is a child itself."""

    spec: Group
    path: str
    above: "tuple[Team, Slot] | None"
    slots: list[Slot] = attrs.field(factory=list)  # in start order
    restarts: list[float] = attrs.field(factory=list)


@attrs.define
class World:
    """The tree and its surroundings. ``outcome`` says how the top has ended."""

    spec: Group
    now: float = 0.0
    failing: dict[str, int] = attrs.field(factory=dict)  # how often a worker's next starts fail
    log: list[str] = attrs.field(factory=list)
    outcome: Literal["running", "gave up", "shut down"] = "running"
    top: Team = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.top = Team(self.spec, self.spec.id, None)
        for child in self.spec.children:
            self._start_child(self.top, child)

    # ---- what can be done to the tree

    def crash(self, path: str) -> None:
        team, slot = self._find(path)
        self._exit(team, slot, crashed=True)

    def end(self, path: str) -> None:
        """The worker ends by itself, in order."""
        team, slot = self._find(path)
        self.log.append(f"stop {path}")
        self._exit(team, slot, crashed=False)

    def stop_child(self, path: str) -> None:
        """``terminate_child`` and ``delete_child``."""
        team, slot = self._find(path)
        self._terminate(slot, for_good="shutdown")
        team.slots.remove(slot)

    def start_child(self, team_path: str, spec: Worker | Group) -> bool:
        """False: it did not start."""
        team = next(team for team in self.teams() if team.path == team_path)
        try:
            self._start_child(team, spec)
        except StartFailed:
            return False
        return True

    def leave(self) -> None:
        """The program is over."""
        self._terminate_all(self.top, for_good="shutdown")

    # ---- what can be seen of it

    def teams(self) -> Iterator[Team]:
        return _teams(self.top) if self.outcome == "running" else iter(())

    def alive(self) -> list[tuple[str, int]]:
        """Path and incarnation of all that runs, supervisors before their children."""
        return [(slot.path, slot.incarnation) for team in self.teams() for slot in team.slots if slot.running]

    def workers(self) -> list[str]:
        return [
            slot.path
            for team in self.teams()
            for slot in team.slots
            if slot.running and isinstance(slot.spec, Worker)
        ]

    def _find(self, path: str) -> tuple[Team, Slot]:
        return next((team, slot) for team in self.teams() for slot in team.slots if slot.path == path)

    # ---- starting

    def _start_child(self, team: Team, spec: Worker | Group) -> None:
        """The first start of a child: when it fails there is no child."""
        slot = Slot(spec, f"{team.path}/{spec.id}")
        team.slots.append(slot)
        try:
            self._start(team, slot)
        except StartFailed:
            team.slots.remove(slot)
            self.log.append(f"end {slot.path}: crashed")
            raise

    def _start(self, team: Team, slot: Slot) -> None:
        slot.incarnation += 1
        slot.ended = False
        match slot.spec:
            case Worker():
                if self.failing.get(slot.path, 0) > 0:
                    self.failing[slot.path] -= 1
                    self.log.append(f"fail {slot.path}")
                    raise StartFailed
                slot.running = True
            case Group() as group:
                slot.running = self._start_team(group, slot.path, (team, slot))
        self.log.append(f"start {slot.path} {slot.incarnation}")

    def _start_team(self, group: Group, path: str, above: tuple[Team, Slot]) -> Team:
        team = Team(group, path, above)
        try:
            for child in group.children:
                self._start_child(team, child)
        except StartFailed:
            self._terminate_all(team, for_good="shutdown")
            raise
        return team

    # ---- stopping

    def _terminate(self, slot: Slot, *, for_good: str | None) -> None:
        """Stop one child; ``for_good`` is the reason when it will not be started again."""
        running, slot.running = slot.running, None
        if isinstance(running, Team):
            self._terminate_all(running, for_good="shutdown")
        elif running:
            self.log.append(f"stop {slot.path}")
        if for_good is not None and not slot.ended:
            slot.ended = True
            self.log.append(f"end {slot.path}: {for_good}")

    def _terminate_all(self, team: Team, *, for_good: str) -> None:
        for slot in reversed(team.slots):
            self._terminate(slot, for_good=for_good)

    # ---- a child has ended by itself

    def _exit(self, team: Team, slot: Slot, *, crashed: bool) -> None:
        slot.running = None
        if slot.spec.restart == "permanent" or (slot.spec.restart == "transient" and crashed):
            self._restart(team, slot)
            return
        if slot.spec.restart == "temporary":
            team.slots.remove(slot)
        slot.ended, slot.incarnation = True, 0
        self.log.append(f"end {slot.path}: {'crashed' if crashed else 'normal'}")
        self._consider_shutdown(team, slot)

    def _consider_shutdown(self, team: Team, slot: Slot) -> None:
        if not slot.spec.significant or team.spec.auto_shutdown == "never":
            return
        left = any(other.spec.significant and other.running for other in team.slots)
        if team.spec.auto_shutdown == "all_significant" and left:
            return
        self.log.append(f"shut down {team.path}")
        self._terminate_all(team, for_good="shutdown")
        self._leave(team, crashed=False)

    def _leave(self, team: Team, *, crashed: bool) -> None:
        if team.above is None:
            self.outcome = "gave up" if crashed else "shut down"
        else:
            self._exit(*team.above, crashed=crashed)

    # ---- restarts

    def _restart(self, team: Team, slot: Slot) -> None:
        """Try until all have started or the intensity is used up."""
        while self._within_intensity(team):
            failed = self._restart_once(team, slot)
            if failed is None:
                return
            slot = failed
        self.log.append(f"end {slot.path}: gave up")
        self.log.append(f"gave up {team.path}")
        team.slots.remove(slot)
        self._terminate_all(team, for_good="gave up")
        self._leave(team, crashed=True)

    def _within_intensity(self, team: Team) -> bool:
        oldest = self.now - team.spec.period
        team.restarts = [time for time in team.restarts if time >= oldest] + [self.now]
        return len(team.restarts) <= team.spec.intensity

    def _restart_once(self, team: Team, slot: Slot) -> Slot | None:
        """Stop and start who goes together. Returns the one that did not start; those after it stay down."""
        group = _together(team, slot)
        for member in reversed(group):
            temporary = member.spec.restart == "temporary"
            self._terminate(member, for_good="shutdown" if temporary else None)
            if temporary:
                team.slots.remove(member)
        for member in group:
            if member in team.slots:
                try:
                    self._start(team, member)
                except StartFailed:
                    return member
        return None


def _together(team: Team, slot: Slot) -> list[Slot]:
    match team.spec.strategy:
        case "one_for_one":
            return [slot]
        case "rest_for_one":
            return team.slots[team.slots.index(slot) :]
        case "one_for_all":
            return list(team.slots)


def _teams(team: Team) -> Iterator[Team]:
    yield team
    for slot in team.slots:
        if isinstance(slot.running, Team):
            yield from _teams(slot.running)
