"""Any program as an agent: prompt on stdin, the contract's environment, `scriptorium submit` to submit."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from scriptorium.harness.events import HarnessEvent, Message
from scriptorium.harness.interface import AgentRequest, Command


class NoCommandError(ValueError):
    """The harness `command` was asked for without a command: set `agents.<role>.command`."""


@frozen
class CommandHarness:
    """Starts `agents.<role>.command`. Every line that it prints is a message, the last one its answer."""

    name: str = "command"
    stderr_is_activity: bool = True

    def command(self, request: AgentRequest, env: Mapping[str, str]) -> Command:
        """See `Harness`. Raises `NoCommandError`."""
        if not request.command:
            raise NoCommandError(
                f'the harness "command" needs agents.{request.role}.command: the argv that starts the agent'
            )
        return Command((*request.command, *request.args), stdin=request.prompt.encode("utf-8", "replace"))

    def parse(self, line: bytes) -> tuple[HarnessEvent, ...]:
        """See `Harness`."""
        text = line.decode("utf-8", "replace").strip()
        return (Message(text),) if text else ()
