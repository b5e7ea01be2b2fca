"""The one place that fills in a prompt, and the page that lists the templates."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptorium.prompts import (
    BUILT_IN,
    CUT,
    NEEDED,
    PLACES,
    Prompts,
    PromptUnusable,
    fault_in,
    fenced,
    listed_fenced,
)

PAGE = Path(__file__).parents[1].joinpath("docs", "prompts.md").read_text(encoding="utf-8")
TEXTS = {
    path.name.removesuffix(".md"): path.read_text(encoding="utf-8")
    for path in files("scriptorium.prompts").iterdir()
    if path.name.endswith(".md")
}


def test_these_are_all_the_prompts_and_each_has_its_places() -> None:
    assert TEXTS.keys() == PLACES.keys() == {name for names in NEEDED.values() for name in names}
    assert {name: fault_in(name, text) for name, text in TEXTS.items()} == dict.fromkeys(PLACES)


def test_the_page_lists_every_template_and_place() -> None:
    rows = re.findall(r"^\| `(\w+)\.md` \| [^|]* \| ([^|]*) \|$", PAGE, re.MULTILINE)
    assert {name: set(re.findall(r"`\$(\w+)`", places)) for name, places in rows} == PLACES


@pytest.mark.parametrize("name", PLACES)
def test_each_value_is_put_in_as_it_is(name: str) -> None:
    """What looks like a place in a value is text: a spec may well speak of $PATH or ${spec}."""
    values = {place: f"<{place}: $PATH ${{spec}} $$ %s {{0}}>" for place in PLACES[name]}
    text = BUILT_IN.render(name, **values)
    for value in values.values():
        assert text.count(value) >= 1


@pytest.mark.parametrize("name", PLACES)
def test_a_value_too_few_or_too_many_is_an_error(name: str) -> None:
    values = dict.fromkeys(PLACES[name], "x")
    with pytest.raises(KeyError):
        BUILT_IN.render(name, **values, surplus="x")
    values.popitem()
    with pytest.raises(KeyError):
        BUILT_IN.render(name, **values)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("$request", "has no place $conversation, and needs it"),
        ("${request} $conversation $x", "has an unknown place $x (there are $conversation, $request)"),
        ("$Request $conversation", "has no place $request, and needs it; has an unknown place $Request"),
        ("$request $conversation 5 $", "a `$` that begins no place"),
        ("$request $conversation 5 $$", None),
    ],
)
def test_what_is_wrong_with_a_template(text: str, fault: str | None) -> None:
    found = fault_in("planning", text)
    assert (found or "").startswith(fault or "")
    assert (found is None) is (fault is None)


def test_a_repository_s_own_comes_first_and_a_fault_falls_back_to_nothing() -> None:
    prompts = Prompts({"conflicts": "Mine: $files $$"}, {"continue": "x/continue.md: bad"})
    assert prompts.render("conflicts", files="a") == "Mine: a $"
    assert prompts.render("planning", request="r", conversation="") == BUILT_IN.render(
        "planning", request="r", conversation=""
    )
    with pytest.raises(PromptUnusable, match=r"x/continue\.md: bad"):
        prompts.render("continue", events="x")
    assert [work for work in NEEDED if prompts.fault_of(work)] == ["coding"]


@given(st.text(alphabet="`~\n ab", max_size=80), st.integers(1, 60), st.booleans())
def test_nothing_inside_ends_a_fence(text: str, limit: int, tail: bool) -> None:
    first, *inside, last = fenced(text, limit, tail=tail).split("\n")
    assert first == last
    assert set(first) == {"`"}
    assert len(first) >= 3
    assert all(first not in line for line in inside)
    assert len("\n".join(inside)) <= limit + len(CUT) + 1
    assert (CUT in inside) is (len(text) > limit)


def test_a_list_is_bounded_and_each_entry_is_one_line() -> None:
    shown = listed_fenced(["a\n```\nb", "c" * 100, "d", "e"], most=2, characters=10)
    assert shown == f"````\n- a ``` b\n- {'c' * 10}\n- and 2 more\n````"
