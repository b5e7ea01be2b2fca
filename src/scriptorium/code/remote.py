"""The base branch at a remote: asking where it is, and moving it on, by fast-forward only.

Synchronous, and bounded by time-outs. Nothing but `refs/heads/<base>` of the remote is touched. What was on
the way when an exchange broke off may or may not have arrived: the remote is asked.
"""

from __future__ import annotations

import contextlib
import os
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

import pygit2
from attrs import frozen
from pygit2.enums import RepositoryOpenFlag

from scriptorium.code.carrier import carrier
from scriptorium.code.remote_access import AccessDenied, Callbacks, RemoteAccess
from scriptorium.code.repository import Project, RepositoryProblem, branch_tip, open_repository
from scriptorium.code.safekeeping import copy_few
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import RefError, RefMoved, compare_and_swap, read_ref

CONNECT_SECONDS: Final = 15
SILENCE_SECONDS: Final = 30
"""A server that says nothing for so long is taken for gone."""

FEW_BYTES: Final = 8 * 1024 * 1024
"""Of new objects, as of some tickets: so much is copied by way of memory, in a hundredth of a second."""

_TROUBLE: Final = (pygit2.GitError, OSError, ValueError, KeyError, TypeError, RefError, AccessDenied)
# pygit2 turns errors of libgit2 and of its own callbacks into any of these.


class RemoteFailed(Exception):
    """The remote could not be asked, or did not take the push; the text says why. Try again later."""


class RemoteUnusable(RepositoryProblem):
    """The remote that the configuration names cannot be used: the user's to mend."""


@frozen
class Pushed:
    """The remote's branch has `commit`."""

    commit: Oid


@frozen
class RemoteMoved:
    """The remote's branch is at `tip`, which we do not contain; its objects are here. Nothing was pushed."""

    tip: Oid


PushOutcome: TypeAlias = Pushed | RemoteMoved


class Relation(Enum):
    """How the remote's tip stands to the base."""

    SAME = "same"
    BEHIND = "behind"
    """The base contains it: there is something to push."""
    AHEAD = "ahead"
    """It contains the base: somebody else has pushed."""
    APART = "apart"
    """Each has commits that the other lacks."""


@frozen
class Remote:
    """The branch `branch` at the remote `name`, whose URL was read when the service started."""

    project: Project
    name: str
    branch: str
    access: RemoteAccess

    @property
    def shown(self) -> str:
        """Name and URL, as a person may see them."""
        return f"{self.name} ({self.access.clean(self.access.shown)})"

    def tip(self) -> Oid | None:
        """Where the branch is at the remote (None: nowhere yet); that commit's history is here afterwards.

        Raises RemoteFailed.
        """
        try:
            tip = self._ask()
        except _TROUBLE as error:
            raise RemoteFailed(self.access.clean(str(error))) from error
        self._remember(tip)
        return tip

    def push(self, commit: Oid) -> PushOutcome:
        """Move the remote's branch forward to `commit`, if that contains where it is.

        Whatever went wrong, the remote is asked how it came out. Raises RemoteFailed when it did not take it.
        """
        callbacks = Callbacks(self.access)
        try:
            self._push(commit, callbacks)
            reason = callbacks.refusal
        except _TROUBLE as error:
            reason = str(error)
        if reason is None:
            self._remember(commit)
            return Pushed(commit)
        tip = self._tip_after(reason)
        if tip is not None and self.relation(commit, tip) in {Relation.SAME, Relation.AHEAD}:
            return Pushed(commit)
        if tip is not None and self.relation(commit, tip) is Relation.APART:
            return RemoteMoved(tip)
        said = callbacks.said.strip()
        raise RemoteFailed(self.access.clean(f"{reason}{f': {said}' if said else ''}"))

    def relation(self, base: Oid, tip: Oid) -> Relation:
        """How two commits, both here, stand to each other."""
        repo = open_repository(self.project)
        try:
            if base == tip:
                return Relation.SAME
            if repo.descendant_of(base, tip):
                return Relation.BEHIND
            return Relation.AHEAD if repo.descendant_of(tip, base) else Relation.APART
        finally:
            repo.free()

    def lacks(self, base: Oid, tip: Oid | None) -> int:
        """How many commits of `base` the remote at `tip` does not have."""
        repo = open_repository(self.project)
        try:
            if tip is None:
                return sum(1 for _ in repo.walk(base))
            return repo.ahead_behind(base, tip)[0]
        finally:
            repo.free()

    def is_elsewhere(self) -> bool:
        """Whether the repository's settings now name another URL, which is not obeyed."""
        try:
            return _url_of(self.project, self.name) != self.access.url
        except RemoteUnusable:
            return True

    @property
    def _ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def _ask(self) -> Oid | None:
        if (path := self.access.local_path) is not None and not path.is_dir():
            raise RemoteFailed(f"there is no repository at {path}")
        ours = branch_tip(open_repository(self.project), self.branch)
        with carrier(self.project, self.project.git_dir, self.branch, ours) as repo:
            remote = repo.remotes.create_anonymous(self.access.url)
            heads = remote.list_heads(callbacks=Callbacks(self.access), proxy=True)
            tip = next((Oid(str(head.oid)) for head in heads if head.name == self._ref), None)
            if tip is None or tip in repo:
                return tip
            remote.fetch([f"+{self._ref}:{self._ref}"], callbacks=Callbacks(self.access), proxy=True)
            return read_ref(repo, self._ref)  # it may have moved once more since

    def _push(self, commit: Oid, callbacks: Callbacks) -> None:
        path = self.access.local_path
        if path is not None:
            self._push_here(path, commit)
            return
        with carrier(self.project, self.project.git_dir, self.branch, commit) as repo:
            # Without a + in front: libgit2 refuses what is no fast-forward of what the server has told, and
            # the server moves its branch only from there.
            remote = repo.remotes.create_anonymous(self.access.url)
            remote.push([f"{self._ref}:{self._ref}"], callbacks=callbacks, proxy=True)

    def _push_here(self, path: Path, commit: Oid) -> None:
        """libgit2 would overwrite a ref on this machine, whatever it has become since: swap it here."""
        target = pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)
        try:
            if not target.is_bare:
                raise RemoteFailed(f"{path} is not a bare repository: a push would not move its files along")
            tip = read_ref(target, self._ref)
            if tip is not None and self._is_apart(commit, tip):
                raise RefMoved(self._ref, expected=commit, tip=tip)
            if tip is None or not self._copy_few(Path(target.path), tip, commit):
                self._copy(Path(target.path), tip, commit)
            compare_and_swap(target, self._ref, new=commit, old=tip, message="scriptorium: push")
        finally:
            target.free()

    def _is_apart(self, commit: Oid, tip: Oid) -> bool:
        repo = open_repository(self.project)
        try:
            return tip not in repo or not (tip == commit or repo.descendant_of(commit, tip))
        finally:
            repo.free()

    def _copy_few(self, target: Path, tip: Oid, commit: Oid) -> bool:
        repo = open_repository(self.project)
        try:
            return copy_few(repo, target, commit, tip, FEW_BYTES)
        finally:
            repo.free()

    def _copy(self, target: Path, tip: Oid | None, commit: Oid) -> None:
        with (
            carrier(self.project, self.project.git_dir, self.branch, commit) as source,
            carrier(self.project, target, self.branch, tip) as repo,
        ):
            repo.remotes.create_anonymous(source.path).fetch([f"+{self._ref}:{self._ref}"])

    def _tip_after(self, reason: str) -> Oid | None:
        try:
            return self.tip()
        except RemoteFailed:
            raise RemoteFailed(self.access.clean(reason)) from None

    def _remember(self, tip: Oid | None) -> None:
        """Move the remote-tracking branch, as git does: it tells the user, and keeps what was fetched."""
        ref = f"refs/remotes/{self.name}/{self.branch}"
        repo = open_repository(self.project)
        try:
            with contextlib.suppress(*_TROUBLE):  # a convenience; somebody's `git fetch` may be faster
                old = read_ref(repo, ref)
                if tip is not None and tip != old:
                    compare_and_swap(repo, ref, new=tip, old=old, message="scriptorium: remote")
        finally:
            repo.free()


def open_remote(project: Project, name: str, branch: str, *, token_env: str | None = None) -> Remote:
    """The remote of that name, with the URL and the token that there are now.

    Sets how long libgit2 waits for a server, for the whole process. Raises RemoteUnusable.
    """
    access = RemoteAccess(_url_of(project, name), _token(token_env))
    if not access.is_supported:
        raise RemoteUnusable(
            f"remote {name}: {access.clean(access.shown)}: scriptorium can push to ssh, https, git and file "
            f"URLs and to paths, and runs no program for others; set one: git remote set-url {name} URL"
        )
    path = access.local_path
    if path is not None and not path.is_absolute():
        access = RemoteAccess(os.path.realpath(project.root / path), access.token)
    pygit2.settings.server_connect_timeout = CONNECT_SECONDS * 1000
    pygit2.settings.server_timeout = SILENCE_SECONDS * 1000
    return Remote(project, name, branch, access)


def _token(variable: str | None) -> str | None:
    if variable is None:
        return None
    if token := os.environ.get(variable, "").strip():
        return token
    raise RemoteUnusable(
        f"scriptorium.json: remote.tokenEnv: there is no variable {variable} in the environment; set it to "
        "the token that may push, or take the key out"
    )


def _url_of(project: Project, name: str) -> str:
    repo = open_repository(project)
    try:
        remote = repo.remotes[name]
        url = remote.push_url or remote.url
    except (KeyError, ValueError, pygit2.GitError):
        names = ", ".join(sorted(found for found in repo.remotes.names() if found)) or "none"
        raise RemoteUnusable(
            f'scriptorium.json: remote.name: there is no remote "{name}" in {project.git_dir} '
            f"(there are: {names}); add it: git remote add {name} URL"
        ) from None
    finally:
        repo.free()
    if not url:
        raise RemoteUnusable(f"remote {name} has no URL; set one: git remote set-url {name} URL")
    return url
