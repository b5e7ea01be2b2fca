"""What agents are told: Markdown templates with `$name` places, a repository's own in place of the built-in
ones, and the fence around text that is quoted in them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from string import Template
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

PLACES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "architect": frozenset({"spec", "problems"}),
        "manager": frozenset({"area", "text", "problems"}),
        "coding": frozenset({"branch", "checks", "guides", "history", "ticket", "text", "area"}),
        "continue": frozenset({"events"}),
        "conflicts": frozenset({"files"}),
        "planning": frozenset({"request", "conversation"}),
    }
)
"""Every template, and the places that it has: all of them, at least once each, and no other."""

NEEDED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "architect": ("architect",),
        "manager": ("manager",),
        "coding": ("coding", "continue", "conflicts"),
        "planning": ("planning",),
    }
)
"""The templates that each kind of work is told with."""

CUT: Final = "[... cut ...]"
QUOTED_CHARACTERS: Final = 64_000
"""Of an area or a ticket: what is longer was never meant to be read as one piece of work."""


class PromptUnusable(Exception):
    """A template of the repository cannot be used; the text names the file and the place."""


@frozen
class Prompts:
    """The templates in use. `own` are a repository's by name, `faults` what keeps a name from being used."""

    own: Mapping[str, str] = field(factory=dict)
    faults: Mapping[str, str] = field(factory=dict)

    def fault_of(self, work: str) -> str | None:
        """What keeps a kind of work (a key of `NEEDED`) from being told; None when nothing does."""
        return next((self.faults[name] for name in NEEDED[work] if name in self.faults), None)

    def render(self, name: str, /, **values: str) -> str:
        """The prompt `<name>.md` with its places filled in.

        The values are data: a `$` in them is left alone. A value too few or too many is a mistake in this
        package and raises `KeyError`. Raises `PromptUnusable` when the repository's own has a fault.
        """
        if name in self.faults:
            raise PromptUnusable(self.faults[name])
        if values.keys() != PLACES[name]:
            wrong = ", ".join(sorted(values.keys() ^ PLACES[name]))
            raise KeyError(f"the prompt {name}.md has the places {sorted(PLACES[name])}: {wrong}")
        own = self.own.get(name)
        return (_built_in(name) if own is None else Template(own)).substitute(values)


BUILT_IN: Final = Prompts()
"""The templates that come with the package."""


def fault_in(name: str, text: str) -> str | None:
    """What is wrong with `text` as the template `name`, naming the place; None when nothing is."""
    template = Template(text)
    if not template.is_valid():
        return "a `$` that begins no place (write `$$` for the character itself)"
    found = set(template.get_identifiers())
    wrong = (
        ("has no place", PLACES[name] - found, ", and needs it"),
        ("has an unknown place", found - PLACES[name], f" (there are {_listed(PLACES[name])})"),
    )
    said = [f"{what} {_listed(places)}{more}" for what, places, more in wrong if places]
    return "; ".join(said) or None


def fenced(text: str, limit: int = QUOTED_CHARACTERS, *, tail: bool = False) -> str:
    """`text` as a block that nothing inside it can end, its first or last `limit` characters."""
    if len(text) > limit:
        text = f"{CUT}\n{text[-limit:]}" if tail else f"{text[:limit]}\n{CUT}"
    fence = "`" * max(3, _longest_fence(text) + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def listed_fenced(lines: Collection[str], *, most: int, characters: int) -> str:
    """A bullet for each of the first `most` lines, each cut and on one line, in a fence."""
    shown = [f"- {' '.join(line.split())[:characters]}" for line in list(lines)[:most]]
    if len(lines) > most:
        shown.append(f"- and {len(lines) - most} more")
    return fenced("\n".join(shown), most * (characters + 3) + 100)


def _longest_fence(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest


def _listed(places: Collection[str]) -> str:
    return ", ".join(f"${place[:80]}" for place in sorted(places))


@cache
def _built_in(name: str) -> Template:
    return Template(files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8"))
