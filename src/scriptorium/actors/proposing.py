"""What a submission comes to on a tip of the base branch: the commit that would land, or why none does."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from attrs import frozen

from scriptorium.actors.landing_message import landing_message
from scriptorium.actors.world import World
from scriptorium.code.evidence import Verdict, VerdictStore
from scriptorium.code.landing import make_landing_commit
from scriptorium.code.merge import AlreadyLanded, Conflicted, Merged, NothingToLand, merge
from scriptorium.code.repository import opened
from scriptorium.code.verdict import file_stem, short_id
from scriptorium.plan.ids import Oid
from scriptorium.plan.queue_entry import QueueEntry
from scriptorium.plan.snapshot import TicketFile


@frozen
class Ready:
    """A submission that merges cleanly: the commit that would land, and what is known of its tree.

    `known` is a verdict that is to be believed; `first` a first red, which is not without a second.
    """

    merged: Merged
    commit: Oid
    known: Verdict | None
    first: Verdict | None = None


Proposal: TypeAlias = Ready | Conflicted | NothingToLand | AlreadyLanded


async def propose(
    world: World, verdicts: VerdictStore, entry: QueueEntry, file: TicketFile, tip: Oid
) -> Proposal:
    """Merge the submission with `tip`. Only objects are written: should it not land, nothing refers to them.

    Cancelled, they may be there too.
    """
    return await world.offload(partial(_propose, world, verdicts, entry, file, tip))


def _propose(world: World, verdicts: VerdictStore, entry: QueueEntry, file: TicketFile, tip: Oid) -> Proposal:
    with opened(world.project) as project:
        merged = merge(project, tip, entry.commit)
        if not isinstance(merged, Merged):
            return merged
        key = world.checks.key(merged.tree)
        message = landing_message(file, entry, short_id(file_stem(merged.tree, key)))
        commit = make_landing_commit(project, merged, message)
    return Ready(merged, commit, verdicts.get(merged.tree, key))
