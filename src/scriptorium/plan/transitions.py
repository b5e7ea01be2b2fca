"""Everything that may change the plan. A transition is a value: `apply` looks at a snapshot and returns
the edits with the message of their commit, or raises `PreconditionFailed`; `PlanRepository.commit` carries
it out.
"""

from __future__ import annotations

from typing import Protocol

from scriptorium.plan._conditions import PreconditionFailed
from scriptorium.plan._planning import (
    CreateTickets,
    ParkArea,
    ParkSpec,
    UnparkArea,
    UnparkSpec,
    UpdateAreas,
    UpdateSpec,
)
from scriptorium.plan._recovery import CreateRecoveryTicket
from scriptorium.plan._work import (
    AssignTicket,
    CompleteTicket,
    Enqueue,
    ParkTicket,
    RecordRun,
    ReopenTicket,
    StartLanding,
    UnparkTicket,
)
from scriptorium.plan.edits import Edits
from scriptorium.plan.snapshot import Snapshot

__all__ = [
    "AssignTicket",
    "CompleteTicket",
    "CreateRecoveryTicket",
    "CreateTickets",
    "Enqueue",
    "ParkArea",
    "ParkSpec",
    "ParkTicket",
    "PreconditionFailed",
    "RecordRun",
    "ReopenTicket",
    "StartLanding",
    "Transition",
    "UnparkArea",
    "UnparkSpec",
    "UnparkTicket",
    "UpdateAreas",
    "UpdateSpec",
]


class Transition(Protocol):
    """One change of the plan, decided on whatever snapshot it is committed on."""

    def apply(self, snapshot: Snapshot) -> Edits:
        """What to change in the plan at `snapshot`; raises `PreconditionFailed`. Has no effect of its own."""
