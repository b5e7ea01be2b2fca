"""Random trees and scripts for the comparison with the model of OTP."""

from collections.abc import Iterator
from random import Random

import attrs

from .otp_model import AutoShutdown, Group, Restart, Strategy, Worker, World


@attrs.frozen
class Step:
    """What happens next. ``path`` is of a worker, or of a supervisor for ``start``."""

    action: str
    path: str = ""
    number: int = 0
    seconds: float = 0.0
    spec: Worker | Group | None = None

    def __str__(self) -> str:
        match self.action:
            case "wait":
                return f"wait {self.seconds:g} s"
            case "fail":
                return f"the next {self.number} starts of {self.path} fail"
            case "start":
                return f"start under {self.path}: {self.spec}"
            case action:
                return f"{action} {self.path}"


def applies(world: World, step: Step) -> bool:
    """The step means something in this state: its target is there."""
    match step.action:
        case "crash" | "end":
            return step.path in world.workers()
        case "stop":
            return step.path in (path for path, _ in world.alive())
        case "start":
            return step.path in (team.path for team in world.teams())
        case _:
            return True


def perform(world: World, step: Step) -> None:
    match step.action:
        case "crash":
            world.crash(step.path)
        case "end":
            world.end(step.path)
        case "stop":
            world.stop_child(step.path)
        case "fail":
            world.failing[step.path] = step.number
        case "wait":
            world.now += step.seconds
        case "start" if step.spec is not None:
            world.start_child(step.path, step.spec)
        case action:
            raise AssertionError(action)


# ---- random ones


def random_tree(random: Random) -> Group:
    tree = _group(random, "top", depth=random.choice([1, 2, 2, 3]))
    return attrs.evolve(tree, intensity=random.choice([0, 1, 3, 10, 20]))


def _group(random: Random, name: str, depth: int) -> Group:
    shutdowns: list[AutoShutdown] = ["never", "never", "any_significant", "all_significant"]
    strategies: list[Strategy] = ["one_for_one", "rest_for_one", "one_for_all"]
    auto_shutdown = random.choice(shutdowns)
    children = [
        _group(random, f"s{number}", depth - 1)
        if depth > 1 and random.random() < 0.45
        else _worker(random, f"w{number}")
        for number in range(random.randint(1, 4))
    ]
    return Group(
        name,
        tuple(_significant(random, child, auto_shutdown) for child in children),
        restart=_restart(random),
        strategy=random.choice(strategies),
        intensity=random.choice([0, 1, 1, 2, 3, 5]),
        period=random.choice([5.0, 10.0]),
        auto_shutdown=auto_shutdown,
    )


def _worker(random: Random, name: str) -> Worker:
    return Worker(name, _restart(random))


def _restart(random: Random) -> Restart:
    restarts: list[Restart] = ["permanent", "permanent", "transient", "transient", "temporary"]
    return random.choice(restarts)


def _significant(random: Random, child: Worker | Group, auto_shutdown: AutoShutdown) -> Worker | Group:
    may = auto_shutdown != "never" and child.restart != "permanent"
    return attrs.evolve(child, significant=may and random.random() < 0.6)


def random_script(random: Random, tree: Group, length: int) -> Iterator[Step]:
    """Steps that apply, mostly to what is alive. The last may be the end of the top."""
    world = World(tree)
    for number in range(length):
        if world.outcome != "running":
            return
        step = _step(random, world, number)
        if step is not None and applies(world, step):
            yield step
            perform(world, step)


def _step(random: Random, world: World, number: int) -> Step | None:
    workers, alive = world.workers(), [path for path, _ in world.alive()]
    match random.choices(["crash", "end", "fail", "stop", "start", "wait"], [10, 5, 4, 2, 2, 3])[0]:
        case "crash" | "end" as action if workers:
            return Step(action, random.choice(workers))
        case "fail" if workers:
            return Step("fail", random.choice(workers), number=random.randint(1, 3))
        case "stop" if alive:
            return Step("stop", random.choice(alive))
        case "start":
            team = random.choice(list(world.teams()))
            new: Worker | Group = _worker(random, f"n{number}")
            if random.random() < 0.3:
                new = _group(random, f"n{number}", depth=1)
            return Step("start", team.path, spec=_significant(random, new, team.spec.auto_shutdown))
        case "wait":
            return Step("wait", seconds=random.choice([1.0, 5.0, 5.0, 11.0]))
        case _:
            return None
