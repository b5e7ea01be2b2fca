"""What `status` reads the plan with is quick to import, and knows nothing of trio."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = ("ids", "layout", "objects", "reading", "refs", "snapshot", "ticket")
ALL_BUT_STORE = ("repository", "init", "transitions", "audit", "drafts", "memory")
HEAVY = ("trio", "asyncio", "mcp", "rich", "cattrs", "hashlib", "random", "subprocess", "typer")
WRITING = ("scriptorium.plan.transitions", "scriptorium.plan.invariants", "scriptorium.plan.history")


def imported(modules: tuple[str, ...], looked_for: tuple[str, ...]) -> list[str]:
    """Which of `looked_for` a fresh interpreter has imported after `modules`."""
    imports = "; ".join(f"import {module}" for module in modules)
    code = f"import sys; {imports}; print(*[name for name in {looked_for!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [(LIGHT, HEAVY + WRITING), (ALL_BUT_STORE, ("trio", "asyncio", "mcp", "rich", "cattrs"))],
)
def test_nothing_heavy_is_imported(modules: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    assert imported(tuple(f"scriptorium.plan.{module}" for module in modules), forbidden) == []


def test_the_package_itself_imports_nothing() -> None:
    assert imported(("scriptorium.plan",), ("pygit2", "attr")) == []
