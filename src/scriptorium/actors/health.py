"""Is the base branch green, and what stands in the way of work: facts that the MergeQueue finds out."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

from attrs import define, field, frozen

from scriptorium.actors.remote_link import RemoteStanding
from scriptorium.code.following import FOLLOWING
from scriptorium.plan.ids import Oid, TicketId

_GIT_INDEX = re.compile(r"\.git/(worktrees/[^/]+/)?index\Z")


class HealthState(Enum):
    """What is known of a base commit's checks."""

    GREEN = "green"
    RED = "red"
    UNKNOWN = "unknown"


@frozen
class Health:
    """The verdict on one commit of the base branch. `since` is RFC 3339, of the first red in a row."""

    commit: Oid | None = None
    state: HealthState = HealthState.UNKNOWN
    since: str | None = None
    reason: str = ""

    def of(self, tip: Oid | None) -> Health:
        """The verdict as far as it is about this tip; a verdict on another commit says nothing of it."""
        return self if self.commit == tip else Health(tip)

    def line(self, branch: str) -> str | None:
        """What a person must know of it, or None when all is well."""
        match self.state:
            case HealthState.GREEN:
                return None
            case HealthState.RED:
                return f"base red since {self.since}: branch {branch}: {self.reason}"
            case HealthState.UNKNOWN:
                return f"base branch {branch} not known to be green: {self.reason}" if self.reason else None


@frozen
class Blocked:
    """A landing that waits for uncommitted work to get out of the way."""

    ticket: TicketId
    files: tuple[str, ...]

    def line(self) -> str:
        """What a person must do."""
        who = "what others have pushed" if self.ticket == FOLLOWING else f"ticket {self.ticket}"
        return (
            f"landing blocked by {', '.join(self.files)}: {who} waits; "
            f"{_way_out(self.files)}, and it goes on by itself"
        )


def _way_out(files: tuple[str, ...]) -> str:
    if all(name.endswith(".lock") for name in files):
        return "if no git program is running there, remove it"
    if all(_GIT_INDEX.search(name) for name in files):
        return (
            "it cannot be read, or has conflicts: resolve them; a split index is made whole with "
            "`git update-index --no-split-index`, a sparse one with `git sparse-checkout disable`"
        )
    return "commit, stash or move these"


@define(eq=False)
class Conditions:
    """The facts that halt work, as lines for `status`; the MergeQueue and the planners write them.

    `changed` is called after each change.
    """

    branch: str
    _changed: Callable[[], None]
    health: Health = field(factory=Health)
    blocked: Blocked | None = None
    halted: dict[str, str] = field(factory=dict)
    """Roles whose program cannot be started, or the prompts that cannot be used, and why."""
    plan_blocked: str | None = None
    remote: RemoteStanding | None = None
    """None where the base is not pushed."""

    def set_health(self, health: Health) -> None:
        """Record the verdict on the base branch's tip."""
        if health != self.health:
            self.health = health
            self._changed()

    def set_blocked(self, blocked: Blocked | None) -> None:
        """Record what a landing waits for, or that none waits."""
        if blocked != self.blocked:
            self.blocked = blocked
            self._changed()

    def set_halted(self, role: str, reason: str | None) -> None:
        """Record why a role cannot work, or that it can."""
        if reason != self.halted.get(role):
            if reason is None:
                del self.halted[role]
            else:
                self.halted[role] = reason
            self._changed()

    def set_plan_blocked(self, why: str | None) -> None:
        """Record why nothing can be committed to the plan, or that it can."""
        if why != self.plan_blocked:
            self.plan_blocked = why
            self._changed()

    def set_remote(self, remote: RemoteStanding | None) -> None:
        """Record what is known of the remote."""
        before, self.remote = self.remote, remote
        if remote != before:
            self._changed()

    def lines(self) -> tuple[str, ...]:
        """Everything that halts work, a line each."""
        found = (
            self.plan_blocked,
            self.health.line(self.branch),
            self.blocked.line() if self.blocked else None,
            *(f"the {role} {reason}" for role, reason in sorted(self.halted.items())),
            self.remote.line() if self.remote else None,
        )
        return tuple(line for line in found if line is not None)
