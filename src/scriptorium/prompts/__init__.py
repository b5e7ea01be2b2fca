"""What agents are told: Markdown templates with `$name` places, and the one function that fills them in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template


def render(name: str, /, **values: str) -> str:
    """The prompt `<name>.md` with its places filled in.

    The values are data: a `$` in them is left alone. A place without a value, or a value without a
    place, is a mistake in this package and raises `KeyError`.
    """
    template = _template(name)
    unknown = values.keys() - set(template.get_identifiers())
    if unknown:
        raise KeyError(f"the prompt {name}.md has no place for {', '.join(sorted(unknown))}")
    return template.substitute(values)


@cache
def _template(name: str) -> Template:
    return Template(files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8"))
