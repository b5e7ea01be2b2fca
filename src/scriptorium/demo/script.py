"""What the built-in agents know how to do: the areas, the tickets, and the code for each ticket.

Two things go wrong on purpose, as they do in real life. The first version of `reading-time` has a bug that
its own test finds. And `wrap` and `slugify`, which are begun from the same commit, both write the first entry
of the catalogue: the one that comes second conflicts.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen


@frozen
class Work:
    """One ticket and what its agent writes: `module.function`, the code and a test for it.

    `first_code` is written instead at the first try. `in_catalogue` says that the tool is entered there.
    """

    slug: str
    title: str
    goal: str
    tool: str
    code: str
    test: str
    depends: str = ""
    first_code: str | None = None
    in_catalogue: bool = False

    @property
    def module(self) -> str:
        """The module of the tool."""
        return self.tool.partition(".")[0]


AREAS: Final = {
    "counting": "Counting words and sentences, and reading time: `inkwell/counting.py`.",
    "layout": "Wrapping and aligning lines: `inkwell/layout.py`.",
    "names": "Slugs and initials: `inkwell/names.py`.",
    "marks": "Markdown: emphasis and links: `inkwell/marks.py`.",
}

PLAN: Final = {
    "counting": (
        Work(
            "count-words",
            "Count the words of a text",
            "Give the number of words of a text; runs of white space separate them.",
            "counting.words",
            "def words(text):\n    return len(text.split())\n",
            'self.assertEqual(counting.words("a  quiet\\nday"), 3)',
        ),
        Work(
            "reading-time",
            "Estimate how long a text takes to read",
            "Give the minutes that reading takes at 200 words a minute, rounded up.",
            "counting.minutes",
            "def minutes(text):\n    return -(-words(text) // 200)\n",
            'self.assertEqual(counting.minutes("word " * 201), 2)',
            depends="count-words",
            first_code="def minutes(text):\n    return words(text) // 200\n",
        ),
    ),
    "layout": (
        Work(
            "wrap-lines",
            "Wrap a text to a width",
            "Break a text into lines of at most so many characters.",
            "layout.wrap",
            "import textwrap\n\n\ndef wrap(text, width):\n    return textwrap.wrap(text, width)\n",
            'self.assertEqual(layout.wrap("one two three", 8), ["one two", "three"])',
            in_catalogue=True,
        ),
        Work(
            "align-lines",
            "Align lines to the right",
            "Put blanks before each line so that all end in one column.",
            "layout.right",
            "def right(lines):\n    width = max(map(len, lines))\n"
            "    return [line.rjust(width) for line in lines]\n",
            'self.assertEqual(layout.right(["a", "bcd"]), ["  a", "bcd"])',
            depends="wrap-lines",
        ),
    ),
    "names": (
        Work(
            "slugify",
            "Make slugs for file names",
            "Turn a title into lower-case words joined by dashes.",
            "names.slugify",
            "import re\n\n\ndef slugify(title):\n"
            '    return "-".join(re.findall("[a-z0-9]+", title.lower()))\n',
            'self.assertEqual(names.slugify("Hello, World!"), "hello-world")',
            in_catalogue=True,
        ),
        Work(
            "initials",
            "Give the initials of a name",
            "Join the first letters of the words of a name.",
            "names.initials",
            'def initials(name):\n    return "".join(word[0] for word in name.split())\n',
            'self.assertEqual(names.initials("Ada King Lovelace"), "AKL")',
            depends="slugify",
        ),
    ),
    "marks": (
        Work(
            "strip-emphasis",
            "Strip Markdown emphasis",
            "Remove the asterisks and underscores around emphasised words.",
            "marks.plain",
            'import re\n\n\ndef plain(text):\n    return re.sub(r"([*_]{1,2})(\\S.*?)\\1", r"\\2", text)\n',
            'self.assertEqual(marks.plain("a *quiet* day"), "a quiet day")',
        ),
        Work(
            "list-links",
            "List the links of a Markdown text",
            "Give the addresses of all inline links, in order.",
            "marks.links",
            'def links(text):\n    return re.findall(r"\\]\\(([^)\\s]+)\\)", text)\n',
            'self.assertEqual(marks.links("[a](b) and [c](d)"), ["b", "d"])',
            depends="strip-emphasis",
        ),
    ),
}
"""The tickets of each area, in the order in which their agents do them."""


def work_titled(title: str) -> Work:
    """The work that a ticket's title names; `KeyError` when it is none of the script's."""
    return {work.title: work for area in PLAN.values() for work in area}[title]
