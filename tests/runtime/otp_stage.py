"""The runtime's side of the comparison with the model of OTP: carries out steps, says what came of them."""

from collections.abc import Iterator

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from scriptorium.runtime import (
    Actor,
    AutoShutdown,
    Backoff,
    ChildSpec,
    ChildStarted,
    ChildStopped,
    Context,
    Intensity,
    Restart,
    StopKind,
    Strategy,
    Subscription,
    Supervisor,
    SupervisorGaveUp,
    SupervisorRef,
    SupervisorShutDown,
    SupervisorSpec,
)

from .otp_model import Group, Worker
from .otp_script import Step

ENDS = {
    StopKind.NORMAL: "normal",
    StopKind.SHUTDOWN: "shutdown",
    StopKind.CRASHED: "crashed",
    StopKind.GAVE_UP: "gave up",
}


class Planned(Exception):
    """What the script makes a worker raise."""


@attrs.frozen
class Said:
    """What a worker puts into the stream of events, so that all comes in one order."""

    line: str


@attrs.define(eq=False)
class Stage:
    """The runtime's side: performs steps, and says what came of them."""

    supervisor: Supervisor
    news: Subscription
    failing: dict[str, int] = attrs.field(factory=dict)
    contexts: dict[str, Context[str]] = attrs.field(factory=dict)

    def worker(self, path: str, spec: Worker) -> ChildSpec[str]:
        return ChildSpec(
            spec.id,
            lambda: Player(self, path),
            Restart[spec.restart.upper()],
            mailbox_capacity=4,
            significant=spec.significant,
        )

    def group(self, path: str, spec: Group) -> SupervisorSpec:
        return SupervisorSpec(
            spec.id,
            [self.child(f"{path}/{child.id}", child) for child in spec.children],
            strategy=Strategy[spec.strategy.upper()],
            intensity=Intensity(spec.intensity, spec.period),
            backoff=Backoff(0.0),
            restart=Restart[spec.restart.upper()],
            significant=spec.significant,
            auto_shutdown=AutoShutdown[spec.auto_shutdown.upper()],
        )

    def child(self, path: str, spec: Worker | Group) -> ChildSpec[str] | SupervisorSpec:
        return self.worker(path, spec) if isinstance(spec, Worker) else self.group(path, spec)

    # ---- steps

    def team(self, path: str) -> Supervisor | SupervisorRef:
        team: Supervisor | SupervisorRef = self.supervisor
        for name in path.split("/")[1:]:
            below = team.supervisor(name)
            assert below is not None, f"no supervisor {path}"
            team = below
        return team

    async def start(self, team: str, spec: Worker | Group) -> None:
        path = f"{team}/{spec.id}"
        try:
            if isinstance(spec, Worker):
                await self.team(team).start_child(self.worker(path, spec))
            else:
                await self.team(team).start_supervisor(self.group(path, spec))
        except Planned:
            return

    async def perform(self, step: Step) -> None:
        team, _, name = step.path.rpartition("/")
        match step.action:
            case "crash":
                ref = self.team(team).child(name)
                assert ref is not None, f"no child {step.path}"
                await ref.tell("crash")
            case "end":
                self.contexts[step.path].stop()
            case "stop":
                await self.team(team).stop_child(name)
            case "fail":
                self.failing[step.path] = step.number
            case "wait":
                await trio.sleep(step.seconds)
            case "start" if step.spec is not None:
                await self.start(step.path, step.spec)
            case action:
                raise AssertionError(action)
        await wait_all_tasks_blocked()

    # ---- what came of them

    async def log(self) -> list[str]:
        waiting = self.news.statistics().waiting
        return [line for _ in range(waiting) if (line := as_line(await self.news.__anext__())) is not None]

    def alive(self) -> list[tuple[str, int]]:
        return list(living(self.supervisor, self.supervisor.name))


class Player(Actor[str]):
    def __init__(self, stage: Stage, path: str) -> None:
        self.stage = stage
        self.path = path

    async def on_start(self, context: Context[str]) -> None:
        self.context = context
        if self.stage.failing.get(self.path, 0) > 0:
            self.stage.failing[self.path] -= 1
            context.events.publish(Said(f"fail {self.path}"))
            raise Planned
        self.stage.contexts[self.path] = context

    async def handle(self, message: str) -> None:
        raise Planned(message)

    async def on_stop(self) -> None:
        self.context.events.publish(Said(f"stop {self.path}"))


def as_line(event: object) -> str | None:
    match event:
        case Said(line):
            return line
        case ChildStarted(supervisor, child, incarnation):
            return f"start {supervisor}/{child} {incarnation}"
        case ChildStopped(supervisor, child, reason):
            return f"end {supervisor}/{child}: {ENDS[reason.kind]}"
        case SupervisorGaveUp(supervisor=supervisor):
            return f"gave up {supervisor}"
        case SupervisorShutDown(supervisor=supervisor):
            return f"shut down {supervisor}"
        case _:
            return None


def living(team: Supervisor | SupervisorRef, path: str) -> Iterator[tuple[str, int]]:
    below = []
    for child in team.children():
        assert child.state.value == "running", child
        yield f"{path}/{child.name}", child.incarnation
        nested = team.supervisor(child.name)
        if nested is not None:
            below.append(nested)
    for nested in below:
        yield from living(nested, nested.name)
