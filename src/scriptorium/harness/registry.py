"""The table of harnesses, and which one a model's name leads to. A new harness is a file and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scriptorium.harness.codex import CodexHarness
from scriptorium.harness.command import CommandHarness
from scriptorium.harness.interface import Harness

HARNESSES: Final[Mapping[str, Harness]] = MappingProxyType(
    {harness.name: harness for harness in (CodexHarness(), CommandHarness())}
)


class HarnessUnavailable(ValueError):
    """The config leads to a harness that this version does not have; the message names those there are."""


def route(model: str | None) -> str:
    """The name of the harness for a model, where the config names none: `codex` for the default model."""
    if model is None or model.startswith(("codex-", "gpt-")):
        return "codex"
    return "claude-code" if model.startswith("claude-") else "typoi"


def harness_for(name: str | None, model: str | None = None) -> Harness:
    """The harness called `name`, or the one that `model` leads to when None. Raises `HarnessUnavailable`."""
    wanted = name or route(model)
    harness = HARNESSES.get(wanted)
    if harness is not None:
        return harness
    cause = f' (for the model "{model}")' if name is None else ""
    raise HarnessUnavailable(
        f'the harness "{wanted}"{cause} is not in this version of scriptorium, which has'
        f" {' and '.join(HARNESSES)}: set agents.<role>.harness or agents.<role>.model in scriptorium.json"
    )
