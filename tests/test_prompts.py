"""The one function that fills in a prompt."""

from __future__ import annotations

from importlib.resources import files

import pytest

from scriptorium.prompts import render

PLACES = {
    "architect": {"spec", "problems"},
    "manager": {"area", "text", "problems"},
    "coding": {"branch", "checks", "history", "ticket", "text", "area"},
    "continue": {"events"},
    "conflicts": {"files"},
    "planning": {"request", "conversation"},
}


def test_these_are_all_the_prompts() -> None:
    names = {path.name for path in files("scriptorium.prompts").iterdir() if path.name.endswith(".md")}
    assert names == {f"{name}.md" for name in PLACES}


@pytest.mark.parametrize("name", PLACES)
def test_each_value_is_put_in_as_it_is(name: str) -> None:
    """What looks like a place in a value is text: a spec may well speak of $PATH or ${spec}."""
    values = {place: f"<{place}: $PATH ${{spec}} $$ %s {{0}}>" for place in PLACES[name]}
    text = render(name, **values)
    for value in values.values():
        assert text.count(value) >= 1


@pytest.mark.parametrize("name", PLACES)
def test_a_value_too_few_or_too_many_is_an_error(name: str) -> None:
    values = dict.fromkeys(PLACES[name], "x")
    with pytest.raises(KeyError):
        render(name, **values, surplus="x")
    values.popitem()
    with pytest.raises(KeyError):
        render(name, **values)
