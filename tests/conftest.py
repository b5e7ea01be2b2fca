"""For every test: its result is recorded under the requirements it shows, and it leaves nothing running."""

from __future__ import annotations

import gc
import json
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / ".requirements"
REQUIREMENT = "requirement"
"""What a report calls the ids that its test shows."""


# ---------------------------------------------------------------- what `make requirements` reads


def suite_of(nodeid: str) -> str:
    """The suite that a test belongs to by its place: unit, system or integration."""
    second = nodeid.split("/")[1] if nodeid.startswith("tests/") and nodeid.count("/") > 1 else ""
    return second if second in {"system", "integration"} else "unit"


class Recorder:
    """Keeps the outcome of every test that carries a requirement's id.

    ``make`` names the suite in ``SCRIPTORIUM_SUITE`` and gets a fresh record. Without it, what ran is
    put into the records of the suites it belongs to, so that running one test by hand forgets no other.
    Where tests are shared out among worker processes, the ids come with the reports, and the controller
    alone writes.
    """

    def __init__(self, records: Path, suite: str | None) -> None:
        self.records = records
        self.suite = suite
        self.ids: dict[str, list[str]] = {}
        self.outcomes: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            ids = {str(name) for marker in item.iter_markers("req") for name in marker.args}
            item.user_properties.extend((REQUIREMENT, name) for name in sorted(ids))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if ids := [str(value) for name, value in report.user_properties if name == REQUIREMENT]:
            self.ids[report.nodeid] = ids
        before = self.outcomes.get(report.nodeid)
        if report.failed or before == "failed":
            self.outcomes[report.nodeid] = "failed"
        elif report.skipped:
            self.outcomes[report.nodeid] = "skipped"
        elif report.when == "call":
            self.outcomes[report.nodeid] = "passed"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.config.option.collectonly or hasattr(session.config, "workerinput"):
            return
        by_suite: dict[str, dict[str, Any]] = {} if self.suite is None else {self.suite: {}}
        for nodeid, outcome in self.outcomes.items():
            suite = self.suite or suite_of(nodeid)
            tests = by_suite.setdefault(suite, {} if self.suite else self._recorded(suite))
            tests.pop(nodeid, None)
            if nodeid in self.ids:
                tests[nodeid] = {"ids": self.ids[nodeid], "outcome": outcome}
        for suite, tests in by_suite.items():
            self._write(suite, tests)

    def _recorded(self, suite: str) -> dict[str, Any]:
        try:
            tests = json.loads((self.records / f"{suite}.json").read_text())["tests"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return tests if isinstance(tests, dict) else {}

    def _write(self, suite: str, tests: dict[str, Any]) -> None:
        self.records.mkdir(exist_ok=True)
        fresh = self.records / f".{suite}.{os.getpid()}"
        fresh.write_text(json.dumps({"suite": suite, "tests": tests}, indent=1, sort_keys=True) + "\n")
        fresh.replace(self.records / f"{suite}.json")


def pytest_configure(config: pytest.Config) -> None:
    # Whoever starts the tests in the background may have signals ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    config.pluginmanager.register(Recorder(RECORDS, os.environ.get("SCRIPTORIUM_SUITE")), "requirements")


# ---------------------------------------------------------------- nothing is left behind


def children() -> frozenset[int]:
    """Every child process of this one, started by any of its threads, the dead and unreaped included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found.update(int(word) for word in (task / "children").read_bytes().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread ended meanwhile; its children are another's now, and none of ours is new
    return frozenset(found)


def sockets() -> frozenset[str]:
    """The sockets that this process holds open, as the kernel names them."""
    found: set[str] = set()
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - called twice a test, so kept cheap
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
        except FileNotFoundError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return frozenset(found)


def _described(pid: int) -> str:
    """A process with its command line, or with its bare name while it has none: just started, or a zombie."""
    for source in ("cmdline", "comm"):
        try:
            words = Path(f"/proc/{pid}/{source}").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words.strip():
            return f"{pid} ({words.strip()})"
    return str(pid)


def _reap(left: Iterable[int]) -> None:
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails a test that leaves a child process or an open socket, and clears it away for the next one."""
    children_before, sockets_before = children(), sockets()
    yield
    left = sorted(children() - children_before)
    problems = [f"process {_described(pid)}" for pid in left]
    _reap(left)
    open_sockets = sockets() - sockets_before
    if open_sockets:
        # What only a reference cycle still holds is closed by the collector, which also names it.
        gc.collect()
        open_sockets &= sockets()
    problems += [f"an open {name}" for name in sorted(open_sockets)]
    if problems:
        pytest.fail(f"the test left behind: {', '.join(problems)}", pytrace=False)
