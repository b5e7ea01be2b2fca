"""The real Codex CLI and the real service behind it, when whoever runs the tests has a key."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.system.history import assert_finished, shown
from tests.system.places import Place
from tests.system.service import COMMAND, clean_environment

from .codex_place import make_codex_place, plant_ticket

PATIENCE_SECONDS = 600.0
KEY = os.environ.get("CODEX_API_KEY") or os.environ.get("OPENAI_API_KEY")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("codex_cli_bin") is None, reason="needs the extra scriptorium[codex]"),
    pytest.mark.skipif(KEY is None, reason="neither CODEX_API_KEY nor OPENAI_API_KEY is set"),
]


@pytest.mark.req("CA-09")
def test_the_real_service_does_a_small_ticket(tmp_path: Path) -> None:
    assert KEY is not None
    place: Place = make_codex_place(tmp_path)
    settings = {
        "agents": {"coding": {"maxAttempts": 2, "noOutputTimeout": "1m"}},
        "tickets": {"maxReopens": 0},
    }
    place.commit({"scriptorium.json": json.dumps(settings)})
    plant_ticket(place, "inches")
    own = {
        "CODEX_API_KEY": KEY,
        "HOME": str(place.aside / "home"),
        "CODEX_HOME": str(place.aside / "codex-home"),
    }
    path = os.pathsep.join([str(place.aside / "bin"), os.environ["PATH"]])
    try:
        done = subprocess.run(
            [COMMAND, "run", "--until-idle", "--port", "0"],
            cwd=place.root, env=clean_environment() | own | {"PATH": path}, capture_output=True, text=True,
            check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    finally:
        left = place.clear_away()
    assert left == []
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "2.54" in shown(place, "main", "units/inches.py")
    assert_finished(place, landed=1)
    logs = (place.root / ".scriptorium" / "logs").rglob("*")
    assert not any(KEY.encode() in log.read_bytes() for log in logs if log.is_file())
