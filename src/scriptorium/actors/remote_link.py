"""What is known of the remote: where its branch is, how that stands to the base, and since when it fails.

The base is at the remote when the remote says so. Nothing of this is kept: a start asks.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import pygit2
import trio
from attrs import evolve, field, frozen

from scriptorium.actors.events import PushedToRemote, RemoteTrouble
from scriptorium.code.remote import Pushed, PushOutcome, Relation, RemoteFailed
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import RefError
from scriptorium.runtime import Backoff

if TYPE_CHECKING:
    from scriptorium.actors.world import World

BACKOFF: Final = Backoff(first_seconds=5.0, cap_seconds=300.0)
EXCHANGE_SECONDS: Final = 600.0
"""For one exchange, however it goes on: a server that sends a byte now and then is never silent."""


class RemoteBranch(Protocol):
    """The base branch at the remote. The real one is `scriptorium.code.remote.Remote`; calls block."""

    @property
    def name(self) -> str:
        """The remote's name."""
        ...

    @property
    def shown(self) -> str:
        """The remote as a person may see it."""
        ...

    def tip(self) -> Oid | None:
        """Where the branch is; its history is here afterwards. Raises `RemoteFailed`."""
        ...

    def push(self, commit: Oid) -> PushOutcome:
        """Move the branch forward, never otherwise. Raises `RemoteFailed`."""
        ...

    def relation(self, base: Oid, tip: Oid) -> Relation:
        """How the remote's `tip` stands to `base`."""
        ...

    def lacks(self, base: Oid, tip: Oid | None) -> int:
        """How many commits of `base` the remote at `tip` does not have."""
        ...

    def is_elsewhere(self) -> bool:
        """Whether the repository's settings have come to name another URL."""
        ...


@frozen
class RemoteStanding:
    """The remote's branch as of the last exchange, and how that stood to the base at `base`.

    `tip` is None as long as nobody knows (`is_known`), and for a remote that has no such branch. `problem` is
    why the last exchange failed (`refused`: a push), `apart` why the base cannot follow the remote; `since`
    is RFC 3339, of the first failure in a row.
    """

    name: str
    branch: str
    tip: Oid | None = None
    is_known: bool = False
    base: Oid | None = None
    behind: int = 0
    problem: str | None = None
    refused: bool = False
    apart: str | None = None
    since: str | None = None
    faults: int = field(default=0, eq=False)
    asked_at: float = field(default=-math.inf, eq=False)
    failed_at: float = field(default=-math.inf, eq=False)
    retry_at: float = field(default=-math.inf, eq=False)

    @property
    def is_resting(self) -> bool:
        """Whether it is left alone for a time after a failure."""
        return trio.current_time() < self.retry_at

    @property
    def is_silent(self) -> bool:
        """Whether it could not be asked the last time."""
        return self.problem is not None and not self.refused

    def line(self) -> str | None:
        """What a person must know of it, or None when all is well, or on its way."""
        where = f"{self.name}/{self.branch}"
        if self.apart is not None:
            return f"not pushed: {where} and {self.branch} have gone apart since {self.since}: {self.apart}"
        if self.problem is None or (self.is_known and not self.behind):
            return None
        lacks = f"{where} lacks {counted(self.behind)}" if self.is_known else f"{where} has not answered"
        return f"not pushed: {lacks}, since {self.since}: {self.problem}; it is tried again by itself"

    def document(self) -> dict[str, object]:
        """For `status --json`."""
        return {
            "name": self.name,
            "branch": self.branch,
            "tip": self.tip,
            "behind": self.behind if self.is_known else None,
            "error": self.apart or self.problem,
            "since": self.since,
        }


def counted(commits: int) -> str:
    """So many commits, in words."""
    return "1 commit" if commits == 1 else f"{commits} commits"


class RemoteLink:
    """Exchanges with the world's remote; what they say goes to the world's conditions.

    Cancelled, an exchange goes on alone in its thread, and counts as one that nobody has made.
    """

    def __init__(self, world: World, remote: RemoteBranch) -> None:
        self._world = world
        self._remote = remote
        self._compared: tuple[tuple[Oid, Oid | None], tuple[Relation, int]] | None = None

    @property
    def standing(self) -> RemoteStanding:
        """What is known now."""
        found = self._world.conditions.remote
        return RemoteStanding(self._remote.name, self._world.branch) if found is None else found

    async def ask(self) -> bool:
        """Ask the remote where its branch is. False when it cannot be asked, which is said."""
        try:
            with trio.fail_after(EXCHANGE_SECONDS):
                tip = await self._world.background(self._remote.tip)
        except (RemoteFailed, trio.TooSlowError) as error:
            self._failed(error, refused=False)
            return False
        self._answered(tip)
        return True

    async def push(self, commit: Oid) -> bool:
        """Bring the remote to `commit`. False when it did not take it, which is said, or has moved."""
        try:
            with trio.fail_after(EXCHANGE_SECONDS):
                outcome = await self._world.background(partial(self._remote.push, commit))
        except (RemoteFailed, trio.TooSlowError) as error:
            self._failed(error, refused=True)
            return False
        self._well()
        if isinstance(outcome, Pushed):
            self._answered(outcome.commit)
            self._world.events.publish(PushedToRemote(self._remote.name, self._world.branch, commit))
            return True
        self._answered(outcome.tip)
        return False

    async def relation(self, base: Oid) -> Relation | None:
        """How the remote, as far as known, stands to `base`; None when it is not known.

        A remote without the branch is behind.
        """
        standing = self.standing
        if not standing.is_known:
            return None
        ends = (base, standing.tip)
        if self._compared is None or self._compared[0] != ends:  # asked at each look, and walks the history
            self._compared = ends, await self._world.offload(partial(self._compare, *ends))
        relation, behind = self._compared[1]
        if relation is not Relation.BEHIND and standing.refused:
            self._well()
        now = evolve(self.standing, base=base, behind=behind)
        if relation is not Relation.APART and now.apart is not None:
            now = evolve(now, apart=None, since=now.since if now.problem else None)
        self._world.conditions.set_remote(now)
        return relation

    def cannot_follow(self, why: str) -> None:
        """The base cannot be brought to contain what the remote has, and a person has to do something."""
        standing = self.standing
        if standing.apart != why:
            self._world.events.publish(RemoteTrouble(standing.name, why))
        since = standing.since or self._world.timestamp()
        self._world.conditions.set_remote(evolve(standing, apart=why, since=since))

    def _compare(self, base: Oid, tip: Oid | None) -> tuple[Relation, int]:
        if base == tip:
            return Relation.SAME, 0
        relation = Relation.BEHIND if tip is None else self._remote.relation(base, tip)
        return relation, self._remote.lacks(base, tip) if relation is not Relation.AHEAD else 0

    def _answered(self, tip: Oid | None) -> None:
        if not self.standing.refused:
            self._well()
        known = evolve(self.standing, tip=tip, is_known=True, asked_at=trio.current_time())
        self._world.conditions.set_remote(known)

    def _well(self) -> None:
        """What had failed does not any more."""
        standing = self.standing
        since = standing.since if standing.apart else None
        self._world.conditions.set_remote(
            evolve(standing, problem=None, refused=False, since=since, faults=0, retry_at=-math.inf)
        )

    def _failed(self, error: Exception, *, refused: bool) -> None:
        standing = self.standing
        why = f"no end after {EXCHANGE_SECONDS:.0f} s" if isinstance(error, trio.TooSlowError) else str(error)
        faults = standing.faults + 1
        # Not all the way down to nothing: what has just failed will not be mended a moment later.
        seconds = BACKOFF.bound_seconds(faults) * self._world.random.uniform(0.5, 1.0)
        if why != standing.problem:
            self._world.events.publish(RemoteTrouble(standing.name, why))
        self._world.conditions.set_remote(
            evolve(
                standing,
                problem=why,
                refused=refused,
                since=standing.since or self._world.timestamp(),
                faults=faults,
                failed_at=trio.current_time(),
                retry_at=trio.current_time() + seconds,
            )
        )


GIT_TROUBLE: Final = (pygit2.GitError, OSError, KeyError, RefError)
