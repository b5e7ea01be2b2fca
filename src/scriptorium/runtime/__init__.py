"""An actor runtime on trio: supervised actors with mailboxes that survive a restart. Usable by itself."""

from scriptorium.runtime.actor import Actor, Context
from scriptorium.runtime.auto_shutdown import AutoShutdown
from scriptorium.runtime.cell import ActorState, ActorStatistics
from scriptorium.runtime.child_spec import ChildSpec
from scriptorium.runtime.control import Inspection
from scriptorium.runtime.errors import (
    ActorHung,
    ActorStopped,
    AskCycle,
    ChildExists,
    MailboxFull,
    MessageDropped,
    NameTaken,
    StartTimedOut,
    StashFull,
    SupervisorFailed,
    SupervisorStopped,
    TooManyChildren,
    sole_error,
)
from scriptorium.runtime.events import (
    ChildCrashed,
    ChildRestarting,
    ChildStarted,
    ChildStopped,
    DeadLetterCause,
    DeadLetters,
    EventStream,
    Subscription,
    SubscriptionStatistics,
    SupervisorGaveUp,
)
from scriptorium.runtime.intercept import Crash, Delay, Interceptor, Verdict
from scriptorium.runtime.messages import Request
from scriptorium.runtime.names import Names
from scriptorium.runtime.offload import Offload, in_thread, in_thread_unattended, inline
from scriptorium.runtime.overflow import Overflow
from scriptorium.runtime.reasons import StopKind, StopReason
from scriptorium.runtime.ref import Ref
from scriptorium.runtime.restart import Backoff, Intensity, Restart, Strategy
from scriptorium.runtime.summary import summary
from scriptorium.runtime.supervisor import Supervisor
from scriptorium.runtime.supervisor_events import IntensityWarning, SupervisorShutDown
from scriptorium.runtime.supervisor_ref import SupervisorRef
from scriptorium.runtime.supervisor_spec import SupervisorSpec
from scriptorium.runtime.supervisor_statistics import ChildCounts, SupervisorStatistics
from scriptorium.runtime.timers import Timer
from scriptorium.runtime.trace import MessageTraced, TraceKind, trace_lines
from scriptorium.runtime.watch import Watch, watch
from scriptorium.runtime.watchdog import EXIT_BLOCKED, EXIT_INTERPRETER_HELD, LoopWatchdog

__all__ = [
    "EXIT_BLOCKED",
    "EXIT_INTERPRETER_HELD",
    "Actor",
    "ActorHung",
    "ActorState",
    "ActorStatistics",
    "ActorStopped",
    "AskCycle",
    "AutoShutdown",
    "Backoff",
    "ChildCounts",
    "ChildCrashed",
    "ChildExists",
    "ChildRestarting",
    "ChildSpec",
    "ChildStarted",
    "ChildStopped",
    "Context",
    "Crash",
    "DeadLetterCause",
    "DeadLetters",
    "Delay",
    "EventStream",
    "Inspection",
    "Intensity",
    "IntensityWarning",
    "Interceptor",
    "LoopWatchdog",
    "MailboxFull",
    "MessageDropped",
    "MessageTraced",
    "NameTaken",
    "Names",
    "Offload",
    "Overflow",
    "Ref",
    "Request",
    "Restart",
    "StartTimedOut",
    "StashFull",
    "StopKind",
    "StopReason",
    "Strategy",
    "Subscription",
    "SubscriptionStatistics",
    "Supervisor",
    "SupervisorFailed",
    "SupervisorGaveUp",
    "SupervisorRef",
    "SupervisorShutDown",
    "SupervisorSpec",
    "SupervisorStatistics",
    "SupervisorStopped",
    "Timer",
    "TooManyChildren",
    "TraceKind",
    "Verdict",
    "Watch",
    "in_thread",
    "in_thread_unattended",
    "inline",
    "sole_error",
    "summary",
    "trace_lines",
    "watch",
]
