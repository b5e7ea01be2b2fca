"""Repositories of every kind that a user may have, each with the same two commits on `main`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import field, frozen

FILES: Mapping[str, str] = {
    "Makefile": "test:\n\t@! grep -rl bad parts\n",
    "README.md": "# Parts\n",
    "parts/base.txt": "good base\n",
}
_SETTINGS = ("user.name=A Person", "user.email=person@example.org", "protocol.file.allow=always")


def git(folder: Path, *words: str) -> str:
    """What git says to a person without configuration of their own; fails when git does."""
    given = [word for setting in _SETTINGS for word in ("-c", setting)]
    done = subprocess.run(
        ["git", *given, *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {words}: {done.stdout}{done.stderr}"
    return done.stdout


@frozen
class Kind:
    """A repository as it is: where scriptorium is started, and the user's checkouts of the base.

    `checkouts` move along with the base. What is in `dirty` (paths below `at`) is the user's own and not
    committed.
    """

    at: Path
    checkouts: tuple[Path, ...] = ()
    dirty: Mapping[str, str] = field(factory=dict)

    def git_in(self, checkout: Path, *words: str) -> str:
        """Git in a checkout; one that does not know its repository is told."""
        told = () if (checkout / ".git").exists() else (f"--git-dir={self.at}", f"--work-tree={checkout}")
        return git(checkout, *told, *words)


def plain(folder: Path) -> Kind:
    """The usual repository, with the base checked out."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for path, text in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "first")
    git(folder, "commit", "-q", "--allow-empty", "-m", "second")
    return Kind(folder, (folder,))


def bare(folder: Path) -> Kind:
    """A bare clone."""
    plain(folder / "source")
    git(folder, "clone", "-q", "--bare", "source", "bare.git")
    return Kind(folder / "bare.git")


def _bare_with_a_checkout(folder: Path) -> Kind:
    kind = bare(folder)
    git(kind.at, "worktree", "add", "-q", "../checkout", "main")
    return Kind(folder / "checkout", (folder / "checkout",))


def linked_worktree(folder: Path) -> Kind:
    """Scriptorium is started in a linked worktree, beside the main checkout."""
    main = plain(folder / "main")
    git(main.at, "worktree", "add", "-q", "-b", "side", "../linked")
    return Kind(folder / "linked", main.checkouts)


def _base_in_a_linked_worktree(folder: Path) -> Kind:
    main = plain(folder / "main")
    git(main.at, "checkout", "-q", "-b", "side")
    git(main.at, "worktree", "add", "-q", "../linked", "main")
    return Kind(main.at, (folder / "linked",))


def git_file(folder: Path) -> Kind:
    """The checkout's `.git` is a file that leads to the repository."""
    kind = plain(folder / "checkout")
    git(kind.at, "init", "-q", f"--separate-git-dir={folder / 'elsewhere.git'}")
    assert (kind.at / ".git").is_file()
    return kind


def _core_worktree(folder: Path) -> Kind:
    """As people keep their dot files: the checkout knows nothing of the repository."""
    kind = plain(folder / "checkout")
    (kind.at / ".git").rename(folder / "elsewhere.git")
    git(folder / "elsewhere.git", "config", "core.worktree", str(kind.at))
    return Kind(folder / "elsewhere.git", kind.checkouts)


def _submodule_inside(folder: Path) -> Kind:
    plain(folder / "library")
    kind = plain(folder / "super")
    git(kind.at, "submodule", "--quiet", "add", "../library", "vendor/library")
    git(kind.at, "commit", "-q", "-m", "with a library")
    return kind


def _is_a_submodule(folder: Path) -> Kind:
    inside = _submodule_inside(folder).at / "vendor" / "library"
    git(inside, "checkout", "-q", "main")
    return Kind(inside, (inside,))


def clone(*words: str) -> Callable[[Path], Kind]:
    """A clone that is made over a transport, as from afar."""

    def cloned(folder: Path) -> Kind:
        source = plain(folder / "source")
        git(source.at, "config", "uploadpack.allowFilter", "true")
        git(folder, "clone", "-q", *words, f"file://{folder / 'source'}", "clone")
        return Kind(folder / "clone", (folder / "clone",))

    return cloned


def _alternates(folder: Path) -> Kind:
    plain(folder / "source")
    git(folder, "clone", "-q", "--shared", "source", "clone")
    return Kind(folder / "clone", (folder / "clone",))


def _after(*words: str) -> Callable[[Path], Kind]:
    """The usual repository after one git command, with the base still checked out."""

    def made(folder: Path) -> Kind:
        kind = plain(folder)
        git(kind.at, *words)
        return kind

    return made


def _away(*words: str) -> Callable[[Path], Kind]:
    """The same, with the base no longer checked out."""
    return lambda folder: Kind(_after(*words)(folder).at)


def dirty(folder: Path) -> Kind:
    """Uncommitted work of every sort, none of it in the way."""
    kind = plain(folder)
    mine = {"staged.txt": "staged\n", "README.md": "# Parts, and more\n", "untracked.txt": "untracked\n"}
    for path, text in mine.items():
        (kind.at / path).write_text(text)
    git(kind.at, "add", "staged.txt")
    return Kind(kind.at, kind.checkouts, mine)


def awkward_path(folder: Path) -> Kind:
    """Spaces, quotes, a backslash, and letters that are not ASCII."""
    return plain(folder / "a répo with 'spaces' \N{SNOWMAN} \\")


def _packed(folder: Path) -> Kind:
    """Everything that git writes to be faster: packed refs, a commit graph, an index of all packs."""
    kind = plain(folder)
    git(kind.at, "config", "feature.manyFiles", "true")
    git(kind.at, "update-index", "--index-version=4", "--force-write-index")
    git(kind.at, "gc", "-q", "--prune=now")
    git(kind.at, "commit-graph", "write", "--reachable")
    git(kind.at, "repack", "-q", "-a", "-d", "--write-midx")
    return kind


def _worktree_settings(folder: Path) -> Kind:
    kind = plain(folder)
    git(kind.at, "config", "core.repositoryformatversion", "1")
    git(kind.at, "config", "extensions.worktreeConfig", "true")
    return kind


def hooks(folder: Path) -> Kind:
    """Hooks that would refuse everything."""
    kind = plain(folder)
    for name in ("pre-commit", "post-checkout", "reference-transaction", "pre-merge-commit", "update"):
        hook = kind.at / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    return kind


KINDS: Mapping[str, Callable[[Path], Kind]] = {
    "plain": plain,
    "bare": bare,
    "bare with the base in a linked worktree": _bare_with_a_checkout,
    "from a linked worktree": linked_worktree,
    "the base in a linked worktree": _base_in_a_linked_worktree,
    "a .git file": git_file,
    "core.worktree": _core_worktree,
    "a submodule inside": _submodule_inside,
    "a submodule itself": _is_a_submodule,
    "shallow": clone("--depth=1"),
    "alternates": _alternates,
    "detached HEAD": _away("checkout", "-q", "--detach"),
    "another branch": _away("checkout", "-q", "-b", "side"),
    "dirty": dirty,
    "no identity": _after("config", "user.useConfigOnly", "true"),
    "an awkward path": awkward_path,
    "packed": _packed,
    "worktreeConfig": _worktree_settings,
    "hooks that refuse": hooks,
    "partial": clone("--filter=blob:none"),
}
