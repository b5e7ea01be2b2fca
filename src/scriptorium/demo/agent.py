"""A built-in agent, started like any other under the `command` harness: `python -m scriptorium.demo.agent`.

It reads its prompt, edits files in its working directory and submits over HTTP. It knows only the script.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from scriptorium.demo.script import AREAS, PLAN, Work, work_titled
from scriptorium.server.client import submit_pr

CATALOGUE = Path("inkwell/catalogue.py")
_TICKET = re.compile(r"^## The ticket: \d{4,} (.+)$", re.MULTILINE)
_TOOL = re.compile(r'"(\w+\.\w+)"')


def main() -> int:
    """Do what the role asks for; the exit code is the process's."""
    prompt = sys.stdin.read()
    match os.environ["SCRIPTORIUM_ROLE"]:
        case "architect":
            write_areas(Path("areas"))
        case "manager":
            write_tickets(Path("tickets/open"), os.environ["SCRIPTORIUM_AREA"])
        case "coding":
            return code(prompt)
        case role:
            sys.stderr.write(f"the demo has no agent for the role {role}\n")
            return 2
    return 0


def write_areas(folder: Path) -> None:
    """The architect's work."""
    folder.mkdir(exist_ok=True)
    for area, text in AREAS.items():
        (folder / f"{area}.md").write_text(f"# {area.capitalize()}\n\n{text}\n", encoding="utf-8")


def write_tickets(folder: Path, area: str) -> None:
    """The manager's work for one area."""
    folder.mkdir(parents=True, exist_ok=True)
    for work in PLAN[area]:
        depends = f"**Depends:** {work.depends}\n\n" if work.depends else ""
        text = (
            f"# {work.title}\n\n{depends}## Goal\n\n{work.goal}\n\n## Acceptance Criteria\n\n"
            f"- `inkwell.{work.tool}` does it, and a test shows it.\n\n"
            f"## Notes\n\nIn `inkwell/{work.module}.py`.\n"
        )
        (folder / f"{work.slug}.md").write_text(text, encoding="utf-8")


def code(prompt: str) -> int:
    """A coding agent's work: write the code and its test, settle conflicts, submit."""
    found = _TICKET.search(prompt)
    if found is None:
        sys.stderr.write("the prompt names no ticket\n")
        return 2
    work = work_titled(found[1])
    tried_before = "## What happened before" in prompt
    write_code(work, work.code if tried_before or work.first_code is None else work.first_code)
    write_test(work)
    if work.in_catalogue:
        enter_in_catalogue(work)
    answer = submit_pr(
        os.environ["SCRIPTORIUM_MCP_URL"],
        os.environ["SCRIPTORIUM_MCP_TOKEN"],
        f"Add inkwell.{work.tool}\n\n{work.goal}",
    )
    sys.stdout.write(f"{answer.message}\n")
    return 0 if answer.accepted else 1


def write_code(work: Work, new: str) -> None:
    """Append the tool to its module, in place of an earlier version of it."""
    path = Path(f"inkwell/{work.module}.py")
    before = path.read_text(encoding="utf-8") if path.exists() else f'"""The tools of {work.module}."""\n'
    for old in (work.code, work.first_code):
        if old is not None:
            before = before.replace(f"\n\n{old}", "")
    path.write_text(f"{before.rstrip()}\n\n\n{new}", encoding="utf-8")


def write_test(work: Work) -> None:
    """A test module of its own for each tool."""
    name = work.tool.replace(".", "_")
    Path(f"tests/test_{name}.py").write_text(
        f"import unittest\n\nfrom inkwell import {work.module}\n\n\n"
        f"class {name.title().replace('_', '')}Test(unittest.TestCase):\n"
        f"    def test_it(self):\n        {work.test}\n",
        encoding="utf-8",
    )


def enter_in_catalogue(work: Work) -> None:
    """List the tool; a conflict is settled by keeping what either side lists."""
    listed = set(_TOOL.findall(CATALOGUE.read_text(encoding="utf-8"))) | {work.tool}
    entries = ", ".join(f'"{tool}"' for tool in sorted(listed))
    CATALOGUE.write_text(f'"""The tools, by name."""\n\nTOOLS = [{entries}]\n', encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
