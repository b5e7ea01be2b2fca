"""Refs that keep commits from being lost, and the ticket ids that git knows of.

`refs/scriptorium/submitted/NNNN/<n>` holds what an agent handed in, `refs/scriptorium/work/NNNN/<n>` what was
in its worktree when it was cut short, `refs/scriptorium/landing/NNNN` the commit that is being landed.
Synchronous. A repository is one of `repository.open_repository`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pygit2

from scriptorium.code.repository import common_dir
from scriptorium.code.safekeeping import give_ref
from scriptorium.code.wholeness import ObjectsVanished, missing_object, missing_since
from scriptorium.plan.ids import (
    InvalidName,
    Oid,
    TicketId,
    counted,
    parse_ticket_id,
    ticket_number,
)
from scriptorium.plan.refs import RefError, RefMoved, delete_ref, read_ref

SUBMITTED = "refs/scriptorium/submitted"
WORK = "refs/scriptorium/work"
LANDING = "refs/scriptorium/landing"
OWN_REFS = "refs/scriptorium/"
TICKET_BRANCHES = "refs/heads/scriptorium/ticket-"

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_TICKET_IN_NAME = re.compile(r"refs/(?:heads/scriptorium/ticket-|scriptorium/[a-z]+/)([0-9]{4,9})(?:/.*)?")
_PIN_TRIES = 100
"""Another writer of the same ticket's pins is rare; a hundred lost races mean something else is wrong."""


def pin_submitted(repo: pygit2.Repository, ticket: TicketId, commit: Oid, base: Oid | None = None) -> str:
    """Keep a submitted commit; returns the ref's name. One that is pinned so already is not pinned again.

    With `base`, which is whole, so must be all that it would bring there.

    Raises:
        ObjectsVanished: git is removing what no ref has; make the commit anew.
        RefError: the ref could not be written, so the commit is not safe yet.
    """
    return _pin(repo, f"{SUBMITTED}/{ticket}/", commit, base)


def pin_work(repo: pygit2.Repository, ticket: TicketId, commit: Oid) -> str:
    """Keep work in progress, like `pin_submitted`."""
    return _pin(repo, f"{WORK}/{ticket}/", commit)


def pins_of(repo: pygit2.Repository, ticket: TicketId) -> tuple[Oid, ...]:
    """The commits that are pinned for a ticket, submitted or work."""
    names = [name for kind in (SUBMITTED, WORK) for name in ref_names(repo, f"{kind}/{ticket}/")]
    return tuple(commit for name in names if (commit := read_ref(repo, name)) is not None)


def work_pins(repo: pygit2.Repository, ticket: TicketId) -> tuple[Oid, ...]:
    """The work in progress that is pinned for a ticket, oldest first."""
    folder = f"{WORK}/{ticket}/"
    numbers = (name.removeprefix(folder) for name in ref_names(repo, folder))
    known = sorted(int(number) for number in numbers if _NUMBER.fullmatch(number))
    commits = (_read_or_none(repo, f"{folder}{number}") for number in known)
    return tuple(commit for commit in commits if commit is not None)


def _pin(repo: pygit2.Repository, folder: str, commit: Oid, base: Oid | None = None) -> str:
    for _ in range(_PIN_TRIES):
        numbers = [0]
        for name in ref_names(repo, folder):
            number = name.removeprefix(folder)
            if _NUMBER.fullmatch(number) is None:
                continue
            if _read_or_none(repo, name) == commit:
                return name
            numbers.append(counted(int(number)))
        name = f"{folder}{max(numbers) + 1}"
        try:
            give_ref(repo, name, new=commit, old=None, known=_heads(repo))
        except RefMoved:
            continue
        except RefError as error:
            _require_whole(repo, name, commit, base, error)
            raise
        try:
            _require_whole(repo, name, commit, base)
        except ObjectsVanished:
            delete_ref(repo, name, old=commit)
            raise
        return name
    raise RefError(f"{folder}: other pins kept being made there; {commit} is not pinned")


def _require_whole(
    repo: pygit2.Repository, name: str, commit: Oid, base: Oid | None, cause: RefError | None = None
) -> None:
    git_dir = common_dir(Path(repo.path))
    missing = missing_object(git_dir, commit) if base is None else missing_since(git_dir, commit, base)
    if missing is not None:
        raise ObjectsVanished(name, commit, missing) from cause


def _heads(repo: pygit2.Repository) -> list[Oid | None]:
    return [_read_or_none(repo, name) for name in ref_names(repo, "refs/heads/")]


def _read_or_none(repo: pygit2.Repository, name: str) -> Oid | None:
    try:
        return read_ref(repo, name)
    except RefError:
        return None  # a broken pin keeps its number and holds nothing


def highest_ticket_id(repo: pygit2.Repository) -> int:
    """The highest ticket number that a ticket branch or one of scriptorium's refs carries; 0 without any."""
    highest = 0
    for prefix in (TICKET_BRANCHES, OWN_REFS):
        for name in ref_names(repo, prefix):
            found = _TICKET_IN_NAME.fullmatch(name)
            if found is not None:
                highest = max(highest, counted(int(found[1])))
    return highest


def ticket_branches(repo: pygit2.Repository) -> tuple[TicketId, ...]:
    """The tickets that have a branch."""
    found: list[TicketId] = []
    for name in ref_names(repo, TICKET_BRANCHES):
        try:
            found.append(parse_ticket_id(name.removeprefix(TICKET_BRANCHES)))
        except InvalidName:
            continue
    return tuple(found)


def set_landing(repo: pygit2.Repository, ticket: TicketId, commit: Oid, base: Oid) -> None:
    """Name the commit that is about to be landed for a ticket on `base`, in place of an earlier one.

    Raises:
        RefError: it could not be written, or somebody else wrote it in the meantime.
    """
    name = f"{LANDING}/{ticket}"
    current = read_ref(repo, name)
    if current != commit:
        # Not every branch there is: with a long queue that costs more than the landing.
        holding = [f"{TICKET_BRANCHES}{ticket}", *ref_names(repo, f"{SUBMITTED}/{ticket}/")]
        known = [base, *(_read_or_none(repo, ref) for ref in holding)]
        give_ref(repo, name, new=commit, old=current, known=known)


def read_landings(repo: pygit2.Repository) -> tuple[tuple[TicketId, Oid], ...]:
    """What is being landed, or was when the service died, lowest id first. A damaged ref tells nothing."""
    landings: list[tuple[TicketId, Oid]] = []
    for name in ref_names(repo, f"{LANDING}/"):
        try:
            ticket = parse_ticket_id(name.removeprefix(f"{LANDING}/"))
        except InvalidName:
            continue
        commit = _read_or_none(repo, name)
        if commit is not None:
            landings.append((ticket, commit))
    return tuple(sorted(landings, key=lambda landing: ticket_number(landing[0])))


def delete_landing(repo: pygit2.Repository, ticket: TicketId, *, old: Oid) -> None:
    """Forget a landing that is complete. One that is gone already is fine.

    Raises:
        RefError: it is at another commit than `old`, or could not be deleted.
    """
    delete_ref(repo, f"{LANDING}/{ticket}", old=old)


def ref_names(repo: pygit2.Repository, prefix: str) -> tuple[str, ...]:
    """The full names of the refs that begin with `prefix`, loose and packed.

    Read from the files themselves: libgit2 opens every loose ref of the repository to list one folder, and
    holds the interpreter's lock all the while. Only the "files" ref format gets this far.
    """
    common = common_dir(Path(repo.path))
    names = set(_packed(common, prefix))
    folder, _, start = prefix.rpartition("/")
    for path, _folders, files in os.walk(common / folder):
        parent = os.path.relpath(path, common)
        names.update(f"{parent}/{name}" for name in files if not name.endswith(".lock"))
    if start:
        names = {name for name in names if name.startswith(prefix)}
    return tuple(sorted(names))


def _packed(common: Path, prefix: str) -> Iterator[str]:
    try:
        text = (common / "packed-refs").read_bytes()
    except FileNotFoundError:
        return
    wanted = b" " + os.fsencode(prefix)
    for line in text.splitlines():
        if line[40:].startswith(wanted):
            yield os.fsdecode(line[41:])
