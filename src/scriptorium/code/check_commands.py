"""Which commands check a tree: what the config says, else `make test` where there is a makefile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import pygit2

from scriptorium.code.evidence import CheckCommand
from scriptorium.plan.ids import Oid

DEFAULT_CHECK: Final = CheckCommand("make test")
ADD_TARGET: Final = (
    "the makefile has no target `test`: add one, or name the checks of this repository "
    'as "checks" in scriptorium.json'
)
"""What to do about a makefile without the target of the default check."""
MAKEFILES: Final = ("GNUmakefile", "makefile", "Makefile")
"""The names that make looks for, in its order."""

_MAY_MAKE_TEST = re.compile(
    rb"""(?mx)
    ^ (?: [^\t\#\n:=]* [ ] )? test (?: [ ] [^\n:=]* )? : (?!=)  # a rule that names the target
    | ^ [^\t\#\n:=]* % [^\n:=]* :                              # a pattern rule
    | ^ -? s? include \b                                       # rules from elsewhere
    | \$\( eval \b
    """
)


def check_commands(
    repo: pygit2.Repository, tree: Oid, configured: Sequence[str | tuple[str, ...]] | None
) -> tuple[CheckCommand, ...]:
    """What has to pass on this tree; empty when there is nothing to run.

    `configured` is the config's `checks`, None when not set. Raises `KeyError` when there is no such tree.
    """
    if configured is not None:
        return tuple(CheckCommand(command) for command in configured)
    return (DEFAULT_CHECK,) if _makefile(repo, tree) is not None else ()


def lacks_test_target(repo: pygit2.Repository, tree: Oid) -> bool:
    """Whether the tree has an entry named `test` and a makefile that can have no rule for it.

    `make test` then says that `test` is up to date and exits 0 with nothing run. Reading the makefile, and
    not asking make, runs nothing; what cannot be told by reading counts as having the rule.
    """
    makefile = _makefile(repo, tree)
    if makefile is None or "test" not in repo[tree].peel(pygit2.Tree):
        return False
    return _MAY_MAKE_TEST.search(makefile.data) is None


def _makefile(repo: pygit2.Repository, tree: Oid) -> pygit2.Blob | None:
    found = repo[tree].peel(pygit2.Tree)
    for name in MAKEFILES:
        if name in found:
            entry = found[name]
            return entry if isinstance(entry, pygit2.Blob) else None
    return None
