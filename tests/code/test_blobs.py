"""What stands in the store of objects before a file is stored there is not followed, and not believed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
import pytest
from pygit2.enums import FileMode

from scriptorium.code.blobs import BlobWriter
from scriptorium.code.nofollow import open_folder

if TYPE_CHECKING:
    from tests.code.conftest import Fixture

CONTENT = b"what an agent wrote\n"
MOMENT = 1_000_000_000


def _store(fixture: Fixture, folder: Path) -> str:
    (folder / "new.txt").write_bytes(CONTENT)
    with open_folder(folder) as root, BlobWriter(fixture.project, fixture.open(), root, {}) as blobs:
        return blobs.store(b"new.txt", FileMode.BLOB)


def _touched(file: Path) -> bytes | None:
    """Give the file, if there is one, the age `MOMENT`; returns what is in it."""
    if not file.exists():
        return None
    os.utime(file, (MOMENT, MOMENT))
    return file.read_bytes()


@pytest.mark.parametrize("leads_to", ["a file", "the object itself, elsewhere", "nothing"])
def test_a_link_in_an_objects_place_is_replaced_and_what_it_leads_to_untouched(
    fixture: Fixture, tmp_path: Path, leads_to: str
) -> None:
    oid = str(pygit2.hash(CONTENT))
    place = fixture.project.git_dir / "objects" / oid[:2] / oid[2:]
    outside = tmp_path / "outside"
    if leads_to == "the object itself, elsewhere":
        fixture.open().create_blob(CONTENT)
        place.replace(outside)
    elif leads_to == "a file":
        outside.write_bytes(b"the user's")
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside)
    before = _touched(outside)

    assert _store(fixture, tmp_path) == oid

    assert place.is_file()
    assert not place.is_symlink()
    assert fixture.open()[oid].read_raw() == CONTENT
    assert outside.exists() is (before is not None)
    if before is not None:
        assert (outside.stat().st_mtime, outside.read_bytes()) == (MOMENT, before)
