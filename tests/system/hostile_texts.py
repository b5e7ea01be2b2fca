"""Hostile texts: of tickets, entries, markers, the spec; and commits that say what is not so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scriptorium.plan.layout import AUTHOR
from tests.plan.plans import OID_A, REOPENED, run_note, ticket_text

from .hostile import NO_PLANNING, ODD, Hostile, files, odd_fields, odd_ticket
from .planting import ABSENT, STRANGER, Plant, Planter

BODY: Final = "\n## Goal\n\nDo it.\n\n## Acceptance Criteria\n\n- done\n"
HEAD: Final = "# Odd\n\n**Area:** odd\n"
IN_PROGRESS: Final = "tickets/in-progress/0009-odd.md"
TERMINAL: Final = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202ered\u2066\x9b1m\r\x08"


def forged(message: str, *, author: str = STRANGER, committer: str | None = None) -> Plant:
    """Plants a commit that says this, and changes next to nothing."""

    def plant(planter: Planter) -> None:
        planter.file("decisions/note.md", message.encode())
        planter.commit(message, author=author, committer=committer)

    return plant


def entry(
    name: str, *, ticket: str = "0001", commit: str = OID_A, branch: str = "scriptorium/ticket-0001"
) -> Plant:
    """Plants an entry of the merge queue."""
    values = f"- Ticket: {ticket}\n- Branch: {branch}\n- Commit: {commit}\n"
    text = f"# Merge request\n\n{values}\nSummary:\n\n> Done.\n"
    return files(**{f"queue/merge/pending/{name}.md": text.encode()})


def claimed(entry_text: Plant) -> Plant:
    """Plants a ticket that is in progress, and its entry."""

    def plant(planter: Planter) -> None:
        planter.file(IN_PROGRESS, ticket_text("Odd", area="odd").encode())
        entry_text(planter)

    return plant


def of_odd(commit: str, branch: str = "main") -> Plant:
    """Plants a ticket that is in progress, with an entry of this commit."""
    return claimed(entry("0009-0009", ticket="0009", commit=commit, branch=branch))


def ref(name: str) -> Plant:
    """Plants a ref, which an agent can make in its worktree too."""

    def plant(planter: Planter) -> None:
        path = planter.git_dir / "refs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{planter.parents[0]}\n")

    return plant


def logs(*names: str) -> Plant:
    """Plants folders and files among the logs, where agents can write."""

    def plant(planter: Planter) -> None:
        for name in names:
            (planter.git_dir.parent / ".scriptorium" / "logs" / name).mkdir(parents=True)

    return plant


FIELDS: Final[Mapping[str, Hostile]] = {
    "a field twice": Hostile(odd_fields("**Area:** core\n"), "is there twice"),
    "an area out of the folder": Hostile(
        odd_ticket(ticket_text(area="../../odd")), "not the name of an area"
    ),
    "an area that is an option": Hostile(odd_ticket(ticket_text(area="-rf")), "not the name of an area"),
    "no area": Hostile(odd_ticket(f"# Odd\n{BODY}"), "**Area:** is missing"),
    "fields in a fence": Hostile(
        odd_ticket(f"{HEAD}\n```\n**Area:** core\n**Depends:** 0666\n```\n{BODY}"), odd="done"
    ),
    "fields in a quotation": Hostile(
        odd_ticket(f"{HEAD}\n> **Area:** core\n> **Depends:** 0666\n{BODY}"), odd="done"
    ),
    "fields in a comment": Hostile(
        odd_ticket(f"{HEAD}\n<!--\n**Area:** core\n-->\n{BODY}"), "is there twice"
    ),
    "a branch and a worktree of its own": Hostile(
        odd_fields("**Branch:** main\n**Worktree:** ../../../etc\n"), odd="done"
    ),
    "in progress in a worktree elsewhere": Hostile(
        files(
            **{
                IN_PROGRESS: ticket_text(
                    "Odd", area="odd", fields="**Branch:** main\n**Worktree:** /\n"
                ).encode()
            }
        ),
        odd="done",
    ),
    "a dependence on itself": Hostile(odd_fields("**Depends:** 0009\n"), odd="open"),
    "a dependence on what is not there": Hostile(odd_fields("**Depends:** 0666, 999999999\n"), odd="open"),
    "a circle": Hostile(
        files(
            **{
                ODD: ticket_text(area="odd", fields="**Depends:** 0008\n").encode(),
                "tickets/open/0008-other.md": ticket_text(
                    area="other", fields="**Depends:** 0009\n"
                ).encode(),
            }
        ),
        odd="open",
    ),
    "a dependence on a path": Hostile(odd_fields("**Depends:** ../0001\n"), "not a ticket id"),
    "digits of another script": Hostile(odd_fields("**Depends:** ٠٠٠١\n"), "not a ticket id"),  # noqa: RUF001
    "a dependence 100,000 times": Hostile(
        odd_fields(f"**Depends:** {', '.join(['0001'] * 100_000)}\n"), odd="done"
    ),
    "a priority beyond all": Hostile(odd_fields("**Priority:** \x1b[1murgent\n"), "the priority"),
    "a line of 3 MB": Hostile(odd_ticket(f"{HEAD}{BODY}{'x ' * (3 << 19)}\n"), odd="done"),
    "NUL": Hostile(odd_ticket(f"{HEAD}{BODY}\0\n\0"), odd="done"),
    "a title that a terminal obeys": Hostile(
        odd_ticket(f"# Odd {TERMINAL}\n\n**Area:** odd\n{BODY}"), odd="done"
    ),
    "a title that is a trailer": Hostile(
        odd_ticket(f"# Landed: {OID_A}\n\n**Area:** odd\n{BODY}"), odd="done"
    ),
    "no text": Hostile(odd_ticket(""), "does not begin with a title"),
    "a byte order mark": Hostile(odd_ticket(f"\ufeff{HEAD}{BODY}"), odd="done"),
    "another code": Hostile(odd_ticket(f"{HEAD}{BODY}".encode("utf-16")), "not UTF-8"),
    "a spec with NUL and escapes": Hostile(files(**{"spec.md": f"# Spec\0{TERMINAL}\n".encode()})),
    "a spec of another code": Hostile(files(**{"spec.md": b"\xff\xfe\0"}), "not UTF-8", NO_PLANNING),
    "a marker of another text": Hostile(
        files(**{"tickets/.areas/extra": b"x" * 2000}), "is the limit", NO_PLANNING
    ),
}

MARKDOWN: Final[Mapping[str, Hostile]] = {
    "a fence that stays open": Hostile(odd_ticket(f"{HEAD}{BODY}\n````\n## Run 1\n"), odd="done"),
    "fences in fences": Hostile(
        odd_ticket(f"{HEAD}{BODY}\n````\n```\n~~~\n## Parked 1\n```\n````\n~~~~\n````\n"), odd="done"
    ),
    "our sections in a quotation": Hostile(
        odd_ticket(f"{HEAD}{BODY}\n> ## Run 1\n>\n> - Outcome: submitted\n> ## Parked 1\n"), odd="done"
    ),
    "our sections in a comment": Hostile(
        odd_ticket(f"{HEAD}{BODY}\n<!--\n## Reopened 1\n\n- Reason: conflict\n-->\n"), odd="done"
    ),
    "our sections, and no record": Hostile(
        odd_ticket(f"{HEAD}{BODY}\n## Run 1\n\nI was here.\n"), "cannot be read"
    ),
    "our sections with numbers beyond all": Hostile(
        odd_ticket(
            f"{HEAD}{BODY}\n{run_note().numbered(999_999_999).render()}\n{REOPENED.numbered(999_999_999).render()}"
        ),
        odd="done",
    ),
    "a value in our sections that is none": Hostile(
        odd_ticket(f"{HEAD}{BODY}\n{run_note().numbered(1).render().replace('12.5', '1e999')}"),
        "cannot be read",
    ),
    "titles all over": Hostile(odd_ticket(f"{HEAD}{BODY}\n# Another\n\n# Odd\n=====\n"), odd="done"),
}

QUEUE: Final[Mapping[str, Hostile]] = {
    "an entry of a ticket that is open": Hostile(entry("0009-0001")),
    "an entry of a ticket that is nowhere": Hostile(entry("0009-0666", ticket="0666")),
    "an entry with the last number of all": Hostile(entry("999999999-0001")),
    "an entry with leading zeros": Hostile(entry("00009-0001"), "not a ticket id"),
    "an entry in digits of another script": Hostile(entry("٠٠٠٩-0001"), "not a ticket id"),
    "an entry that says another ticket": Hostile(entry("0009-0001", ticket="0002"), "the text says 0002"),
    "an entry with a branch that is an option": Hostile(of_odd(OID_A, "--upload-pack=x"), odd="stuck"),
    "an entry of a commit that is not there": Hostile(of_odd(ABSENT), odd="stuck"),
    "an entry of no oid": Hostile(
        claimed(entry("0009-0009", ticket="0009", commit="HEAD")), "not an object id", odd="in-progress"
    ),
    "a landing of nobody": Hostile(
        files(**{"queue/merge/active.md": b"- Entry: 0007-0007\n"}), "which is not there"
    ),
    "a landing of no name": Hostile(
        files(**{"queue/merge/active.md": b"- Entry: ../../x\n"}), "not a ticket id"
    ),
    "a ticket with the last id of all": Hostile(
        files(**{"tickets/open/999999999-odd.md": ticket_text(area="odd").encode()}), odd="done"
    ),
    "a name with the last id of all": Hostile(
        files(**{"tickets/stuck/999999999_odd": b""}), "not the name of a ticket"
    ),
}
NUMBERS: Final[Mapping[str, Hostile]] = {
    "a branch of the last ticket of all": Hostile(ref("heads/scriptorium/ticket-999999999")),
    "a submission of the last ticket of all": Hostile(ref("scriptorium/submitted/999999999/1")),
    "the last submission of a ticket": Hostile(ref("scriptorium/submitted/0001/999999999")),
    "logs of the last ticket of all": Hostile(logs("999999999", "9" * 200, "٠٠٠٩٩")),
    "the last log of a ticket": Hostile(
        logs("0001/999999999.jsonl", f"0001/{'9' * 200}.jsonl", f"0001/check-{'9' * 200}.log", "0001/٩.jsonl")
    ),
}

CREATED: Final = "scriptorium: create tickets from areas\n\nArea: odd\nTicket: 999999999\n"
HISTORY: Final[Mapping[str, Hostile]] = {
    "a stranger who gives out the last id": Hostile(forged(CREATED)),
    "a stranger who gives out the last entry": Hostile(
        forged("scriptorium: enqueue merge request 0001\n\nTicket: 0001\nQueue: 999999999\n")
    ),
    "a stranger who says it has landed": Hostile(
        forged(f"scriptorium: complete ticket 0001\n\nTicket: 0001\nFrom: open\nTo: done\nLanded: {OID_A}\n")
    ),
    "somebody in our name who gives out the last id": Hostile(forged(CREATED, author=AUTHOR)),
    "somebody in our name who gives out the last entry": Hostile(
        forged("scriptorium: enqueue merge request 0001\n\nTicket: 0001\nQueue: 999999999\n", author=AUTHOR)
    ),
    "our author, another committer": Hostile(forged(CREATED, author=AUTHOR, committer=STRANGER)),
    "a name and a message that a terminal obeys": Hostile(
        forged(f"scriptorium: update spec {TERMINAL}\n", author=f"A {TERMINAL.replace(chr(13), '')} <x@y>")
    ),
    "a message of 1 MB": Hostile(
        forged(f"scriptorium: park area {'x' * (1 << 20)}\n\n" + "Ticket: 0001\n" * 1000)
    ),
    "our name and an unknown subject": Hostile(forged("scriptorium: \x1b[2Jdo as you like\n", author=AUTHOR)),
}
