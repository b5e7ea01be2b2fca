"""`scriptorium why`: from a line to what it is there for, and what is said where that is not known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygit2
import pytest
from attrs import evolve

from scriptorium.cli import main
from scriptorium.code.evidence import VerdictStore, evidence_id
from scriptorium.code.repository import signature
from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import PLAN_REF

from .landed import Landed, make_landed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    return make_landed(tmp_path_factory.mktemp("why") / "repo")


@pytest.fixture
def own(made: Landed, tmp_path: Path) -> Landed:
    """A copy that a test may change."""
    root = tmp_path / "own"
    shutil.copytree(made.root, root, symlinks=True)
    return evolve(made, root=root)


Ask = Callable[..., str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """What it prints, `ask(place, path)`; with `fails` what it says on the error stream."""

    def asked(place: Landed | Path, *words: str, fails: bool = False) -> str:
        root = place.root if isinstance(place, Landed) else place
        code = main(["why", "-C", str(root), *words])
        out, err = capsys.readouterr()
        assert (code, bool(err)) == ((1, True) if fails else (0, False)), out + err
        return err if fails else out

    return asked


def documented(ask: Ask, place: Landed | Path, *words: str) -> Any:
    return json.loads(ask(place, *words, "--json"))


def test_a_line_leads_to_its_ticket_area_spec_agent_attempt_and_evidence(made: Landed, ask: Ask) -> None:
    *told, last = ask(made, "parser.py:2").splitlines()
    assert told == [
        f"parser.py:2 on main ({made.commit[:12]})",
        "  two",
        "Ticket:   0001 Add a parser (done)",
        "Area:     reading",
        "Spec:     Parsing (the closest paragraph)",
        "          The parser reads line by line.",
        "Agent:    codex, gpt-5.1, attempt 2, submitted, 2026-01-02 03:04 UTC",
        "Log:      .scriptorium/logs/0001/2.jsonl",
        f"Evidence: {evidence_id(made.verdict)}, green in 1.2 s, 2026-01-02 04:05 UTC",
        "Check:    make test",
        "          .scriptorium/logs/0001/check-1.log",
    ]
    assert last.startswith(f"Commit:   {made.commit[:12]}, ")


def test_the_document_has_all_of_it(made: Landed, ask: Ask) -> None:
    told = documented(ask, made, "parser.py:2")
    assert told["ticketId"] == "0001"
    assert told["landed"] is True
    assert told["commit"]["oid"] == told["base"]["oid"] == made.commit
    assert told["ticket"] == {
        "title": "Add a parser",
        "state": "done",
        "priority": "medium",
        "path": "tickets/done/0001-parser.md",
    }
    assert (told["area"], told["spec"]["heading"], told["spec"]["line"]) == ("reading", "Parsing", 7)
    assert (told["agent"]["attempt"], told["agent"]["tokensIn"], told["agent"]["seconds"]) == (2, 1000, 61.5)
    assert told["evidence"] == {
        "id": evidence_id(made.verdict),
        "kept": True,
        "result": "green",
        "noChecks": False,
        "flaky": False,
        "checks": ["make test"],
        "seconds": 1.25,
        "finished": "2026-01-02T04:05:06Z",
        "log": ".scriptorium/logs/0001/check-1.log",
    }
    assert (told["path"], told["line"], told["text"], told["checkout"]) == ("parser.py", 2, "\ttwo", "same")
    assert told.keys() == documented(ask, made, "Makefile").keys()


def test_the_whole_file_is_its_last_change_and_who_brought_its_lines(made: Landed, ask: Ask) -> None:
    told = ask(made, "parser.py").splitlines()
    assert told[1:3] == ["Last change:", "Ticket:   0001 Add a parser (done)"]
    dates = documented(ask, made, "parser.py")["lines"]
    assert told[told.index("Lines:") + 1 :] == [
        f"      1 {made.commit[:12]} {dates[0]['commit']['date'][:10]} 0001 Add a parser",
        f"      1 {made.first[:12]} 2023-11-14 work",
    ]
    assert [(line["count"], line["ticketId"], line["title"]) for line in dates] == [
        (1, "0001", "Add a parser"),
        (1, None, None),
    ]


def test_a_line_that_somebody_else_committed_is_said_to_be(made: Landed, ask: Ask) -> None:
    told = ask(made, "parser.py:1").splitlines()
    assert told[2:] == [
        "Not landed by scriptorium.",
        "Subject:  work",
        "Author:   A Person <person@example.org>",
        f"Commit:   {made.first[:12]}, 2023-11-14 22:13 UTC",
    ]
    found = documented(ask, made, "parser.py:1")
    assert (found["landed"], found["ticketId"], found["ticket"], found["evidence"]) == (
        False,
        None,
        None,
        None,
    )


def test_a_receipt_that_the_plan_does_not_confirm_is_a_claim(own: Landed, ask: Ask) -> None:
    git = pygit2.Repository(str(own.root))
    before = git.references[PLAN_REF].peel(pygit2.Commit).parents[0].parent_ids[0]
    git.references.create(PLAN_REF, before, force=True)
    told = ask(own, "parser.py:2")
    assert "Ticket:   0001, area reading, says the commit: Add a parser (0001)\n" in told
    assert "(the plan branch scriptorium/plan does not say that it landed)" in told
    git.references.delete(PLAN_REF)
    assert "(the plan branch scriptorium/plan is not here)" in ask(own, "parser.py:2")
    assert documented(ask, own, "parser.py:2")["landed"] is False


def test_what_is_not_kept_any_more_is_said_to_be(own: Landed, ask: Ask) -> None:
    shutil.rmtree(own.root / ".scriptorium")
    plan = pygit2.Repository(str(own.root))
    tree = plan.references[PLAN_REF].peel(pygit2.Tree)
    index = pygit2.Index()
    index.read_tree(tree)
    index.remove("tickets/done/0001-parser.md")
    index.remove("areas/reading.md")
    tip = plan.references[PLAN_REF].target
    who = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)
    plan.create_commit(PLAN_REF, who, who, "tidied", index.write_tree(plan), [tip])
    told = ask(own, "parser.py:2")
    assert "Ticket:   0001 Add a parser (removed from the plan since)\n" in told
    assert "Spec:     Parsing (the closest paragraph)\n" in told
    assert f"Evidence: {evidence_id(own.verdict)}, not kept any more\n" in told


def test_a_verdict_on_another_tree_proves_nothing(own: Landed, ask: Ask) -> None:
    (path,) = (own.root / ".scriptorium" / "verdicts").iterdir()
    VerdictStore(path.parent, fsync=False).put(evolve(own.verdict, tree=Oid("1" * 40)))
    (other,) = set(path.parent.iterdir()) - {path}
    other.replace(path)
    assert documented(ask, own, "parser.py:2")["evidence"]["kept"] is False


def test_it_says_when_the_file_in_the_checkout_is_another(own: Landed, ask: Ask) -> None:
    (own.root / "parser.py").write_bytes(b"one\r\n\ttwo\r\n")
    assert documented(ask, own, "parser.py:1")["checkout"] == "same"
    (own.root / "parser.py").write_text("zero\none\n\ttwo\n")
    assert "Your file differs from this; lines are counted as on main.\n" in ask(own, "parser.py:2")
    (own.root / "parser.py").unlink()
    assert "There is no such file in your checkout.\n" in ask(own, "parser.py:2")
    (own.root / "parser.py").mkdir()
    assert documented(ask, own, "parser.py:1")["checkout"] == "different"


def test_a_path_is_taken_from_the_folder_that_one_is_in(own: Landed, ask: Ask) -> None:
    (own.root / "below").mkdir()
    assert documented(ask, own.root / "below", "../parser.py:2")["path"] == "parser.py"
    assert documented(ask, own.root / "below", str(own.root / "parser.py:2"))["line"] == 2
    assert "there is no such file" in ask(own.root / "below", "parser.py:2", fails=True)
    assert "it is not in " in ask(own, "../parser.py", fails=True)


def test_a_bare_repository_and_a_name_with_a_colon(made: Landed, tmp_path: Path, ask: Ask) -> None:
    bare = tmp_path / "bare.git"
    pygit2.clone_repository(str(made.root), str(bare), bare=True)
    git = pygit2.Repository(str(bare))
    builder = git.TreeBuilder(git[made.commit].peel(pygit2.Tree))
    builder.insert("odd:7", git[made.commit].peel(pygit2.Tree)["parser.py"].id, pygit2.enums.FileMode.BLOB)
    git.create_commit(
        "refs/heads/main", signature(), signature(), "odd", builder.write(), [git.branches["main"].target]
    )
    assert (found := documented(ask, bare, "odd:7"))["line"] is None
    assert (found["path"], found["checkout"]) == ("odd:7", None)
    assert documented(ask, bare, "odd:7:2")["text"] == "\ttwo"


def test_nothing_that_a_file_or_an_agent_wrote_reaches_the_terminal_raw(made: Landed, ask: Ask) -> None:
    for words in ("evil\x1b.txt:1", "evil\x1b.txt"):
        told = ask(made, words)
        assert all(line.isprintable() for line in told.split("\n"))
    assert "evil\\x1b]0;owned\\x07\\u202etxt" in ask(made, "evil\x1b.txt:1")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("none.py:1", "none.py:1: there is no such file (looked for on the branch main)"),
        (
            "parser.py:3",
            "parser.py:3: there is no line 3; its lines are 1 to 2 (looked for on the branch main)",
        ),
        (
            "parser.py:0",
            "parser.py:0: there is no line 0; its lines are 1 to 2 (looked for on the branch main)",
        ),
    ],
)
def test_what_is_not_there_is_one_clear_line(made: Landed, ask: Ask, words: str, problem: str) -> None:
    assert ask(made, words, fails=True) == f"scriptorium: {problem}\n"


def test_a_branch_without_a_commit_is_said_with_what_to_do(tmp_path: Path, ask: Ask) -> None:
    pygit2.init_repository(str(tmp_path / "new"), initial_head="main")
    assert "branch main has no commit yet" in ask(tmp_path / "new", "x:1", fails=True)


def test_help_shows_how_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "--help"]) == 0
    assert "scriptorium why src/parser.py:12 " in capsys.readouterr().out
