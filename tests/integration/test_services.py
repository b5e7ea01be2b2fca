"""Each real CLI and the real service behind it, when whoever runs the tests has a key: on low-cost models."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.system.history import assert_finished, shown
from tests.system.service import COMMAND, clean_environment

from .cli_place import make_cli_place, plant_ticket
from .clis import CLAUDE_CODE, CODEX, Cli

PATIENCE_SECONDS = 600.0
CODEX_KEY = os.environ.get("CODEX_API_KEY") or os.environ.get("OPENAI_API_KEY")
ANTHROPIC_KEY = os.environ.get("ANTHROPIC_API_KEY")
MODELS: Final = {
    CODEX.name: os.environ.get("CODEX_TEST_MODEL", "gpt-5.1-codex-mini"),
    CLAUDE_CODE.name: os.environ.get("CLAUDE_TEST_MODEL", "claude-haiku-4-5"),
}
"""The vendors' small models; when one of them is gone, these variables name its successor."""

pytestmark = pytest.mark.slow


def _service(cli: Cli, name: str, key: str | None, words: str) -> Any:
    missing = pytest.mark.skipif(cli.real is None, reason=f"{cli.name} is not installed")
    keyless = pytest.mark.skipif(key is None, reason=words)
    return pytest.param(cli, {name: key}, id=cli.name, marks=[missing, keyless])


@pytest.mark.req("CA-09")
@pytest.mark.parametrize(
    ("cli", "key"),
    [
        _service(CODEX, "CODEX_API_KEY", CODEX_KEY, "neither CODEX_API_KEY nor OPENAI_API_KEY is set"),
        _service(CLAUDE_CODE, "ANTHROPIC_API_KEY", ANTHROPIC_KEY, "ANTHROPIC_API_KEY is not set"),
    ],
)
def test_the_real_service_does_a_small_ticket(cli: Cli, key: dict[str, str], tmp_path: Path) -> None:
    coding = {"model": MODELS[cli.name], "maxAttempts": 2, "noOutputTimeout": "1m"}
    place = make_cli_place(cli, tmp_path, {"agents": {"coding": coding}, "tickets": {"maxReopens": 0}})
    plant_ticket(place, "inches")
    path = os.pathsep.join([str(place.aside / "bin"), os.environ["PATH"]])
    own = {"HOME": str(place.aside / "home"), "IS_SANDBOX": "1", "PATH": path}
    others = ("CODEX_HOME", "CLAUDE_CONFIG_DIR")
    kept = {name: value for name, value in clean_environment().items() if name not in others}
    try:
        done = subprocess.run(
            [COMMAND, "run", "--until-idle", "--port", "0"],
            cwd=place.root, env=kept | key | own, capture_output=True, text=True,
            check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    finally:
        left = place.clear_away()
    assert left == []
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "2.54" in shown(place, "main", "units/inches.py")
    assert_finished(place, landed=1)
    logs = [log for log in (place.root / ".scriptorium" / "logs").rglob("*") if log.is_file()]
    assert not any(value.encode() in log.read_bytes() for log in logs for value in key.values())
