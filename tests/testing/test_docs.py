"""Every example of the pages in docs/ is run, and prints what its page says that it prints.

The examples below one heading build on each other, and are run in one namespace, in their order.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from attrs import define, field, frozen

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = (DOCS / "embedding.md", DOCS / "runtime.md")
MOST_LINES_OF_THE_FIRST = 45


@frozen
class Example:
    """A ``python`` block, the line it begins on, and what the next ``text`` block says that it prints."""

    line: int
    code: str
    prints: str


@define
class Section:
    """What is below one heading of the second level of a page."""

    page: Path
    title: str
    examples: list[Example] = field(factory=list)


def sections(page: Path) -> list[Section]:
    """The sections of a page that have examples."""
    text = page.read_text()
    found = [Section(page, "")]
    for part in re.finditer(r"(?ms)^## (?P<title>.*?)$|^```(?P<kind>\w+)\n(?P<body>.*?)^```$", text):
        if part["title"] is not None:
            found.append(Section(page, part["title"]))
        elif part["kind"] == "python":
            line = text.count("\n", 0, part.start("body"))
            found[-1].examples.append(Example(line, part["body"], ""))
        elif part["kind"] == "text":
            last = found[-1].examples.pop()
            found[-1].examples.append(Example(last.line, last.code, part["body"]))
    return [section for section in found if section.examples]


SECTIONS = {page.stem: sections(page) for page in PAGES}


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A module that runs as the program that was started."""
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    yield module


@pytest.mark.slow
@pytest.mark.req("U-02")
@pytest.mark.parametrize(
    "section", [*SECTIONS["embedding"], *SECTIONS["runtime"]], ids=lambda section: section.title
)
def test_the_examples_run_and_print_what_the_page_says(
    section: Section, namespace: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    for example in section.examples:
        # As many empty lines before it as in the page, so that a traceback leads to the line in the page.
        program = compile("\n" * example.line + example.code, str(section.page), "exec")
        exec(program, namespace.__dict__)  # noqa: S102 - our own page
        assert capsys.readouterr().out == example.prints, f"{section.page.name}, line {example.line}"


def test_the_page_on_embedding_has_an_example_of_each_use() -> None:
    """One actor (with stand-ins, and disturbed), the whole system, a day; each says what it prints."""
    assert [len(section.examples) for section in SECTIONS["embedding"]] == [3, 1, 1]
    assert all(example.prints for page in SECTIONS.values() for part in page for example in part.examples)
    first = SECTIONS["embedding"][0].examples[0].code
    assert len([line for line in first.splitlines() if line.strip()]) <= MOST_LINES_OF_THE_FIRST
