"""The words of the command line, put in order before any parser sees them.

typer has no option with an optional value, so ``--init [PATH]`` becomes the command ``init``; and ``-C``,
which every command takes, may stand before the command as it does with git.
"""

from __future__ import annotations

from scriptorium.cli.failure import EXIT_USAGE, Failure


def command_first(arguments: list[str]) -> list[str]:
    """The same words with the command in front: ``-C X --init Y`` becomes ``init -C X Y``.

    Raises Failure for a ``-C`` without a path.
    """
    at: list[str] = []
    rest = list(arguments)
    while rest:
        if rest[0] == "-C" and len(rest) > 1:
            at += rest[:2]
            del rest[:2]
        elif rest[0].startswith("-C") and len(rest[0]) > 2:
            at += rest[:1]
            del rest[:1]
        else:
            break
    if rest[:1] == ["--init"]:
        rest[0] = "init"
    if rest == ["-C"]:
        raise Failure("-C needs a path: the repository", EXIT_USAGE)
    if not rest or rest[0].startswith("-"):
        return rest  # no command: the help, or a usage error, and neither is about a repository
    return [rest[0], *at, *rest[1:]]


def plain_options(words: list[str]) -> tuple[str, bool] | None:
    """The repository's path and whether ``--json`` is asked for; None for anything but these two options.

    What is not understood here is left to the full parser, which then says what is wrong with it.
    """
    at, as_json = ".", False
    remaining = iter(words)
    for word in remaining:
        if word == "--json":
            as_json = True
        elif word == "-C":
            following = next(remaining, None)
            if following is None:
                return None
            at = following
        elif word.startswith("-C"):
            at = word[2:]
        else:
            return None
    return at, as_json
