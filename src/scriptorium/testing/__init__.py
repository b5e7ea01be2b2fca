"""For programs that embed scriptorium, and for its own tests: agents and checks that are functions, and a
World made of parts that can be chosen. Importable without pytest.
"""

from scriptorium.testing.agents import FunctionAgents, ended
from scriptorium.testing.checks import FunctionChecks
from scriptorium.testing.world import make_world

__all__ = ["FunctionAgents", "FunctionChecks", "ended", "make_world"]
