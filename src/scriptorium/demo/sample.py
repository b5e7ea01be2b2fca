"""The sample repository: a small library of text tools with a Makefile and tests that need only Python."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pygit2

SPEC: Final = """\
# inkwell: tools for plain text

A Python library without dependencies, in the package `inkwell`, tested with `make test`.

- Counting: words and sentences of a text, and how long it takes to read.
- Layout: wrapping to a width, and aligning to the left, right or centre.
- Names: slugs for file names and anchors, and initials.
- Marks: stripping Markdown emphasis, and listing links.

Every tool has tests, and `inkwell/catalogue.py` lists all of them.
"""

FILES: Final = {
    "Makefile": ".PHONY: test\ntest:\n\t@python3 -B -m unittest -q\n",
    "README.md": "# inkwell\n\nTools for plain text. `make test` runs the tests.\n",
    ".gitignore": "__pycache__/\n",
    "inkwell/__init__.py": '"""Tools for plain text."""\n',
    "inkwell/catalogue.py": '"""The tools, by name."""\n\nTOOLS = []\n',
    "tests/__init__.py": "",
    "tests/test_catalogue.py": (
        "import importlib\nimport unittest\n\nfrom inkwell.catalogue import TOOLS\n\n\n"
        "class CatalogueTest(unittest.TestCase):\n"
        "    def test_every_tool_is_there(self):\n"
        "        for name in TOOLS:\n"
        '            module, _, function = name.partition(".")\n'
        '            found = importlib.import_module(f"inkwell.{module}")\n'
        "            self.assertTrue(callable(getattr(found, function)))\n"
    ),
}
"""The first commit, path -> text."""


def make_repository(folder: Path, config: str) -> None:
    """Make the sample repository in the new folder `folder`, on the branch `main`, with one commit."""
    repository = pygit2.init_repository(str(folder), initial_head="main")
    for path, text in {**FILES, "scriptorium.json": config}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        repository.index.add(path)
    repository.index.write()
    tree = repository.index.write_tree()
    author = pygit2.Signature("A Person", "person@example.invalid")
    repository.create_commit("HEAD", author, author, "inkwell: an empty library of text tools", tree, [])
