"""For programs that embed scriptorium or its actors, and for its own tests. Importable without pytest.

One actor: `Probe` stands in for those it talks to, `Faults` disturbs its messages, `run_virtual` gives it
virtual time and a seed. The whole: `sample_project`, `make_world` with agents and checks that are functions,
and `run_world`. See docs/embedding.md.
"""

from scriptorium.testing.agents import FunctionAgents, ended
from scriptorium.testing.checks import FunctionChecks
from scriptorium.testing.faults import FaultKind, Faults, FaultStatistics, Injected, InjectedFault, When
from scriptorium.testing.inbox import Inbox, listen
from scriptorium.testing.probe import Probe, open_probe
from scriptorium.testing.project import sample_project
from scriptorium.testing.virtual import START, deterministic_scheduling, run_random, run_virtual, virtual_now
from scriptorium.testing.world import make_world, run_world

__all__ = [
    "START",
    "FaultKind",
    "FaultStatistics",
    "Faults",
    "FunctionAgents",
    "FunctionChecks",
    "Inbox",
    "Injected",
    "InjectedFault",
    "Probe",
    "When",
    "deterministic_scheduling",
    "ended",
    "listen",
    "make_world",
    "open_probe",
    "run_random",
    "run_virtual",
    "run_world",
    "sample_project",
    "virtual_now",
]
