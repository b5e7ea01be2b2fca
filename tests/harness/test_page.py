"""docs/harnesses.md says what the code does, and its example is a harness."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scriptorium.actors.attempts import Ending
from scriptorium.config import Config
from scriptorium.harness.events import Message, Unknown
from scriptorium.harness.faults import ProviderFault
from scriptorium.harness.interface import AgentRequest, Harness
from scriptorium.harness.registry import HARNESSES

PAGE = Path(__file__).parents[2].joinpath("docs", "harnesses.md").read_text(encoding="utf-8")


def test_every_harness_and_every_ending_is_there() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| `")]
    assert rows == [f"`{name}`" for name in HARNESSES]
    for ending in Ending:
        assert ending.value.removeprefix("was ").removesuffix(" of its model") in PAGE
    for fault in ProviderFault:
        assert fault.value.split()[0] in PAGE


def test_the_limits_are_the_config_s() -> None:
    config = Config()
    assert f"`tickets.maxRuns` ({config.max_runs})" in PAGE
    assert f"`tickets.maxTime` ({config.max_time_seconds / 3600:.0f} h)" in PAGE
    assert f"`tickets.maxTokens` ({config.max_tokens // 10**6} million)" in PAGE


@pytest.mark.req("CA-11")
def test_the_example_is_a_harness() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, object] = {}
    exec(compile(code, "docs/harnesses.md", "exec"), found)  # noqa: S102 - our own page
    echo: Harness = found["EchoHarness"]()  # type: ignore[operator]
    request = AgentRequest("coding", "Do it.", Path("/w"), Path("/l"), args=("-v",))
    assert echo.command(request, {}).argv == ("echo-agent", "-v", "--json")
    assert echo.parse(b'{"text": "hello"}') == (Message("hello"),)
    assert echo.parse(b"hello") == (Unknown("not a JSON object"),)
