"""Supervisors as children: a nested supervisor is an actor whose nursery holds its children.

So it is started, restarted, stopped, watched and named in the same way as every other child.
"""

import logging
from functools import partial
from typing import Never, final

import trio

from scriptorium.runtime.actor import Actor, Context
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.levels import below, warn_of_many_restarts
from scriptorium.runtime.post import Post
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.supervision import Supervision
from scriptorium.runtime.supervisor_spec import SupervisorSpec

_log = logging.getLogger("scriptorium.runtime")


async def start(above: Supervision, spec: SupervisorSpec) -> tuple[Ref[Never], Post]:
    """Start a supervisor as the last child of the one ``above``; warn of many levels of restarts."""
    path = f"{above.name}/{spec.id}"
    above.refuse(spec)
    warn_of_many_restarts(above.levels, path, spec, above.surroundings.events)
    return await _start(above, spec, path)


async def _start(above: Supervision, spec: SupervisorSpec, path: str) -> tuple[Ref[Never], Post]:
    post = Post(path, spec)
    child_spec: ChildSpec[Never] = ChildSpec(
        spec.id,
        partial(_Subtree, above, post),
        spec.restart,
        mailbox_capacity=1,
        stop_grace_seconds=float("inf"),  # the team knows its own deadline
        start_limit_seconds=None,  # its children have theirs
        significant=spec.significant,
        name=spec.name,
    )
    return await above.start(child_spec, post), post


@final
class _Subtree(Actor[Never]):
    """One incarnation of a nested supervisor."""

    def __init__(self, above: Supervision, post: Post) -> None:
        self._above = above
        self._post = post

    async def on_start(self, context: Context[Never]) -> None:
        post = self._post
        post.team = team = Supervision(
            post.path,
            post.spec.policy,
            self._above.surroundings,
            levels=below(self._above.levels, post.path, post.spec),
            leave=context.stop,
        )
        team.traces = self._above.traces
        team.open(context.nursery)
        context.nursery.start_soon(self._stop_at_the_end, team, name=f"{post.path} stops")
        for spec in post.spec.children:
            if isinstance(spec, SupervisorSpec):
                await _start(team, spec, f"{post.path}/{spec.id}")
            else:
                await team.start(spec)

    async def _stop_at_the_end(self, team: Supervision) -> None:
        """Whatever ends the nursery: children are shielded from it, and are stopped in their order here."""
        try:
            await trio.sleep_forever()
        finally:
            await team.stop_all()
            self._post.team = None

    async def handle(self, message: Never) -> None:
        _log.error("supervisor %s takes no messages: %r is dropped", self._post.path, message)
