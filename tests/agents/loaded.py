"""Agents that need no script, for the tests under load: `python loaded.py ASIDE`, for every role.

A line `area NAME: SLUG SLUG ...` of the spec is an area, and each slug of it a ticket, once. What its agent
does follows from the end of the slug, see `KINDS`. So whoever changes the spec gives new work, whatever
becomes of the agents meanwhile. An answer to a submission is told, a JSON object a line, in `events.jsonl`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from scriptorium.server.client import SubmitFailed, submit_pr

_AREA = re.compile(r"^area ([a-z0-9-]+): (.*)$", re.MULTILINE)
_TICKET = re.compile(r"^## The ticket: (\d{4,}) (\S+)$", re.MULTILINE)
_FILES = 60


def tell(aside: Path, **facts: object) -> None:
    """Append one line, in one write, so that the lines of several agents do not mix."""
    fd = os.open(aside / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, (json.dumps(facts) + "\n").encode())
    finally:
        os.close(fd)


# ---------------------------------------------------------------- the planners


def write_areas() -> None:
    """Exactly the areas that the spec names; a text that says the same stays."""
    wanted = dict(_AREA.findall(Path("spec.md").read_text()))
    for path in Path("areas").glob("*.md"):
        if path.stem not in wanted:
            path.unlink()
    for area, slugs in wanted.items():
        Path(f"areas/{area}.md").write_text(f"# {area}\n\narea {area}: {slugs}\n")


def write_tickets() -> None:
    """A ticket for each slug of this area that has none; each third one waits for the one before it."""
    area = os.environ["SCRIPTORIUM_AREA"]
    ((_, slugs),) = _AREA.findall(Path(f"areas/{area}.md").read_text())
    known = {path.stem.partition("-")[2] for path in Path("tickets").glob("*/*.md")}
    new = [slug for slug in slugs.split() if slug not in known]
    for place, slug in enumerate(new):
        depends = f"**Depends:** {new[place - 1]}\n\n" if place % 3 == 2 else ""
        body = f"## Goal\n\nMake {slug}.\n\n## Acceptance Criteria\n\n- It is there.\n\n## Notes\n\nNone.\n"
        Path(f"tickets/open/{slug}.md").write_text(f"# {slug}\n\n{depends}{body}")


# ---------------------------------------------------------------- the coding agents


class Coder:
    """One start of a coding agent."""

    def __init__(self, aside: Path, prompt: str) -> None:
        found = _TICKET.search(prompt)
        assert found is not None, prompt
        self.aside, self.prompt = aside, prompt
        self.ticket, self.slug = found.groups()

    def write(self, path: str, text: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    def own(self, word: str = "good") -> None:
        """The file that is this ticket's alone."""
        self.write(f"parts/{self.slug}.txt", f"{word} {self.slug}\n")

    def submit(self) -> None:
        """Submit, and tell the answer. Nobody there, or a refusal, ends nothing."""
        url, token = os.environ["SCRIPTORIUM_MCP_URL"], os.environ["SCRIPTORIUM_MCP_TOKEN"]
        try:
            answer = submit_pr(url, token, f"Do {self.slug}\n\nAll of it.")
        except SubmitFailed as failed:
            tell(self.aside, event="failed", ticket=self.ticket, name=self.slug, message=str(failed))
        else:
            word = "accepted" if answer.accepted else "refused"
            tell(self.aside, event=word, ticket=self.ticket, name=self.slug, message=answer.message)

    # ---- the kinds

    def good(self) -> None:
        self.own()
        self.submit()

    def bad(self) -> None:
        """What fails its checks, until it is told so."""
        self.own("good" if "(checks-failed)" in self.prompt else "broken")
        self.submit()

    def shared(self) -> None:
        """A file that others change too; new each time, as to undo what a merge brought would be refused."""
        self.own()
        self.write("parts/shared.txt", f"good, last by {self.slug} in {os.environ['SCRIPTORIUM_RUN']}\n")
        self.submit()

    def many(self) -> None:
        for number in range(_FILES):
            self.write(f"many/{self.slug}/{number // 20}/{number}.txt", f"{self.slug} {number}\n" * 20)
        self.good()

    def commits(self) -> None:
        """Commits of its own, by git."""
        for number in (1, 2):
            self.write(f"parts/{self.slug}-{number}.txt", f"good {self.slug}\n")
            self.git("add", "--all")
            self.git("commit", "-q", "-m", f"{self.slug} {number}")
        self.good()

    def git(self, *words: str) -> None:
        identity = ("-c", "user.name=An Agent", "-c", "user.email=agent@example.org", "-c", "gc.auto=0")
        subprocess.run(["git", *identity, *words], check=False, capture_output=True)

    def twice(self) -> None:
        """Thinks better of it."""
        self.own("good but")
        self.submit()
        self.good()

    def daemon(self) -> None:
        """Leaves a process in a session of its own, deaf to SIGTERM, which holds the pipes open."""
        if (first := os.fork()) == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    signal.pause()
            os._exit(0)
        os.waitpid(first, 0)
        self.good()


KINDS: dict[str, Callable[[Coder], None]] = {
    "good": Coder.good,
    "bad": Coder.bad,
    "shared": Coder.shared,
    "many": Coder.many,
    "commits": Coder.commits,
    "twice": Coder.twice,
    "daemon": Coder.daemon,
}


def main(aside: Path) -> None:
    """Do what the role asks for."""
    prompt = sys.stdin.read()
    match os.environ["SCRIPTORIUM_ROLE"]:
        case "architect":
            write_areas()
        case "manager":
            write_tickets()
        case _:
            coder = Coder(aside, prompt)
            KINDS[coder.slug.rpartition("-")[2]](coder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
