"""The runtime against the executable model of OTP's supervisor: random trees, random events, one outcome."""

import logging
from collections.abc import Iterator
from random import Random

import attrs
import pytest

from scriptorium.runtime import (
    AutoShutdown,
    Backoff,
    EventStream,
    Intensity,
    Strategy,
    Supervisor,
    SupervisorFailed,
)
from scriptorium.testing import run_virtual

from .otp_model import Group, Worker, World
from .otp_script import Step, applies, perform, random_script, random_tree
from .otp_stage import Stage

BLOCKS = 8
CASES_IN_A_BLOCK = 300

# ---- the comparison


class Disagreement(Exception):
    """Where the two part."""


def agree(step: object, what: str, model: object, runtime: object) -> None:
    if model != runtime:
        raise Disagreement(f"after: {step}\n{what}\n  model:   {model}\n  runtime: {runtime}")


async def play(tree: Group, script: list[Step]) -> None:
    """Raises `Disagreement`."""
    world, events = World(tree), EventStream()
    supervisor = Supervisor(
        tree.id,
        strategy=Strategy[tree.strategy.upper()],
        intensity=Intensity(tree.intensity, tree.period),
        backoff=Backoff(0.0),
        auto_shutdown=AutoShutdown[tree.auto_shutdown.upper()],
        events=events,
    )
    outcome = "running"
    step: object = "the start"
    with events.subscribe(10_000) as news:
        stage = Stage(supervisor, news)
        try:
            async with supervisor:
                for child in tree.children:
                    await stage.start(tree.id, child)
                for step in script:
                    if not applies(world, step):
                        continue
                    agree(step, "log before", take(world.log), await stage.log())
                    perform(world, step)
                    await stage.perform(step)
                    agree(step, "how the top is", world.outcome, "running")
                    agree(step, "alive", world.alive(), stage.alive())
                agree(step, "log", take(world.log), await stage.log())
                step = "the end"
                world.leave()
        except SupervisorFailed:
            outcome = "gave up"
        outcome = "shut down" if supervisor.shut_down else outcome
        agree(step, "how the top ended", world.outcome, outcome)
        agree(step, "log", take(world.log), await stage.log())
        agree(step, "left in the end", (), supervisor.children())


def take(log: list[str]) -> list[str]:
    lines = list(log)
    log.clear()
    return lines


def disagreement(tree: Group, script: list[Step], seed: int) -> Exception | None:
    try:
        run_virtual(play, tree, script, seed=seed)
    except Exception as error:
        return error
    return None


def shortest(tree: Group, script: list[Step], seed: int, found: Exception) -> tuple[list[Step], Exception]:
    """Leave out steps for as long as there is a disagreement without them."""
    for at in reversed(range(len(script))):
        shorter = script[:at] + script[at + 1 :]
        without = disagreement(tree, shorter, seed)
        if without is not None:
            script, found = shorter, without
    return script, found


def picture(spec: Worker | Group, indent: str = "") -> str:
    fields = attrs.asdict(spec, recurse=False, filter=lambda field, _: field.name not in {"id", "children"})
    line = f"{indent}{spec.id} " + " ".join(f"{name}={value}" for name, value in fields.items())
    children = spec.children if isinstance(spec, Group) else ()
    return "\n".join([line, *(picture(child, f"{indent}    ") for child in children)])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of planned crashes are no news."""
    log = logging.getLogger("scriptorium.runtime")
    log.disabled = True
    yield
    log.disabled = False


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_the_runtime_does_as_otp(block: int) -> None:
    for seed in range(block * CASES_IN_A_BLOCK, (block + 1) * CASES_IN_A_BLOCK):
        random = Random(seed)  # noqa: S311 - a seed that repeats
        tree = random_tree(random)
        script = list(random_script(random, tree, length=random.randint(1, 14)))
        found = disagreement(tree, script, seed)
        if found is not None:
            script, found = shortest(tree, script, seed, found)
            steps = "\n".join(f"  {step}" for step in script)
            pytest.fail(
                f"seed {seed}\n{picture(tree)}\nscript:\n{steps}\n{type(found).__name__}: {found}",
                pytrace=False,
            )


def test_the_model_counts_as_otp_does() -> None:
    """Intensity 1 in 5 s: the bound belongs to the period, and a start that fails is a restart."""
    world = World(Group("top", (Worker("a"), Worker("b")), intensity=1, period=5.0))
    world.crash("top/a")
    world.now = 5.5
    world.crash("top/a")
    world.now = 10.5
    world.crash("top/b")
    assert world.outcome == "gave up"
    assert world.log[-4:] == ["end top/b: gave up", "gave up top", "stop top/a", "end top/a: gave up"]

    world = World(Group("top", (Worker("a"),), intensity=2, period=5.0))
    world.failing["top/a"] = 1
    world.crash("top/a")
    assert world.log[-2:] == ["fail top/a", "start top/a 3"]
    world.crash("top/a")
    assert world.outcome == "gave up"


def test_the_model_starts_a_child_that_ended_again_with_its_siblings() -> None:
    children = (Worker("a"), Worker("b", "transient"), Worker("c", "temporary"))
    world = World(Group("top", children, strategy="rest_for_one"))
    world.end("top/b")
    assert [path for path, _ in world.alive()] == ["top/a", "top/c"]
    world.crash("top/a")
    assert [path for path, _ in world.alive()] == ["top/a", "top/b"]
