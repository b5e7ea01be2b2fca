"""A repository's own prompts come from the tree of its base branch alone."""

from __future__ import annotations

from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode

from scriptorium.code.prompt_files import SIZE_LIMIT_BYTES, prompts_at, said_of
from scriptorium.plan.ids import Oid
from scriptorium.prompts import BUILT_IN, PLACES

WHO = pygit2.Signature("A Person", "person@example.org", 1_700_000_000, 0)
GOOD = b"Merge: $files\n"


def committed(root: Path, files: dict[str, bytes | str], mode: FileMode = FileMode.BLOB) -> pygit2.Repository:
    """A repository with these files in `tools/prompts`, and others in its checkout."""
    repo = pygit2.init_repository(str(root), initial_head="main")
    folder = repo.TreeBuilder()
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        folder.insert(name, repo.create_blob(raw), mode)
    tools, top = repo.TreeBuilder(), repo.TreeBuilder()
    tools.insert("prompts", folder.write(), FileMode.TREE)
    tools.insert("link", repo.create_blob(b"prompts"), FileMode.LINK)
    top.insert("tools", tools.write(), FileMode.TREE)
    repo.create_commit("HEAD", WHO, WHO, "prompts", top.write(), [])
    (root / "tools" / "prompts").mkdir(parents=True)
    (root / "tools" / "prompts" / "continue.md").write_text("Not landed: $events")
    return repo


def tip(repo: pygit2.Repository) -> Oid:
    return Oid(str(repo.head.target))


def test_each_template_that_is_there_replaces_its_own_and_no_other(tmp_path: Path) -> None:
    repo = committed(tmp_path, {"conflicts.md": GOOD, "README.md": b"$x", "other.txt": b"\xff"})
    prompts = prompts_at(repo, "main", tip(repo), "tools/prompts")
    assert prompts.own == {"conflicts": GOOD.decode()}
    assert prompts.faults == {}
    assert prompts.render("continue", events="e") == BUILT_IN.render("continue", events="e")


def test_without_the_key_or_a_commit_they_are_the_built_in_ones(tmp_path: Path) -> None:
    repo = committed(tmp_path, {"conflicts.md": b"$bad"})
    assert prompts_at(repo, "main", tip(repo), None) == BUILT_IN
    assert prompts_at(repo, "main", None, "tools/prompts") == BUILT_IN


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (b"$file", FileMode.BLOB, "has no place $files, and needs it; has an unknown place $file"),
        (b"$files \xff", FileMode.BLOB, "not UTF-8 text"),
        (GOOD, FileMode.LINK, "not a plain file (links are not followed)"),
        (GOOD + b"x" * SIZE_LIMIT_BYTES, FileMode.BLOB, "larger than 64 KiB"),
    ],
)
def test_what_cannot_be_used_names_the_file_and_stops_only_its_work(
    tmp_path: Path, content: bytes, mode: FileMode, said: str
) -> None:
    repo = committed(tmp_path, {"conflicts.md": content}, mode)
    prompts = prompts_at(repo, "main", tip(repo), "tools/prompts")
    told = said_of(prompts)
    assert told is not None
    assert told.startswith(f"cannot be used: tools/prompts/conflicts.md on branch main: {said}")
    assert prompts.fault_of("coding") is not None
    assert prompts.fault_of("architect") is None


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("tools/promts", "there is no such folder"),
        ("tools/link", "link is no folder"),
        ("tools/prompts/conflicts.md", "conflicts.md is no folder"),
    ],
)
def test_a_folder_that_is_none_stops_all_work(tmp_path: Path, folder: str, said: str) -> None:
    repo = committed(tmp_path, {"conflicts.md": GOOD})
    prompts = prompts_at(repo, "main", tip(repo), folder)
    assert prompts.faults.keys() == PLACES.keys()
    told = said_of(prompts)
    assert told is not None
    assert told.count(f"{folder}/ on branch main: {said}") == 1
