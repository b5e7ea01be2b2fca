"""What the agents and checks of a whole service are given, and what comes of a secret that they are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakePlace
from .places import AGENTS, Place, good
from .service import COMMAND

pytestmark = pytest.mark.slow

PLANTED = "planted-4711-in-the-service"
PROVIDER = "sk-given-to-agents-4712"
FOR_CHECKS = "given-to-checks-4713"

TELL = """\
import json, os, subprocess, sys
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(dict(os.environ)) + "\\n")
# As a curious program does: what all the processes were started with that it descends from.
above = os.getppid()
while above > 1:
    with open(f"/proc/{above}/environ", "rb") as environ, open(sys.argv[1] + ".above", "ab") as file:
        file.write(environ.read() + b"\\n")
    with open(f"/proc/{above}/stat") as stat:
        above = int(stat.read().rpartition(")")[2].split()[1])
# As a careless program does; what it finds in the person's files is not from its environment.
print(json.dumps(dict(os.environ)), open(sys.argv[2]).read(), flush=True)
print(json.dumps(dict(os.environ)), open(sys.argv[2]).read(), file=sys.stderr, flush=True)
if sys.argv[3:]:
    os.execv(sys.argv[3], sys.argv[3:])
"""

KEPT = {
    "HOME": "/home/me",
    "USER": "me",
    "LOGNAME": "me",
    "SHELL": "/bin/sh",
    "TERM": "dumb",
    "LANG": "C.UTF-8",
    "LC_TIME": "C",
    "CODEX_HOME": "/home/me/.codex",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}
NO_PROXY = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@pytest.fixture
def service_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """All that the service of this test is started with."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    given = KEPT | {
        "PATH": "/usr/bin:/bin",
        "TMPDIR": str(tmp_path),
        "ANTHROPIC_API_KEY": PROVIDER,
        "AWS_SECRET_ACCESS_KEY": PLANTED,
        "GITHUB_TOKEN": PLANTED,
        "CHECK_PASSWORD": FOR_CHECKS,
        "LD_LIBRARY_PATH": "/planted",
        "SSH_AUTH_SOCK": "/planted",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


def make_telling(make: MakePlace, tmp_path: Path) -> Place:
    """A place whose agents and checks tell their environment, and print it with a secret that they found."""
    (tmp_path / "tell.py").write_text(TELL)
    (tmp_path / "found").write_text(PLANTED)
    tell = [sys.executable, str(tmp_path / "tell.py")]

    def telling(who: str, *then: str) -> list[str]:
        return [*tell, str(tmp_path / f"{who}.env"), str(tmp_path / "found"), *then]

    # The folder aside is where `make` puts it for its first place.
    script = (sys.executable, str(AGENTS / "scripted.py"), str(tmp_path / "0" / "aside" / "script.json"))
    agents = {role: {"command": telling(role, *script)} for role in ("architect", "manager", "coding")}
    config = {"agents": agents, "checks": [telling("check")], "checkEnv": ["CHECK_PASSWORD", "UNSET"]}
    place: Place = make({"alpha": [good("a1")]}, config=config, planted=False)
    return place


def told(path: Path) -> list[dict[str, Any]]:
    """What each of them was given, without the run's id, which only has to be there."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for env in found:
        assert env.pop("SCRIPTORIUM_RUN")
        # Python itself adds this one where the locale is the C one.
        env.pop("LC_CTYPE", None)
    return found


@pytest.mark.req("CA-04")
def test_everyone_gets_the_contract_s_and_a_planted_secret_reaches_nothing(
    make: MakePlace, tmp_path: Path, service_environment: dict[str, str]
) -> None:
    place = make_telling(make, tmp_path)
    service = place.finish()

    kept = KEPT | NO_PROXY | {"TMPDIR": str(tmp_path), "SCRIPTORIUM_REPO": str(place.root)}
    kept["PATH"] = f"/usr/bin:/bin:{Path(COMMAND).parent}"
    agent = kept | {"ANTHROPIC_API_KEY": PROVIDER}
    assert told(tmp_path / "architect.env") == [agent | {"SCRIPTORIUM_ROLE": "architect"}]
    manager = agent | {"SCRIPTORIUM_ROLE": "manager", "SCRIPTORIUM_AREA": "alpha"}
    assert told(tmp_path / "manager.env") == [manager]
    (coding,) = told(tmp_path / "coding.env")
    token = coding.pop("SCRIPTORIUM_MCP_TOKEN")
    url = coding.pop("SCRIPTORIUM_MCP_URL")
    assert url.startswith("http://127.0.0.1:")
    assert coding == agent | {"SCRIPTORIUM_ROLE": "coding", "SCRIPTORIUM_TICKET": "0001"}
    checks = told(tmp_path / "check.env")
    assert checks == [kept | {"CHECK_PASSWORD": FOR_CHECKS}] * len(checks)
    assert len(checks) >= 2  # of the base and of the ticket

    for who in ("architect", "manager", "coding", "check"):
        above = (tmp_path / f"{who}.env.above").read_bytes()
        assert b"HOME=/home/me\0" in above  # the service's own is among them
        assert [secret for secret in (PLANTED, PROVIDER, FOR_CHECKS) if secret.encode() in above] == []

    secrets = [secret.encode() for secret in (PLANTED, PROVIDER, FOR_CHECKS, token)]
    kept_there = everything_kept(place, service.log + service.output)
    for name, content in kept_there.items():
        assert [secret for secret in secrets if secret in content] == [], name
    logs = [content for name, content in kept_there.items() if "/logs/" in name]
    assert sum(b"[masked]" in content for content in logs) >= 2 * 3 + len(checks)


def test_a_planning_session_s_own_environment_is_hidden_too(
    make: MakePlace, tmp_path: Path, service_environment: dict[str, str]
) -> None:
    place = make_telling(make, tmp_path)
    argv = [COMMAND, "plan", "Say nothing."]
    subprocess.run(argv, cwd=place.root, env=service_environment, capture_output=True, check=False)
    above = (tmp_path / "architect.env.above").read_bytes()
    assert b"HOME=/home/me\0" in above
    assert [secret for secret in (PLANTED, PROVIDER) if secret.encode() in above] == []


def everything_kept(place: Place, said: str) -> dict[str, bytes]:
    """All objects of the repository, all files of the service, and what it said itself."""
    oids = [
        line.split()[0]
        for line in place.git(
            "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"
        ).splitlines()
    ]
    found = {oid: place.git("cat-file", "-p", oid).encode() for oid in oids}
    files = [path for path in (place.root / ".scriptorium").rglob("*") if path.is_file()]
    return found | {str(path): path.read_bytes() for path in files} | {"said": said.encode()}
