"""Hostile names, and trees that git itself would not make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pygit2.enums import ObjectType

from scriptorium.plan.layout import TicketState
from tests.plan.plans import ticket_text

from .hostile import EVERYTHING, NO_PLANNING, ODD, Hostile, in_place
from .planting import ABSENT, EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, Line, Plant, Planter

NAMES: Final[Mapping[str, bytes]] = {
    "the folder above": b"..",
    "the folder itself": b".",
    "no name at all": b"",
    "a path": b"../../../etc/passwd",
    "an option": b"-rf",
    "a long option": b"--upload-pack=touch planted",
    "git's folder": b".git",
    "git's folder in capitals": b".GIT",
    "git's folder on another system": b"git~1",
    "git's folder with what is not seen": ".g\u200cit".encode(),
    "a line end": b"a\n",
    "300 characters": b"x" * 300,
    "control characters": b"\x1b]0;title\x07\x1b[31mred\x7f",
    "what turns the reading direction round": "\u202egpj.\u2066a".encode(),
    "no UTF-8": b"\xff\xfe",
    "a lone surrogate": b"\xed\xa0\x80",
    "digits of another script": "٠٠٠٩".encode(),
    "what a shell would run": b"$(touch planted);`id`|&",
    "a format": b"%s%n{0}{}",
    "a number too long for an int": b"9" * 5000,
}

FOLDERS: Final = (
    *("", "areas", "decisions", "queue", "queue/merge", "queue/merge/pending", "tickets", "tickets/.areas"),
    *(state.folder for state in TicketState),
)


def named(name: bytes) -> Plant:
    """Plants a file of that name in every folder, as it is and where a ticket, an area or an entry has it."""

    def plant(planter: Planter) -> None:
        blob = planter.blob(ticket_text(area="odd").encode())
        for folder in FOLDERS:
            for whole in (name, b"%s.md" % name, b"0009-%s.md" % name, b"%s-0009.md" % name):
                if folder or whole != b"":
                    planter.add(folder, Line(whole, FILE, blob))

    return plant


def twins(first: str, second: str) -> Plant:
    """Plants two names that some file systems take for one."""

    def plant(planter: Planter) -> None:
        blob = planter.blob(ticket_text(area="odd").encode())
        for folder in ("tickets/open", "areas"):
            for name in (first, second):
                planter.add(folder, Line(name.encode(), FILE, blob))

    return plant


def twice(folder: str, path: str, mode: bytes = FILE) -> Plant:
    """Plants a second entry of a name that is there."""

    def plant(planter: Planter) -> None:
        name = path.encode()
        oid = planter.folder() if mode == FOLDER else planter.blob(b"the other\n")
        planter.make(folder, *planter.lines(folder), Line(name, mode, oid))

    return plant


def backwards(planter: Planter) -> None:
    """Writes every folder of the plan in the wrong order."""
    for folder in reversed(FOLDERS):
        planter.make(folder, *reversed(planter.lines(folder)), ordered=False)


def absent(path: str, mode: bytes = FILE) -> Plant:
    """Puts an object there that the repository lacks."""
    return lambda planter: planter.put(path, mode, ABSENT)


def damaged(path: str) -> Plant:
    """Puts a folder there that is no tree."""
    return lambda planter: planter.put(path, FOLDER, planter.raw(ObjectType.TREE, b"no tree\0at all"))


def nested(planter: Planter) -> None:
    """Plants folders in folders, deeper than a path or a recursion may go."""
    here = planter.folder(Line(b"deep.md", FILE, planter.blob(b"deep\n")))
    for _ in range(1_500):
        here = planter.folder(Line(b"deeper", FOLDER, here))
    planter.put("decisions/deeper", FOLDER, here)


def emptied(planter: Planter) -> None:
    """Removes everything."""
    planter.make("")


IN_THE_WAY: Final = "where a folder belongs"
TREES: Final[Mapping[str, Hostile]] = {
    **{f"named: {name}": Hostile(named(raw), "tickets/open/") for name, raw in NAMES.items()},
    "twins by case": Hostile(twins("0009-odd.md", "0009-ODD.md"), "not a slug", odd="done"),
    "twins by form": Hostile(twins("caf\u00e9.md", "cafe\u0301.md"), "caf"),
    "a link to the root for a ticket": Hostile(in_place(ODD, LINK, b"/"), "a symbolic link"),
    "a link out of the tree for a ticket": Hostile(
        in_place(ODD, LINK, b"../../../../etc/passwd"), "a symbolic link"
    ),
    "a link for the spec": Hostile(in_place("spec.md", LINK, b"/etc/passwd"), "a symbolic link", NO_PLANNING),
    "a link for an area": Hostile(in_place("areas/odd.md", LINK, b"../../x"), "a symbolic link"),
    "a link for a marker": Hostile(in_place("tickets/.areas/odd", LINK, b"/dev/zero"), "a symbolic link"),
    "a link for what is landed": Hostile(in_place("queue/merge/active.md", LINK, b"/"), "a symbolic link"),
    "a link for a folder": Hostile(in_place("tickets/stuck", LINK, b"/"), IN_THE_WAY, unusable=True),
    "a submodule for a ticket": Hostile(lambda p: p.put(ODD, SUBMODULE, ABSENT), "a submodule"),
    "a submodule for a folder": Hostile(
        lambda p: p.put("tickets/stuck", SUBMODULE, ABSENT), IN_THE_WAY, unusable=True
    ),
    "a submodule beside": Hostile(lambda p: p.put("decisions/module", SUBMODULE, ABSENT)),
    "a folder for a ticket": Hostile(in_place(ODD, FOLDER), "a folder"),
    "a folder for the spec": Hostile(in_place("spec.md", FOLDER), "a folder", NO_PLANNING),
    "a folder for an area": Hostile(in_place("areas/odd.md", FOLDER), "a folder"),
    "a folder for a marker": Hostile(in_place("areas/.spec", FOLDER), "a folder", NO_PLANNING),
    "a folder for an entry": Hostile(in_place("queue/merge/pending/0009-0009.md", FOLDER), "a folder"),
    "a folder for what is landed": Hostile(in_place("queue/merge/active.md", FOLDER), "a folder"),
    "a file for the areas": Hostile(in_place("areas", FILE, b"x"), IN_THE_WAY, unusable=True),
    "a file for the markers": Hostile(in_place("tickets/.areas", FILE, b"x"), IN_THE_WAY, unusable=True),
    "a file for the queue": Hostile(in_place("queue", FILE, b"x"), IN_THE_WAY, unusable=True),
    "a file for what is done": Hostile(in_place("tickets/done", FILE, b"x"), IN_THE_WAY, unusable=True),
    "a program for a ticket": Hostile(
        lambda p: p.file(ODD, ticket_text(area="odd").encode(), EXECUTABLE), odd="done"
    ),
    "a mode that git does not know": Hostile(
        lambda p: p.file(ODD, ticket_text(area="odd").encode(), b"107777"), "of mode 107777"
    ),
    "a ticket twice in one tree": Hostile(
        twice("tickets/open", "0001-first.md"), "not begin with a title", frozenset({"first", "second"})
    ),
    "a file and a folder of one name": Hostile(twice("", "areas", FILE)),
    "trees in the wrong order": Hostile(backwards),
    "a ticket whose text is missing": Hostile(absent(ODD), "cannot be read"),
    "a spec whose text is missing": Hostile(absent("spec.md"), "cannot be read", NO_PLANNING),
    "an area whose text is missing": Hostile(absent("areas/odd.md"), "cannot be read"),
    "an entry whose text is missing": Hostile(absent("queue/merge/pending/0009-0009.md"), "cannot be read"),
    "a folder beside that is missing": Hostile(absent("decisions/absent", FOLDER)),
    "a folder beside that is no tree": Hostile(damaged("decisions/damaged")),
    "folders without end": Hostile(nested),
    "everything removed": Hostile(emptied, stops=EVERYTHING),
}
