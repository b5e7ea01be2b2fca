"""Which commands check a tree: what the config says, else `make test` where there is a makefile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import pygit2

from scriptorium.code.evidence import CheckCommand
from scriptorium.plan.ids import Oid

DEFAULT_CHECK: Final = CheckCommand(("make", "test"))
"""Without a shell around it, so that a machine without make is no verdict on anybody's tree."""
ADD_TARGET: Final = (
    "the makefile has no target `test`: add one, or name the checks of this repository "
    'as "checks" in scriptorium.json'
)
"""What to do about a makefile without the target of the default check."""
MAKEFILES: Final = ("GNUmakefile", "makefile", "Makefile")
"""The names that make looks for, in its order."""

_INCLUDE = re.compile(rb"-?s?include\b")


def check_commands(
    repo: pygit2.Repository, tree: Oid, configured: Sequence[str | tuple[str, ...]] | None
) -> tuple[CheckCommand, ...]:
    """What has to pass on this tree; empty when there is nothing to run.

    `configured` is the config's `checks`, None when not set. Raises `KeyError` when there is no such tree.
    """
    return default_commands(repo, tree) if configured is None else configured_commands(configured)


def configured_commands(configured: Sequence[str | tuple[str, ...]]) -> tuple[CheckCommand, ...]:
    """The same on every tree."""
    return tuple(CheckCommand(command) for command in configured)


def default_commands(repo: pygit2.Repository, tree: Oid) -> tuple[CheckCommand, ...]:
    """What has to pass where nothing is configured. Raises `KeyError` when there is no such tree."""
    return (DEFAULT_CHECK,) if _makefile(repo, tree) is not None else ()


def lacks_test_target(repo: pygit2.Repository, tree: Oid) -> bool:
    """Whether the tree has an entry named `test` and a makefile that can have no rule for it.

    `make test` then says that `test` is up to date and exits 0 with nothing run. Reading the makefile, and
    not asking make, runs nothing; what cannot be told by reading counts as having the rule.
    """
    makefile = _makefile(repo, tree)
    if makefile is None or "test" not in repo[tree].peel(pygit2.Tree):
        return False
    if makefile.filemode == pygit2.enums.FileMode.LINK:
        return False
    return not _may_make_test(makefile.data)


def _may_make_test(makefile: bytes) -> bool:
    """In one pass, as the text comes from an agent: no pattern that a long line could keep busy for ever."""
    if b"$(eval" in makefile or b"${eval" in makefile:
        return True
    lines = makefile.replace(b"\\\n", b" ").split(b"\n")
    return any(_may_be_rule(line) for line in lines if not line.startswith(b"\t"))


def _may_be_rule(line: bytes) -> bool:
    """Whether a line that is no recipe can begin a rule for `test`, or bring one in from elsewhere."""
    line = line.partition(b"#")[0].strip()
    if line.startswith((b"$(", b"${")) or _INCLUDE.match(line):
        return True
    targets, colon, rest = line.partition(b":")
    if not colon or b"=" in targets or rest.lstrip(b":").startswith(b"="):
        return False  # it assigns, or says something else
    return b"$" in targets or b"%" in targets or b"test" in targets.replace(b"&", b" ").split()


def _makefile(repo: pygit2.Repository, tree: Oid) -> pygit2.Blob | None:
    found = repo[tree].peel(pygit2.Tree)
    for name in MAKEFILES:
        if name in found:
            entry = found[name]
            return entry if isinstance(entry, pygit2.Blob) else None
    return None
