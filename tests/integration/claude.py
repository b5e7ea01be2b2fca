"""Where the real Claude Code is: `make integration-test` brings it from npm, without its installer."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

_PACKAGE = Path("claude", "node_modules", "@anthropic-ai")


def find_claude() -> str | None:
    """The program, or None. `CLAUDE_CODE_PROGRAM` in the environment names another one."""
    named = os.environ.get("CLAUDE_CODE_PROGRAM")
    if named:
        return named
    folder = Path(sys.prefix, _PACKAGE)
    found = sorted(folder.glob("claude-code-linux-*/claude"))
    return str(found[0]) if found else shutil.which("claude")


CLAUDE = find_claude()
needs_claude = pytest.mark.skipif(CLAUDE is None, reason="needs Claude Code: npm, and make integration-test")
