"""The paragraph of a spec that is closest to what was made from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scriptorium.plan.closest import Paragraph, closest

SPEC = """\
# The tool

It reads files and prints reports about the files.

## Parsing

Lines are read one by one; empty lines
are passed over.

```
# not a heading

sample
```

## Printing

Reports about the files go to the terminal, in colour.
"""


def test_it_is_the_one_that_shares_most_and_it_has_its_heading() -> None:
    assert closest(SPEC, "# Parser\n\nReads the lines, empty or not.") == Paragraph(
        "Parsing", "Lines are read one by one; empty lines are passed over.", 7
    )
    assert closest(SPEC, "Colour on the terminal") == Paragraph(
        "Printing", "Reports about the files go to the terminal, in colour.", 18
    )


def test_a_rare_word_counts_more_than_several_that_are_everywhere() -> None:
    found = closest(SPEC, "about the files and reports", "colour")
    assert found is not None
    assert found.heading == "Printing"


def test_a_code_fence_is_not_cut_at_its_blank_lines_or_taken_for_headings() -> None:
    found = closest(SPEC, "sample")
    assert found == Paragraph("Parsing", "``` # not a heading  sample ```", 10)


def test_nothing_shared_is_nothing_found() -> None:
    assert closest(SPEC, "zebra") is None
    assert closest("", "zebra") is None
    assert closest("\n\n# Only a heading\n", "heading") is None


@given(st.text(alphabet="ab #`\n", max_size=60), st.text(max_size=20))
def test_any_text_has_an_answer_and_the_line_is_where_it_begins(spec: str, text: str) -> None:
    found = closest(spec, text, spec)
    if found is not None:
        assert found.text.startswith(spec.split("\n")[found.line - 1].strip())
