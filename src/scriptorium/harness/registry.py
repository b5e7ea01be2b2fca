"""The table of harnesses, and which one a model's name leads to. A new harness is a file and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scriptorium.harness.claude_code import ClaudeCodeHarness
from scriptorium.harness.codex import CodexHarness
from scriptorium.harness.command import CommandHarness
from scriptorium.harness.interface import Harness
from scriptorium.harness.typoi import TypoiHarness

HARNESSES: Final[Mapping[str, Harness]] = MappingProxyType(
    {
        harness.name: harness
        for harness in (CodexHarness(), ClaudeCodeHarness(), TypoiHarness(), CommandHarness())
    }
)


def route(model: str | None) -> str:
    """The name of the harness for a model, where the config names none: `codex` for the default model."""
    if model is None or model.startswith(("codex-", "gpt-")):
        return "codex"
    return "claude-code" if model.startswith("claude-") else "typoi"


def harness_for(name: str | None, model: str | None = None) -> Harness:
    """The harness called `name`, as the config has checked it, or the one that `model` leads to when None."""
    return HARNESSES[name or route(model)]
