"""Checks that are a function in this process, behind the seam that real checks are behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio
from attrs import define, field

from scriptorium.actors.world import NoVerdict
from scriptorium.code.evidence import Result, Verdict
from scriptorium.plan.ids import Oid

KEY = "function"


@define(eq=False)
class FunctionChecks:
    """`Checks` that ask a function of the folder: None is green, a text is red with that output.

    The function may return a `NoVerdict`. `runs` and `trees` remember the subjects and the trees, in order.
    """

    judge: Callable[[Path], str | NoVerdict | None] = lambda _folder: None
    runs: list[str] = field(factory=list)
    trees: list[Oid] = field(factory=list)

    def key(self, tree: Oid) -> str:
        """One key: the function does not change."""
        return KEY

    async def run(self, tree: Oid, folder: Path, subject: str) -> Verdict | NoVerdict:
        """See `Checks`."""
        self.runs.append(subject)
        self.trees.append(tree)
        await trio.lowlevel.checkpoint()
        said = self.judge(folder)
        if isinstance(said, NoVerdict):
            return said
        if said is None:
            return Verdict(tree, KEY, Result.GREEN)
        return Verdict(tree, KEY, Result.RED, command="function", exit_code=1, output_tail=said)
