"""The commands and their options, for typer. What each does is in a file of its own, imported when called."""

from __future__ import annotations

from typing import Annotated

import typer

from scriptorium import __version__

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    name="scriptorium",
    # None keeps rich, which takes longer to import than most commands run, out of help and errors.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings=_CONTEXT,
    help="Turns a written spec into landed code with a crew of AI coding agents.",
    epilog="""
\b
Examples, in the order of a first day:
  scriptorium --init              make the plan branch in this repository
  scriptorium plan "A parser ..." write the spec with an agent
  scriptorium plan --from spec.md or commit one that is written already
  scriptorium run                 work until stopped with Ctrl-C
  scriptorium status              what is open, in progress and done
  scriptorium check               whether the plan branch is sound

\b
Every command takes -C PATH, before or after its name: the repository (default: here, looked for
upward as git does). Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad scriptorium.json.
""",
)

At = Annotated[str, typer.Option("-C", metavar="PATH", help="The repository.", show_default="here")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"scriptorium {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """The options before the command; ``-C`` and ``--init`` have been moved away already."""


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium --init
  scriptorium init ~/src/project
""",
)
def init(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder in the repository.")] = ".",
    at: At = ".",
) -> int:
    """Make the plan branch (also: scriptorium --init [PATH])."""
    from scriptorium.cli.init import init as command  # noqa: PLC0415

    return command(at, path)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium run                        until Ctrl-C or SIGTERM
  scriptorium run --until-idle           until there is nothing left to do
  scriptorium run --port 0 -C ~/project  at any free port
""",
)
def run(
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, metavar="N", help="Listen there; 0 for any free port.")
    ] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when nothing more can be done.")
    ] = False,
    at: At = ".",
) -> int:
    """Plan, code and land until stopped."""
    from scriptorium.cli.run import run as command  # noqa: PLC0415

    return command(at, port=port, until_idle=until_idle)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium status
  scriptorium status --usage             what all agents have used, those of done tickets too
  scriptorium status --json | jq .tickets.open
""",
)
def status(
    at: At = ".",
    as_json: Json = False,
    with_done: Annotated[
        bool, typer.Option("--usage", help="Count what done tickets have used too: reads them all.")
    ] = False,
) -> int:
    """Show tickets, agents, the merge queue and the base branch."""
    from scriptorium.cli.status import status as command  # noqa: PLC0415

    return command(at, as_json=as_json, with_done=with_done)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium plan                       talk about the spec
  scriptorium plan "Add a parser for ..."  one answer, and the spec is committed
  scriptorium plan --from spec.md        commit this spec, no agent
  generate-spec | scriptorium plan --from -
""",
)
def plan(
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="What the spec is to say.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="A spec that is written already; - is stdin."),
    ] = None,
    at: At = ".",
) -> int:
    """Write the spec with an agent, or commit one."""
    if source is not None:
        if prompt is not None:
            raise typer.BadParameter("give a prompt or --from FILE, not both")
        from scriptorium.cli.plan import plan_from  # noqa: PLC0415

        return plan_from(at, source)
    if prompt is not None and not prompt.strip():
        raise typer.BadParameter("the prompt is empty; say what the spec should be")
    from scriptorium.cli.plan_session import plan_session  # noqa: PLC0415

    return plan_session(at, prompt)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium worktrees
  scriptorium worktrees --json
""",
)
def worktrees(at: At = ".", as_json: Json = False) -> int:
    """List the worktrees with their tickets and branches."""
    from scriptorium.cli.worktrees import worktrees as command  # noqa: PLC0415

    return command(at, as_json=as_json)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium logs 0004              what its agent did in the newest attempt
  scriptorium logs 0004 --follow     and goes on with what it does now, until Ctrl-C
  scriptorium logs 0004 --attempt 2
  scriptorium logs architect         also: manager-AREA, planning
  scriptorium logs 0004 --raw | jq   every byte that the agent's program printed, secrets masked
""",
)
def logs(
    name: Annotated[str, typer.Argument(metavar="TICKET", help="A ticket's id, or a planner.")],
    attempt: Annotated[int | None, typer.Option(min=1, metavar="N", help="Not the newest one.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="As the program printed it.")] = False,
    at: At = ".",
) -> int:
    """Show what an agent did: its messages, commands, files and tool calls."""
    from scriptorium.cli.logs import logs as command  # noqa: PLC0415

    return command(at, name, attempt=attempt, follow=follow, raw=raw)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium why src/parser.py:12       who brought this line, for what, and what proves it
  scriptorium why src/parser.py          its last change, and which landings brought its lines
  scriptorium why src/parser.py:12 --json | jq .ticket.title
  scriptorium why -C ~/project src/parser.py:12

\b
Lines are those of the branch that work lands on, whatever your checkout holds.
""",
)
def why(
    path: Annotated[str, typer.Argument(metavar="PATH[:LINE]", help="A file, as seen from here.")],
    at: At = ".",
    as_json: Json = False,
) -> int:
    """Say where a line comes from: ticket, area, spec, agent and evidence."""
    from scriptorium.cli.why import why as command  # noqa: PLC0415

    return command(at, path, as_json=as_json)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium unpark 0004                a stuck ticket; its tries start anew, its branch goes on
  scriptorium unpark parser              an area that gave no usable tickets
  scriptorium unpark spec                the spec, where no usable areas came back
  scriptorium unpark areas/0004.md       by its path, should a name mean two things
  scriptorium unpark --all
""",
)
def unpark(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="TICKET|AREA|spec ...", help="What is to be tried again.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is parked.")] = False,
    at: At = ".",
) -> int:
    """Let what was given up be tried again."""
    if bool(names) is everything:
        raise typer.BadParameter("name what is to be tried again, or say --all")
    from scriptorium.cli.unpark import unpark as command  # noqa: PLC0415

    return command(at, names or (), everything=everything)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Example, once the cause of a red base branch outside of it is mended:
  scriptorium recheck                    a stuck ticket is for: scriptorium unpark
""",
)
def recheck(at: At = ".") -> int:
    """Check a red base branch again now, and plan again what was given up."""
    from scriptorium.cli.recheck import recheck as command  # noqa: PLC0415

    return command(at)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium check                  exit code 0: nothing is wrong (notes are no fault); 1: something is
  scriptorium check --fix            also beside a running `scriptorium run`
  scriptorium check --json | jq '.findings[] | select(.severity == "error")'
""",
)
def check(
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend, in one commit, what can be mended in exactly one way.")
    ] = False,
    at: At = ".",
    as_json: Json = False,
) -> int:
    """Look over the plan branch: its files, and each commit of its history."""
    from scriptorium.cli.check import check as command  # noqa: PLC0415

    return command(at, as_json=as_json, fix=fix)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Example, for an agent without an MCP client:
  scriptorium submit "Add the parser, with tests for empty input"
""",
)
def submit(
    summary: Annotated[str, typer.Argument(metavar="SUMMARY", help="What was done, and why.")],
    at: Annotated[
        str, typer.Option("-C", metavar="PATH", help="Taken as by every command; the run decides.")
    ] = ".",
) -> int:
    """Hand in the work of the agent run that this is called from."""
    del at  # the token says whose work it is, wherever this is called
    from scriptorium.cli.submit import submit as command  # noqa: PLC0415

    return command(summary)


@app.command(
    context_settings=_CONTEXT,
    epilog="""
\b
Examples:
  scriptorium demo
  scriptorium demo --keep
""",
)
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the sample repository there.")] = False,
    at: Annotated[
        str, typer.Option("-C", metavar="PATH", help="Taken as by every command; the demo makes its own.")
    ] = ".",
) -> int:
    """See it work on a sample repository, without a key."""
    del at  # the sample repository is made in a temporary folder
    from scriptorium.cli.demo import demo as command  # noqa: PLC0415

    return command(keep=keep)


def dispatch(words: list[str]) -> int:
    """Parse the words, call the command, return its exit code. Usage errors are raised, not printed."""
    group = typer.main.get_group(app)
    name = words[0] if words else ""
    # A command is called past its group: typer would read the group's options through pydantic, which
    # takes longer to import than `--help` may take.
    if (command := group.commands.get(name)) is not None:
        outcome = command.main(args=words[1:], prog_name=f"scriptorium {name}", standalone_mode=False)
    else:
        outcome = group.main(args=words, prog_name="scriptorium", standalone_mode=False)
    return outcome if isinstance(outcome, int) else 0
