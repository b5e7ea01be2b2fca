"""The decisions of a supervisor, without trio: who restarts, with whom, how often, and after what delay."""

from collections import deque
from collections.abc import Collection, Sequence
from enum import Enum
from random import Random
from typing import TypeVar, assert_never

import attrs
from attrs.validators import ge, gt

T = TypeVar("T")

_MAX_DOUBLINGS = 60  # far beyond any cap, and the power stays a small float


class Restart(Enum):
    """When a child that ended by itself is started again."""

    PERMANENT = "always"
    TRANSIENT = "after a crash"
    TEMPORARY = "never"


class Strategy(Enum):
    """Which siblings are stopped and started together with a child that is restarted.

    As in OTP, a temporary one that goes down with the others stays down, and a transient one that had
    ended normally is started again with them: with a new `Ref`, as the old one has said that it ended.
    """

    ONE_FOR_ONE = "only the child"
    REST_FOR_ONE = "the child and those started after it"
    ONE_FOR_ALL = "all children"


@attrs.frozen
class Intensity:
    """At most ``restarts`` in any ``period_seconds``; one more and the supervisor gives up.

    The same counting as OTP's: the bounds of the period belong to it, failed starts count, and a restart
    counts once however many siblings it takes down. The default is more patient than OTP's 1 in 5 s, as
    restarts are delayed here; two levels of it stay within what `IntensityWarning` finds sensible.
    """

    restarts: int = attrs.field(default=4, validator=ge(0))
    period_seconds: float = attrs.field(default=30.0, validator=gt(0.0))


@attrs.frozen
class Backoff:
    """The delay before a restart: full jitter below a bound that doubles from ``first`` to ``cap``.

    OTP restarts at once, so that an outage of a second uses up the intensity: here it is waited for.
    A child that then runs for ``stable_seconds`` starts from ``first_seconds`` again.
    """

    first_seconds: float = attrs.field(default=0.1, validator=ge(0.0))
    cap_seconds: float = attrs.field(default=10.0, validator=ge(0.0))
    stable_seconds: float = attrs.field(default=30.0, validator=ge(0.0))

    def bound_seconds(self, failures: int) -> float:
        """The longest delay after so many failures in a row (1 = the first)."""
        return min(self.cap_seconds, self.first_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))

    def delay_seconds(self, failures: int, random: Random) -> float:
        """The delay to wait, between 0 and the bound: what failed together is not to retry together."""
        return random.uniform(0.0, self.bound_seconds(failures))

    def failures_in_a_row(self, before: int, ran_seconds: float) -> int:
        """The count with a failure just now, of a child that had failed ``before`` times and then ran."""
        return 1 if ran_seconds >= self.stable_seconds else before + 1


class RestartWindow:
    """The restarts of the last ``period_seconds``, for one supervisor. Bounded by the intensity itself."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[float] = deque()

    @property
    def intensity(self) -> Intensity:
        return self._intensity

    def __len__(self) -> int:
        return len(self._times)

    def recent(self, now: float) -> int:
        """How many restarts there were in the period that ends ``now``."""
        return sum(time + self._intensity.period_seconds >= now for time in self._times)

    def record(self, now: float) -> bool:
        """Count a restart at ``now`` (seconds of a clock that never goes back). False: one too many."""
        self._times.append(now)
        while self._times[0] + self._intensity.period_seconds < now:
            self._times.popleft()
        return len(self._times) <= self._intensity.restarts


def restarts_after(restart: Restart, *, crashed: bool) -> bool:
    """Whether a child is started again after it ended by itself or crashed."""
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return crashed
        case Restart.TEMPORARY:
            return False
        case _:
            assert_never(restart)


def restarted_together(strategy: Strategy, children: Sequence[T], failed: Collection[T]) -> tuple[T, ...]:
    """Those of ``children`` (in start order) that are stopped and started anew because of ``failed``."""
    first = next((index for index, child in enumerate(children) if child in failed), None)
    if first is None:
        return ()
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return tuple(child for child in children if child in failed)
        case Strategy.REST_FOR_ONE:
            return tuple(children[first:])
        case Strategy.ONE_FOR_ALL:
            return tuple(children)
        case _:
            assert_never(strategy)
