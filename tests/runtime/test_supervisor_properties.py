"""Random trees, crashes, stops and asks: whatever happens, asks end and no message is lost or doubled."""

from collections import Counter
from contextlib import suppress
from random import Random

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from scriptorium.runtime import (
    Actor,
    ActorStopped,
    Backoff,
    ChildSpec,
    Context,
    DeadLetters,
    EventStream,
    Intensity,
    Ref,
    Request,
    Restart,
    Strategy,
    Supervisor,
    SupervisorFailed,
)

NAMES = ("a", "b", "c", "d")


class Planned(Exception):
    """The crash that a script asks for."""


@attrs.frozen(eq=False)
class Work(Request[str]):
    seconds: float
    crashes: bool


@attrs.frozen
class Step:
    """After ``pause``: ask ``name`` for work (which may crash it), or stop it."""

    pause: float
    name: str
    action: str  # "work", "crash", "background crash", "end", "stop"
    seconds: float


@attrs.define(eq=False)
class Scene:
    refuse_starts: list[bool]
    handled: list[Work] = attrs.field(factory=list)
    asked: list[Work] = attrs.field(factory=list)
    replied: list[Work] = attrs.field(factory=list)
    crashed: list[Work] = attrs.field(factory=list)
    asks_at_an_end: int = 0
    contexts: dict[str, Context[Work]] = attrs.field(factory=dict)
    alive: list[str] = attrs.field(factory=list)


class Player(Actor[Work]):
    def __init__(self, scene: Scene, name: str) -> None:
        self.scene = scene
        self.name = name

    async def on_start(self, context: Context[Work]) -> None:
        await trio.lowlevel.checkpoint()
        first = self.name not in self.scene.contexts
        if not first and self.scene.refuse_starts and self.scene.refuse_starts.pop():
            raise Planned("start")
        self.scene.contexts[self.name] = context
        context.nursery.start_soon(self.live)
        await trio.lowlevel.checkpoint()

    async def live(self) -> None:
        """Fails if two incarnations of one actor are ever alive at once."""
        assert self.name not in self.scene.alive
        self.scene.alive.append(self.name)
        try:
            await trio.sleep_forever()
        finally:
            self.scene.alive.remove(self.name)

    async def handle(self, message: Work) -> str:
        await trio.sleep(message.seconds)
        if message.crashes:
            raise Planned("work")
        self.scene.handled.append(message)
        return self.name

    async def on_stop(self) -> None:
        await trio.lowlevel.checkpoint()


async def crash() -> None:
    raise Planned("background")


async def ask(scene: Scene, ref: Ref[Work], work: Work) -> None:
    scene.asked.append(work)
    try:
        assert await ref.ask(work, timeout_seconds=50.0) == ref.name
        scene.replied.append(work)
    except (Planned, ExceptionGroup):
        scene.crashed.append(work)
    except (ActorStopped, trio.TooSlowError):
        pass  # whether it was handled is not said
    finally:
        scene.asks_at_an_end += 1


async def play(scene: Scene, supervisor: Supervisor, refs: dict[str, Ref[Work]], script: list[Step]) -> None:
    async with trio.open_nursery() as nursery:
        for step in script:
            await trio.sleep(step.pause)
            context = scene.contexts[step.name]
            match step.action:
                case "work" | "crash":
                    work = Work(step.seconds, step.action == "crash")
                    nursery.start_soon(ask, scene, refs[step.name], work)
                case "background crash" if step.name in scene.alive:
                    context.nursery.start_soon(crash)
                case "end":
                    context.stop()
                case "stop":
                    nursery.start_soon(supervisor.stop_child, step.name)
                case _:
                    pass


@attrs.frozen
class Setting:
    strategy: Strategy
    restarts: tuple[Restart, ...]
    intensity: int
    seed: int


def player_spec(scene: Scene, name: str, restart: Restart) -> ChildSpec[Work]:
    return ChildSpec(name, lambda: Player(scene, name), restart, mailbox_capacity=2)


async def perform(scene: Scene, setting: Setting, script: list[Step]) -> None:
    events = EventStream()
    refs: dict[str, Ref[Work]] = {}
    supervisor = Supervisor(
        "top",
        strategy=setting.strategy,
        intensity=Intensity(setting.intensity, 20.0),
        backoff=Backoff(1.0, 4.0),
        events=events,
        random=Random(setting.seed),  # noqa: S311 - a seed that repeats
    )
    with events.subscribe(10_000) as news:
        with suppress(SupervisorFailed):
            async with supervisor:
                for name, restart in zip(NAMES, setting.restarts, strict=True):
                    refs[name] = await supervisor.start_child(player_spec(scene, name, restart))
                with trio.move_on_after(60.0):
                    await play(scene, supervisor, refs, script)
        seen = [await news.__anext__() for _ in range(news.statistics().waiting)]
    judge(scene, refs, [event for event in seen if isinstance(event, DeadLetters)])


def judge(scene: Scene, refs: dict[str, Ref[Work]], dead: list[DeadLetters]) -> None:
    assert scene.asks_at_an_end == len(scene.asked)
    assert scene.alive == []
    buried = [message for event in dead for message in event.first]
    settled = Counter(id(message) for message in [*scene.handled, *buried])
    assert set(settled.values()) <= {1}, "handled once or a dead letter once, never both or twice"
    assert set(settled) <= {id(work) for work in scene.asked}
    assert {id(work) for work in scene.replied} <= {id(work) for work in scene.handled}
    assert {id(work) for work in scene.crashed} <= {id(message) for message in buried}
    assert len(scene.handled) == sum(ref.statistics().handled for ref in refs.values())
    assert sum(event.count for event in dead) == sum(ref.statistics().dead_letters for ref in refs.values())
    for ref in refs.values():
        assert ref.statistics().state.value == "stopped"
        assert ref.statistics().mailbox_length == ref.statistics().tasks_waiting_send == 0


steps = st.builds(
    Step,
    pause=st.sampled_from([0.0, 0.0, 0.3, 1.0, 7.0]),
    name=st.sampled_from(NAMES),
    action=st.sampled_from(["work", "work", "crash", "background crash", "end", "stop"]),
    seconds=st.sampled_from([0.0, 0.5, 3.0]),
)


settings_of_a_scene = st.builds(
    Setting,
    strategy=st.sampled_from(Strategy),
    restarts=st.tuples(*[st.sampled_from(Restart)] * len(NAMES)),
    intensity=st.integers(0, 12),
    seed=st.integers(0, 2**32),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(settings_of_a_scene, st.lists(steps, max_size=25), st.lists(st.booleans(), max_size=6))
def test_whatever_happens(setting: Setting, script: list[Step], refuse_starts: list[bool]) -> None:
    clock = MockClock(autojump_threshold=0)
    trio.run(perform, Scene(refuse_starts), setting, script, clock=clock)
