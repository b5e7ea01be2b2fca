"""How the remote stands, for ``status``: what the service says, else what is known in the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pygit2
from attrs import frozen

from scriptorium.config import Config
from scriptorium.plan.ids import Oid

SAID_LIMIT_BYTES = 1024 * 1024


@frozen
class RemoteView:
    """The branch at the remote that the base is pushed to.

    ``tip`` is None where it is not known; ``behind`` counts the commits of the base that it lacks. ``error``
    is why it is not where it should be, ``since`` RFC 3339; both only as a running service says.
    """

    name: str
    branch: str
    tip: str | None
    behind: int | None
    error: str | None = None
    since: str | None = None

    def document(self) -> dict[str, object]:
        """For ``--json``."""
        return {
            "name": self.name,
            "branch": self.branch,
            "tip": self.tip,
            "behind": self.behind,
            "error": self.error,
            "since": self.since,
        }

    @property
    def line(self) -> str:
        """For a person."""
        where = f"Remote: {self.name}/{self.branch}"
        if self.tip is None:
            return f"{where}, not known where"
        lacks = f"{self.behind} commit{'' if self.behind == 1 else 's'} of {self.branch}"
        return f"{where} at {self.tip[:12]}, {f'lacks {lacks}' if self.behind else 'up to date'}"


def remote_view(
    repo: pygit2.Repository, config: Config, branch: str | None, tip: Oid | None, said: Path | None
) -> RemoteView | None:
    """None where nothing is pushed. ``said`` is where a running service says what it knows."""
    name = config.remote.name
    if not config.remote.push or name is None or branch is None:
        return None
    told = _told(said) if said is not None else None
    if told is not None:
        return told
    try:
        there = repo.lookup_reference(f"refs/remotes/{name}/{branch}").peel(pygit2.Commit).id
        behind = repo.ahead_behind(tip, there)[0] if tip is not None else None
    except (KeyError, ValueError, pygit2.GitError):
        return RemoteView(name, branch, None, None)
    return RemoteView(name, branch, str(there), behind)


def _told(path: Path) -> RemoteView | None:
    """What the service says; None while it has not said anything that can be read."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(SAID_LIMIT_BYTES))["remote"]
        words = [said[key] for key in ("tip", "error", "since")]
        behind = said["behind"]
        if not all(isinstance(said[key], str) for key in ("name", "branch")):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(word is None or isinstance(word, str) for word in words):
        return None
    if not (behind is None or isinstance(behind, int)):
        return None
    tip, error, since = words
    return RemoteView(said["name"], said["branch"], tip, behind, error, since)
