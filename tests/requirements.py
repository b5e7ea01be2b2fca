"""Prints docs/requirements.md as a table with the tests that cover each row and how they last ended.

    python tests/requirements.py                  the table
    python tests/requirements.py --strict V1,CA   exit 1 when a row of these kinds lacks a passing test

Needs nothing but Python. The records are written by tests/conftest.py whenever pytest runs.
"""

# ruff: noqa: T201 - a program whose work is to print

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "requirements.md"
RECORDS = ROOT / ".requirements"

ROW = re.compile(r"\|\s*([A-Z][A-Z0-9]*-[0-9]+[a-z]?)\s*\|\s*(.*?)\s*\|.*\|\s*")


@dataclass(frozen=True)
class Row:
    """One requirement: its id and what is required, as the document says it."""

    id: str
    text: str

    @property
    def kind(self) -> str:
        return self.id.partition("-")[0]


@dataclass(frozen=True)
class Result:
    """One test that carries a requirement's id, and how it ended: passed, failed or skipped."""

    nodeid: str
    suite: str
    outcome: str


def read_rows(document: str) -> tuple[Row, ...]:
    """The requirements in the document's tables, in its order. Raises ValueError for an id used twice."""
    matches = (ROW.fullmatch(line) for line in document.splitlines())
    rows = tuple(Row(match[1], match[2]) for match in matches if match)
    twice = {row.id for row in rows if sum(row.id == other.id for other in rows) > 1}
    if twice:
        raise ValueError(f"used for more than one row: {', '.join(sorted(twice))}")
    return rows


def read_results(records: Path) -> dict[str, list[Result]]:
    """What the recorded runs say of each id. A missing or unreadable record counts as no test at all."""
    results: dict[str, list[Result]] = {}
    for path in sorted(records.glob("*.json")):
        try:
            tests = json.loads(path.read_text())["tests"]
            found = [
                (str(name), Result(nodeid, path.stem, test["outcome"]))
                for nodeid, test in tests.items()
                for name in test["ids"]
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"requirements: {path} is left out: {error!r}", file=sys.stderr)
            continue
        for name, result in found:
            results.setdefault(name, []).append(result)
    return results


def state(results: Iterable[Result]) -> str:
    """``passed`` when some test of the row passed and none failed; else ``failed`` or ``missing``."""
    outcomes = {result.outcome for result in results}
    if "failed" in outcomes:
        return "failed"
    return "passed" if "passed" in outcomes else "missing"


def covering(results: Iterable[Result]) -> list[str]:
    """The tests of a row, one line each: a test's parameters are counted, not listed."""
    groups: dict[tuple[str, str], list[str]] = {}
    for result in results:
        groups.setdefault((result.nodeid.partition("[")[0], result.suite), []).append(result.outcome)
    lines = []
    for (test, suite), outcomes in sorted(groups.items()):
        counts = ", ".join(
            f"{outcomes.count(outcome)} {outcome}"
            for outcome in ("passed", "failed", "skipped")
            if outcome in outcomes
        )
        lines.append(f"{test} ({suite}: {counts})")
    return lines


def table(rows: Iterable[Row], results: Mapping[str, list[Result]]) -> str:
    lines: list[str] = []
    for row in rows:
        mine = results.get(row.id, [])
        text = row.text if len(row.text) <= 84 else row.text[:81] + "..."
        lines.append(f"{row.id:<7} {state(mine):<8} {text}")
        lines += [f"{'':<16} {test}" for test in covering(mine)]
    return "\n".join(lines)


def wanted(rows: Iterable[Row], strict: str) -> set[str]:
    """The ids that ``--strict`` names: kinds (V1), single ids (V1-17), or all of the form V1-05..V1-30."""
    ids = [row.id for row in rows]
    chosen: set[str] = set()
    for word in filter(None, (part.strip() for part in strict.split(","))):
        first, dots, last = word.partition("..")
        if dots and first in ids and last in ids:
            found = set(ids[ids.index(first) : ids.index(last) + 1])
        else:
            found = {name for name in ids if word in {name, name.partition("-")[0]}}
        if not found:
            raise ValueError(f"{word} is no kind and no id of {DOCUMENT.name}")
        chosen |= found
    return chosen


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make requirements")
    parser.add_argument("--strict", default="", help="kinds or ids that must have a passing test: V1,CA")
    parser.add_argument("--records", type=Path, default=RECORDS, help="where the recorded runs are")
    options = parser.parse_args(arguments)
    try:
        rows = read_rows(DOCUMENT.read_text())
        strict = wanted(rows, options.strict)
    except (OSError, ValueError) as error:
        print(f"requirements: {error}", file=sys.stderr)
        return 2
    results = read_results(options.records)
    print(table(rows, results))
    open_rows = {row.id: state(results.get(row.id, ())) for row in rows}
    for kind in dict.fromkeys(row.kind for row in rows):
        states = [open_rows[row.id] for row in rows if row.kind == kind]
        print(f"{kind}: {states.count('passed')} of {len(states)} rows shown by a passing test")
    for problem in ("failed", "missing"):
        names = [name for name, found in open_rows.items() if found == problem]
        print(f"{problem}: {' '.join(names) or 'none'}")
    short = [name for name in open_rows if name in strict and open_rows[name] != "passed"]
    if short:
        print(f"requirements: without a passing test: {' '.join(short)}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
