"""The checks as real processes: what is a verdict, what is none, what is kept of the output."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pygit2
import pytest
from attrs import evolve

from scriptorium.actors.checks import REMEMBERED_TREES, ProcessChecks
from scriptorium.actors.world import NoVerdict
from scriptorium.code.check_commands import DEFAULT_CHECK, default_commands
from scriptorium.code.evidence import CheckCommand, Result, Verdict, checks_key
from scriptorium.config import Config
from scriptorium.harness.process import ProcessRunner
from scriptorium.plan.ids import Oid

from .stage import Stage

pytestmark = pytest.mark.slow

FAST = Config(check_timeout_seconds=30.0)


def python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", program)


async def check(
    stage: Stage,
    files: Mapping[str, str],
    config: Config = FAST,
    environment: Mapping[str, str] | None = None,
) -> Verdict | NoVerdict:
    """Commit the files on the base and run its checks in the checkout."""
    if files:
        stage.commit(files)
    tree = Oid(stage.git("rev-parse", "main^{tree}"))
    runs = stage.project.state_dir / "runs"
    service = environment or {"PATH": os.environ["PATH"]}
    checks = ProcessChecks(
        stage.project, config, ProcessRunner(runs, durable=False, adopts_orphans=True), service
    )
    verdict = await checks.run(tree, stage.root, "0001")
    assert not list(runs.glob("*.json"))
    if isinstance(verdict, Verdict):
        assert (verdict.tree, verdict.checks_key) == (tree, checks.key(tree))
    return verdict


async def verdict_of(stage: Stage, files: Mapping[str, str], config: Config = FAST) -> Verdict:
    verdict = await check(stage, files, config)
    assert isinstance(verdict, Verdict), verdict
    return verdict


@pytest.mark.req("V1-24")
async def test_make_test_passes_or_fails_with_its_exit_code_and_output(stage: Stage) -> None:
    green = await verdict_of(stage, {"Makefile": "test:\n\t@echo fine\n"})
    assert (green.result, green.no_checks) == (Result.GREEN, False)
    assert (stage.root / green.log).read_text() == "fine\n"
    assert green.log == ".scriptorium/logs/0001/check-1.log"
    red = await verdict_of(stage, {"Makefile": "test:\n\t@echo on stdout; echo on stderr >&2; exit 3\n"})
    assert (red.result, red.command, red.exit_code) == (Result.RED, "make test", 2)
    assert "on stdout\non stderr\n" in red.output_tail
    assert red.log == ".scriptorium/logs/0001/check-2.log"


async def test_a_tree_is_asked_once_which_commands_check_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Oid] = []

    def look(repo: pygit2.Repository, tree: Oid) -> tuple[CheckCommand, ...]:
        looks.append(tree)
        return default_commands(repo, tree)

    monkeypatch.setattr("scriptorium.actors.checks.default_commands", look)
    checks = ProcessChecks(stage.project, FAST, ProcessRunner(stage.project.state_dir / "runs"))
    trees = []
    for number in range(REMEMBERED_TREES + 1):
        stage.commit({"Makefile": f"test:\n\techo {number}\n"})
        trees.append(Oid(stage.git("rev-parse", "main^{tree}")))
        for _ in range(2):
            assert checks.key(trees[-1]) == checks_key([DEFAULT_CHECK])
    assert looks == trees
    checks.key(trees[-REMEMBERED_TREES])
    assert looks == trees
    checks.key(trees[0])  # as many are remembered, and no more
    assert looks == [*trees, trees[0]]


@pytest.mark.parametrize("durable", [True, False])
async def test_the_record_of_a_check_waits_for_no_disk(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    stage.commit({"Makefile": "test:\n\ttrue\n"})
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    runs = stage.project.state_dir / "runs"
    checks = ProcessChecks(stage.project, FAST, ProcessRunner(runs, durable=durable))
    verdict = await checks.run(Oid(stage.git("rev-parse", "main^{tree}")), stage.root, "0001")
    assert isinstance(verdict, Verdict)
    assert verdict.result is Result.GREEN
    assert not synced


async def test_without_a_makefile_there_is_nothing_to_run(stage: Stage) -> None:
    verdict = await verdict_of(stage, {})
    assert (verdict.result, verdict.no_checks, verdict.log) == (Result.GREEN, True, "")


async def test_an_empty_list_of_checks_says_so_on_purpose(stage: Stage) -> None:
    verdict = await verdict_of(stage, {"Makefile": "test:\n\tfalse\n"}, evolve(FAST, checks=()))
    assert (verdict.result, verdict.no_checks) == (Result.GREEN, True)


@pytest.mark.parametrize("files", [
    {"Makefile": "all:\n\ttrue\n"},
    {"Makefile": "all:\n\ttrue\n", "test/one.txt": "x\n"},
])  # fmt: skip
async def test_a_makefile_without_the_target_is_red_with_the_hint(
    stage: Stage, files: dict[str, str]
) -> None:
    """A folder named `test` makes that look like success: make says that `test` is up to date."""
    verdict = await verdict_of(stage, files)
    assert (verdict.result, verdict.command) == (Result.RED, "make test")
    assert 'add one, or name the checks of this repository as "checks"' in verdict.output_tail


async def test_the_commands_run_in_order_up_to_the_first_that_fails(stage: Stage) -> None:
    checks = (
        "echo one >> ran",
        python("open('ran', 'a').write('two\\n'); raise SystemExit(7)"),
        "echo three >> ran",
    )
    verdict = await verdict_of(stage, {}, evolve(FAST, checks=checks))
    assert (verdict.result, verdict.exit_code) == (Result.RED, 7)
    assert (stage.root / "ran").read_text() == "one\ntwo\n"
    assert verdict.log.endswith("/check-2.log")


@pytest.mark.req("V1-24")
async def test_a_check_that_hangs_is_killed_with_its_descendants_at_its_timeout(stage: Stage) -> None:
    hangs = python(
        "import os, signal, pathlib\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    pathlib.Path('daemon').write_text(str(os.getpid()))\n"
        "    while True: signal.pause()\n"
        "print('begun', flush=True)\n"
        "signal.pause()\n"
    )
    verdict = await verdict_of(stage, {}, evolve(FAST, checks=(hangs,), check_timeout_seconds=0.5))
    assert (verdict.result, verdict.exit_code, verdict.output_tail) == (Result.RED, None, "begun")
    with pytest.raises(ProcessLookupError):
        os.kill(int((stage.root / "daemon").read_text()), 0)


@pytest.mark.req("V1-24")
async def test_a_hundred_megabytes_of_output_are_in_the_file_and_their_end_in_the_note(stage: Stage) -> None:
    floods = python(
        "import os\nfor _ in range(100): os.write(1, b'x' * (1 << 20))\nprint('the end'); raise SystemExit(1)"
    )
    verdict = await verdict_of(stage, {}, evolve(FAST, checks=(floods,)))
    assert verdict.result is Result.RED
    assert (stage.root / verdict.log).stat().st_size == 100 * (1 << 20) + len("the end\n")
    assert verdict.output_tail.endswith("the end")
    assert len(verdict.output_tail) < 64 * 1024


async def test_a_check_that_cannot_be_started_is_no_verdict(stage: Stage) -> None:
    verdict = await check(stage, {}, evolve(FAST, checks=(("/nonexistent/program",),)))
    assert isinstance(verdict, NoVerdict)
    assert "the check `/nonexistent/program` could not start" in verdict.reason


@pytest.mark.parametrize(("number", "is_verdict"), [(signal.SIGKILL, False), (signal.SIGSEGV, True)])
async def test_a_kill_from_outside_is_no_verdict_and_a_crash_is_one(
    stage: Stage, number: int, is_verdict: bool
) -> None:
    dies = python(f"import os; os.kill(os.getpid(), {int(number)})")
    verdict = await check(stage, {}, evolve(FAST, checks=(dies,)))
    assert isinstance(verdict, Verdict) is is_verdict
    if isinstance(verdict, Verdict):
        assert (verdict.result, verdict.exit_code) == (Result.RED, None)


async def test_a_check_gets_no_token_and_no_key(stage: Stage) -> None:
    keys = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CODEX_API_KEY", "SCRIPTORIUM_MCP_TOKEN", "AWS_SECRET")
    service = {
        "PATH": os.environ["PATH"], "HOME": "/home/me", "LANG": "C", "CI": "1", "FOR_AGENTS": "x",
        **dict.fromkeys(keys, "secret"),
    }  # fmt: skip
    config = evolve(
        FAST, check_env=("CI",), checks=(python("import os, json; print(json.dumps(dict(os.environ)))"),)
    )
    config = evolve(
        config, agents=evolve(config.agents, coding=evolve(config.agents.coding, env=("FOR_AGENTS",)))
    )
    verdict = await check(stage, {}, config, service)
    assert isinstance(verdict, Verdict)
    got = json.loads((stage.root / verdict.log).read_text())
    got.pop("LC_CTYPE", None)  # Python's own
    assert got.pop("SCRIPTORIUM_RUN")
    assert got.pop("PATH") == f"{service['PATH']}:{Path(sys.executable).parent}" or str(
        Path(sys.executable).parent
    ) in service["PATH"].split(":")
    assert got == {"HOME": "/home/me", "LANG": "C", "CI": "1", "SCRIPTORIUM_REPO": str(stage.root)}
