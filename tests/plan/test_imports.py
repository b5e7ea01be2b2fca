"""What `status` reads the plan with is quick to import, and knows nothing of trio."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = ("ids", "layout", "objects", "reading", "refs", "snapshot", "ticket")
HEAVY = ("trio", "asyncio", "mcp", "rich", "cattrs", "hashlib", "random", "subprocess", "typer")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (
            LIGHT,
            (
                *HEAVY,
                "scriptorium.plan.transitions",
                "scriptorium.plan.invariants",
                "scriptorium.plan.history",
            ),
        ),
        (
            ("repository", "init", "transitions", "audit", "drafts", "memory"),
            ("trio", "asyncio", "mcp", "rich", "cattrs"),
        ),
    ],
)
def test_nothing_heavy_is_imported(modules: tuple[str, ...], forbidden: tuple[str, ...]) -> None:
    imports = "; ".join(f"import scriptorium.plan.{module}" for module in modules)
    code = f"import sys; {imports}; print(*[name for name in {forbidden!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow
def test_the_package_itself_imports_nothing() -> None:
    code = "import sys; before = set(sys.modules); import scriptorium.plan; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"scriptorium", "scriptorium.plan"}
