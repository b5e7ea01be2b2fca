"""Which commands check a tree."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode

from scriptorium.code.check_commands import DEFAULT_CHECK, check_commands, lacks_test_target
from scriptorium.code.evidence import CheckCommand
from scriptorium.plan.ids import Oid


def tree_of(tmp_path: Path, files: dict[str, str]) -> tuple[pygit2.Repository, Oid]:
    repo = pygit2.init_repository(str(tmp_path / "r.git"), bare=True)
    index = pygit2.Index()
    for path, text in files.items():
        index.add(pygit2.IndexEntry(path, repo.create_blob(text.encode()), pygit2.enums.FileMode.BLOB))
    return repo, Oid(str(index.write_tree(repo)))


@pytest.mark.parametrize("name", ["GNUmakefile", "makefile", "Makefile"])
def test_a_makefile_means_make_test(tmp_path: Path, name: str) -> None:
    repo, tree = tree_of(tmp_path, {name: "test:\n"})
    assert check_commands(repo, tree, None) == (DEFAULT_CHECK,)
    assert (DEFAULT_CHECK.argv, str(DEFAULT_CHECK)) == (("make", "test"), "make test")


def test_without_a_makefile_there_is_nothing_to_run(tmp_path: Path) -> None:
    repo, tree = tree_of(tmp_path, {"README.md": "x", "sub/Makefile": "test:\n", "Makefile/x": "a folder\n"})
    assert check_commands(repo, tree, None) == ()
    assert not lacks_test_target(repo, tree)


def test_what_the_config_says_is_run_whatever_there_is(tmp_path: Path) -> None:
    repo, tree = tree_of(tmp_path, {"Makefile": "test:\n"})
    assert check_commands(repo, tree, ()) == ()
    asked = check_commands(repo, tree, ("tox -q", ("npm", "run", "check")))
    assert asked == (CheckCommand("tox -q"), CheckCommand(("npm", "run", "check")))
    assert [str(command) for command in asked] == ["tox -q", "npm run check"]
    assert asked[1].argv == ("npm", "run", "check")


@pytest.mark.parametrize(
    ("makefile", "lacks"),
    [
        ("test:\n\ttrue\n", False), ("all test: x\n", False), ("test lint: x\n", False), ("test::\n", False),
        (".PHONY: test\ntest:\n", False), ("%:\n\ttrue\n", False), ("include more.mk\n", False),
        ("-include more.mk\n", False), ("$(eval $(call rule))\n", False), ("all:\n\ttrue\n", True),
        ("test = 1\n", True), ("test := 1\n", True), ("# test:\n", True),
        ("tests:\n\ttest: x\n", True), ("", True),
        ("$(TESTS):\n\ttrue\n", False), ("all $(X:.c=.o): x\n", False), ("${rules}\n", False),
        ("  include more.mk\n", False), ("test\t: x\n", False), ("all \\\n test \\\n lint: x\n", False),
        ("X = $(Y): test:\n", True), ("X ::= test: $(Y)\n", True), ("all:\n\techo $(X): y\n", True),
    ],
)  # fmt: skip
def test_a_folder_called_test_without_a_rule_for_it_is_noticed(
    tmp_path: Path, makefile: str, lacks: bool
) -> None:
    repo, tree = tree_of(tmp_path, {"Makefile": makefile, "test/one.txt": "x"})
    assert lacks_test_target(repo, tree) is lacks
    repo, tree = tree_of(tmp_path, {"Makefile": makefile})
    assert not lacks_test_target(repo, tree)


def test_a_makefile_that_is_a_link_or_hostile_is_judged_at_once(tmp_path: Path) -> None:
    repo, tree = tree_of(tmp_path, {"Makefile": "test " * 200_000, "test/one.txt": "x"})
    assert lacks_test_target(repo, tree)
    builder = repo.TreeBuilder(tree)
    builder.insert("Makefile", repo.create_blob(b"build/Makefile"), FileMode.LINK)
    assert not lacks_test_target(repo, Oid(str(builder.write())))
