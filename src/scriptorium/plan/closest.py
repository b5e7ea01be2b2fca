"""Which paragraph of the spec is closest to a text that was made from it. Nobody writes down which it was, so
this is a guess, by the words that the two share: a rare one counts more than one that is everywhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from scriptorium.plan._markdown import bare, outline

MAX_PARAGRAPHS: Final = 5_000
"""Past these a spec is not looked into: it is one of a megabyte."""

_WORD = re.compile(r"[^\W_]{3,}")


@frozen
class Paragraph:
    """A paragraph of a spec, its lines joined, under the nearest `heading` above it (empty: none).

    `line` is where it begins, from 1.
    """

    heading: str
    text: str
    line: int


def closest(spec: str, *texts: str) -> Paragraph | None:
    """The paragraph of `spec` nearest to the texts taken one by one; None when none shares a word with any.

    Of two that are equally near it is the first.
    """
    paragraphs = _paragraphs(spec)
    words = [_words(f"{paragraph.heading} {paragraph.text}") for paragraph in paragraphs]
    spread = Counter(word for found in words for word in found)
    weight = {word: math.log(1 + len(words) / count) for word, count in spread.items()}
    wanted = [_words(text) for text in texts]

    def nearness(number: int) -> float:
        found = words[number]
        shared = sum(weight[word] for text in wanted for word in found & text)
        return shared / math.sqrt(len(found)) if found else 0.0  # or the longest would be near to everything

    best = max(range(len(paragraphs)), key=nearness, default=None)
    return None if best is None or not nearness(best) else paragraphs[best]


def _paragraphs(spec: str) -> Sequence[Paragraph]:
    found: list[Paragraph] = []
    for heading, line, lines in _blocks(spec):
        found.append(Paragraph(heading, " ".join(part.strip() for part in lines), line + 1))
        if len(found) == MAX_PARAGRAPHS:
            break
    return found


def _blocks(spec: str) -> Iterator[tuple[str, int, Sequence[str]]]:
    """Lines that follow each other without a blank one; a code fence is part of what it stands in."""
    read = outline(spec)
    headings = {heading.line: heading.title for heading in read.headings}
    heading, block = "", []
    for number, raw in enumerate(read.lines):
        line = bare(raw)
        if number not in headings and (line.strip() or number in read.fenced):
            block.append(line)
            continue
        if block:
            yield heading, number - len(block), block
            block = []
        heading = headings.get(number, heading)
    if block:
        yield heading, len(read.lines) - len(block), block


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))
