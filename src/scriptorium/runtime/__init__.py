"""An actor runtime on trio: supervised actors with mailboxes that survive a restart. Usable by itself."""

from scriptorium.runtime.actor import Actor, Context
from scriptorium.runtime.cell import ActorState, ActorStatistics
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.errors import (
    ActorHung,
    ActorStopped,
    AskCycle,
    ChildExists,
    MailboxFull,
    SupervisorFailed,
    SupervisorStopped,
)
from scriptorium.runtime.events import (
    ChildCrashed,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    DeadLetters,
    EventStream,
    Subscription,
    SubscriptionStatistics,
    SupervisorGaveUp,
)
from scriptorium.runtime.messages import Request
from scriptorium.runtime.offload import Offload, in_thread, inline
from scriptorium.runtime.reasons import StopKind, StopReason
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.restart import Backoff, Intensity, Restart, Strategy
from scriptorium.runtime.supervisor import Supervisor
from scriptorium.runtime.watchdog import EXIT_BLOCKED, LoopWatchdog

__all__ = [
    "EXIT_BLOCKED",
    "Actor",
    "ActorHung",
    "ActorState",
    "ActorStatistics",
    "ActorStopped",
    "AskCycle",
    "Backoff",
    "ChildCrashed",
    "ChildExists",
    "ChildRestarting",
    "ChildSpec",
    "ChildStarted",
    "ChildStopped",
    "Context",
    "DeadLetters",
    "EventStream",
    "Intensity",
    "LoopWatchdog",
    "MailboxFull",
    "Offload",
    "Ref",
    "Request",
    "Restart",
    "StopKind",
    "StopReason",
    "Strategy",
    "Subscription",
    "SubscriptionStatistics",
    "Supervisor",
    "SupervisorFailed",
    "SupervisorGaveUp",
    "SupervisorStopped",
    "in_thread",
    "inline",
]
