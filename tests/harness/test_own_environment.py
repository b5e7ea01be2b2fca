"""What the kernel shows of the environment that a service was started with."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

GIVEN = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "SCRIPTORIUM_RUN": "of-another-service",
    "PLANTED": "planted-1",
    "OPENAI_API_KEY": "planted-2",
    "EMPTY": "",
    "NOT_ASCII": "planted-\udcff",
}
PROGRAM = """\
import ctypes, json, os, subprocess, sys
from scriptorium.harness.own_environment import hide_own_environment
why_not = hide_own_environment()
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
child = "import json, os, sys; json.dump(dict(os.environ), sys.stdout)"
print(json.dumps({
    "why_not": why_not,
    "shown": open("/proc/self/environ", errors="surrogateescape").read(),
    "python": dict(os.environ),
    "c": {name: os.fsdecode(libc.getenv(os.fsencode(name))) for name in os.environ},
    "child": json.loads(subprocess.run([sys.executable, "-c", child], capture_output=True).stdout),
}))
"""


def test_the_kernel_shows_what_everybody_is_given_and_the_program_goes_on_with_all_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=GIVEN, capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert told["why_not"] is None
    for kept in ("python", "c", "child"):
        told[kept].pop("LC_CTYPE", None)  # Python's own, where the locale is the C one
        assert told[kept] == GIVEN, kept
    shown = dict(entry.split("=", 1) for entry in told["shown"].split("\0") if entry)
    for_all = {"PATH", "HOME", "HTTPS_PROXY", "SCRIPTORIUM_RUN"}
    assert shown == {name: value if name in for_all else "" for name, value in GIVEN.items()}
