"""What somebody with an editor, git or a hex editor can put on the plan branch, object by object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pygit2
from attrs import define, field
from pygit2.enums import ObjectType

from scriptorium.plan.ids import Oid
from scriptorium.plan.refs import PLAN_REF

FILE: Final = b"100644"
EXECUTABLE: Final = b"100755"
FOLDER: Final = b"40000"
LINK: Final = b"120000"
SUBMODULE: Final = b"160000"
ABSENT: Final = Oid("1234567890" * 4)
"""An object that no repository has."""

STRANGER: Final = "A Person <person@example.org>"


class Line(NamedTuple):
    """One entry of a tree, as git stores it."""

    name: bytes
    mode: bytes
    oid: Oid


@define
class Planter:
    """Changes the tree of the plan branch without any rule, and commits it as whoever is wanted."""

    git_dir: Path
    tree: Oid = field(init=False)
    parents: tuple[Oid, ...] = field(init=False)
    _repo: pygit2.Repository = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._repo = pygit2.Repository(str(self.git_dir))
        tip = self._repo.references[PLAN_REF].peel(pygit2.Commit)
        self.tree, self.parents = Oid(str(tip.tree.id)), (Oid(str(tip.id)),)

    # ---- objects

    def blob(self, content: bytes) -> Oid:
        """The oid of a file's content."""
        return Oid(str(self._repo.create_blob(content)))

    def raw(self, kind: ObjectType, content: bytes) -> Oid:
        """Any object, whatever is in it."""
        return Oid(str(self._repo.odb.write(kind, content)))

    def folder(self, *lines: Line, ordered: bool = True) -> Oid:
        """A tree of these entries; not `ordered`, it has them as they come."""
        placed = sorted(lines, key=_git_order) if ordered else lines
        content = b"".join(b"%s %s\0%s" % (line.mode, line.name, bytes.fromhex(line.oid)) for line in placed)
        return self.raw(ObjectType.TREE, content)

    # ---- the plan's tree

    def file(self, path: str, content: bytes, mode: bytes = FILE) -> None:
        """Put a file (or a link to `content`) at a path that git could have."""
        folder, _, name = path.rpartition("/")
        self.add(folder, Line(name.encode(), mode, self.blob(content)))

    def put(self, path: str, mode: bytes, oid: Oid) -> None:
        """Put any object at a path, in place of what is there."""
        folder, _, name = path.rpartition("/")
        self.add(folder, Line(name.encode(), mode, oid))

    def add(self, folder: str, *lines: Line) -> None:
        """Put entries into a folder, in place of those of the same names."""
        new = {line.name for line in lines}
        kept = [line for line in self.lines(folder) if line.name not in new]
        self.make(folder, *kept, *lines)

    def remove(self, path: str) -> None:
        """Remove what is at a path."""
        folder, _, name = path.rpartition("/")
        self.make(folder, *(line for line in self.lines(folder) if line.name != name.encode()))

    def make(self, folder: str, *lines: Line, ordered: bool = True) -> None:
        """Let a folder have exactly these entries."""
        self._replace(folder, self.folder(*lines, ordered=ordered))

    def lines(self, folder: str) -> tuple[Line, ...]:
        """The entries of a folder; none when it is not there."""
        here = self.tree
        for name in filter(None, folder.split("/")):
            found = next((line for line in self._read(here) if line.name == name.encode()), None)
            if found is None:
                return ()
            here = found.oid
        return tuple(self._read(here))

    def _replace(self, folder: str, oid: Oid) -> None:
        if not folder:
            self.tree = oid
        else:
            self.put(folder, FOLDER, oid)

    def _read(self, tree: Oid) -> Iterator[Line]:
        data = self._repo.odb.read(tree)[1]
        position = 0
        while position < len(data):
            end = data.index(b"\0", position)
            mode, _, name = data[position:end].partition(b" ")
            position = end + 21
            yield Line(name, mode, Oid(data[end + 1 : position].hex()))

    # ---- the commit

    def commit(
        self, message: str | bytes = "by hand\n", *, author: str = STRANGER, committer: str | None = None
    ) -> Oid:
        """Commit the tree as it is now, and put the branch there."""
        lines = [f"tree {self.tree}", *(f"parent {parent}" for parent in self.parents)]
        lines += [f"author {author} 1700000000 +0000", f"committer {committer or author} 1700000000 +0000"]
        said = message.encode() if isinstance(message, str) else message
        oid = self.raw(ObjectType.COMMIT, "\n".join(lines).encode() + b"\n\n" + said)
        self._repo.references[PLAN_REF].set_target(oid)
        self.parents = (oid,)
        return oid


Plant = Callable[[Planter], None]


def _git_order(line: Line) -> bytes:
    return line.name + b"/" if line.mode == FOLDER else line.name
