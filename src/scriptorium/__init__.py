"""scriptorium turns a written spec into landed code with a crew of AI coding agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scriptorium.actors.orchestrator import run_orchestrator

__all__ = ["__version__", "run_orchestrator"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the entry point when it is asked for: most commands need none of what it brings."""
    if name == "run_orchestrator":
        from scriptorium.actors.orchestrator import run_orchestrator  # noqa: PLC0415

        return run_orchestrator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
